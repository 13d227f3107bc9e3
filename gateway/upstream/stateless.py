"""A provider that is asked one thing at a time and keeps no connection: HTTP, or a library.

To the session it is a provider like any other. Frames of one lane are answered one after the other, lanes at the same
time. What a provider's WebSocket would do for its connection is done here: a warm-up (`generate: false`) is answered
without asking anybody, and what was said with `store: false` is said again where a frame goes on from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Final, Protocol

from gateway.errors import FrameError, UpstreamError
from gateway.upstream.history import History
from gateway.upstream.waiting import Waiting
from gateway.wire.events import EVENTS, Class, event
from gateway.wire.frame import Json, encode, loads
from gateway.wire.synth import response_events

_SERVER_ERROR: Final = 502
_REFUSED: Final = 400
_ENDS: Final = tuple(encode(name) for name, row in EVENTS.items() if row.cls in (Class.TERMINAL, Class.ERROR))
"""What stands in every event that may end an answer, as the standard writes it."""
_WARM_UP: Final = "resp_warmup"
"""How the ids of warm-ups begin, which no provider may see."""
_REST_SECONDS: Final = 0.2
_LANE: Final = '"stream_id"'
_ECHOED: Final = (
    *("instructions", "max_output_tokens", "metadata", "parallel_tool_calls"),
    *("temperature", "tool_choice", "tools", "top_p"),
)
"""What a response repeats of its request."""
_NOT_SENT: Final = frozenset({"type", "stream_id", "response", "stream", "background"})
LEFT: Final = "The provider closed the connection before the response was complete."

Frame = dict[str, Json]


class Transport(Protocol):
    """Asks a provider for one response."""

    remembers: bool
    """Whether the provider keeps what it is not told to forget, so that an id is enough to go on from it."""

    def answer(self, request: Frame) -> AsyncGenerator[str, None]:
        """The events of the answer to a request, as they come: the body of a `POST /v1/responses`, without `stream`.

        A provider's own error is an event, too. The caller closes the generator, and what is under way ends with it.

        Raises:
            UpstreamError: the provider cannot be reached, or left.
            FrameError: what it sent is no answer.

        """


class StatelessUpstream:
    """One caller's way to a provider. `close()` it at the end: what is under way is given up."""

    headers: Mapping[str, str] = {}
    """Nothing is known before the first answer."""

    def __init__(self, transport: Transport, history: History | None = None) -> None:
        """`transport` asks on behalf of this caller, and of nobody else; `history` is theirs, too."""
        self._transport = transport
        self._history = history if history is not None else History()
        self._events: Final[Waiting[str]] = Waiting()
        self._lanes: dict[str | None, asyncio.Queue[Frame]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, data: str) -> None:
        """Send one frame; its answer comes out of `receive`."""
        frame = loads(data)
        if not isinstance(frame, dict):
            raise AssertionError("the session sends objects")
        name = frame.pop("stream_id", None)
        lane = name if isinstance(name, str) else None
        queue = self._lanes.get(lane)
        if queue is None:
            queue = self._lanes[lane] = asyncio.Queue()
            # No group: a lane's work lives as long as this object, and `close` ends it.
            task = asyncio.create_task(self._work(lane, queue))  # noqa: TID251
            self._tasks.add(task)
        queue.put_nowait(frame)

    async def receive(self) -> list[str]:
        """Wait for the next events: all that are there."""
        events = [await self._events.get()]
        while not self._events.empty():
            events.append(self._events.get_nowait())
        return events

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _work(self, lane: str | None, queue: asyncio.Queue[Frame]) -> None:
        """Answer the frames of one lane in order."""
        while True:
            frame = await queue.get()
            try:
                if frame.pop("type", None) != "response.create":
                    await self._emit(lane, _unsupported())
                    continue
                nested = frame.pop("response", None)
                await self._answer(lane, {**nested, **frame} if isinstance(nested, dict) else frame)
            except FrameError as exc:
                await self._emit(lane, failure(str(exc)))
            except UpstreamError as exc:
                await self._emit(lane, failure(str(exc)))

    async def _answer(self, lane: str | None, request: Frame) -> None:
        """Answer one request.

        Raises:
            UpstreamError: the provider cannot be reached, or left.
            FrameError: what it sent is no answer.

        """
        named = request.get("previous_response_id")
        previous = named if isinstance(named, str) else None
        known, said = self._history.before(previous)
        # A warm-up of another connection, or what nobody kept.
        if known is not None and (known.startswith(_WARM_UP) or not self._transport.remembers):
            await self._emit(lane, _not_found())
            return
        items = _items(request.get("input"))
        if request.pop("generate", None) is False:
            warm_up = _warm_up(request)
            self._history.keep(str(warm_up["id"]), previous, items, len(encode(items)))
            for new in response_events(warm_up):
                await self._emit(lane, encode(new))
            return
        # What only a frame has, or only a request, and no answer could be given to.
        body: Frame = {key: value for key, value in request.items() if key not in _NOT_SENT}
        if said:
            body["input"] = [*said, *items]
            body.pop("previous_response_id")
            if known is not None:
                body["previous_response_id"] = known
        async with contextlib.aclosing(self._transport.answer(body)) as events:
            async for data in events:
                frame = {} if _goes_on(data) else _event(data)
                ended = bool(frame) and event(str(frame["type"])).cls in (Class.TERMINAL, Class.ERROR)
                if ended:
                    self._keep(frame, request, previous, items)
                await self._emit(lane, data)
                if ended:
                    await _drain(events)
                    return
        raise UpstreamError(LEFT)

    def _keep(self, frame: Frame, request: Frame, previous: str | None, items: list[Json]) -> None:
        """Keep a response that the provider does not."""
        response = frame.get("response")
        name = response.get("id") if isinstance(response, dict) else None
        lost = request.get("store") is False or not self._transport.remembers
        if isinstance(response, dict) and isinstance(name, str) and lost:
            new = [*items, *_items(response.get("output"))]
            self._history.keep(name, previous, new, len(encode(new)))

    async def _emit(self, lane: str | None, data: str) -> None:
        if _LANE in data:  # the provider has no lanes: whatever it means by that
            frame = _event(data)
            frame.pop("stream_id", None)
            data = encode(frame)
        if lane is not None:  # an object with a type: there is something after the brace
            data = f'{{"stream_id":{encode(lane)},{data.lstrip()[1:]}'
        await self._events.put(data)


