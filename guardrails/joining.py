"""Find what was split over neighbouring texts: "536-22" in one and "-1234" in the next.

Whoever knows which texts are neighbours gives their groups to `Question`. It adds *seams* to the texts to be examined:
short texts made of the end of one neighbour and the beginning of the next. A seam is a text like any other, so
detection, its cache and its workers need not know. `answer` turns what was found in the seams into findings of the
texts themselves, one for each piece. The rules:

* What is found inside one text stays exactly as it is when that text is examined alone. Only findings that reach over
  a boundary are added.
* Neighbours are glued with nothing and with a space between: "4111 1111" and "1111 1111" is a number, too.
* Cost is linear. Of a long text only its ends are looked at; short ones are chained, in seams of bounded length. A seam
  does not change when a text is appended behind it, so a history that grows is still found in the cache.
* A seam without a digit, an `@` or a letter beyond ASCII is left out, unless the policy looks for words.
* Gluing also makes things that are not there: a word before an address, a list of numbers. `_Crossing` decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, TypeAlias

from guardrails.findings import Finding

Findings: TypeAlias = "Sequence[Sequence[Finding]]"
Span: TypeAlias = tuple[int, int, int]
"""A piece of a text: which text, from where, to where."""

WINDOW: Final = 64
"""Characters at the end of a text that are glued to the next: the longest IBAN with spaces has 42, an address 64."""
LONGEST: Final = 384
"""Characters after which a seam of short texts ends; the next begins with the last `WINDOW` of them."""
SHORTEST: Final = 6
"""Characters below which nothing is a person's."""
SCORE: Final = 0.5
"""The lowest score of a finding over a boundary: weaker ones are mere digits."""
TELLING: Final = 4
"""Characters of a piece that may be a part of what stands complete beside it."""

