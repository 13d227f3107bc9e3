"""Streams as a provider sends them: every kind of streamed text, cut at will, items and lanes interleaved at will.

A `Source` is one text of one item. `sequence()` gives the events of some items of one response; `received()` reads from
what a client got back what each source became in the pieces, in the `.done`, in the item and in the final event.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any, Final

from tests.kit import Wire, policy
from tests.kit import token as token_of

Frame = dict[str, Any]

WEIRD: Final = """
    - use: patterns
      patterns:
        - {entity: NOTE, regex: '(?s)Q«.*?»Q', score: 1.0}
        - {entity: EMAIL_ADDRESS, regex: '[a-z.]+@example\\.com', score: 1.0}
"""
"""Values with anything in them: quotes, line ends, backslashes, and what looks like the token of another value."""


def conversation(*values: str, urls: bool = False, mask: str = "off", wire: Wire | None = None, **lane: Any) -> Wire:
    """A client that has sent some values, and a response that has begun."""
    if wire is None:
        output = f"output: {{mask: {mask}, restore_in: {{urls: {str(urls).lower()}}}}}\n"
        wire = Wire(policy(output, modules=WEIRD))
    wire.create([{"type": "message", "role": "user", "content": value} for value in values], **lane)
    wire.begin(f"resp_{lane.get('stream_id', 'main')}", **lane)
    return wire


def tokens(wire: Wire, *values: str) -> list[str]:
    """The tokens of some values."""
    return [token_of(wire, value) for value in values]


@dataclass(frozen=True)
class Kind:
    """How one kind of text streams. `path` leads to it in its item, `part` is the index among the item's texts."""

    item: Frame
    delta: str
    done: str
    field: str
    json: bool = False
    part: str = ""
    part_events: str = ""
    part_body: Frame = dataclasses.field(default_factory=dict)


def _message(kind: str, key: str) -> Kind:
    return Kind(
        {"type": "message", "role": "assistant", "status": "completed"},
        f"response.{kind}.delta",
        f"response.{kind}.done",
        key,
        part="content",
        part_events="response.content_part",
        part_body={"type": kind, key: ""},
    )


KINDS: Final[dict[str, Kind]] = {
    "text": _message("output_text", "text"),
    "refusal": _message("refusal", "refusal"),
    "reasoning": Kind(
        {"type": "reasoning"},
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "text",
        part="content",
        part_events="response.content_part",
        part_body={"type": "reasoning_text", "text": ""},
    ),
    "summary": Kind(
        {"type": "reasoning"},
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "text",
        part="summary",
        part_events="response.reasoning_summary_part",
        part_body={"type": "summary_text", "text": ""},
    ),
    "arguments": Kind(
        {"type": "function_call", "call_id": "call_1", "name": "send"},
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "arguments",
        json=True,
    ),
    "mcp": Kind(
        {"type": "mcp_call", "name": "send", "server_label": "x"},
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "arguments",
        json=True,
    ),
    "custom": Kind(
        {"type": "custom_tool_call", "call_id": "call_1", "name": "send"},
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "input",
    ),
    "code": Kind(
        {"type": "code_interpreter_call", "container_id": "c", "status": "completed"},
        "response.code_interpreter_call_code.delta",
        "response.code_interpreter_call_code.done",
        "code",
    ),
    "command": Kind(
        {"type": "shell_call", "call_id": "call_1"},
        "response.shell_call_command.delta",
        "response.shell_call_command.done",
        "command",
        part="commands",
    ),
    "printed": Kind(
        {"type": "shell_call_output", "call_id": "call_1"},
        "response.shell_call_output_content.delta",
        "response.shell_call_output_content.done",
        "stdout",
        part="output",
    ),
}
PLAIN: Final = [name for name, kind in KINDS.items() if not kind.json]
JSON: Final = [name for name, kind in KINDS.items() if kind.json]
PARTED: Final = [name for name, kind in KINDS.items() if kind.part]

_INDEX: Final = {
    "content": "content_index",
    "summary": "summary_index",
    "commands": "command_index",
    "output": "command_index",
}


@dataclass(frozen=True)
class Source:
    """The texts of one item, each as the pieces it is sent in."""

    kind: str
    texts: tuple[tuple[str, ...], ...]

    @property
    def whole(self) -> list[str]:
        """The texts."""
        return ["".join(pieces) for pieces in self.texts]


def cut(text: str, *offsets: int) -> tuple[str, ...]:
    """A text cut at some offsets."""
    return tuple(text[start:end] for start, end in pairwise([0, *sorted(offsets), len(text)]))


def chunks(text: str, size: int) -> tuple[str, ...]:
    """A text in chunks of one size."""
    return cut(text, *range(size, len(text), size))


def one(kind: str, pieces: Iterable[str]) -> Source:
    """An item with a single text."""
    return Source(kind, (tuple(pieces),))