async def _drain(events: AsyncIterator[str]) -> None:
    """Read what comes after the last event, so that the connection can be used again; but nobody waits for it long."""
    with contextlib.suppress(UpstreamError, FrameError, TimeoutError):
        async with asyncio.timeout(_REST_SECONDS):
            async for _ in events:
                pass


def _goes_on(data: str) -> bool:
    """Whether an event is certainly not the last of its answer. Most are none: the session reads them all anyway."""
    return data.startswith("{") and data.endswith("}") and '"type"' in data and not any(end in data for end in _ENDS)


def _event(data: str) -> Frame:
    """An event that was streamed.

    Raises:
        UpstreamError: it is none.

    """
    try:
        frame = loads(data)
    except FrameError:
        frame = None
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise UpstreamError("The provider sent something that is not an event.")
    return frame


def _items(value: Json) -> list[Json]:
    """An input as a list of items; a string is a message of the user's."""
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": value}]}]
    return list(value) if isinstance(value, list) else []


def refusal(status: int, body: Json) -> str:
    """The error event for an answer with an HTTP error; `body` is the answer's JSON, if it had any."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        error = {"message": f"The provider answered with HTTP {status}.", "code": None}
    return encode({"type": "error", "status": status, "error": {"type": "invalid_request_error", **error}})


def failure(message: str) -> str:
    """The error event for what went wrong between here and the provider, in a sentence of our own."""
    error: Frame = {"type": "server_error", "code": None, "message": message, "param": None}
    return encode({"type": "error", "status": _SERVER_ERROR, "error": error})


def _unsupported() -> str:
    message = "This provider has no WebSocket mode: it takes response.create only."
    error: Frame = {"type": "invalid_request_error", "code": "unsupported_event", "message": message, "param": "type"}
    return encode({"type": "error", "status": _REFUSED, "error": error})


def _not_found() -> str:
    message = "The previous response was not found: send the conversation again."
    code = "previous_response_not_found"
    error: Frame = {"type": "invalid_request_error", "code": code, "message": message, "param": "previous_response_id"}
    return encode({"type": "error", "status": _REFUSED, "error": error})


def _warm_up(request: Frame) -> Frame:
    """The response to a warm-up: complete, empty, and free."""
    usage: Frame = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    usage["input_tokens_details"] = {"cached_tokens": 0, "cache_write_tokens": 0}
    usage["output_tokens_details"] = {"reasoning_tokens": 0}
    return {**empty_response(request, new_id(_WARM_UP)), "usage": usage}


def empty_response(request: Frame, name: str) -> Frame:
    """A complete response without output, as an answer to a request begins to be written here."""
    return {
        "id": name,
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": request.get("model"),
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        **{key: request[key] for key in _ECHOED if key in request},
    }


def new_id(prefix: str) -> str:
    """An id for what the provider gives none."""
    return prefix + secrets.token_hex(20)
