"""Seams: short texts made of the end of one text and the beginning of the next, in which `joining.py` looks for values
that were split.

Of a long text only its ends are looked at; short ones are chained, in seams of bounded length, so cost is linear. The
chains are made from left to right and never look back: a seam does not change when a text is appended behind it, and a
text whose end is still to come (`live_row.py`) can be joined to the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias

from guardrails.findings import Finding

Span: TypeAlias = tuple[int, int, int]
"""A piece of a text: which text, from where, to where."""
Texts: TypeAlias = "Sequence[str] | Mapping[int, str]"
"""Texts by their numbers."""

WINDOW: Final = 64
"""Characters at the end of a text that are glued to the next: the longest IBAN with spaces has 42, an address 64."""
SHORT: Final = 2 * WINDOW
"""Characters up to which a text is looked at whole."""
LONGEST: Final = 384
"""Characters after which a seam of short texts ends; the next begins with the last `WINDOW` of them."""
SHORTEST: Final = 6
"""Characters below which nothing is a person's."""

_GLUES: Final = ("", " ")
_SPACE: Final = re.compile(r"\s")
_SIGN: Final = re.compile(r"[0-9@]|[^\x00-\x7f]|-----")


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
class Seam:
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


class Chains:
    """The pieces of each seam of a row of neighbours: `add()` them in order, then `end()`.

    Of a text that is not complete, and already longer than `SHORT`, `head()` can be taken first, then `tail()`. Each
    gives the chains that are complete by it.
    """

    __slots__ = ("_chain", "_length")

    def __init__(self) -> None:
        self._chain: list[Span] = []
        self._length = 0

    @property
    def texts(self) -> set[int]:
        """The texts of the chain that is not complete."""
        return {index for index, _, _ in self._chain}

    def add(self, index: int, text: str) -> Iterator[list[Span]]:
        """Take a whole text."""
        size = len(text)
        if size > SHORT:
            yield from self.head(index, text)
            self.tail(index, text)
        elif size:
            self._chain.append((index, 0, size))
            self._length += size
            if self._length >= LONGEST:
                yield from self.end()
                self._chain = _last(self._chain)
                self._length = sum(end - start for _, start, end in self._chain)

    def head(self, index: int, text: str) -> Iterator[list[Span]]:
        """Take the beginning of a long text."""
        self._chain.append((index, 0, _back(text)))
        yield from self.end()
        self._chain, self._length = [], 0

    def tail(self, index: int, text: str) -> None:
        """Take the end of a long text."""
        start = _forth(text)
        self._chain, self._length = [(index, start, len(text))], len(text) - start

    def end(self) -> Iterator[list[Span]]:
        """Nothing follows."""
        if len(self._chain) > 1:
            yield self._chain


def seams(texts: Texts, chain: Sequence[Span], *, words: bool) -> Iterator[Seam]:
    """The seams of a chain. `words`: whether to look for what has neither a digit nor an `@`."""
    parts = [texts[index][start:end] for index, start, end in chain]
    if sum(map(len, parts)) < SHORTEST or not (words or any(map(_SIGN.search, parts))):
        return
    open_ends = any(not (left[-1].isspace() or right[0].isspace()) for left, right in pairwise(parts))
    for glue in _GLUES if open_ends else _GLUES[:1]:
        pieces: list[_Piece] = []
        at = 0
        for (index, start, end), part in zip(chain, parts, strict=True):
            cut = (start > 0 and not part[0].isspace()) or (end < len(texts[index]) and not part[-1].isspace())
            pieces.append(_Piece(at, index, start, end, cut))
            at += len(part) + len(glue)
        yield Seam(glue.join(parts), tuple(pieces))


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
