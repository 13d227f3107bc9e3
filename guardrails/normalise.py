"""Fold obfuscated text to what a reader sees, and map offsets back.

A reader, human or model, sees the same address in "john@example.com" and in the same letters with a zero-width space
inside, in full-width letters, or with a Cyrillic "о". A regular expression does not, so detection also runs over a
folded text. The rules:

* One character, one decision. Nothing is composed across characters, so the map back is exact and cheap.
* First the folds that keep the length (full-width → ASCII, Unicode hyphens → "-", foreign digits → "0" to "9",
  homoglyphs), then those that change it (dropped ignorables, "½" → "1/2"), then those that depend on the neighbours
  ("。" between letters, long dashes between digits), which keep the length again.
* Folding may also hide: dropping a zero-width space glues "example.com" to the next word. So what is folded is scanned
  **besides** the original, never instead of it; this file may therefore fold boldly.
* Plain Russian or Greek stays as it is: a look-alike is folded only in a word that also has Latin letters, digits or
  "@". So do typographic dashes and "…" in prose, for every fold costs a second scan.

Every step is one linear scan by a character class. Most text is ASCII without control characters and returns before
the first.
"""

# ruff: noqa: RUF001, RUF002 — this file is about characters that look alike
from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


class OffsetMap:
    """Segments of a changed text and where each came from; append them in order, then ask `span`.

    A linear segment keeps its length, a unit segment came as a whole from its original code points.
    """

    __slots__ = ("_from", "_linear", "_start", "_stop", "length")

    def __init__(self) -> None:
        """Start with an empty text."""
        self._from = array("q")  # where the segment starts in the changed text
        self._start = array("q")  # … and in the original
        self._stop = array("q")  # end in the original
        self._linear = bytearray()
        self.length = 0

    def keep(self, start: int, stop: int) -> None:
        """Append the original's code points start…stop, one for one."""
        if stop > start:
            self._append(start, stop, stop - start, linear=1)

    def replace(self, start: int, stop: int, length: int) -> None:
        """Append `length` code points that the original's start…stop became as a whole."""
        if length:
            self._append(start, stop, length, linear=0)

    def stretch(self, stop: int) -> None:
        """Let the last code point reach to `stop` in the original: a combining mark belongs to its letter."""
        if self._stop:
            self._stop[-1] = stop

    def moved(self, by: int) -> OffsetMap:
        """Return the map for an original with `by` code points before it."""
        moved = OffsetMap()
        moved._from, moved._linear, moved.length = self._from, self._linear, self.length
        moved._start = array("q", (start + by for start in self._start))
        moved._stop = array("q", (stop + by for stop in self._stop))
        return moved

    def _append(self, start: int, stop: int, length: int, *, linear: int) -> None:
        self._from.append(self.length)
        self._start.append(start)
        self._stop.append(stop)
        self._linear.append(linear)
        self.length += length

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the original's smallest span that covers every code point behind start…end of the changed text."""
        if not self._from:
            return (0, 0)
        first = max(bisect_right(self._from, start) - 1, 0)
        original = self._start[first] + (start - self._from[first] if self._linear[first] else 0)
        if end <= start:
            return (original, original)
        last = max(bisect_right(self._from, end - 1) - 1, 0)
        following = self._from[last + 1] if last + 1 < len(self._from) else self.length
        if self._linear[last] and end < following:
            return (original, self._start[last] + end - self._from[last])
        return (original, self._stop[last])


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text: scan `text`, turn each finding back with `span`. `offsets` is None where they did not move."""

    text: str = field(repr=False)
    offsets: OffsetMap | None = field(default=None, repr=False)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the original's span behind start…end of `text`: ignorables inside are covered, outside not."""
        return (start, end) if self.offsets is None else self.offsets.span(start, end)


