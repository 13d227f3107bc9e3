"""Find encoded text inside a text, and give it back decoded, with offsets into the original.

Two kinds of encoding need two kinds of view:

* base64 is opaque: nothing of it can be masked alone, so what is found in the decoded text stands for the whole run.
* percent, HTML and JSON escapes are local: "john%40example.com" is eighteen letters of which three are an escape. The
  view is the words around the escapes with a map back, so that a finding masks exactly its own characters, and so that
  "4111 1111&nbsp;1111 1111", half of it outside the escaped word, is still seen as one number. All three are undone in
  the same pass; one inside another is peeled off layer by layer.

A view is searched again, `DEPTH` layers deep. Cost is linear: every pattern is anchored to what a scan for its first
character found, each layer's windows are disjoint, and the total is limited by `_GROWTH`. A text that goes over the
limit is refused, not half decoded: what is not decoded is not seen.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from html.entities import html5

from guardrails.errors import DetectionError
from guardrails.normalise import OffsetMap, changing, fold, windows

DEPTH = 3  # layers; what hides deeper was not put there by software
SHORTEST = 15  # base64 characters before padding: an SSN with its dashes is eleven bytes
_GROWTH, _SLACK = 4, 65_536  # decoded code points allowed per view search: four times the text, and 64 Ki


@dataclass(frozen=True, slots=True)
class View:
    """A text to scan besides the original. Turn findings back with `span`; `start` and `end` bound the whole view."""

    text: str = field(repr=False)
    start: int
    end: int
    offsets: OffsetMap | None = field(default=None, repr=False)  # into `outer`'s text; None: the view is opaque
    outer: View | None = field(default=None, repr=False)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return what start…end of `text` covers in the original, in code points: of an opaque view, all of it."""
        if self.offsets is None:
            return (self.start, self.end)
        start, end = self.offsets.span(start, end)
        return (start, end) if self.outer is None else self.outer.span(start, end)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One decoded piece of a text, with offsets into that text."""

    text: str
    start: int
    end: int
    offsets: OffsetMap | None = None

    def within(self, outer: View | None) -> View:
        start, end = (self.start, self.end) if outer is None else outer.span(self.start, self.end)
        return View(self.text, start, end, self.offsets, outer)


def readings(text: str, decoders: Sequence[str], *, folding: bool = True) -> Iterator[View]:
    """Yield every text a detector scans besides `text` itself: what it decodes to, and what any of those folds to.

    The caller maps each finding with the view's `span`. Raises: DetectionError if `text` decodes to more than allowed.
    """
    found = list(views(text, decoders))
    yield from found
    if not folding:
        return
    for view in found:
        yield from (layer.within(view) for layer in _folds(view.text))
    seen = {(view.text, view.start, view.end) for view in found}
    for layer in _folds(text):
        folded = layer.within(None)
        yield folded
        for view in _search(folded.text, decoders, folded):
            if (view.text, view.start, view.end) not in seen:
                yield view


def views(text: str, decoders: Sequence[str]) -> Iterator[View]:
    """Yield what the encoded runs of `text` decode to, layer by layer; text hidden in invisible characters always.

    `decoders` is any of base64, percent, html, json. The caller maps each finding with the view's `span`.
    Raises: DetectionError if `text` decodes to more than four times its length and 64 Ki.
    """
    yield from _search(text, decoders, None)


def _search(text: str, decoders: Sequence[str], root: View | None) -> Iterator[View]:
    allowance = _GROWTH * len(text) + _SLACK
    seen: set[tuple[str, int, int]] = set()
    queue: deque[tuple[str, View | None, int]] = deque([(text, root, 1)])
    while queue:
        outer_text, outer, depth = queue.popleft()
        for layer in _peel(outer_text, decoders):
            view = layer.within(outer)
            # An escape elsewhere in the run shows the same base64 again a layer deeper.
            if (view.text, view.start, view.end) in seen:
                continue
            allowance -= len(view.text)
            if allowance < 0:
                raise DetectionError(f"encoded text grows to more than {_GROWTH} times its length")
            seen.add((view.text, view.start, view.end))
            yield view
            if depth < DEPTH:
                queue.append((view.text, view, depth + 1))


def _peel(text: str, decoders: Sequence[str]) -> Iterator[_Layer]:
    """Undo one layer of every encoding."""
    if not text.isascii():
        yield from _hidden(text)
    if "base64" in decoders:
        yield from _base64(text)
    escapes = tuple(name for name in _ESCAPES if name in decoders and _ESCAPES[name].sign in text)
    if escapes:
        yield from _unescaped(text, _escape_pattern(escapes))


def _folds(text: str) -> Iterator[_Layer]:
    """Fold the windows around words that change by it; the rest is not worth a second scan."""
    for low, high, _ in windows(text, changing(text)):
        folded = fold(text[low:high])
        offsets = OffsetMap()
        offsets.keep(low, high)
        yield _Layer(folded.text, low, high, folded.offsets.moved(low) if folded.offsets else offsets)


# --- invisible text --------------------------------------------------------------------------------------------------

# Tag characters mirror ASCII; variation selectors can carry a byte each. Models read both. Short runs are flags, emoji.
_TAGS = re.compile("[\U000e0001\U000e0020-\U000e007f]{8,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{8,}")


def _hidden(text: str) -> Iterator[_Layer]:
    for run in _TAGS.finditer(text):
        offsets = OffsetMap()
        offsets.keep(*run.span())
        yield _Layer("".join(chr(ord(tag) & 0x7F) for tag in run[0]), *run.span(), offsets)
    for run in _SELECTORS.finditer(text):
        codes = (ord(selector) for selector in run[0])
        raw = bytes(code - 0xFE00 if code < 0xFE10 else code - 0xE0100 + 16 for code in codes)
        decoded = _printable(raw)
        if decoded is not None:
            yield _Layer(decoded, *run.span())


# --- percent, html, json ---------------------------------------------------------------------------------------------

Units = list[tuple[str, int]]  # decoded text, and how many code points it was written with


@dataclass(frozen=True, slots=True)
class _Escape:
    sign: str  # the character every escape begins with, and without which there is none
    pattern: str
    units: Callable[[str], Units]


def _percent(escape: str) -> Units:
    if escape[1] in "uU":
        return [(_character(int(escape[2:], 16)), len(escape))]
    raw = bytes.fromhex(escape.replace("%", ""))
    try:
        return [(character, 3 * len(character.encode())) for character in raw.decode()]
    except UnicodeDecodeError:
        return [(character, 3) for character in raw.decode("latin-1")]


_LONGEST_BARE = max(len(name) for name in html5 if not name.endswith(";"))


def _entity(escape: str) -> Units:
    name = escape[1:]
    if name[0] == "#":
        digits = name[1:].rstrip(";").lower()
        number = digits.lstrip("x0")[:8] or "0"  # int() of a million digits is neither linear nor allowed
        return [(unescape(f"&#{int(number, 16 if digits[0] == 'x' else 10)};"), len(escape))]
    if name.endswith(";") and name in html5:
        return [(html5[name], len(escape))]
    for length in range(min(len(name), _LONGEST_BARE), 1, -1):
        if name[:length] in html5:
            return [(html5[name[:length]], length + 1), *((letter, 1) for letter in name[length:])]
    return []


_JSON_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _json(escape: str) -> Units:
    kind = escape[1]
    if kind == "u" and escape[2] != "{":
        characters = bytes.fromhex(escape.replace("\\u", "")).decode("utf-16-be", "replace")
        return [(character, 12 if character > "\uffff" else 6) for character in characters]
    if kind in "uUx":
        return [(_character(int(escape[2:].strip("{}"), 16)), len(escape))]
    return [(_JSON_LETTERS.get(kind, kind), len(escape))]


def _character(code: int) -> str:
    return "\ufffd" if code > 0x10FFFF or 0xD800 <= code < 0xE000 else chr(code)


_HEX = "[0-9A-Fa-f]"
_ESCAPES = {
    "percent": _Escape("%", f"%(?:{_HEX}{{2}}(?:%{_HEX}{{2}})*+|[uU]{_HEX}{{4}})", _percent),
    "html": _Escape("&", f"&(?:#(?:[0-9]++|[xX]{_HEX}++);?|[A-Za-z][A-Za-z0-9]{{1,31}}+;?)", _entity),
    "json": _Escape(
        "\\",
        rf'\\(?:u{_HEX}{{4}}(?:\\u{_HEX}{{4}})*+|u\{{{_HEX}{{1,8}}\}}|x{_HEX}{{2}}|U{_HEX}{{8}}|["\\/bfnrt])',
        _json,
    ),
}
_UNITS = {escape.sign: escape.units for escape in _ESCAPES.values()}


@cache
def _escape_pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    # Every branch begins with its sign and none is a group, which is what lets the re module skip from sign to sign.
    return re.compile("|".join(_ESCAPES[name].pattern for name in names))


def _unescaped(text: str, pattern: re.Pattern[str]) -> Iterator[_Layer]:
    """Undo the escapes of each window, whichever of the three they are."""
    known: dict[str, Units] = {}
    spans: list[tuple[int, int]] = []
    decoded: list[Units] = []
    for found in pattern.finditer(text):
        escape = found[0]
        if escape not in known:
            known[escape] = _UNITS[escape[0]](escape)
        if known[escape]:
            spans.append(found.span())
            decoded.append(known[escape])
    at = 0
    for low, high, escapes in windows(text, spans):
        units = decoded[at : at + len(escapes)]
        at += len(escapes)
        yield _unescaped_window(text, (low, high), escapes, units)


def _unescaped_window(
    text: str, window: tuple[int, int], escapes: list[tuple[int, int]], decoded: list[Units]
) -> _Layer:
    offsets = OffsetMap()
    pieces: list[str] = []
    done, high = window
    for (start, _), units in zip(escapes, decoded, strict=True):
        if start > done:
            pieces.append(text[done:start])
            offsets.keep(done, start)
            done = start
        for characters, width in units:
            pieces.append(characters)
            offsets.replace(done, done + width, len(characters))
            done += width
    pieces.append(text[done:high])
    offsets.keep(done, high)
    return _Layer("".join(pieces), *window, offsets)


# --- base64 ----------------------------------------------------------------------------------------------------------

# Runs are found in a copy in which every character of either alphabet, and the line breaks of a wrapped run, is an "a":
# finding fifteen of them is a substring search, far faster than a class with a repeat. Latin-1 keeps the offsets.
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_MASK = bytes(97 if code in _ALPHABET + b"\r\n" else 32 for code in range(256))
_CANDIDATE = re.compile(b"a" * SHORTEST + b"a*+")
_WRAPPED = re.compile(r"[A-Za-z0-9+/_\-]+(?:\r?\n[ \t]*+[A-Za-z0-9+/_\-]+)*+")
_LINE = re.compile(r"[A-Za-z0-9+/_\-]+")
# Words one on a line. Software that wraps gives every line but the last the same length, so where one line is shorter
# than the next, and no first line, it wrapped nothing; that random lines are three words in a row is one in thousands.
_A_WORD, _A_BREAK = r"[A-Za-z][a-z]{2,19}+", r"\r?\n[ \t]{0,16}+"
_LISTED = re.compile(
    rf"(?<![A-Za-z0-9+/_=\-]){_A_WORD}{_A_BREAK}(?=({_A_WORD}){_A_BREAK}({_A_WORD})(?![A-Za-z0-9+/_=\-]))"
)
_LISTED_BEFORE, _LISTED_AFTER = 64, 24  # more than three such lines have before the last of their breaks, and after it
_SEPARATORS = (re.compile("[^/]+"), re.compile("[A-Za-z0-9]+"))
_PATH_LENGTH = 4_096  # longer runs are no paths, and among the pieces of an image some would read as text by chance
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_WRAPPING = b"\r\n\t "
# Four characters that decode to three printable ASCII bytes, by the alphabet's order: of random fours one in fourteen.
# Five in a row are text whose alignment a prefix spoilt ("key_am9obkBl…"); without even two there is no ASCII at all.
_QUAD = r"(?:[I-Za-f][C-HS-Xi-ny-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589\-+][A-Za-z0-9+/_\-])"
_QUADS, _HINT = re.compile(_QUAD + r"{5,}+(?:[A-Za-z0-9+/_\-]{2,3}\Z)?"), re.compile(_QUAD + "{2}")
_CONTROL = bytes({*range(32), 127} - set(b"\t\r\n"))
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")


def _base64(text: str) -> Iterator[_Layer]:
    mask = text.encode("latin-1", "replace").translate(_MASK)
    done = 0
    for candidate in _CANDIDATE.finditer(mask):
        start, end = max(candidate.start(), done), candidate.end()
        # A candidate may hold several runs: an empty line ends one. And a run may go on in the candidate after.
        while start < end and (run := _WRAPPED.search(text, start)) is not None and run.start() < end:
            low, done = run.span()
            start = done
            for stop, go_on in list_breaks(text, low, done):
                yield from _padded(text, low, stop)
                low = go_on
            yield from _padded(text, low, done)


def list_breaks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the line breaks within start…end over which no base64 goes on, though it might by its letters.

    Each is told by the three lines around it, so whoever masks a text as it comes may rely on it (decision 0022).
    """
    for words in _LISTED.finditer(text, max(start - _LISTED_BEFORE, 0), end + _LISTED_AFTER):
        if start <= words.end(1) and words.start(2) <= end and len(words[1]) < len(words[2]):
            yield words.end(1), words.start(2)


