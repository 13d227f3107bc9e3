"""`POST /v1/responses`: a session of one frame, whose answer goes out as server-sent events or as one body.

The same session, policy and audit as on a WebSocket, so that no client finds another way by leaving one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.auth import Caller
from gateway.conversation import Conversation, Denied, Gateway, Place, admit
from gateway.errors import FrameError, GatewayError, Refused
from gateway.runner import Runner
from gateway.session.refusals import STATUS, error_body
from gateway.surroundings import Dialled
from gateway.upstream.waiting import Waiting
from gateway.wire.events import Class, event
from gateway.wire.frame import Json, decode, encode, loads
from gateway.wire.sse import encode_comment, encode_event

_log: Final = logging.getLogger(__name__)
_STREAM_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
_TOO_LARGE: Final = 413
_TIMEOUT: Final = 408
_BODY_SECONDS: Final = 60.0
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
        self.frames: Final[Waiting[str | None]] = Waiting()
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
        self.frames.put_nowait(None)


async def serve_post(gateway: Gateway, request: Request) -> Response:
    """Answer one `POST /v1/responses`."""
    return await let_in(gateway, request, partial(_answer, gateway, request))


async def let_in(
    gateway: Gateway, request: Request, answer: Callable[[Caller, str | None, Place], Awaitable[Response]]
) -> Response:
    """Answer a request of whoever may make one: the caller, the model of `?model=`, and a place that is counted."""
    try:
        caller, asked = admit(gateway, request.scope)
    except Denied as exc:
        gateway.metrics.denied(exc.code)
        _log.warning("a request was answered with %d: %s", exc.status, exc)
        return JSONResponse(error_body(str(exc), exc.code), exc.status)
    place = gateway.take_place(caller.key.key.id)
    response: Response | None = None
    try:
        response = await answer(caller, asked, place)
    finally:
        if not isinstance(response, _Stream):  # which gives it back at its end
            place.give_back()
    return response


async def _answer(gateway: Gateway, request: Request, caller: Caller, asked: str | None, place: Place) -> Response:
    limits = gateway.settings.config.limits
    conversation = Conversation(gateway, caller, request.scope["headers"])
    body: bytes | None = None
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await _read(request, limits.message_bytes)
        frame, streams = _frame(body, limits.json_depth)
    except (ClientDisconnect, TimeoutError):
        return _refusal(conversation, FrameError("The body did not come."), _TIMEOUT)
    except (FrameError, Refused) as exc:
        return _refusal(conversation, exc, STATUS if body is not None else _TOO_LARGE)
    client = Asked(encode(frame))
    answer = Answer(gateway, client, Runner(conversation.session(asked, http=True), client, conversation.around()))
    with answer.watching(request):
        return await answer.stream(place) if streams else await answer.whole()


class Answer:
    """What becomes of one request: the session runs in a task of its own, and this reads what it sends."""

    def __init__(
        self, gateway: Gateway, client: Asked, runner: Runner, first: tuple[str, Dialled] | None = None
    ) -> None:
        """`first` is a provider that is connected already, and its model."""
        self._client: Final = client
        # No group: the session ends by itself, after the answer was given; the gateway ends what is left.
        running = asyncio.create_task(runner.run(first))  # noqa: TID251
        gateway.running.add(running)
        running.add_done_callback(gateway.running.discard)

    @contextlib.contextmanager
    def watching(self, request: Request) -> Iterator[None]:
        """Leave the session when the client goes away before anything was sent to it."""
        watch = asyncio.create_task(self._watch(request))  # noqa: TID251 - it ends with this block
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self._client.leave()

    async def whole(self) -> Response:
        """The answer as one body: the response, or an error."""
        try:
            while (data := await self._client.frames.get()) is not None:
                frame = _object(data)
                if _is_error(frame):
                    return _error(frame)
                if event(str(frame.get("type"))).cls is Class.TERMINAL:
                    response = frame.get("response")
                    if not isinstance(response, dict):
                        break
                    return Response(encode(response), media_type="application/json")
            return JSONResponse(error_body(_INTERNAL, "server_error"), 500)
        finally:
            self._client.leave()

    async def stream(self, place: Place) -> Response:
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
            return _Stream(self._events(data, frame), self._client, place)
        finally:
            if not begun:
                self._client.leave()

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


class _Stream(StreamingResponse):
    """A stream of events; whether it is read to its end or not, the session ends with it."""

    def __init__(self, events: AsyncIterator[bytes], client: Asked, place: Place) -> None:
        super().__init__(events, media_type="text/event-stream", headers=_STREAM_HEADERS)
        self._client = client
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._client.leave()
            self._place.give_back()


async def _read(request: Request, most: int) -> bytes:
    """The body.

    Raises:
        FrameError: it is larger than `most` bytes.

    """
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= most:
            pieces.append(piece)
        elif size > _DRAINED * most:
            break  # until then it is read, and dropped: a client that still writes would not see the answer
    if size > most:
        raise FrameError(f"The body is larger than {most} bytes.")
    return b"".join(pieces)


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
    if "response" in value:
        raise Refused("A request has no nested response.", param="response")
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


def _refusal(conversation: Conversation, error: GatewayError, status: int) -> Response:
    """The answer to a body that does not become a frame, once it is recorded."""
    conversation.refused(error)
    body = error_body(str(error), error.code)
    if isinstance(error, Refused) and isinstance(body["error"], dict):
        body["error"]["param"] = error.param
    return JSONResponse(body, status)


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
