"""Strict decoding and encoding of one JSON frame.

Two readers of the same bytes must not see two different frames: that is how data slips past a guard (a repeated key, of
which each side keeps another; a number that one side rounds). So whatever readers disagree about is refused, and what
goes on is only what this module wrote itself (decision 0003).
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import orjson

from gateway.errors import FrameError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

DEFAULT_DEPTH: Final = 64
MAX_VALUES: Final = 200_000
"""Values of one message. The largest of real agents have some thousands; a million hold up everybody for seconds."""

# In text that is known to be valid JSON this finds exactly its strings.
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BLANKS: Final = b" \t\r\n"
_DIGITS: Final = bytes(48 if 48 <= code < 58 else 32 for code in range(256))
_LONG_INTEGER: Final = b"0" * 19
_NUMBER: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MAX_INTEGER: Final = 2**64 - 1
_MIN_INTEGER: Final = -(2**63)


def decode(data: str | bytes, *, depth: int = DEFAULT_DEPTH, limit: int | None = None) -> Json:
    """Decode a frame that came from outside, strictly.

    `limit` is a number of bytes, `depth` the number of arrays and objects that may stand in each other.

    Raises:
        FrameError: it is binary, too long, too deep, not UTF-8, not JSON, has a byte order mark, a lone surrogate, a
            repeated key, text after the value, or a number that a 64-bit reader would change. The message says which.

    """
    if isinstance(data, str):
        try:
            data = data.encode()
        except UnicodeEncodeError:
            raise FrameError("The message holds a lone surrogate.") from None
    if limit is not None and len(data) > limit:
        raise FrameError(f"The message is larger than {limit} bytes.")
    value = loads(data)
    keys = _count_keys(value, depth)
    # What reads back byte for byte has lost nothing: no repeated key, no rounded number. Many clients write so.
    if orjson.dumps(value) != data:
        outside = _outside(data)
        if keys != sum(piece.startswith(b":") for piece in outside):
            raise FrameError("The message repeats a key within an object.")
        if any(_LONG_INTEGER in piece.translate(_DIGITS) for piece in outside if len(piece) >= len(_LONG_INTEGER)):
            _check_integers(data)
    return value


def loads(data: str | bytes, *, depth: int | None = None) -> Json:
    """Decode JSON without the checks that only a guarded side needs.

    `depth` is the number of arrays and objects that may stand in each other.

    Raises:
        FrameError: it is not JSON, too deep, or of too many values. The message holds nothing of the input.

    """
    if len(data) > MAX_VALUES:
        _check_count(data)
    try:
        value: Json = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        # Only the fixed part of the message: the exception keeps the document, so it is not chained.
        reason = exc.msg.split(":", 1)[0]
    else:
        # Counting what opens is enough for nearly every message, and costs next to nothing.
        if depth is not None and isinstance(data, str) and data.count("[") + data.count("{") > depth:
            _count_keys(value, depth)
        return value
    raise FrameError(f"The message is not strict JSON ({reason}).")


def encode(value: Json) -> str:
    """Write a value as compact JSON text.

    Raises:
        FrameError: it holds something JSON cannot carry (a lone surrogate).

    """
    try:
        return orjson.dumps(value).decode()
    except (orjson.JSONEncodeError, UnicodeDecodeError):
        pass
    raise FrameError("The frame cannot be written as JSON.")


def escape(text: str) -> str:
    """A text as it stands inside the quotes of a JSON string."""
    return orjson.dumps(text).decode()[1:-1]


def number_text(number: float) -> str:
    """A number as it stands in a frame, for scanning."""
    return orjson.dumps(number).decode()


def pretty(value: Json) -> str:
    """A value as indented JSON, for people."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _count_keys(value: Json, depth: int) -> int:
    """Count the keys of a tree; a repeated one is counted once, which gives it away.

    Raises:
        FrameError: the tree is deeper than `depth`.

    """
    keys, level = 0, [value]
    while level:
        below: list[Json] = []
        for node in level:
            if isinstance(node, dict):
                keys += len(node)
                below.extend(child for child in node.values() if isinstance(child, dict | list))
            elif isinstance(node, list):
                below.extend(child for child in node if isinstance(child, dict | list))
        if below and depth <= 1:
            raise FrameError("The message is nested too deeply.")
        level, depth = below, depth - 1
    return keys


def _outside(data: bytes) -> list[bytes]:
    """What of a text that is known to be valid JSON stands outside its strings; what follows a key begins with `:`."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return [piece.lstrip(_BLANKS) for piece in data.split(b'"')[::2]]


def _check_count(data: str | bytes) -> None:
    """Refuse a message of too many values before it is read: each would become an object.

    Raises:
        FrameError: there are more.

    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if raw.count(b",") > MAX_VALUES and _STRING.sub(b"", raw).count(b",") > MAX_VALUES:
        raise FrameError("The message holds too many values.")


def _check_integers(data: bytes) -> None:
    """Refuse integers beyond 64 bits: orjson reads them as floats, and what went on would not be what came.

    Raises:
        FrameError: there is such a number outside strings.

    """
    for match in _NUMBER.finditer(_STRING.sub(b'""', data)):
        literal = match[0]
        if literal.lstrip(b"-").isdigit() and not _fits(literal):
            raise FrameError("The message holds an integer beyond 64 bits.")


def _fits(literal: bytes) -> bool:
    # The length is checked first: int() of a very long literal is slow, and refused by Python above 4,300 digits.
    return len(literal) <= 20 and _MIN_INTEGER <= int(literal) <= _MAX_INTEGER


def encode_row(row: dict[str, object]) -> bytes:
    """Write a row of a JSON lines file, with the line's end."""
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