_GLUES: Final = ("", " ")
_WORDS: Final = frozenset(
    {"PERSON", "LOCATION", "NRP", "ORGANIZATION", "DATE_TIME", "AGE", "TITLE", "ZIP_CODE", "URL", "PASSWORD"}
)
"""Entities that two words make anywhere."""
_FEW: Final = frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER"})
_MOST: Final = 3
"""Pieces that one of those has at most: any list of words with an `@` among them reads as an address."""
_CARD_DIGITS: Final = frozenset({14, 15, 16, 19})
"""How long cards are; other lengths are allowed by their standard, and made by gluing a number to a timestamp."""
_OWN: Final = frozenset({"deny", "patterns"})
"""Modules that find what the policy itself has written down; whatever it is, it is meant."""
_SPACE: Final = re.compile(r"\s")
_NUMBER: Final = re.compile(r"\s*[+-]?\d[\d.,]*\s*")
_ADDRESS: Final = re.compile(r"\w@[\w-]+(?:\.[\w-]+)*\.\w{2}")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_SIGN: Final = re.compile(r"[0-9@]|[^\x00-\x7f]|-----")
_NOT_LETTER: Final = re.compile(r"[\d_.+-]")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a text inside a seam: where it begins there, and what it is of the text. `cut` is whether it was cut
    where there is no space, so that nothing which touches the seam's end there is whole.
    """

    at: int
    text: int
    start: int
    end: int
    cut: bool

    @property
    def stop(self) -> int:
        return self.at + self.end - self.start


@dataclass(frozen=True, slots=True)
class _Seam:
    """Neighbouring pieces as one text."""

    text: str = field(repr=False)
    pieces: tuple[_Piece, ...]

    def spans(self, finding: Finding) -> list[Span]:
        """The parts of texts that a finding covers."""
        spans: list[Span] = []
        for piece in self.pieces:
            start, end = max(finding.start, piece.at), min(finding.end, piece.stop)
            if start < end and any(map(str.isalnum, self.text[start:end])):
                by = piece.start - piece.at
                spans.append((piece.text, start + by, end + by))
        return spans

    def beside(self, finding: Finding) -> list[str]:
        """The pieces before and after those that a finding covers."""
        touched = [n for n, piece in enumerate(self.pieces) if piece.at < finding.end and piece.stop > finding.start]
        around = (touched[0] - 1, touched[-1] + 1)
        return [self.text[self.pieces[n].at : self.pieces[n].stop] for n in around if 0 <= n < len(self.pieces)]

    def whole(self, finding: Finding) -> bool:
        """Whether a finding does not touch an end where a longer word was cut."""
        first, last = self.pieces[0], self.pieces[-1]
        return not (first.cut and finding.start == 0) and not (last.cut and finding.end == len(self.text))


class Question:
    """Texts to be examined, and their seams: have `asked` examined, and give the findings to `answer`."""

    __slots__ = ("_seams", "_texts", "asked")

    def __init__(self, texts: Sequence[str], groups: Sequence[Sequence[int]] = (), *, words: bool = True) -> None:
        """Take the texts, and for each group of neighbours their places among them, in order.

        `words`: whether to look for what has neither a digit nor an `@`.
        """
        self._texts = texts
        self._seams: list[_Seam] = []
        for group in groups:
            for chain in _chains(texts, group):
                if len(chain) > 1:
                    parts = [texts[index][start:end] for index, start, end in chain]
                    if words or any(map(_SIGN.search, parts)):
                        self._seams += _glued(texts, chain, parts)
        self.asked: Sequence[str] = [*texts, *(seam.text for seam in self._seams)] if self._seams else texts

    def answer(self, found: Findings) -> Findings:
        """The findings of each text, those over its boundaries included, from the findings of `asked`."""
        if not self._seams:
            return found
        count = len(self._texts)
        joined: list[Sequence[Finding]] = list(found[:count])
        for seam, findings in zip(self._seams, found[count:], strict=True):
            for finding in findings:
                spans = seam.spans(finding)
                if len(spans) < 2 or not seam.whole(finding):
                    continue
                if _Crossing(self._texts, found, finding, spans, seam.beside(finding)).plausible():
                    for text, start, end in spans:
                        part = replace(finding, start=start, end=end)
                        if part not in joined[text]:
                            joined[text] = [*joined[text], part]
        return joined


def _chains(texts: Sequence[str], group: Sequence[int]) -> Iterator[list[Span]]:
    """The pieces of each seam of a group."""
    chain: list[Span] = []
    length = 0
    for index in group:
        text = texts[index]
        size = len(text)
        if not size:
            continue
        if size <= 2 * WINDOW:
            chain.append((index, 0, size))
            length += size
            if length < LONGEST:
                continue
            yield chain
            chain = _last(chain)
        else:
            yield [*chain, (index, 0, _back(text))]
            chain = [(index, _forth(text), size)]
        length = sum(end - start for _, start, end in chain)
    yield chain


def _last(chain: list[Span]) -> list[Span]:
    """The last pieces of a chain that together have `WINDOW` characters."""
    length = 0
    for count, (_, start, end) in enumerate(reversed(chain), 1):
        length += end - start
        if length >= WINDOW:
            return chain[-count:]
    return chain


def _back(text: str) -> int:
    """Where the beginning of a long text ends: after a space, if there is one."""
    space = max(text.rfind(" ", 1, WINDOW), text.rfind("\n", 1, WINDOW))
    return space + 1 if space >= 0 else WINDOW


def _forth(text: str) -> int:
    low = len(text) - WINDOW
    space = _SPACE.search(text, low, len(text) - 1)
    return space.start() if space is not None else low


def _glued(texts: Sequence[str], chain: Sequence[Span], parts: Sequence[str]) -> Iterator[_Seam]:
    if sum(map(len, parts)) < SHORTEST:
        return
    open_ends = any(not (left[-1].isspace() or right[0].isspace()) for left, right in pairwise(parts))
    for glue in _GLUES if open_ends else _GLUES[:1]:
        pieces: list[_Piece] = []
        at = 0
        for (index, start, end), part in zip(chain, parts, strict=True):
            cut = (start > 0 and not part[0].isspace()) or (end < len(texts[index]) and not part[-1].isspace())
            pieces.append(_Piece(at, index, start, end, cut))
            at += len(part) + len(glue)
        yield _Seam(glue.join(parts), tuple(pieces))


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A finding over boundaries, and the pieces of texts that it covers."""

    texts: Sequence[str]
    found: Findings
    finding: Finding
    spans: Sequence[Span]
    beside: Sequence[str]

    def plausible(self) -> bool:
        """Whether this was one value before it was split, rather than two that gluing has made one."""
        finding = self.finding
        if finding.score < SCORE or (finding.entity in _WORDS and finding.module not in _OWN):
            return False
        if not self._shaped():
            return False
        new = [span for span in self.spans if not self._covered(span)]
        if not new or len(new) == len(self.spans):
            return bool(new) and not self._among_numbers()
        return self._goes_on() or any(map(self._telling, new))

    def _shaped(self) -> bool:
        """Whether the pieces are such as its kind of value has."""
        entity, values = self.finding.entity, [self.texts[index][start:end] for index, start, end in self.spans]
        if entity in _FEW and len(values) > _MOST:
            return False
        match entity:
            case "CREDIT_CARD":
                return sum(map(str.isdigit, "".join(values))) in _CARD_DIGITS or self.finding.module in _OWN
            case "IP_ADDRESS":
                return not self._digits_meet()
            case "PHONE_NUMBER":
                return not any(map(_DATE.search, values)) and not all(map(_NUMBER.fullmatch, values))
            case _:
                return True

    def _covered(self, span: Span) -> bool:
        """Whether a piece was found without its neighbours, or is complete and was not meant."""
        index, start, end = span
        text = self.texts[index]
        if self.finding.entity == "EMAIL_ADDRESS" and _ADDRESS.search(text, start, end):
            return True
        open_ = set(range(start, end))
        for own in self.found[index]:
            if own.start < end and own.end > start:
                open_.difference_update(range(own.start, own.end))
        return not any(text[at].isalnum() for at in open_)

    def _telling(self, span: Span) -> bool:
        """Whether a piece beside a complete value is more than a word that happens to stand there."""
        index, start, end = span
        text = self.texts[index]
        return (start > 0 and text[end - 1] in "_+-") or self._odd(text[start:end].rstrip("."))

    def _goes_on(self) -> bool:
        """Whether a text begins in the middle of something: ".lovelace@example.com"."""
        return any(start == 0 and self.texts[index][0] in "._" for index, start, _ in self.spans[1:])

    def _odd(self, piece: str) -> bool:
        return len(piece) >= TELLING and _NOT_LETTER.search(piece) is not None

    def _digits_meet(self) -> bool:
        """Whether two digits meet at a boundary: "3.11" and "3.12" are two versions, "203.0." and "113.7" are none."""
        return any(
            self.texts[left][end - 1].isdigit() and self.texts[right][start].isdigit()
            for (left, _, end), (right, start, _) in pairwise(self.spans)
        )

    def _among_numbers(self) -> bool:
        """Whether these are some of a longer list of plain numbers, of which some always make a card's checksum."""
        values = [self.texts[index][start:end] for index, start, end in self.spans]
        return all(map(_NUMBER.fullmatch, values)) and any(map(_NUMBER.fullmatch, self.beside))
