"""A whole output item, or a whole response, as the sequence of events that would have brought it.

Every client accepts this shape (added, the text in one piece, done), and some accept nothing less: Codex reads only
`output_item.done`, the AI SDK only deltas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, TypeAlias

from gateway.wire.frame import Json

Item: TypeAlias = dict[str, Json]


class Source(NamedTuple):
    """A text of an item that streams by itself: the events' name, its field, and for a part the array it is in."""

    events: str
    field: str
    array: str = ""

    @property
    def number(self) -> str:
        """The key that says in an event which part of the array is meant; empty for a field of the item itself."""
        return _INDEX[self.array]


Place: TypeAlias = tuple[str, int]
"""Where in its item a streamed text is: array and number of a part; ("", 0) is a field of the item."""

_INDEX: Final = {"content": "content_index", "summary": "summary_index", "": ""}
FIELDS: Final[dict[str, Source]] = {
    "function_call": Source("response.function_call_arguments", "arguments"),
    "mcp_call": Source("response.mcp_call_arguments", "arguments"),
    "custom_tool_call": Source("response.custom_tool_call_input", "input"),
    "code_interpreter_call": Source("response.code_interpreter_call_code", "code"),
}
"""By the type of item."""
PARTS: Final[dict[str, Source]] = {
    "output_text": Source("response.output_text", "text", "content"),
    "refusal": Source("response.refusal", "refusal", "content"),
    "reasoning_text": Source("response.reasoning_text", "text", "content"),
    "summary_text": Source("response.reasoning_summary_text", "text", "summary"),
}
"""By the type of part."""
_ENDINGS: Final = frozenset({"completed", "incomplete", "failed"})
_EMPTIED: Final = ("content", "summary")
_NEVER_IN_PROGRESS: Final = frozenset({"apply_patch_call_output", "program_output"})
"""Items that are what became of a call: they have no status before they are complete."""


def item_events(item: Item, output_index: int, *, begun: Collection[Place] | None = None) -> Iterator[Item]:
    """The events of an output item, in order, without `sequence_number` and `stream_id`: the caller adds those.

    `item` is the finished item; the events share its parts, so the caller encodes them before changing it. With
    `begun` the item has been announced, and the texts at these places have come in pieces: only their end is left.
    """
    at: Item = {"output_index": output_index}
    identity = item.get("id")
    if isinstance(identity, str):
        at["item_id"] = identity
    if begun is None:
        begun = ()
        yield {"type": "response.output_item.added", "output_index": output_index, "item": emptied(item)}
    source = FIELDS.get(str(item.get("type")))
    if source is not None and isinstance(item.get(source.field), str):
        text = item[source.field]
        if text and ("", 0) not in begun:
            yield {"type": f"{source.events}.delta", **at, "delta": text}
        done: Item = {"type": f"{source.events}.done", **at, source.field: text}
        if item.get("type") == "function_call":
            done["name"] = item.get("name")
        yield done
    yield from _summary(item, at, begun)
    yield from _content(item, at, begun)
    yield from _commands(item, at)
    yield from _printed(item, at)
    yield {"type": "response.output_item.done", "output_index": output_index, "item": item}


def response_events(response: Item) -> Iterator[Item]:
    """The events of a whole response, in order and numbered, without `stream_id`; the last one carries it."""
    status = response.get("status")
    ending = status if isinstance(status, str) and status in _ENDINGS else "completed"
    output = response.get("output")
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    begun: Item = {**response, "status": "in_progress", "output": [], "usage": None}
    first: list[Item] = [{"type": f"response.{kind}", "response": begun} for kind in ("created", "in_progress")]
    between = (event for index, item in enumerate(items) for event in item_events(item, index))
    last: Item = {"type": f"response.{ending}", "response": response}
    for number, event in enumerate((*first, *between, last)):
        yield {**event, "sequence_number": number}