def item_of(source: Source, index: int) -> Frame:
    """The finished item."""
    kind, whole = KINDS[source.kind], source.whole
    item = {"id": f"item_{index}", **kind.item}
    match kind.part:
        case "":
            return {**item, kind.field: whole[0]}
        case "commands":
            return {**item, "action": {"commands": whole}, "status": "completed"}
        case "output":
            outcome = {"type": "exit", "exit_code": 0}
            return {**item, "output": [{"stdout": text, "stderr": "", "outcome": outcome} for text in whole]}
    parts = [{**kind.part_body, kind.field: text} for text in whole]
    return {**item, "summary": [], kind.part: parts}


def item_events(source: Source, index: int) -> list[list[Frame]]:
    """The events of an item: those before its texts, those of each text, and those after."""
    kind = KINDS[source.kind]
    item = item_of(source, index)
    at: Frame = {"item_id": item["id"], "output_index": index}
    texts: list[list[Frame]] = []
    for number, pieces in enumerate(source.texts):
        here = {**at, _INDEX[kind.part]: number} if kind.part else at
        whole = "".join(pieces)
        printed = kind.part == "output"
        events: list[Frame] = []
        if kind.part_events:
            events.append({"type": f"{kind.part_events}.added", **here, "part": kind.part_body})
        if kind.part == "commands":
            first, *pieces_left = pieces
            events.append({"type": "response.shell_call_command.added", **here, "command": first})
            pieces = tuple(pieces_left)
        events += ({"type": kind.delta, **here, "delta": {"stdout": p} if printed else p} for p in pieces)
        done = {"output": [{"stdout": whole, "stderr": ""}]} if printed else {kind.field: whole}
        events.append({"type": kind.done, **here, **done})
        if kind.part_events:
            part = {**kind.part_body, kind.field: whole}
            events.append({"type": f"{kind.part_events}.done", **here, "part": part})
        texts.append(events)
    before = {"type": "response.output_item.added", "output_index": index, "item": {"id": item["id"], **kind.item}}
    after = {"type": "response.output_item.done", "output_index": index, "item": item}
    return [[before], *texts, [after]]


def shuffled(lists: Sequence[Sequence[Frame]], random: Random) -> list[Frame]:
    """The events of some lists in one order: at random, and each list's own order kept."""
    left = [list(reversed(events)) for events in lists if events]
    merged: list[Frame] = []
    while left:
        chosen = random.choice(left)
        merged.append(chosen.pop())
        if not chosen:
            left.remove(chosen)
    return merged


def sequence(sources: Sequence[Source], *, random: Random | None = None, **lane: Any) -> list[Frame]:
    """The events of a response's items, and its end. With `random`, texts and items interleave."""
    items: list[list[Frame]] = []
    for index, source in enumerate(sources):
        before, *texts, after = item_events(source, index)
        middle = shuffled(texts, random) if random is not None else [event for text in texts for event in text]
        items.append([*before, *middle, *after])
    events = shuffled(items, random) if random is not None else [event for item in items for event in item]
    output = [item_of(source, index) for index, source in enumerate(sources)]
    response = {"id": f"resp_{lane.get('stream_id', 'main')}", "output": output}
    return [{**event, **lane} for event in (*events, {"type": "response.completed", "response": response})]


@dataclass
class Received:
    """What one text of an item became, in the four places a client can read it."""

    pieces: str = ""
    done: str | None = None
    item: str | None = None
    completed: str | None = None

    def agreed(self) -> str:
        """The text, when all four say the same."""
        assert self.pieces == self.done == self.item == self.completed
        return self.pieces


def received(frames: Iterable[Frame], sources: Sequence[Source], lane: str | None = None) -> list[list[Received]]:
    """What became of each text of each item of one lane."""
    got = [[Received() for _ in source.texts] for source in sources]
    for frame in frames:
        if frame.get("stream_id") != lane:
            continue
        if frame["type"] == "response.completed":
            for index, item in enumerate(frame["response"]["output"]):
                for number, text in enumerate(texts_of(item, sources[index])):
                    got[index][number].completed = text
        elif frame["type"] == "response.output_item.done":
            index = frame["output_index"]
            for number, text in enumerate(texts_of(frame["item"], sources[index])):
                got[index][number].item = text
        elif "output_index" in frame:
            index = frame["output_index"]
            _note(frame, KINDS[sources[index].kind], got[index])
    return got


def _note(frame: Frame, kind: Kind, got: list[Received]) -> None:
    number = frame.get(_INDEX[kind.part], 0) if kind.part else 0
    printed = kind.part == "output"
    if frame["type"] == kind.delta:
        got[number].pieces += frame["delta"].get("stdout", "") if printed else frame["delta"]
    elif frame["type"] == "response.shell_call_command.added":
        got[number].pieces += frame["command"]
    elif frame["type"] == kind.done:
        got[number].done = frame["output"][0]["stdout"] if printed else frame[kind.field]


def texts_of(item: Frame, source: Source) -> list[str]:
    """The texts of an item, in order."""
    kind = KINDS[source.kind]
    match kind.part:
        case "":
            return [item[kind.field]]
        case "commands":
            return list(item["action"]["commands"])
        case "output":
            return [printed["stdout"] for printed in item["output"]]
    return [part[kind.field] for part in item[kind.part]]
