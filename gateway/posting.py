"""`POST /v1/responses`: a session of one frame, whose answer goes out as server-sent events or as one body.

The same session, policy and audit as on a WebSocket, so that no client finds another way by leaving one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.conversation import Conversation, Denied, Gateway, admit
from gateway.errors import FrameError, GatewayError, Refused
from gateway.runner import Runner
from gateway.session.refusals import STATUS, error_body
from gateway.surroundings import Dialled
from gateway.wire.events import Class, event
from gateway.wire.frame import Json, decode, encode, loads
from gateway.wire.sse import encode_comment, encode_event

_log: Final = logging.getLogger(__name__)
_QUEUE: Final = 32
"""Events that wait for a slow reader; then the provider has to."""
_STREAM_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
_TOO_LARGE: Final = 413
_DRAINED: Final = 4
"""Times the largest body that are read of one which is too large."""
_RATE: Final = {"rate_limit_exceeded": 429}
_INTERNAL: Final = "The request could not be answered."

Frame = dict[str, Json]


class Asked:
    """The client of a session: it sends one frame, or none, and leaves when it has its answer."""

    def __init__(self, frame: str | None) -> None:
        self._first = frame
        self._over = asyncio.Event()
        self.frames: asyncio.Queue[str | None] = asyncio.Queue(_QUEUE)
        """What the session sends; None at the end."""

    async def receive(self) -> str | None:
        """The frame; then None, when the client has left."""
        first, self._first = self._first, None
        if first is None:
            await self._over.wait()
        return first

    async def send(self, data: str) -> None:
        """Take a frame for the client; OSError when it has left."""
        if self._over.is_set():
            raise ConnectionResetError
        await self.frames.put(data)

    async def close(self, code: int, reason: str) -> None:
        """The session is over."""
        del code, reason
        if not self._over.is_set():
            await self.frames.put(None)

    def leave(self) -> None:
        """The client has its answer, or has gone away: nothing more is read."""
        self._over.set()
        while not self.frames.empty():  # whoever waits to write goes on, and learns it with the next frame
            self.frames.get_nowait()


async def serve_post(gateway: Gateway, request: Request) -> Response:
    """Answer one `POST /v1/responses`."""
    try:
        caller, asked = admit(gateway, request.scope)
    except Denied as exc:
        _log.warning("a request was answered with %d: %s", exc.status, exc)
        return JSONResponse(error_body(str(exc), exc.code), exc.status)
    most = gateway.settings.config.limits.message_bytes
    try:
        body = await _read(request, most)
    except ClientDisconnect:
        return Response(status_code=STATUS)
    if body is None:
        return JSONResponse(error_body(f"The body is larger than {most} bytes.", "invalid_prompt"), _TOO_LARGE)
    try:
        frame, streams = _frame(body, gateway.settings.config.limits.json_depth)
    except (FrameError, Refused) as exc:
        return _refusal(exc)
    client = Asked(encode(frame))
    conversation = Conversation(gateway, caller, request.scope["headers"])
    runner = Runner(conversation.session(asked), client, conversation.around())
    counted = (caller.key.key.id, "")
    answer = Answer(client, runner, gateway, counted)
    return await answer.stream() if streams else await answer.whole()


class Answer:
    """What becomes of one request: the session runs in a task of its own, and this reads what it sends."""

    def __init__(
        self,
        client: Asked,
        runner: Runner,
        gateway: Gateway,
        counted: tuple[str, str],
        first: tuple[str, Dialled] | None = None,
    ) -> None:
        """`first` is a provider that is connected already, and its model."""
        self._client: Final = client
        self._gateway: Final = gateway
        self._counted: Final = counted
        gateway.open.update(counted)
        # No group: the response reads on after this function's caller has returned it; `_end` ends the task.
        self._running: Final = asyncio.create_task(runner.run(first))  # noqa: TID251

    async def whole(self) -> Response:
        """The answer as one body: the response, or an error."""
        try:
            while (data := await self._client.frames.get()) is not None:
                frame = _object(data)
                if _is_error(frame):
                    return _error(frame)
                response = frame.get("response")
                if event(str(frame.get("type"))).cls is Class.TERMINAL and isinstance(response, dict):
                    return Response(encode(response), media_type="application/json")
            return JSONResponse(error_body(_INTERNAL, "server_error"), 500)
        finally:
            await self._end()

    async def stream(self) -> Response:
        """The answer as events; an error that comes before any of them is an HTTP error."""
        begun = False
        try:
            data = await self._client.frames.get()
            if data is None:
                return JSONResponse(error_body(_INTERNAL, "server_error"), 500)
            frame = _object(data)
            if _is_error(frame):
                return _error(frame)
            begun = True
            return _Stream(self._events(data, frame), self._end)
        finally:
            if not begun:
                await self._end()

    async def _events(self, data: str | None, frame: Frame) -> AsyncIterator[bytes]:
        """The events as they are streamed; those that are there already go out together."""
        frames = self._client.frames
        pieces: list[bytes] = []
        ended = False
        while data is not None and not ended:
            piece, ended = _event(data, frame)
            pieces.append(piece)
            if ended or frames.empty():
                yield b"".join(pieces)
                pieces = []
            if not ended:
                data = await frames.get()
                frame = _object(data) if data is not None else {}
        if pieces:
            yield b"".join(pieces)

    async def _end(self) -> None:
        """Leave the session and wait for its end; a client that went away takes its response with it."""
        self._client.leave()
        try:
            await asyncio.shield(self._running)
        finally:
            self._gateway.open.subtract(self._counted)


class _Stream(StreamingResponse):
    """A stream of events; whether it is read to its end or not, the session ends with it."""

    def __init__(self, events: AsyncIterator[bytes], end: Callable[[], Awaitable[None]]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=_STREAM_HEADERS)
        self._ends = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._ends()


async def _read(request: Request, most: int) -> bytes | None:
    """The body; None when it is larger than `most` bytes."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= most:
            pieces.append(piece)
        elif size > _DRAINED * most:
            break  # until then it is read, and dropped: a client that still writes would not see the answer
    return b"".join(pieces) if size <= most else None