def emptied(item: Item) -> Item:
    """An item as it is announced: with its schema, and without its text."""
    bare = dict(item)
    for key in _EMPTIED:
        if isinstance(bare.get(key), list):
            bare[key] = []
    source = FIELDS.get(str(item.get("type")))
    if source is not None and isinstance(bare.get(source.field), str):
        bare[source.field] = ""
    if "status" in bare and str(item.get("type")) not in _NEVER_IN_PROGRESS:
        bare["status"] = "in_progress"
    return bare


def emptied_part(part: Item) -> Item:
    """A part as it is announced: without its text."""
    source = PARTS.get(str(part.get("type")))
    bare = dict(part)
    if source is not None:
        bare[source.field] = ""
    for key in ("annotations", "logprobs"):
        if key in bare:
            bare[key] = []
    return bare


def _summary(item: Item, at: Item, begun: Collection[Place]) -> Iterator[Item]:
    parts = item.get("summary")
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        if not isinstance(part, dict):
            continue
        here: Item = {**at, "summary_index": index}
        text = part.get("text")
        streamed = ("summary", index) in begun
        if not streamed:
            yield {"type": "response.reasoning_summary_part.added", **here, "part": {**part, "text": ""}}
        if isinstance(text, str):
            if text and not streamed:
                yield {"type": "response.reasoning_summary_text.delta", **here, "delta": text}
            yield {"type": "response.reasoning_summary_text.done", **here, "text": text}
        yield {"type": "response.reasoning_summary_part.done", **here, "part": part}


def _content(item: Item, at: Item, begun: Collection[Place]) -> Iterator[Item]:
    parts = item.get("content")
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        if not isinstance(part, dict):
            continue
        here: Item = {**at, "content_index": index}
        source = PARTS.get(str(part.get("type")))
        text = part.get(source.field) if source is not None and source.array == "content" else None
        if source is None or not isinstance(text, str):
            continue
        logprobs: Item = {"logprobs": []} if source.events == "response.output_text" else {}
        streamed = ("content", index) in begun
        if not streamed:
            yield {"type": "response.content_part.added", **here, "part": emptied_part(part)}
        if text and not streamed:
            yield {"type": f"{source.events}.delta", **here, "delta": text, **logprobs}
        annotations = part.get("annotations")
        for number, annotation in enumerate(annotations if isinstance(annotations, list) else ()):
            yield {
                "type": "response.output_text.annotation.added",
                **here,
                "annotation_index": number,
                "annotation": annotation,
            }
        yield {"type": f"{source.events}.done", **here, source.field: text, **logprobs}
        yield {"type": "response.content_part.done", **here, "part": part}


def _commands(item: Item, at: Item) -> Iterator[Item]:
    """The commands of a `shell_call`."""
    action = item.get("action")
    commands = action.get("commands") if item.get("type") == "shell_call" and isinstance(action, dict) else None
    for index, command in enumerate(commands if isinstance(commands, list) else ()):
        if not isinstance(command, str):
            continue
        here: Item = {**at, "command_index": index}
        yield {"type": "response.shell_call_command.added", **here, "command": ""}
        if command:
            yield {"type": "response.shell_call_command.delta", **here, "delta": command}
        yield {"type": "response.shell_call_command.done", **here, "command": command}


def _printed(item: Item, at: Item) -> Iterator[Item]:
    """What the commands of a `shell_call_output` printed."""
    output = item.get("output") if item.get("type") == "shell_call_output" else None
    for index, printed in enumerate(output if isinstance(output, list) else ()):
        if not isinstance(printed, dict):
            continue
        here: Item = {**at, "command_index": index}
        delta: Item = {key: text for key in ("stdout", "stderr") if isinstance(text := printed.get(key), str)}
        yield {"type": "response.shell_call_output_content.delta", **here, "delta": delta}
        yield {"type": "response.shell_call_output_content.done", **here, "output": [printed]}
