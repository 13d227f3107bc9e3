"""Find what was split over neighbouring texts: "536-22" in one and "-1234" in the next.

Whoever knows which texts are neighbours gives their groups to `Question`. It adds *seams* (`seams.py`) to the texts to
be examined: short texts made of the end of one neighbour and the beginning of the next. A seam is a text like any
other, so detection, its cache and its workers need not know. `answer` turns what was found in the seams into findings
of the texts themselves, one for each piece. The rules:

* What is found inside one text stays exactly as it is when that text is examined alone. Only findings that reach over
  a boundary are added.
* Neighbours are glued with nothing and with a space between: "4111 1111" and "1111 1111" is a number, too.
* A seam without a digit, an `@` or a letter beyond ASCII is left out, unless the policy looks for words.
* Gluing also makes things that are not there: a word before an address, a list of numbers. `_Crossing` decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from guardrails.findings import Finding
from guardrails.seams import Chains, Seam, Span, Texts, seams

Findings: TypeAlias = "Sequence[Sequence[Finding]]"
Own: TypeAlias = "Findings | Mapping[int, Sequence[Finding]]"
"""What was found in texts by themselves, by their numbers."""

SCORE: Final = 0.5
"""The lowest score of a finding over a boundary: weaker ones are mere digits."""
TELLING: Final = 4
"""Characters of a piece that may be a part of what stands complete beside it."""

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
_NUMBER: Final = re.compile(r"\s*[+-]?\d[\d.,]*\s*")
_ADDRESS: Final = re.compile(r"\w@[\w-]+(?:\.[\w-]+)*\.\w{2}")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_NOT_LETTER: Final = re.compile(r"[\d_.+-]")


class Question:
    """Texts to be examined, and their seams: have `asked` examined, and give the findings to `answer`."""

    __slots__ = ("_seams", "_texts", "asked")

    def __init__(self, texts: Sequence[str], groups: Sequence[Sequence[int]] = (), *, words: bool = True) -> None:
        """Take the texts, and for each group of neighbours their places among them, in order.

        `words`: whether to look for what has neither a digit nor an `@`.
        """
        self._texts = texts
        self._seams: list[Seam] = []
        for group in groups:
            chains = Chains()
            closed = [chain for index in group for chain in chains.add(index, texts[index])]
            for chain in (*closed, *chains.end()):
                self._seams += seams(texts, chain, words=words)
        self.asked: Sequence[str] = [*texts, *(seam.text for seam in self._seams)] if self._seams else texts

    def answer(self, found: Findings) -> Findings:
        """The findings of each text, those over its boundaries included, from the findings of `asked`."""
        if not self._seams:
            return found
        count = len(self._texts)
        joined: list[Sequence[Finding]] = list(found[:count])
        for seam, findings in zip(self._seams, found[count:], strict=True):
            for text, part in crossings(self._texts, found, seam, findings):
                if part not in joined[text]:
                    joined[text] = [*joined[text], part]
        return joined


def crossings(texts: Texts, own: Own, seam: Seam, findings: Sequence[Finding]) -> Iterator[tuple[int, Finding]]:
    """What findings of a seam are in the texts: for each that counts and each text it touches, the part in that text.

    `own` is what was found in the texts by themselves, at least in what the seam has of them.
    """
    for finding in findings:
        spans = seam.spans(finding)
        if len(spans) < 2 or not seam.whole(finding):
            continue
        if _Crossing(texts, own, finding, spans, seam.beside(finding)).plausible():
            for text, start, end in spans:
                yield text, finding._replace(start=start, end=end)


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A finding over boundaries, and the pieces of texts that it covers."""

    texts: Texts
    found: Own
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