def suspects(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of characters that may fold, in order; outside of them and their words `fold` changes nothing."""
    if not text.isascii() or len(text.encode().translate(None, _CONTROLS)) != len(text):
        for found in _TOUCHED.finditer(text):
            yield found.span()


def changing(text: str) -> Iterator[tuple[int, int]]:
    """Yield the words that `fold` changes, in order. It looks at no more than a word, so the rest stays as it is."""
    if fold(text).text is text:
        return
    known: dict[str, bool] = {}
    done = 0
    for start, end in suspects(text):
        if end <= done:
            continue
        begin = max(max(text.rfind(space, done, start) for space in _SPACES) + 1, done)
        done = _word_end(text, end)
        word = text[begin:done]
        if word not in known:
            known[word] = fold(word).text is not word
        if known[word]:
            yield begin, done


def fold(text: str) -> Folded:
    """Return `text` with obfuscation undone, `.text is text` if there was none; scan both and map with `.span`."""
    if text.isascii():
        if len(text.encode().translate(None, _CONTROLS)) == len(text):
            return Folded(text)
    elif _TOUCHED.search(text) is None:
        return Folded(text)
    folded, offsets = _resize(_latinised(_SINGLE.sub(_single, text)))
    folded = _NEIGHBOURED.sub(_neighboured, folded)
    return Folded(text if folded == text else folded, offsets)


# --- windows: the words around what changes --------------------------------------------------------------------------

CONTEXT = 96  # code points a window shows on either side: the longest IBAN with spaces, or five words of context
_WORD_REST = re.compile(r"[^ \t\r\n]*+")
_SPACES = " \n\t\r"


def windows(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Group ordered spans into disjoint windows: their whole words, and CONTEXT on either side.

    Spans nearer than that share a window, so every search here goes over ground that no other search covers.
    """
    low = high = word_end = 0
    group: list[tuple[int, int]] = []
    for start, end in spans:
        if start >= high:
            word_start = max(text.rfind(space, high, start) for space in _SPACES) + 1 or high
            left = _left(text, word_start)
            if left >= high:
                if group:
                    yield low, high, group
                low, group = left, []
        group.append((start, end))
        if end > word_end:
            word_end = _word_end(text, end)
            high = _right(text, word_end)
    if group:
        yield low, high, group


def _word_end(text: str, end: int) -> int:
    rest = _WORD_REST.match(text, end)
    return end if rest is None else rest.end()


def _left(text: str, word_start: int) -> int:
    """Go CONTEXT to the left, but not into the middle of a word."""
    low = word_start - CONTEXT
    if low <= 0:
        return 0
    return min(
        (at + 1 for at in (text.find(space, low, word_start) for space in _SPACES) if at >= 0), default=word_start
    )


def _right(text: str, word_end: int) -> int:
    high = word_end + CONTEXT
    if high >= len(text):
        return len(text)
    at = max(text.rfind(space, word_end, high) for space in _SPACES)
    return at if at >= 0 else word_end


# --- tables: built once at import from the Unicode database ----------------------------------------------------------

# Default_Ignorable_Code_Point of Unicode 15 (tag characters and variation selectors are the last ranges), interlinear
# annotation, and the C0/C1 controls that are not white space.
_IGNORABLE = (
    "\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e"
    "\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff"
)
_MARK = "\\u0300-\\u034e\\u0350-\\u036f\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u20d0-\\u20ff\\ufe20-\\ufe2f"
_CONTROLS = bytes([*range(9), *range(14, 32), 127])
_IS_IGNORABLE = re.compile(f"[{_IGNORABLE}{_MARK}]")

# Between spaces or words these are punctuation and stay.
_LONG_DASHES = "\u2013\u2014\u2015\u2212\u2e3a\u2e3b\ufe31\ufe32\ufe58"

# Look-alikes with no compatibility mapping. Those in the Latin alphabet's own extensions are always folded …
_ALWAYS = dict(
    zip(
        "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɑɡ" + "⁄∕⧸∶꞉ː٫٬" + "⁃˗➖" + "⠀\u2028\u2029\u0085\x1c\x1d\x1e\x1f",
        "ABCDEFGHIJKLMNOPRSTUVWYZag" + "///:::.," + "---" + " \n\n\n    ",
        strict=True,
    )
)
# … those of another alphabet only in a mixed word.
_LOOKALIKES = dict(
    zip(
        "абвсԁеѐёһіїјкӏмоөрԛгѕтуүѵԝхьАВСЕЁԌНІЇЈКӀМОРԚЅТѴУҮԜХ"  # Cyrillic
        "αβϲεηικνοόρϱστυγχωϳΑΒϹΕϜΗΙϳΚΜΝΟΡΤΥΧΖ"  # Greek
        "օոսհցզյԱՍՏՕ"  # Armenian
        "ᎠᎡᎢᎥᎪᎫᎬᎳᎷᎻᎽᏀᏃᏎᏏᏒᏔᏚᏞᏟᏢᏦᏮᏴᏙᏕ",  # Cherokee
        "a6bcdeeehiijklmoopqrstyyvwxbABCEEGHIIJKIMOPQSTVYYWX"
        "abcenikvoopootuyxwjABCEFHIjKMNOPTYXZ"
        "onuhgqjUUSO"
        "DRTiAJEWMHYGZ4bRWSLCPK6BVS",
        strict=True,
    )
)


def _folded_character(character: str) -> str:
    """Return what one character folds to: itself if it does not fold, "" if it is dropped."""
    if character in _ALWAYS:
        return _ALWAYS[character]
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(character)
    if category == "Pd":
        return character if character in _LONG_DASHES else "-"
    if category == "Zs":
        return " "
    plain = unicodedata.normalize("NFKC", character)
    # A spacing accent becomes " ́", "™" becomes "TM" glued to the word before it: neither is what a reader sees.
    prose = len(plain) > 1 and (" " in plain or category == "So" or character == "…")
    if plain == character or prose or character in _LOOKALIKES:
        return character
    return "".join(_folded_character(part) if part != character else part for part in plain)


def _fold_table(ranges: Iterable[range]) -> dict[str, str]:
    characters = (chr(code) for codes in ranges for code in codes)
    table = {c: _folded_character(c) for c in characters if not _IS_IGNORABLE.match(c)}
    for first in (0x1F150, 0x1F170):  # letters in black circles and squares
        table.update((chr(first + i), chr(ord("A") + i)) for i in range(26))
    return {character: folded for character, folded in table.items() if folded != character}


def _character_class(characters: Iterable[str]) -> str:
    codes = sorted(map(ord, characters))
    ranges: list[tuple[int, int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)


# Where folding characters live; the ideographs and Hangul syllables between have none, the rest none worth the time.
_ASTRAL_RANGES = (
    range(0x104A0, 0x104AA),
    range(0x10D30, 0x10D3A),
    range(0x11000, 0x12000),
    range(0x16A00, 0x16C00),
    range(0x1D400, 0x1D800),
    range(0x1E100, 0x1EF00),
    range(0x1F100, 0x1F200),
    range(0x1FBF0, 0x1FBFA),
)
_TABLE = _fold_table((range(0x1C, 0x3400), range(0xA000, 0xAC00), range(0xF900, 0x10000), *_ASTRAL_RANGES))
_SINGLES = {ord(character): folded for character, folded in _TABLE.items() if len(folded) == 1}
_EXPANDING = {character: folded for character, folded in _TABLE.items() if len(folded) > 1}
# The re module tests ranges above U+FFFF one after the other, so a few wide ones serve; what does not fold there stays.
_ASTRAL = "\\U00010000-\\U0001f1ff\\U0001fbf0-\\U0001fbf9"
_SINGLE_CLASS = _character_class(chr(code) for code in _SINGLES if code < 0x10000) + _ASTRAL
_EXPANDING_CLASS = _character_class(_EXPANDING)
_DOTS = "\u3002\uff61\u00b7\u2027\u2219\u22c5\u2022"
_STROKES = _LONG_DASHES + "\u30fc\u2500\u2501\u4e00"
_FOREIGN = "\\u0370-\\u03ff\\u0400-\\u052f\\u0531-\\u058f\\u13a0-\\u13fd"
_LATIN = "A-Za-z0-9@\\u00c0-\\u024f"

# Each pattern begins with a character class, which is what lets the re module skip what cannot match.
_TOUCHED = re.compile(
    "["
    + _character_class(c for c in map(chr, range(0x10000)) if c in _TABLE or _IS_IGNORABLE.match(c))
    + f"{_DOTS}{_STROKES}{_FOREIGN}{_ASTRAL}\\U000e0000-\\U000e0fff]+"
)
_SINGLE = re.compile(f"[{_SINGLE_CLASS}][{_SINGLE_CLASS}]*+")
_DROPPED = f"{_IGNORABLE}{_MARK}"
_JOINT = f"._%+'{_DOTS}{_DROPPED}\\-"
# An ANSI colour is dropped whole.
_RESIZED = re.compile(f"[{_DROPPED}{_EXPANDING_CLASS}][{_DROPPED}]*+(?:(?<=\\x1b)\\[[0-?]*+[@-~])?")
_MARKS = re.compile(f"[{_MARK}]+")
_UP_TO_LAST_MARK = re.compile(f".*[{_MARK}]", re.DOTALL)
_HAS_FOREIGN = re.compile(f"[{_FOREIGN}]")
_MIXED = re.compile(f"[{_LATIN}][{_JOINT}]*+[{_FOREIGN}]|[{_FOREIGN}][{_JOINT}]*+[{_LATIN}]")
_WORD = re.compile(f"[{_LATIN}{_JOINT}{_FOREIGN}]+")
_HAS_LATIN = re.compile("[A-Za-z0-9@]")
_LOOKALIKE_CODES = {ord(character): latin for character, latin in _LOOKALIKES.items()}
_NEIGHBOURED = re.compile(
    f"[{_DOTS}{_STROKES}](?:(?<=[A-Za-z0-9][{_DOTS}])(?=[A-Za-z0-9])"
    f"|(?<=[0-9][{_STROKES}])(?=[0-9])|(?<=[A-Za-z0-9]\u2013)(?=[A-Za-z0-9]))"
)


# --- steps -----------------------------------------------------------------------------------------------------------


def _single(run: re.Match[str]) -> str:
    return run[0].translate(_SINGLES)


def _latinised(text: str) -> str:
    """Replace the look-alikes in words of mixed alphabets; before accents are dropped, so that theirs are too."""
    if _HAS_FOREIGN.search(text) is None or _MIXED.search(text) is None:
        return text
    return _WORD.sub(_latinised_word, text)


def _latinised_word(word: re.Match[str]) -> str:
    return word[0].translate(_LOOKALIKE_CODES) if _HAS_LATIN.search(word[0]) else word[0]


def _resize(text: str) -> tuple[str, OffsetMap | None]:
    """Drop ignorables and marks, expand ligatures and fractions."""
    offsets = OffsetMap()
    pieces: list[str] = []
    done = 0
    for found in _RESIZED.finditer(text):
        start, stop = found.span()
        if (spelling := _MARKS.match(text, start)) and not text[max(start - 1, 0) : start].isascii():
            start = spelling.end()  # an accent of a letter that is not ASCII is spelling: "й", Vietnamese
            if start == stop:
                continue
        pieces.append(text[done:start])
        offsets.keep(done, start)
        if text[start] in _EXPANDING:
            pieces.append(_EXPANDING[text[start]])
            offsets.replace(start, start + 1, len(pieces[-1]))
        # An accent belongs to its letter, a keycap to its digit; ignorables after it belong to nobody.
        if attached := _UP_TO_LAST_MARK.match(text, start, stop):
            offsets.stretch(attached.end())
        done = stop
    if not done:
        return text, None
    pieces.append(text[done:])
    offsets.keep(done, len(text))
    return "".join(pieces), offsets


def _neighboured(found: re.Match[str]) -> str:
    if found[0] in _STROKES:
        return "-"
    # "l·l" is Catalan spelling, not a dot.
    catalan = found[0] == "\u00b7" and found.string[found.start() - 1] in "lL" and found.string[found.end()] in "lL"
    return found[0] if catalan else "."
