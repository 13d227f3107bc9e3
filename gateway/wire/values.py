"""JSON source that arrives in pieces, cut into its values: a string, key or number is given once it is complete.

Between values only the punctuation of JSON is given at once. A value waits for what follows it: of `4111 1111` nothing
is JSON. From the first value or sign on that JSON does not have there, all the rest is one text: whoever reads on knows
better than we what it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.errors import FrameError
from gateway.wire.frame import DEFAULT_DEPTH, decode, number_text

_SPACE: Final = re.compile(r"[ \t\r\n]+")
_SIGNS: Final = frozenset("[]{},:")
_WORD: Final = re.compile(r"true|false|null")
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?=[ \t\r\n\],}])")
_UNFINISHED: Final = re.compile(r"-?[0-9.eE+-]*\Z|[a-z]{1,4}\Z")
_QUOTE: Final = re.compile(r'["\\]')
_LONGEST: Final = 400
"""Characters of a number or word; what is longer is none."""
_STRING_BEGINS: Final = '"'
_SCALAR: Final = "v"
_VALUE: Final = '{["v'


class Value(NamedTuple):
    """A piece of JSON source: as it is written, and what it says; None for punctuation. `plain`: it is no JSON; `key`:
    it is the key of an object.
    """

    raw: str
    text: str | None = None
    plain: bool = False
    key: bool = False


class Values:
    """One JSON source: `feed()` each piece, then `flush()`."""

    __slots__ = ("_broken", "_escaped", "_grammar", "_in_string", "_pieces", "_waiting")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._waiting: list[Value] = []
        self._grammar: Final = _Grammar()
        self._in_string = False
        self._escaped = False
        self._broken = False

    def feed(self, piece: str) -> Iterator[Value]:
        """Take the next piece; give what is complete by now."""
        self._pieces.append(piece)
        if self._broken or (self._in_string and not self._closes(piece)):
            return
        yield from self._read("".join(self._pieces))

    def flush(self) -> Iterator[Value]:
        """The source is at its end: give what is left."""
        rest = "".join(self._pieces)
        number = None if self._broken or not rest else self._next(f"{rest} ", 0)
        if number is not None and number.raw == rest and self._grammar.takes(_SCALAR):
            self._waiting.append(number)
            rest = ""
        if self._grammar.complete and not rest:
            yield from self._waiting
        elif left := "".join((*(value.raw for value in self._waiting), rest)):
            yield Value(left, left, plain=True)
        self._pieces, self._waiting = [], []

    def _read(self, text: str) -> Iterator[Value]:
        at = 0
        while at < len(text) and (value := self._next(text, at)) is not None:
            kind = _kind(value)
            value = value._replace(key=kind == _STRING_BEGINS and self._grammar.wants_key)
            if kind and not self._grammar.takes(kind):
                self._broken = True
                break
            at += len(value.raw)
            if kind in _SIGNS or not (kind or self._waiting):
                yield from self._waiting
                yield value
                self._waiting = []
            else:
                self._waiting.append(value)
        self._pieces = [text[at:]]
        self._in_string = text[at : at + 1] == '"' and not self._broken
        slashes = len(text) - at - len(text[at:].rstrip("\\"))
        self._escaped = self._in_string and slashes % 2 == 1

    def _closes(self, piece: str) -> bool:
        """Whether the string that is open ends in a piece; each piece is looked at once."""
        at = 1 if self._escaped and piece else 0
        if piece:
            self._escaped = False
        while (sign := _QUOTE.search(piece, at)) is not None:
            if sign[0] == '"':
                return True
            at = sign.end() + 1
            self._escaped = at > len(piece)
        return False

    def _next(self, text: str, at: int) -> Value | None:
        if text[at] in _SIGNS:
            return Value(text[at])
        plain = _SPACE.match(text, at) or _WORD.match(text, at)
        if plain is not None:
            return Value(plain[0])
        scalar = _STRING.match(text, at) or _NUMBER.match(text, at)
        if scalar is not None:
            return self._scalar(scalar[0])
        waits = text[at] == '"' or (len(text) - at <= _LONGEST and _UNFINISHED.match(text, at) is not None)
        self._broken = not waits
        return None

    def _scalar(self, raw: str) -> Value | None:
        """A string or a number, as it reads: `4.1e3` says 4100.0."""
        try:
            value = decode(raw)
        except FrameError:
            value = None
        if isinstance(value, str):
            return Value(raw, value)
        if isinstance(value, int | float):
            return Value(raw, number_text(value))
        self._broken = True
        return None


def _kind(value: Value) -> str:
    """What a value is to the grammar: a sign, the beginning of a string or another scalar; nothing if it is space."""
    if value.raw[0] in (*_SIGNS, _STRING_BEGINS):
        return value.raw[0]
    return "" if value.raw.isspace() else _SCALAR


class _Grammar:
    """What JSON has next."""

    __slots__ = ("_expects", "_open")

    def __init__(self) -> None:
        self._open = ""
        self._expects = _VALUE

    @property
    def complete(self) -> bool:
        """Whether a value is complete, so that nothing is to come."""
        return not self._expects

    @property
    def wants_key(self) -> bool:
        """Whether a string that is next is the key of an object."""
        return _SCALAR not in self._expects

    def takes(self, kind: str) -> bool:
        """Take a sign, the beginning of a string, or another scalar; False where it cannot stand."""
        if kind not in self._expects:
            return False
        if kind in "{[":
            self._open += kind
            self._expects = '"}' if kind == "{" else _VALUE + "]"
            return len(self._open) <= DEFAULT_DEPTH
        if kind in "]}":
            self._open = self._open[:-1]
        if kind == ",":
            self._expects = '"' if self._open.endswith("{") else _VALUE
        elif kind == ":":
            self._expects = _VALUE
        elif kind == _STRING_BEGINS and self.wants_key:
            self._expects = ":"
        else:
            self._expects = {"": "", "{": ",}", "[": ",]"}[self._open[-1:]]
        return True