def _padded(text: str, start: int, end: int) -> Iterator[_Layer]:
    if end - start < SHORTEST:
        return
    for layer in _run(text[start:end], start, paths=end - start <= _PATH_LENGTH):
        padding = text[end : end + 2].count("=") if layer.end == end else 0
        yield _Layer(layer.text, layer.start, layer.end + padding) if padding else layer


def _run(run: str, start: int, *, paths: bool) -> Iterator[_Layer]:
    """Read a run as a whole; else line by line; else between the separators of a path; else at another alignment."""
    decoded = _decoded(run)
    hopeless = decoded is None and _HINT.search(run) is None
    if hopeless:
        return
    wraps = "\n" in run or "\r" in run
    if decoded is None and wraps:
        decoded = _misaligned(run)
    if decoded is not None:
        yield _Layer(decoded, start, start + len(run))
        return
    if wraps:
        for line in _LINE.finditer(run):
            if len(line[0]) >= SHORTEST:
                yield from _run(line[0], start + line.start(), paths=paths)
        return
    pieces = list(_pieces(run, start, _SEPARATORS)) if paths else []
    yield from pieces
    if not pieces and (shifted := _misaligned(run)) is not None:
        yield _Layer(shifted, start, start + len(run))


def _pieces(run: str, start: int, separators: Sequence[re.Pattern[str]]) -> Iterator[_Layer]:
    for piece in separators[0].finditer(run):
        if len(piece[0]) < SHORTEST:
            continue
        decoded = _decoded(piece[0]) if len(piece[0]) < len(run) else None
        if decoded is not None:
            yield _Layer(decoded, start + piece.start(), start + piece.end())
        elif separators[1:]:
            yield from _pieces(piece[0], start + piece.start(), separators[1:])


