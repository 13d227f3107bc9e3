"""The parts of a text in which patterns of numbers can match, put together to a much shorter text.

Nearly all patterns for personal data match only characters of a small alphabet, and digits among them. So a text is cut
to its islands: the longest runs of that alphabet that hold digits enough, each with the one character on either side of
it that `\\b` and other assertions look at. An unchanged pattern run over the islands finds what it finds in the text:

* a match is a run of the alphabet, hence inside one of the longest runs, and those that hold no match are left out;
* it sees the characters it sees in the text, and where it looks beyond the run it sees the character that is there;
* between two islands stands a line break, which is of neither alphabet, so nothing matches across.

Which patterns that holds for is read off each of them (reach.py); any other is run over the whole text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

import regex

from guardrails.modules import contents
from guardrails.modules.contents import Contents

WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:.-/+%]")
"""The alphabet of a word: what identifiers, dates and addresses without spaces are made of."""
SEPARATORS = frozenset(contents.SEPARATORS)
"""Of which a word without digits must have `LEAST_SEPARATORS` to be an island."""
LEAST_SEPARATORS = 2
LEAST_BARE = 6
"""Digits a word of nothing but digits must have to be an island."""

NUMBER = frozenset("0123456789 -.")
"""The alphabet of a number: digits in groups."""
LEAST_DIGITS = 9
"""Digits a number must have to be an island."""


def _kind(character: str) -> str:
    if character.isdigit():
        return "0"
    return "s" if character in SEPARATORS else "a" if character in WORD else " "


# Of a shadow: digits 0, separators s, other characters of a word a, the rest blank.
_KINDS = "".join(map(_kind, map(chr, range(128)))).encode("ascii").ljust(256)
# Two expressions, as one that begins with a single character is looked for many times faster than an alternative.
# A digit beside another character of a word, or before five more digits:
_WITH_DIGITS = re.compile(rb"0(?:(?<=[as]0)|0{%d}|0*[as])" % (LEAST_BARE - 1))
# Two separators in one word:
_SEPARATED = re.compile(rb"s[0a]*s")
_NUMBER = re.compile(rb"0(?:[-. ]*0){%d,}[-. ]*" % (LEAST_DIGITS - 1))
# An IBAN is no run of a small alphabet, as all its letters may be lower case, but it begins like this and ends soon:
# two letters, two digits (the first of which is looked for), and eight letters or digits more.
_IBAN = re.compile(rb"0(?<=[a-z][a-z]0)0(?:[ -]?[a-z0]{4}){2}")
_IBAN_BEGINS = regex.compile(r"(?i)(?<![A-Z0-9])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2}")
_LONGEST_IBAN = 43


class Islands:
    """A text's islands, as a text of their own."""

    __slots__ = ("_begins", "_shifts", "contents")

    def __init__(self, text: str, spans: Iterable[tuple[int, int]]) -> None:
        """Take the text and its islands, in order."""
        pieces: list[str] = []
        self._begins: list[int] = []
        self._shifts: list[int] = []
        length = 0
        for start, end in spans:
            first = start - 1 if start else 0
            piece = text[first : end + 1]
            pieces.append(piece)
            self._begins.append(length)
            self._shifts.append(first - length)
            length += len(piece) + 1
        self.contents = Contents("\n".join(pieces))

    def place(self, at: int) -> int:
        """Where in the text a place in the islands is."""
        return at + self._shifts[bisect_right(self._begins, at) - 1]


def _words(kinds: bytes) -> Iterator[tuple[int, int]]:
    end, length = 0, len(kinds)
    digits, separated = _seed(_WITH_DIGITS, kinds, 0), _seed(_SEPARATED, kinds, 0)
    while (seed := digits if digits < separated else separated) < length:
        start = kinds.rfind(b" ", end, seed) + 1 or end
        end = kinds.find(b" ", seed)
        if end < 0:
            end = length
        yield start, end
        if digits < end:
            digits = _seed(_WITH_DIGITS, kinds, end)
        if separated < end:
            separated = _seed(_SEPARATED, kinds, end)


def _seed(pattern: re.Pattern[bytes], kinds: bytes, begin: int) -> int:
    """Where the pattern is found next; the end where it is not."""
    found = pattern.search(kinds, begin)
    return len(kinds) if found is None else found.start()


def _numbers(shadow: bytes) -> Iterator[tuple[int, int]]:
    done = 0
    for match in _NUMBER.finditer(shadow):
        before = shadow[done : match.start()]
        yield match.start() - len(before) + len(before.rstrip(b" -.")), match.end()
        done = match.end()


def _ibans(text: str, shadow: bytes) -> Iterator[tuple[int, int]]:
    start = end = -1
    for match in _IBAN.finditer(shadow):
        begin = match.start() - 2
        if _IBAN_BEGINS.match(text, begin) is None:
            continue
        if begin >= end:
            if end > 0:
                yield start, end
            start = begin
        end = min(begin + _LONGEST_IBAN, len(text))
    if end > 0:
        yield start, end


class Text(Contents):
    """A text with its islands, each kind made when first asked for."""

    __slots__ = ("_ibans", "_numbers", "_words")

    def __init__(self, text: str) -> None:
        """Take the text; nothing is computed yet."""
        super().__init__(text)
        self._words: Islands | None = None
        self._numbers: Islands | None = None
        self._ibans: Islands | None = None

    @property
    def words(self) -> Islands:
        """The words that hold a digit and something else, or many digits, or two separators."""
        if self._words is None:
            self._words = Islands(self.text, _words(self.shadow.translate(_KINDS)))
        return self._words

    @property
    def numbers(self) -> Islands:
        """The runs of digits, blanks, hyphens and dots that hold digits enough."""
        if self._numbers is None:
            self._numbers = Islands(self.text, _numbers(self.shadow))
        return self._numbers

    @property
    def ibans(self) -> Islands:
        """What stands where an IBAN may begin, as long as one can be."""
        if self._ibans is None:
            self._ibans = Islands(self.text, _ibans(self.text, self.shadow))
        return self._ibans
