"""Canaries: personal data put into every place of a frame, and the search for them on the other side.

`plantings()` gives the frame again and again, each time with one more place holding a canary: every leaf, every key,
one more element of every array, one more key of every object. `everywhere()` fills all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.wire.frame import Json, encode
from tests.kit import Wire

EMAIL: Final = "zq.canary@example.com"
CARD: Final = 4111111111111111
CANARIES: Final[tuple[Json, ...]] = (EMAIL, CARD, [{EMAIL: CARD}, EMAIL])
UNKNOWN: Final = "zz_unknown"

_MARKS: Final = re.compile(r"zq\.canary|41111111|zq%2ecanary", re.IGNORECASE)
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")

Place = tuple[str | int, ...]


def leaks(text: str) -> bool:
    """Whether a canary can be read in a text, as it stands or after undoing JSON's escapes once or twice."""
    for _ in range(3):
        if _MARKS.search(text):
            return True
        plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text).replace("\\", "")
        if plain == text:
            return False
        text = plain
    return False


def places(value: Json, at: Place = ()) -> Iterator[tuple[Place, Json]]:
    """Every value of a tree with its place, leaves and containers alike."""
    yield at, value
    if isinstance(value, dict):
        for key, child in value.items():
            yield from places(child, (*at, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from places(child, (*at, index))


def replaced(value: Json, at: Place, new: Json) -> Json:
    """A tree with one value replaced; what is not on the way is shared."""
    if not at:
        return new
    if isinstance(value, dict):
        return {key: replaced(child, at[1:], new) if key == at[0] else child for key, child in value.items()}
    if isinstance(value, list):
        return [replaced(child, at[1:], new) if index == at[0] else child for index, child in enumerate(value)]
    raise AssertionError("no such place")


def plantings(frame: Json, seen: set[Place]) -> Iterator[tuple[str, Json]]:
    """The frame with each of its places planted in turn, and the name of the place.

    Places with the same meaning as one in `seen` are left out, and the others are added to it.
    """
    for at, value in places(frame):
        name, meaning = ".".join(map(str, at)), signature(frame, at)
        if meaning in seen:
            continue
        seen.add(meaning)
        if isinstance(value, dict):
            yield f"{name}.<key>", replaced(frame, at, {**value, EMAIL: 1})
            yield f"{name}.<number key>", replaced(frame, at, {**value, str(CARD): {EMAIL: [CARD]}})
            yield f"{name}.{UNKNOWN}", replaced(frame, at, {**value, UNKNOWN: [EMAIL, {"deep": CARD}]})
        elif isinstance(value, list):
            yield f"{name}.<element>", replaced(frame, at, [*value, EMAIL, [CARD], {"text": EMAIL}])
        if at:
            for canary in CANARIES:
                yield f"{name}={type(canary).__name__}", replaced(frame, at, canary)


def everywhere(frame: Json, *, keep: frozenset[str] = frozenset({"type"})) -> Json:
    """The frame with a canary in every string and number but those of the keys to keep, and in a new key."""
    return _fill(frame, "", keep)


def _fill(value: Json, key: str, keep: frozenset[str]) -> Json:
    if isinstance(value, dict):
        filled: dict[str, Json] = {name: _fill(child, name, keep) for name, child in value.items()}
        return {**filled, EMAIL: EMAIL, UNKNOWN: CARD}
    if isinstance(value, list):
        return [_fill(child, key, keep) for child in value]
    if key in keep or value is None or isinstance(value, bool):
        return value
    return CARD if isinstance(value, int | float) else f"x {EMAIL} y"


def signature(frame: Json, at: Place) -> Place:
    """The place with the types of the objects on the way: places that mean the same have the same one."""
    steps: list[str | int] = []
    value = frame
    for step in at:
        if isinstance(value, dict):
            steps += (str(value.get("type")), step)
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int):
            steps.append("[]")
            value = value[step]
    return tuple(steps)


def leaked(wire: Wire) -> list[str]:
    """Where a canary came through: at the provider, at the client, or in the audit."""
    found = ["provider" for raw in wire.raw_up if leaks(raw)]
    found += ["client" for raw in wire.raw_down if leaks(raw)]
    return found + ["audit" for row in wire.rows if leaks(encode(row.as_json()))]  # type: ignore[arg-type]
