"""The arrays of JSON source that arrives in pieces: the strings of one array are neighbours, so it is examined whole.

Every other value goes on by itself. An array that stands in another one is a part of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from gateway.errors import FrameError
from gateway.wire.frame import Json, decode, encode
from gateway.wire.neighbours import neighbours
from gateway.wire.schema import KNOWN
from gateway.wire.texts import Text, walk
from gateway.wire.values import Value

_NAMELESS: Final = "arguments"
"""What an array hangs on whose own key is nobody's: a name that says nothing about neighbours."""


_SIGNS: Final = re.compile(r"[\[\]]|[^\[\]]+")


class Array:
    """A complete array: its `texts`, which of them are neighbours, and how it is written when they have changed."""

    __slots__ = ("_attachments", "_item", "_raw", "_walk", "groups", "texts")

    def __init__(self, raw: str, name: str, *, attachments: bool) -> None:
        """`name` is the key it hangs on; `attachments`: whether pictures in it pass, unread.

        Raises:
            FrameError: it is no JSON: then its values are better looked at one by one.

        """
        self._attachments: Final = None if attachments else ""
        self._raw: Final = raw
        key = name if name in KNOWN else _NAMELESS
        # An item as it would come whole, so that the same walk finds the same neighbours.
        self._item: dict[str, Json] = {"type": "function_call", "arguments": encode({key: decode(raw)})}
        frame: dict[str, Json] = {"type": "response.output_item.done", "item": self._item}
        self._walk: Final = walk(frame)
        self.texts: Final[Sequence[Text]] = [text for text in self._walk.texts if text.text]
        self.groups: Final = neighbours(frame, self.texts)

    def written(self, new: Callable[[Text], str]) -> str:
        """Its source, with what `new` makes of each text in its place."""
        if not self._walk.rewrite(new, attachment=lambda _: self._attachments):
            return self._raw
        (array,) = decode(str(self._item["arguments"])).values()  # type: ignore[union-attr]  # the object made above
        return encode(array)


class Arrays:
    """Puts values together that belong to one array: `feed()` each, then `flush()`."""

    __slots__ = ("_attachments", "_depth", "_name", "_open")

    def __init__(self, *, attachments: bool) -> None:
        """`attachments`: whether pictures pass, unread."""
        self._attachments: Final = attachments
        self._depth = 0
        self._open: list[Value] = []
        self._name = ""

    def feed(self, value: Value) -> Iterator[Value | Array]:
        """Take the next value; give what is complete by now."""
        if value.text is None:
            for sign in _SIGNS.findall(value.raw):
                yield from self._punctuation(sign)
        elif self._depth:
            self._open.append(value)
        else:
            self._name = value.text
            yield value

    def flush(self) -> Iterator[Value]:
        """The source is at its end: give what is left of an array that has none."""
        left, self._open, self._depth = self._open, [], 0
        yield from left

    def _punctuation(self, sign: str) -> Iterator[Value | Array]:
        self._depth += sign == "["
        if not self._depth:
            yield Value(sign)
            return
        self._open.append(Value(sign))
        if sign == "]":
            self._depth -= 1
            if not self._depth:
                yield from self._closed()

    def _closed(self) -> Iterator[Value | Array]:
        values, self._open = self._open, []
        try:
            yield Array("".join(value.raw for value in values), self._name, attachments=self._attachments)
        except FrameError:
            yield from values