def _frame(body: bytes, depth: int) -> tuple[Frame, bool]:
    """The frame that a body asks for, and whether its answer is to be streamed.

    Raises:
        FrameError: the body is not strict JSON.
        Refused: it is no object, or asks for what only the other way of talking has.

    """
    value = decode(body, depth=depth)
    if not isinstance(value, dict):
        raise Refused("The body must be a JSON object.")
    if value.get("type", "response.create") != "response.create" or "stream_id" in value:
        raise Refused("This is a frame of the WebSocket mode.", param="type" if "type" in value else "stream_id")
    if value.pop("background", None) not in (None, False):
        raise Refused("Responses in the background are not supported.", param="background")
    streams = value.pop("stream", None)
    if streams is not None and not isinstance(streams, bool):
        raise Refused("stream must be true or false.", param="stream")
    return {**value, "type": "response.create"}, streams is True


def _object(data: str) -> Frame:
    frame = loads(data)
    return frame if isinstance(frame, dict) else {}


def _is_error(frame: Frame) -> bool:
    return event(str(frame.get("type"))).cls is Class.ERROR


def _error(frame: Frame) -> Response:
    """An error frame as an HTTP error."""
    error, status = frame.get("error"), frame.get("status")
    code = error.get("code") if isinstance(error, dict) else None
    known = _RATE.get(code) if isinstance(code, str) else None
    if known is None:
        known = status if isinstance(status, int) and 400 <= status < 600 else STATUS
    return Response(encode({"error": error}), known, media_type="application/json")


def _refusal(error: GatewayError) -> Response:
    body = error_body(str(error), error.code)
    if isinstance(error, Refused) and isinstance(body["error"], dict):
        body["error"]["param"] = error.param
    return JSONResponse(body, STATUS)


def _event(data: str, frame: Frame) -> tuple[bytes, bool]:
    """A frame as it is streamed, and whether it is the last."""
    name = str(frame.get("type"))
    if name == "keepalive":
        return encode_comment(name), False
    kind = event(name).cls
    if kind is Class.ERROR:
        return encode_event("error", encode(_flat(frame))), True
    return encode_event(name, data), kind is Class.TERMINAL


def _flat(frame: Frame) -> Frame:
    """An error frame in the form that it has among server-sent events."""
    error = frame.get("error")
    fields = error if isinstance(error, dict) else {}
    told = {key: fields.get(key) for key in ("code", "message", "param")}
    return {"type": "error", **told, "sequence_number": frame.get("sequence_number") or 0}