def _decoded(run: str) -> str | None:
    """Return what a run says from its first character on, None if that is not mostly printable text."""
    return _printable(_bytes(run.encode()))


def _bytes(run: bytes) -> bytes:
    digits = run.translate(_URL_SAFE, _WRAPPING)
    if len(digits) % 4 == 1:
        digits = digits[:-1]  # cut off in the middle; what came before still reads
    return a2b_base64(digits + b"==="[: -len(digits) % 4])


def _misaligned(run: str) -> str | None:
    """Return what reads as ASCII at any alignment, if that is at least half of the run."""
    joined = run.encode().translate(None, _WRAPPING).decode()
    found = [match[0] for match in _QUADS.finditer(joined)]
    if not found or 2 * sum(map(len, found)) < len(joined):
        return None
    return "\n".join(_bytes(quads.encode()).decode("latin-1") for quads in found)


def _printable(raw: bytes) -> str | None:
    """Return the text that bytes are, None if they are not mostly printable text."""
    tolerated = len(raw) // 16
    if raw.isascii():
        text = raw.decode()
        if len(raw.translate(None, _CONTROL)) >= len(raw) - tolerated:
            return text or None
    if raw.count(0) * 5 >= len(raw) * 2:  # UTF-16 of Latin text, as PowerShell encodes
        text = raw.decode("utf-16-le" if raw[1:2] == b"\0" else "utf-16-be", "replace")
    else:
        text = raw.decode("utf-8", "replace")
        if text.count("\ufffd") > tolerated + 1:
            return None
        text = text.removesuffix("\ufffd")  # cut off in the middle of a character
    return text if len(_UNPRINTABLE.findall(text)) <= tolerated else None
