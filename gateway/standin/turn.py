"""One response being written: a plan turned into the sequence of events that the Responses API sends. No I/O.

`Turn.events` is a generator. Between two of its events the connection may steer the turn, or inject something into it;
where it yields `Pause` it wants to wait for that. It raises `Cut` and `Close` where the plan says the connection ends.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterator
from enum import Enum
from typing import Final, Literal, TypeAlias

from gateway.standin.plan import Item, Plan, Say, Think
from gateway.standin.tools import Call, Object
from gateway.wire.frame import Json, encode

Chunk: TypeAlias = int | Literal["rand"]

# The provider's defaults for what a request leaves out; each response echoes all of them.
ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
"""Events after which nothing more comes of a response."""
_DEFAULTS: Final[Object] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "model": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class Signal(Enum):
    """What a turn yields besides events."""

    PAUSE = "pause"


class Cut(Exception):
    """The connection is to end here, without a word."""


class Close(Exception):
    """The WebSocket is to be closed here, with code 1008."""


class Chunks:
    """Cuts texts into the pieces that become deltas: `chunk` characters each, or 1 to 7 at random from a seed."""

    def __init__(self, chunk: Chunk = 5, *, seed: int = 1) -> None:
        self._chunk = chunk
        self._random = random.Random(seed)

    def cut(self, text: str) -> Iterator[str]:
        """Yield the pieces of `text`, which joined are the text."""
        start = 0
        while start < len(text):
            size = self._random.randint(1, 7) if self._chunk == "rand" else self._chunk
            yield text[start : start + size]
            start += size


def identifier(prefix: str) -> str:
    """Make an id of the shape that the provider gives its responses, items and calls."""
    return f"{prefix}_{secrets.token_hex(24)}"


class Turn:
    """One response to one request. Iterate `events` once, then read `output`."""

    def __init__(self, request: Object, plan: Plan, chunks: Chunks) -> None:
        self.response_id = identifier("resp")
        self.stream_id = request.get("stream_id")
        self.request = request
        self.output: list[Json] = []
        self.injected: list[Json] = []
        self.response: Object = {}
        """The whole response, once it has ended."""
        self.is_steered = False
        """Set by the connection: the text being written stops at its next delta, and the response is incomplete."""
        self._plan = plan
        self._chunks = chunks
        self._sequence = -1
        self._is_interrupted = False

    @property
    def waits_for_tool(self) -> bool:
        """Whether the response ends in a call that the client has to answer."""
        return any(isinstance(item, Call) for item in self._plan.items)

    def event(self, kind: str, **fields: Json) -> Object:
        """Make the next event of this response."""
        self._sequence += 1
        lane: Object = {} if self.stream_id is None else {"stream_id": self.stream_id}
        return {"type": kind, "sequence_number": self._sequence, **fields, **lane}

    def events(self) -> Iterator[Object | Signal]:
        """Yield every event of the response, from `created` to the terminal one.

        Raises:
            Cut: the plan ends the connection in the middle of the deltas.
            Close: the plan closes the connection before any event.

        """
        if self._plan.interruption == "close":
            raise Close
        yield self.event("response.created", response=self._response("in_progress"))
        yield self.event("response.in_progress", response=self._response("in_progress"))
        for item in self._plan.items:
            if self.is_steered:
                break
            yield from self._item(item)
        if self.injected:
            yield from self._message(Say(f"Injected: {encode(self.injected)}"))
        yield self._terminal()

    def _item(self, item: Item) -> Iterator[Object | Signal]:
        match item:
            case Say():
                return self._message(item)
            case Think():
                return self._reasoning(item)
            case Call():
                return self._call(item)

    def _deltas(self, kind: str, text: str, place: Object, *, stoppable: bool = False) -> Iterator[Object | Signal]:
        """Yield the deltas of `text`; in the middle of them is where plans interrupt."""
        pieces = list(self._chunks.cut(text))
        for number, piece in enumerate(pieces):
            if number == min(2, len(pieces) - 1) and not self._is_interrupted:
                self._is_interrupted = True
                if self._plan.interruption == "cut":
                    raise Cut
                if self._plan.interruption == "hold":
                    yield Signal.PAUSE
            if self.is_steered and stoppable:
                return
            extra: Object = {"logprobs": self._logprobs(piece)} if kind == "response.output_text.delta" else {}
            yield self.event(kind, **place, delta=piece, **extra, obfuscation=secrets.token_urlsafe(6))

    def _message(self, say: Say) -> Iterator[Object | Signal]:
        item: Object = {"id": identifier("msg"), "type": "message", "status": "in_progress", "content": []}
        item["role"] = "assistant"
        if say.phase:
            item["phase"] = say.phase
        index = len(self.output)
        place: Object = {"item_id": item["id"], "output_index": index, "content_index": 0}
        kind, key = ("refusal", "refusal") if say.refusal else ("output_text", "text")
        yield self.event("response.output_item.added", output_index=index, item=dict(item))
        yield self.event("response.content_part.added", **place, part=self._part(kind, key, ""))
        written = ""
        for event in self._deltas(f"response.{kind}.delta", say.text, place, stoppable=True):
            written += str(event["delta"]) if isinstance(event, dict) else ""
            yield event
        part = self._part(kind, key, written)
        extra: Object = {} if say.refusal else {"logprobs": self._logprobs(written)}
        yield self.event(f"response.{kind}.done", **place, **{key: written}, **extra)
        yield self.event("response.content_part.done", **place, part=part)
        status = "incomplete" if self.is_steered else "completed"
        yield self._done({**item, "status": status, "content": [part]})

    def _reasoning(self, think: Think) -> Iterator[Object | Signal]:
        item: Object = {"id": identifier("rs"), "type": "reasoning", "summary": [], "encrypted_content": None}
        index = len(self.output)
        place: Object = {"item_id": item["id"], "output_index": index, "summary_index": 0}
        part: Object = {"type": "summary_text", "text": think.text}
        yield self.event("response.output_item.added", output_index=index, item=dict(item))
        yield self.event("response.reasoning_summary_part.added", **place, part={**part, "text": ""})
        yield from self._deltas("response.reasoning_summary_text.delta", think.text, place)
        yield self.event("response.reasoning_summary_text.done", **place, text=think.text)
        yield self.event("response.reasoning_summary_part.done", **place, part=part)
        sealed = "gAAAA" + secrets.token_urlsafe(40)
        yield self._done({**item, "summary": [part], "encrypted_content": sealed})

    def _call(self, call: Call) -> Iterator[Object | Signal]:
        is_function = call.kind == "function"
        stem = "function_call_arguments" if is_function else "custom_tool_call_input"
        key = "arguments" if is_function else "input"
        item: Object = {"id": identifier("fc" if is_function else "ctc")}
        item |= {"type": "function_call" if is_function else "custom_tool_call", "status": "in_progress"}
        item |= {"call_id": f"call_{secrets.token_hex(12)}", "name": call.name, key: ""}
        if call.namespace:
            item["namespace"] = call.namespace
        index = len(self.output)
        place: Object = {"item_id": item["id"], "output_index": index}
        yield self.event("response.output_item.added", output_index=index, item=dict(item))
        yield from self._deltas(f"response.{stem}.delta", call.payload, place)
        named: Object = {"name": call.name} if is_function else {}
        yield self.event(f"response.{stem}.done", **place, **{key: call.payload}, **named)
        yield self._done({**item, "status": "completed", key: call.payload})

    def _done(self, item: Object) -> Object:
        self.output.append(item)
        return self.event("response.output_item.done", output_index=len(self.output) - 1, item=item)

    def _terminal(self) -> Object:
        ending = "incomplete" if self.is_steered else self._plan.ending
        response = self._response(ending)
        response |= {"output": list(self.output), "usage": self._usage(), "completed_at": int(time.time())}
        if ending == "failed":
            message = f"The server had an error while answering: {self._plan.text}"
            response["error"] = {"code": "server_error", "message": message}
        elif ending == "incomplete":
            reason = "steered" if self.is_steered else "max_output_tokens"
            response["incomplete_details"] = {"reason": reason}
        self.response = response
        return self.event(f"response.{ending}", response=response)

    def _response(self, status: str) -> Object:
        response: Object = {"id": self.response_id, "object": "response", "created_at": int(time.time())}
        response |= {"status": status, "background": False, "completed_at": None, "error": None}
        response |= {"incomplete_details": None, "output": [], "usage": None, "service_tier": "default"}
        response |= {"max_tool_calls": None, "top_logprobs": 0}
        asked = {key: self.request.get(key) for key in _DEFAULTS}
        return response | {key: _DEFAULTS[key] if value is None else value for key, value in asked.items()}

    def _usage(self) -> Object:
        read, wrote = (len(encode(value)) // 4 for value in (self.request.get("input"), self.output))
        spent: Object = {"input_tokens": read, "output_tokens": wrote, "total_tokens": read + wrote}
        cached: Object = {"cached_tokens": 0, "cache_write_tokens": 0}
        return spent | {"input_tokens_details": cached, "output_tokens_details": {"reasoning_tokens": 0}}

    def _part(self, kind: str, key: str, text: str) -> Object:
        extra: Object = {} if kind == "refusal" else {"annotations": [], "logprobs": self._logprobs(text)}
        return {"type": kind, key: text, **extra}

    def _logprobs(self, text: str) -> list[Json]:
        include = self.request.get("include")
        if not text or not isinstance(include, list) or "message.output_text.logprobs" not in include:
            return []
        # The text once more, token by token and as bytes: what a guard of texts easily forgets.
        tokens = (text[at : at + 4] for at in range(0, len(text), 4))
        return [{"token": t, "logprob": -0.1, "bytes": list(t.encode()), "top_logprobs": []} for t in tokens]
