"""Reads the annotated texts of a data folder and makes sequences of words and labels of them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from guardrails.modules.names.words import OPAQUE, Cutter, Words

KINDS = {"PERSON": "P", "LOCATION": "L", "ORGANIZATION": "O"}
SMALL, CAPITALS = 0.2, 0.25
"""How many texts are repeated in small letters, and up to which share in capitals."""
NEVER = "ewt"
"""The English Web Treebank is measured on, never trained on: its licence does not allow the model's."""


@dataclass(frozen=True, slots=True)
class Span:
    """An annotated piece of a text."""

    start: int
    end: int
    entity: str


@dataclass(frozen=True, slots=True)
class Row:
    """A text and what is annotated in it."""

    text: str
    spans: tuple[Span, ...]


def read(path: Path) -> list[Row]:
    """The rows of one file of JSON lines."""
    rows = []
    for line in path.read_bytes().splitlines():
        row = orjson.loads(line)
        rows.append(Row(row["text"], tuple(Span(s["start"], s["end"], s["type"]) for s in row["spans"])))
    return rows


_ROLE = re.compile(
    r"(?i)(?:the )?(?:borrower|lender|bank|company|tenant|landlord|lessor|lessee|agent|guarantor|seller|buyer|purchaser"
    r"|holder|trustee|executive|employee|employer|licensee|licensor|corporation|party|parties|silicon|bank's|lenders"
    r"|borrowers|parent|subsidiary|consultant|administrative agent|individual|person|stockholder|shareholder)s?"
)


def _wanted(row: Row, span: Span, nations: frozenset[str]) -> bool:
    """Leave out what is no name: handles, roles in contracts, nationalities."""
    value = row.text[span.start : span.end]
    if span.entity not in KINDS or value.startswith("@") or row.text[max(span.start - 1, 0)] == "@":
        return False
    if value.startswith("http"):
        return False
    return not _ROLE.fullmatch(value) and value.lower().lstrip("#") not in nations


def training(folder: Path, nations: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each file that may be trained on."""
    known = frozenset(nations)
    for path in sorted(folder.glob("train_*.jsonl")):
        if NEVER in path.stem:
            raise ValueError(f"{path.name}: texts of the English Web Treebank must not be trained on")
        rows = read(path)
        yield path.stem, [Row(r.text, tuple(s for s in r.spans if _wanted(r, s, known))) for r in rows]


def labels(words: Words, spans: Sequence[Span]) -> list[str]:
    """One label for each word: O, or B- or I- and the kind of the span it is in."""
    found = ["O"] * len(words.texts)
    at = 0
    for span in sorted(spans, key=lambda s: s.start):
        kind = KINDS.get(span.entity)
        if kind is None:
            continue
        while at < len(words.texts) and words.ends[at] <= span.start:
            at += 1
        first = True
        while at < len(words.texts) and words.starts[at] < span.end:
            if words.texts[at] != OPAQUE:
                found[at] = ("B-" if first else "I-") + kind
                first = False
            at += 1
    return found


def sequences(rows: Sequence[Row]) -> Iterator[tuple[Words, list[str]]]:
    """The words and labels of each row."""
    cutter = Cutter()
    for row in rows:
        words = cutter.words(row.text)
        if words.texts:
            yield words, labels(words, row.spans)


def recased(rows: Sequence[Row], seed: int) -> Iterator[Row]:
    """Some of the texts again in small letters, and fewer in capitals: people write so, and names are names then too."""
    draw = random.Random(seed)
    for row in rows:
        chance = draw.random()
        text = row.text.lower() if chance < SMALL else row.text.upper() if chance < CAPITALS else row.text
        if text != row.text and len(text) == len(row.text):
            yield Row(text, row.spans)
