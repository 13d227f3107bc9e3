"""The chunks of a Chat Completions stream as the events of a response.

The rules: an item is announced when its first piece comes, and all its events carry its index. Text and reasoning end
when something else begins; calls, which may come in turns, end together. So items end in the order in which they began,
and for each text the deltas joined, the done event and the item of the last event are the same string.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import FrameError
from gateway.wire.frame import Json
from gateway.wire.synth import item_events

Item = dict[str, Json]

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_NO_CHUNK: Final = "The provider sent something that is not a chunk of an answer."
_PART: Final = {"output_text": "text", "refusal": "refusal"}
_MOST_ITEMS: Final = 1024
"""Of one answer; a model that calls more tools at once has lost its way."""


@dataclass(slots=True, eq=False)
class _Open:
    """An item under way, and the pieces of each of its texts."""

    index: int
    item: Item
    parts: list[tuple[str, list[str]]] = field(default_factory=list)
    """The kind of each part and its pieces; a call has one, its arguments."""

    @property
    def kind(self) -> str:
        return str(self.item["type"])

    def closed(self, status: str) -> Item:
        """The item as it is when everything of it has come."""
        texts = [(kind, "".join(pieces)) for kind, pieces in self.parts]
        match self.kind:
            case "function_call":
                return {**self.item, "arguments": texts[0][1], "status": status}
            case "reasoning":
                return {**self.item, "summary": [{"type": kind, "text": text} for kind, text in texts]}
            case _:
                content: list[Json] = [{**_empty(kind), _PART[kind]: text} for kind, text in texts]
                return {**self.item, "content": content, "status": status}


class ChatAnswer:
    """One answer. `begin()`, then `feed()` each chunk, then `end()`; each gives the events to send."""

    def __init__(self, response: Item, new_id: Callable[[str], str], *, most: int) -> None:
        """`response` is the response as it will be at the end, but for its output, status and usage.

        `new_id` makes an id that begins with what it is given; `most` is how many characters the answer may have.
        """
        self._left = self._most = most
        self._response = response
        self._new_id = new_id
        self._number = 0
        self._output: list[Json] = []
        self._open: list[_Open] = []
        self._calls: dict[int, _Open] = {}
        self._began = 0
        self._finish: str | None = None
        self._usage: Json = None

    @property
    def finished(self) -> bool:
        """Whether the provider said that, and why, its answer ends."""
        return self._finish is not None

    def begin(self) -> Iterator[Item]:
        """The events before the first chunk."""
        begun: Item = {**self._response, "status": "in_progress", "output": [], "usage": None}
        for kind in ("created", "in_progress"):
            yield self._numbered({"type": f"response.{kind}", "response": begun})

    def feed(self, chunk: Json) -> Iterator[Item]:
        """The events of a chunk.

        Raises:
            FrameError: it is none, or does not fit what came before.

        """
        if not isinstance(chunk, dict):
            raise FrameError(_NO_CHUNK)
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(choice, dict):
            delta = choice.get("delta")
            for event in self._delta(delta) if isinstance(delta, dict) else ():
                yield self._numbered(event)
            if isinstance(choice.get("finish_reason"), str):
                self._finish = str(choice["finish_reason"])

    def end(self) -> Iterator[Item]:
        """The events after the last chunk."""
        reason = _INCOMPLETE.get(self._finish or "")
        status = "completed" if reason is None else "incomplete"
        for event in self._close(last=status):
            yield self._numbered(event)
        details: Json = None if reason is None else {"reason": reason}
        response: Item = {**self._response, "status": status, "output": self._output}
        response |= {"incomplete_details": details, "usage": _usage(self._usage)}
        yield self._numbered({"type": f"response.{status}", "response": response})

    def _numbered(self, event: Item) -> Item:
        self._number += 1
        return {**event, "sequence_number": self._number - 1}

    def _delta(self, delta: Item) -> Iterator[Item]:
        if _says(delta.get("reasoning_content")):
            yield from self._text("reasoning", "summary_text", str(delta["reasoning_content"]))
        if _says(delta.get("content")):
            yield from self._text("message", "output_text", str(delta["content"]))
        if _says(delta.get("refusal")):
            yield from self._text("message", "refusal", str(delta["refusal"]))
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if not isinstance(call, dict):
                raise FrameError(_NO_CHUNK)
            yield from self._call(call)

    def _text(self, kind: str, part: str, piece: str) -> Iterator[Item]:
        """A piece of a message or of reasoning."""
        if not self._open or self._open[-1].kind != kind:
            yield from self._close()
            new: Item = {"type": kind, "id": self._new_id("msg_" if kind == "message" else "rs_")}
            new |= (
                {"role": "assistant", "status": "in_progress", "content": []} if kind == "message" else {"summary": []}
            )
            yield self._announce(_Open(self._began, new))
        self._take(piece)
        here = self._open[-1]
        at: Item = {"item_id": here.item["id"], "output_index": here.index}
        events = "response.reasoning_summary" if kind == "reasoning" else "response.content"
        number = "summary_index" if kind == "reasoning" else "content_index"
        if not here.parts or here.parts[-1][0] != part:
            here.parts.append((part, []))
            empty = _empty(part)
            yield {"type": f"{events}_part.added", **at, number: len(here.parts) - 1, "part": empty}
        here.parts[-1][1].append(piece)
        name = f"{events}_text" if kind == "reasoning" else f"response.{part}"
        more: Item = {"logprobs": []} if part == "output_text" else {}
        yield {"type": f"{name}.delta", **at, number: len(here.parts) - 1, "delta": piece, **more}

    def _call(self, call: Item) -> Iterator[Item]:
        """A piece of a call. A number that comes again with another id is another call: some providers count badly."""
        number, function, name = call.get("index"), call.get("function"), call.get("id")
        if not isinstance(number, int) or not isinstance(function, dict):
            raise FrameError(_NO_CHUNK)
        here = self._calls.get(number)
        if here is None or (_says(name) and name != here.item["call_id"]):
            if not _says(function.get("name")):
                raise FrameError(_NO_CHUNK)
            if self._open and self._open[-1].kind != "function_call":
                yield from self._close()
            called = name if _says(name) else self._new_id("call_")
            new: Item = {"type": "function_call", "id": self._new_id("fc_"), "call_id": called}
            new |= {"name": function["name"], "arguments": "", "status": "in_progress"}
            here = self._calls[number] = _Open(self._began, new, [("arguments", [])])
            yield self._announce(here)
        if here not in self._open:
            raise FrameError(_NO_CHUNK)
        piece = function.get("arguments")
        if isinstance(piece, str) and piece:
            self._take(piece)
            here.parts[0][1].append(piece)
            at: Item = {"item_id": here.item["id"], "output_index": here.index}
            yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}

    def _take(self, piece: str) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise FrameError(f"The provider's answer is larger than {self._most} bytes.")

    def _announce(self, new: _Open) -> Item:
        if self._began >= _MOST_ITEMS:
            raise FrameError("The provider's answer has too many parts.")
        self._open.append(new)
        self._began += 1
        return {"type": "response.output_item.added", "output_index": new.index, "item": new.item}

    def _close(self, *, last: str = "completed") -> Iterator[Item]:
        """End what is under way; `last` is the status of the very last item."""
        for place, one in enumerate(self._open, 1):
            item = one.closed(last if place == len(self._open) else "completed")
            self._output.append(item)
            yield from (event for event in item_events(item, one.index) if str(event["type"]).endswith(".done"))
        self._open = []


def _says(value: Json) -> bool:
    return isinstance(value, str) and value != ""


def _empty(part: str) -> Item:
    if part == "output_text":
        return {"type": part, "text": "", "annotations": [], "logprobs": []}
    return {"type": part, _PART.get(part, "text"): ""}


def _usage(usage: Json) -> Json:
    """What an answer cost, in the names of the Responses API; None where the provider does not say."""
    if not isinstance(usage, dict):
        return None
    taken, given = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    details = usage.get("prompt_tokens_details")
    return {
        "input_tokens": taken,
        "input_tokens_details": {
            "cached_tokens": _count(details, "cached_tokens"),
            "cache_write_tokens": _count(details, "cache_creation_tokens"),
        },
        "output_tokens": given,
        "output_tokens_details": {
            "reasoning_tokens": _count(usage.get("completion_tokens_details"), "reasoning_tokens")
        },
        "total_tokens": _count(usage, "total_tokens") or taken + given,
    }


def _count(counts: Json, name: str) -> int:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
