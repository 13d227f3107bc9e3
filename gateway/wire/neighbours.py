"""Which texts of a frame a reader sees one after the other: guardrails/joining.py looks for what was split over them.

Neighbours are the strings of one array, the parts of one message or output, and the messages and outputs of one kind
that follow each other, also with others between them: what a user wrote in two turns is one thing to who answers.
Names, ids and keys are nobody's neighbours, nor are numbers: of any four, one set in ten has a card's checksum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.wire.frame import Json
from gateway.wire.schema import Kind
from gateway.wire.texts import Path, Text

_ALONE: Final = frozenset({Kind.NAME, Kind.ID, Kind.MODEL})
_JOINED: Final = frozenset({"content", "output", "summary", "text", "refusal"})
"""Keys by which the objects of an array are neighbours. Any other belongs to its own object: rows of a table have
columns, and calls their arguments."""
_PARTS: Final = frozenset({"content", "output", "summary"})
"""Keys that hold a string, or else an array of parts that means the same."""
_TOOLS: Final = "tools"


def neighbours(frame: Json, texts: Sequence[Text], *, items_apart: bool = False) -> list[list[int]]:
    """The groups of neighbouring texts: for each group their places in `texts`, in order.

    With `items_apart`, the items of a response are no neighbours of each other.
    """
    if len(texts) < 2:
        return []
    places = _Places(frame, items_apart=items_apart)
    lanes: dict[int, list[int]] = {}
    for index, text in enumerate(texts):
        if text.path is not None and text.text and text.kind not in _ALONE and not text.is_key and _is_string(text):
            lanes.setdefault(places.lane(text.path), []).append(index)
    return [lane for lane in lanes.values() if len(lane) > 1]


def _is_string(text: Text) -> bool:
    return isinstance(text.node[text.key], str)  # type: ignore[index]  # a key of that node


class _Places:
    """Numbers the lanes of a frame. Two texts are neighbours when their paths lead into one lane."""

    __slots__ = ("_items_apart", "_known", "_numbers")

    def __init__(self, frame: Json, *, items_apart: bool) -> None:
        self._items_apart = items_apart
        self._known: dict[int, tuple[int, Json]] = {id(None): (0, frame)}
        self._numbers: dict[tuple[object, ...], int] = {}

    def lane(self, path: Path) -> int:
        """The lane of a text."""
        if path is not None and path[1] == "text":
            part = path[0]
            if part is not None and isinstance(part[1], int) and part[0] is not None and part[0][1] in _PARTS:
                return self.at(part[0])[0]  # the same as the long way, without the steps between
        return self.at(path)[0]

    def at(self, path: Path) -> tuple[int, Json]:
        """The lane of a path, and what stands there; paths share their beginnings, so each step is taken once."""
        known = self._known.get(id(path))
        if known is not None:
            return known
        if path is None:
            raise AssertionError("the frame itself has a lane")
        parent, step = path
        lane, node = self.at(parent)
        below = _child(node, step)
        number = self._element(path, lane, below) if isinstance(step, int) else self._member(path, lane, step)
        self._known[id(path)] = number, below
        return number, below

    def _element(self, path: tuple[Path, str | int], lane: int, value: Json) -> int:
        parent = path[0]
        name = parent[1] if parent is not None else None
        if name == _TOOLS or (self._items_apart and _is_output(parent)):
            return self._number(id(path))
        if isinstance(name, int):
            return self._number(id(parent), "*")
        role = value.get("role") if isinstance(value, dict) else None
        return self._number(lane, "*", role if isinstance(role, str) else None)

    def _member(self, path: tuple[Path, str | int], lane: int, step: str) -> int:
        parent = path[0]
        if parent is None or isinstance(parent[1], str):
            return self._number(lane, step)
        if step not in _JOINED:
            return self._number(id(path))
        array = parent[0]
        if step == "text" and array is not None and array[1] in _PARTS:
            return self.at(array)[0]
        return self._number(lane, step)

    def _number(self, *key: object) -> int:
        return self._numbers.setdefault(key, len(self._numbers) + 1)


def _child(node: Json, step: str | int) -> Json:
    if isinstance(node, dict) and isinstance(step, str):
        return node.get(step)
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return node[step]
    return None


def _is_output(path: Path) -> bool:
    """Whether a path leads to the items of a response."""
    return path is not None and path[1] == "output" and path[0] == (None, "response")
