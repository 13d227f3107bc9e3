"""A provider that speaks HTTP only: each `response.create` becomes a streaming POST, each event of its answer a frame.

To the session it is a provider like any other. Frames of one lane are answered one after the other, lanes at the same
time. What a provider's WebSocket would do for its connection is done here: a warm-up (`generate: false`) is answered
without asking anybody, and what was said with `store: false` is said again where a frame goes on from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx2

from gateway.errors import FrameError, UpstreamError
from gateway.upstream.history import History
from gateway.upstream.websocket import DIAL_SECONDS, Endpoint, tls
from gateway.wire.events import EVENTS, Class, event
from gateway.wire.frame import Json, encode, loads
from gateway.wire.sse import SseDecoder
from gateway.wire.synth import response_events

_QUEUE: Final = 32
"""Events read ahead of the runner; then the provider has to wait."""
_ERROR_BYTES: Final = 64 * 1024
_SERVER_ERROR: Final = 502
_REFUSED: Final = 400
_WEBSOCKET_BETA: Final = "responses_websockets"
_EVENT_STREAM: Final = "text/event-stream"
_ENDS: Final = tuple(encode(name) for name, row in EVENTS.items() if row.cls in (Class.TERMINAL, Class.ERROR))
"""What stands in every event that may end an answer, as the standard writes it."""
_WARM_UP: Final = "resp_warmup"
"""How the ids of warm-ups begin, which no provider may see."""
_REST_SECONDS: Final = 0.2
_LANE: Final = '"stream_id"'
_NOT_SENT: Final = frozenset({"type", "stream_id", "response", "stream", "background"})
_LEFT: Final = "The provider closed the connection before the response was complete."

Frame = dict[str, Json]


class HttpClients:
    """The connections to HTTP providers, which all callers share. `close()` them at the end."""

    def __init__(self) -> None:
        self._clients: dict[object, httpx2.AsyncClient] = {}

    def of(self, endpoint: Endpoint) -> httpx2.AsyncClient:
        """The client for an endpoint. It follows no redirect and keeps no cookie.

        Raises:
            UpstreamError: the file of certificate authorities cannot be read.

        """
        client = self._clients.get(endpoint.ca_file)
        if client is None:
            verify: ssl.SSLContext | bool = tls(endpoint) if endpoint.ca_file is not None else True
            client = self._clients[endpoint.ca_file] = httpx2.AsyncClient(
                verify=verify,
                # How long an answer may take is the session's business.
                timeout=httpx2.Timeout(None, connect=DIAL_SECONDS, pool=DIAL_SECONDS),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
                cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),  # one caller's are not another's
            )
        return client

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()


class HttpUpstream:
    """One caller's way to an HTTP provider. `close()` it at the end: what is under way is given up."""

    headers: Mapping[str, str] = {}
    """Nothing is known before the first answer."""

    def __init__(self, client: httpx2.AsyncClient, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        """`headers` are those of the caller that go on, and the credentials for this endpoint and no other."""
        self._client = client
        self._endpoint = endpoint
        self._headers = {"user-agent": "guardrail-gateway", **headers, "accept": _EVENT_STREAM}
        self._headers |= {"content-type": "application/json", "accept-encoding": "identity"}
        if self._headers.get("openai-beta", "").startswith(_WEBSOCKET_BETA):
            del self._headers["openai-beta"]
        self._history = History()
        self._events: asyncio.Queue[str] = asyncio.Queue(_QUEUE)
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

    async def receive(self) -> str:
        """Wait for the next event."""
        return await self._events.get()

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
                await self._emit(lane, _failure(str(exc)))
            except UpstreamError as exc:
                await self._emit(lane, _failure(str(exc)))

    async def _answer(self, lane: str | None, request: Frame) -> None:
        """Answer one request.

        Raises:
            UpstreamError: the provider cannot be reached, or left.
            FrameError: what it sent is no answer.

        """
        named = request.get("previous_response_id")
        previous = named if isinstance(named, str) else None
        known, said = self._history.before(previous)
        if known is not None and known.startswith(_WARM_UP):  # one of another connection: nobody knows it any more
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
        body: Frame = {key: value for key, value in request.items() if key not in _NOT_SENT} | {"stream": True}
        if said:
            body["input"] = [*said, *items]
            body.pop("previous_response_id")
            if known is not None:
                body["previous_response_id"] = known
        async with contextlib.aclosing(self._post(encode(body))) as events:
            async for data in events:
                frame = {} if _goes_on(data) else _event(data)
                ended = bool(frame) and event(str(frame["type"])).cls in (Class.TERMINAL, Class.ERROR)
                if ended:
                    self._keep(frame, request, previous, items)
                await self._emit(lane, data)
                if ended:
                    await _drain(events)
                    return
        raise UpstreamError(_LEFT)

    def _keep(self, frame: Frame, request: Frame, previous: str | None, items: list[Json]) -> None:
        """Keep a response that the provider does not."""
        response = frame.get("response")
        name = response.get("id") if isinstance(response, dict) else None
        if isinstance(response, dict) and isinstance(name, str) and request.get("store") is False:
            new = [*items, *_items(response.get("output"))]
            self._history.keep(name, previous, new, len(encode(new)))

    async def _post(self, body: str) -> AsyncGenerator[str, None]:
        """The events of one answer.

        Raises:
            UpstreamError: the provider cannot be reached, or left.
            FrameError: what it sent is no answer.

        """
        post = self._client.stream("POST", self._endpoint.url, content=body.encode(), headers=self._headers)
        with told():
            async with post as answer:
                kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                if answer.status_code != httpx2.codes.OK:
                    yield _refusal(answer.status_code, await _head(answer))
                elif kind != _EVENT_STREAM:
                    for new in _whole(await body_of(answer, self._endpoint.max_bytes)):
                        yield new
                else:
                    decoder = SseDecoder(self._endpoint.max_bytes)
                    async for piece in answer.aiter_bytes():
                        for data in decoder.feed(piece):
                            yield data
                    for data in decoder.end():
                        yield data

    async def _emit(self, lane: str | None, data: str) -> None:
        if _LANE in data:  # the provider has no lanes: whatever it means by that
            frame = _event(data)
            frame.pop("stream_id", None)
            data = encode(frame)
        if lane is not None:  # an object with a type: there is something after the brace
            data = f'{{"stream_id":{encode(lane)},{data.lstrip()[1:]}'
        await self._events.put(data)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Tell what went wrong with a provider in a sentence of our own.

    Raises:
        UpstreamError: the provider cannot be reached, or left.

    """
    try:
        yield
    except httpx2.TimeoutException:
        reason = "The provider did not answer in time."
    except httpx2.ConnectError:
        reason = "The provider cannot be reached."
    except (httpx2.HTTPError, httpx2.StreamError, OSError):
        reason = _LEFT
    else:
        return
    raise UpstreamError(reason)


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


async def _head(answer: httpx2.Response) -> bytes:
    """The beginning of a body."""
    head = b""
    async for piece in answer.aiter_bytes():
        head += piece
        if len(head) >= _ERROR_BYTES:
            break
    return head[:_ERROR_BYTES]


async def body_of(answer: httpx2.Response, most: int) -> bytes:
    """A whole body.

    Raises:
        FrameError: it has more than `most` bytes.

    """
    pieces: list[bytes] = []
    size = 0
    async for piece in answer.aiter_bytes():
        size += len(piece)
        if size > most:
            raise FrameError(f"The provider's answer is larger than {most} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def _whole(body: bytes) -> list[str]:
    """The events of an answer that was not streamed.

    Raises:
        FrameError: it is none.

    """
    response = loads(body)
    if not isinstance(response, dict) or response.get("object") != "response":
        raise FrameError("The provider sent something that is not a response.")
    return [encode(new) for new in response_events(response)]


def _refusal(status: int, body: bytes) -> str:
    """The error event for an answer with an HTTP error."""
    try:
        whole = loads(body)
    except FrameError:
        whole = None
    error = whole.get("error") if isinstance(whole, dict) else None
    if not isinstance(error, dict):
        error = {"message": f"The provider answered with HTTP {status}.", "code": None}
    return encode({"type": "error", "status": status, "error": {"type": "invalid_request_error", **error}})


def _failure(message: str) -> str:
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
    details: Frame = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    echoed: Frame = {
        key: request[key] for key in ("instructions", "metadata", "tools", "tool_choice") if key in request
    }
    return {
        "id": _WARM_UP + secrets.token_hex(20),
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
        "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, **details},
        **echoed,
    }
