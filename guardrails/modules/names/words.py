"""Cuts text into words, and keeps whole what is not prose: URLs, addresses, paths, identifiers.

A text is a list of lines, a line a list of chunks between spaces, and a chunk is cut by itself alone: what comes out
does not depend on where a text was cut into lines, and every step is one linear pass. Chunks repeat themselves, so what
they were cut into is remembered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Mode: TypeAlias = Literal["n", "l", "u"]
"""How a line is written: as usual, without any capital, or in capitals only."""

REMEMBERED: Final = 50_000
"""Chunks whose words are kept; longer ones than `LONGEST` are cut anew each time."""
LONGEST: Final = 48

LONG_CODE: Final = 8
"""Characters from which on letters and digits in turns are a code and no postal one."""

OPAQUE: Final = "\x01"
"""Stands for a piece that is no word: its text is not looked at."""

_CHUNK = re.compile(r"\S+")
_PIECE = re.compile(r"[^\s\"<>()\[\]{},;|=`*\u201c\u201d\u00ab\u00bb\u2026]+")
_LETTERS = r"[^\W\d_]"
_WORD = re.compile(
    rf"(?:{_LETTERS}\.){{2,}}"
    rf"|(?:Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|Inc|Ltd|Co|Corp|Sgt|Lt|Gov|Sen|Rep|Gen|Col|Capt|Rev|Hon|Ave|Rd|Blvd|Apt|Ste|No)\.(?=\W|\Z)"
    rf"|(?<![^\W_]){_LETTERS}\.(?={_LETTERS}|\Z)"
    rf"|['\u2019][sS](?!\w)"
    rf"|{_LETTERS}+(?:['\u2019\-\u2010](?!s(?!\w)){_LETTERS}+)*"
    r"|\d+(?:[.,:]\d+)*"
    r"|[^\w\s]|_+|.",
    re.IGNORECASE,
)
_URL = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,19}://[^\s\"<>`{}|\\^]+")
_HUMP = re.compile(r"[a-z\u00df-\u00f6\u00f8-\u00ff][A-Z\u00c0-\u00d6\u00d8-\u00de]")
_NAME_HUMP = re.compile(
    r"GmbH\Z|PhD\Z|(?:Mc|Mac|De|Di|Du|Da|Le|La|Lo|Van|Von|Fitz|Al|El|Ben|Bin|Abu|San|St)[A-Z][a-z\u00df-\u00ff]+(?:['\u2019-].*)?\Z"
)
_DOTTED = re.compile(r"[^\W\d_]{2}\.[a-z\d_]|[a-z\d]\.[a-z_]|\d\.[a-z]")
_SENTENCES = re.compile(r"[a-z]{2}\.\.\.+")
_DRIVE = re.compile(r"\A[A-Za-z]:[\\/]|\A\\\\")
# Digits and letters in turns, as in a hash or an identifier; "Room12" and "4711th" have each in one piece.
_CODE = re.compile(r"[0-9][A-Za-z]+-?[0-9]|[A-Za-z][0-9]+-?[A-Za-z]")
_FORMAT = re.compile(r"%[sdr]|\$\w|^-{1,2}[a-z]")


@dataclass(slots=True)
class Words:
    """The words of a text: what each is, where it stands, what is before it, and how its line is written."""

    texts: list[str]
    starts: list[int]
    ends: list[int]
    gaps: list[int]
    """What stands before each word: 0 nothing, 1 a space, 2 the end of a line, 3 an empty line or the beginning."""
    modes: list[Mode]


_Cut: TypeAlias = tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]


class Cutter:
    """Cuts texts into words; remembers chunks it has seen."""

    def __init__(self) -> None:
        """Start with nothing remembered."""
        self._known: dict[str, _Cut] = {}

    def words(self, text: str) -> Words:
        """The words of a text, in order."""
        if len(self._known) > REMEMBERED:
            self._known.clear()
        found = Words([], [], [], [], [])
        at, gap = 0, 3
        for line in text.split("\n"):
            if line and not line.isspace():
                self._line(line, at, gap, found)
                gap = 2
            elif gap != 3 and at:
                gap = 3
            at += len(line) + 1
        return found

    def _line(self, line: str, at: int, gap: int, found: Words) -> None:
        mode: Mode = "l" if line.islower() else "u" if line.isupper() else "n"
        known, gaps = self._known, found.gaps
        before = len(found.texts)
        for match in _CHUNK.finditer(line):
            chunk, begin = match.group(), match.start() + at
            cut = known.get(chunk)
            if cut is None:
                cut = _cut(chunk)
                if len(chunk) <= LONGEST:
                    known[chunk] = cut
            texts, starts, ends = cut
            found.texts += texts
            if len(texts) == 1:
                found.starts.append(begin + starts[0])
                found.ends.append(begin + ends[0])
                gaps.append(gap)
            else:
                found.starts += [begin + start for start in starts]
                found.ends += [begin + end for end in ends]
                gaps.append(gap)
                gaps += [0] * (len(texts) - 1)
            gap = 1
        found.modes += [mode] * (len(found.texts) - before)


def _cut(chunk: str) -> _Cut:
    if chunk.isalpha() and (not _HUMP.search(chunk) or _NAME_HUMP.match(chunk)):
        return (chunk,), (0,), (len(chunk),)
    texts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end, opaque in _pieces(chunk):
        if opaque:
            texts.append(OPAQUE)
            starts.append(start)
            ends.append(end)
            continue
        for word in _WORD.finditer(chunk, start, end):
            texts.append(word.group())
            starts.append(word.start())
            ends.append(word.end())
    return tuple(texts), tuple(starts), tuple(ends)


def _pieces(chunk: str) -> list[tuple[int, int, bool]]:
    """The pieces of a chunk between its brackets, quotes and commas, and those too; which of them are no prose."""
    if _DRIVE.match(chunk):
        return [(0, len(chunk), True)]
    pieces: list[tuple[int, int, bool]] = []
    done = 0
    for url in _URL.finditer(chunk) if "://" in chunk else ():
        end = url.start() + len(url.group().rstrip("'),;.:!?*"))
        pieces += _between(chunk, done, url.start())
        pieces.append((url.start(), end, True))
        done = end
    pieces += _between(chunk, done, len(chunk))
    return pieces


def _between(chunk: str, done: int, stop: int) -> list[tuple[int, int, bool]]:
    pieces: list[tuple[int, int, bool]] = []
    for match in _PIECE.finditer(chunk, done, stop):
        start, end = match.span()
        if start > done:
            pieces.append((done, start, False))
        pieces += _stripped(chunk, start, end)
        done = end
    if done < stop:
        pieces.append((done, stop, False))
    return pieces


_BEFORE = "'\u2018\u2019#:.!?-/\\&~\u2013\u2014"
_AFTER = "'\u2018\u2019:.!?-/\\&\u2013\u2014"


def _stripped(chunk: str, start: int, end: int) -> list[tuple[int, int, bool]]:
    piece = chunk[start:end]
    if piece[0] == "@" and len(piece) > 1:
        return [(start, end, True)]
    inner = piece.strip(_AFTER)
    if not _opaque(piece, inner, chunk[end : end + 1]):
        return [(start, end, False)]
    first = piece.find(inner)
    last = first + len(inner)
    if piece[0] in "/.~\\-":
        first = 0
    return [(start, start + first, False), (start + first, start + last, True), (start + last, end, False)]


def _opaque(piece: str, inner: str, following: str) -> bool:
    if not inner:
        return False
    if len(inner) >= LONG_CODE and not inner.isalpha() and _CODE.search(inner):
        return True
    if "_" in inner or "@" in inner or (following == "(" and inner.isidentifier()):
        return True
    if (piece[0] in "/~" and len(inner) > 1) or piece.startswith(("./", "../", "www.")) or inner.count("/") > 1:
        return any(map(str.isalpha, inner))
    if "::" in inner or "->" in inner or ("$" in inner[:1] and inner[1:2].isalpha()) or _FORMAT.match(piece):
        return True
    if "." in inner and _DOTTED.search(inner) and not _SENTENCES.search(inner):
        return True
    return _HUMP.search(inner) is not None and not all(
        _NAME_HUMP.match(part) or not _HUMP.search(part) for part in re.split(r"['\u2019/-]", inner)
    )
