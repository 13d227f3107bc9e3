"""JSON source that arrives in pieces, cut into its values: a string, key or number is given once it is complete.

Between values only the punctuation of JSON is given at once. From the first character on that JSON does not have there,
all the rest is one text: whoever reads on knows better than we what it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.errors import FrameError
from gateway.wire.frame import decode

_MARKS: Final = re.compile(r"[ \t\r\n\[\]{},:]+|(?:true|false|null)(?=[ \t\r\n\],}])")
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NUMBER: Final = re.compile(r"-?[0-9][0-9.eE+-]*+(?=[ \t\r\n\],}])")
_UNFINISHED: Final = re.compile(r"-?[0-9.eE+-]*\Z|[a-z]{1,5}\Z")
_SIGN: Final = re.compile(r'["\\]')
_LONGEST: Final = 400
"""Characters of a number or word; what is longer is none."""


class Value(NamedTuple):
    """A piece of JSON source: as it is written, and what it says; None for punctuation. `plain`: it is no JSON."""

    raw: str
    text: str | None = None
    plain: bool = False


class Values:
    """One JSON source: `feed()` each piece, then `flush()`."""

    __slots__ = ("_broken", "_escaped", "_in_string", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._in_string = False
        self._escaped = False
        self._broken = False

    def feed(self, piece: str) -> Iterator[Value]:
        """Take the next piece; give what is complete by now."""
        self._pieces.append(piece)
        if self._broken or (self._in_string and not self._closes(piece)):
            return
        text = "".join(self._pieces)
        at = 0
        while at < len(text) and (value := self._next(text, at)) is not None:
            yield value
            at += len(value.raw)
        self._pieces = [text[at:]]
        self._in_string = text[at : at + 1] == '"' and not self._broken
        slashes = len(text) - at - len(text[at:].rstrip("\\"))
        self._escaped = self._in_string and slashes % 2 == 1

    def flush(self) -> Iterator[Value]:
        """The source is at its end: give what is left."""
        rest, self._pieces = "".join(self._pieces), []
        if rest:
            value = None if self._broken else self._next(rest + " ", 0)
            yield value if value is not None and value.raw == rest else Value(rest, rest, plain=True)

    def _closes(self, piece: str) -> bool:
        """Whether the string that is open ends in a piece; each piece is looked at once."""
        at = 1 if self._escaped and piece else 0
        if piece:
            self._escaped = False
        while (sign := _SIGN.search(piece, at)) is not None:
            if sign[0] == '"':
                return True
            at = sign.end() + 1
            self._escaped = at > len(piece)
        return False

    def _next(self, text: str, at: int) -> Value | None:
        marks = _MARKS.match(text, at)
        if marks is not None:
            return Value(marks[0])
        number = _NUMBER.match(text, at)
        if number is not None:
            return Value(number[0], number[0])
        string = _STRING.match(text, at)
        if string is not None:
            return self._string(string[0])
        waits = text[at] == '"' or (len(text) - at <= _LONGEST and _UNFINISHED.match(text, at) is not None)
        self._broken = not waits
        return None

    def _string(self, raw: str) -> Value | None:
        try:
            value = decode(raw)
        except FrameError:
            value = None
        if isinstance(value, str):
            return Value(raw, value)
        self._broken = True
        return None
