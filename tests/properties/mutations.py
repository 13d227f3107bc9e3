"""Frames of the package's types, and what can be wrong with a frame: as a text, and as a tree."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from random import Random
from typing import Any, Final

from gateway.wire.frame import Json, encode
from tests.properties.planting import CARD, EMAIL, everywhere
from tests.properties.sdk import (
    CLIENT_EVENTS,
    INPUT_ITEMS,
    OUTPUT_ITEMS,
    SERVER_EVENTS,
    TOOLS,
    Record,
    examples,
    type_of,
)

Frame = dict[str, Any]

_SECRETS: Final = ("authorization", "headers", "domain_secrets")
_NASTY: Final = (
    '"', "\\", "{", "}", "[", "]", ",", ":", "\x00", "\u200b", "\ufeff", "\ud800", "😀", "é", "1e999", "NaN", "-", "\n",
    "\\ud800", "\\u0000", "null", "true", "1" * 40, '"type":"response.create",', '"type":', '"stream_id":"a",', "[" * 99,
)  # fmt: skip
_VALUES: Final[tuple[Json, ...]] = (
    None, True, False, 0, -1, 2**63, -(2**63), 2**64 - 1, 1.5, -0.0, 1e300, CARD, EMAIL, "", [], {}, [[]], [EMAIL],
    {"type": EMAIL}, {EMAIL: CARD}, {"type": "mcp"}, ["type"], {"type": ["message"]}, "response.create", "\x00", "a" * 300,
)  # fmt: skip


def _material() -> tuple[list[Frame], list[Frame]]:
    """Frames of the client and of the provider, with canaries in many places and no secrets."""
    up: list[Frame] = []
    for model in INPUT_ITEMS:
        up += ({"type": "response.create", "input": [item]} for item in examples(Record(model), lean=True))
    for model in TOOLS:
        up += ({"type": "response.create", "tools": [tool]} for tool in examples(Record(model), lean=True))
    for model in CLIENT_EVENTS:
        up += (frame for frame in examples(Record(model), lean=True) if isinstance(frame, dict))
    down: list[Frame] = []
    for model in OUTPUT_ITEMS:
        for item in examples(Record(model), lean=True):
            down.append({"type": "response.output_item.done", "output_index": 0, "item": item})
            down.append({"type": "response.completed", "response": {"id": "resp_1", "output": [item]}})
    small = {type_of(model): Record(model) for model in SERVER_EVENTS if "response" not in Record(model).fields}
    down += (event for of in small.values() for event in examples(of, lean=True)[:2] if isinstance(event, dict))
    for name in ("created", "in_progress", "completed", "failed", "incomplete"):
        down += [{"type": f"response.{name}", "response": {"id": "resp_1", "output": [], "x": 1}}] * 6
    return [_planted(frame) for frame in up if not _secretive(frame)], [_planted(frame) for frame in down]


def _secretive(frame: Json) -> bool:
    return any(word in encode(frame) for word in _SECRETS)


def _planted(frame: Frame) -> Frame:
    planted = everywhere(frame, keep=frozenset({"type", "stream_id", "output_index", "model"}))
    assert isinstance(planted, dict)
    return planted


UP, DOWN = _material()
LANES: Final = (None, "a", "b", "lane_1", "no_such_lane", EMAIL, 5, ["a"])


def _flip(text: str, random: Random) -> str:
    at = random.randrange(len(text))
    return text[:at] + chr(ord(text[at]) ^ (1 << random.randrange(7))) + text[at + 1 :]


def _truncate(text: str, random: Random) -> str:
    return text[: random.randrange(len(text))]


def _insert(text: str, random: Random) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(_NASTY) + text[at:]


def _repeat(text: str, random: Random) -> str:
    start = random.randrange(len(text))
    end = min(len(text), start + random.randint(1, 60))
    return text[:end] + text[start:end] + text[end:]


def _drop(text: str, random: Random) -> str:
    start = random.randrange(len(text))
    return text[:start] + text[start + random.randint(1, 20) :]


def _repeat_key(text: str, random: Random) -> str:
    keys = list(re.finditer(r'"[a-z_]+":', text))
    chosen = random.choice(keys)[0] if keys else '"x":'
    return text[:-1] + f',{chosen}"{EMAIL}"' + text[-1:]


TEXT: Final = (_flip, _truncate, _insert, _repeat, _drop, _repeat_key)


def _nodes(value: Json) -> list[Any]:
    """The containers of a tree."""
    found: list[Any] = []
    level = [value]
    while level:
        node = level.pop()
        if isinstance(node, dict | list) and node:
            found.append(node)
            level += node.values() if isinstance(node, dict) else node
    return found


def _slot(frame: Frame, random: Random) -> tuple[Any, Any]:
    node = random.choice(_nodes(frame))
    return node, random.choice(list(node)) if isinstance(node, dict) else random.randrange(len(node))


def _swap_type(frame: Frame, random: Random) -> None:
    node, key = _slot(frame, random)
    node[key] = deepcopy(random.choice(_VALUES))


def _wrap(frame: Frame, random: Random) -> None:
    node, key = _slot(frame, random)
    old = node[key]
    node[key] = random.choice(([old], {"x": old}, json.dumps(old), {"type": "message", "content": old}))


def _nest(frame: Frame, random: Random) -> None:
    node, key = _slot(frame, random)
    inner: Json = EMAIL
    for _ in range(random.choice((3, 30, 70, 200))):
        inner = [inner] if random.random() < 0.5 else {random.choice(("x", "content", "tools", EMAIL)): inner}
    node[key] = inner


def _rename(frame: Frame, random: Random) -> None:
    node, key = _slot(frame, random)
    if isinstance(node, dict):
        node[random.choice(("type", "text", "id", "zz", EMAIL, str(CARD), "arguments", "delta", "item"))] = node.pop(
            key
        )


def _move(frame: Frame, random: Random) -> None:
    (one, at), (other, to) = _slot(frame, random), _slot(frame, random)
    other[to] = deepcopy(one[at])


def _lane(frame: Frame, random: Random) -> None:
    frame["stream_id"] = random.choice(LANES)


TREE: Final = (_swap_type, _swap_type, _wrap, _nest, _rename, _move, _lane)


def mutated(frame: Frame, random: Random) -> str:
    """A frame with one to three things wrong; now and then with none."""
    copy = deepcopy(frame)
    for _ in range(random.randint(0, 2)):
        random.choice(TREE)(copy, random)
    text = json.dumps(copy, ensure_ascii=random.random() < 0.2, separators=random.choice(((",", ":"), (", ", ": "))))
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        text = random.choice(TEXT)(text, random) or "{}"
    return text
