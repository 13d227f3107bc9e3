"""A provider that speaks HTTP: each request becomes a streaming POST, each event of its answer a frame."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx2

from gateway.errors import FrameError, UpstreamError
from gateway.upstream.stateless import LEFT, Frame, refusal
from gateway.upstream.websocket import DIAL_SECONDS, Endpoint, tls
from gateway.wire.frame import Json, encode, loads
from gateway.wire.sse import SseDecoder
from gateway.wire.synth import response_events

_ERROR_BYTES: Final = 64 * 1024
_WEBSOCKET_BETA: Final = "responses_websockets"
_EVENT_STREAM: Final = "text/event-stream"


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


class HttpTransport:
    """One caller's requests to an HTTP provider."""

    remembers = True

    def __init__(self, client: httpx2.AsyncClient, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        """`headers` are those of the caller that go on, and the credentials for this endpoint and no other."""
        self._client = client
        self._endpoint = endpoint
        self._headers = {"user-agent": "guardrail-gateway", **headers, "accept": _EVENT_STREAM}
        self._headers |= {"content-type": "application/json", "accept-encoding": "identity"}
        if self._headers.get("openai-beta", "").startswith(_WEBSOCKET_BETA):
            del self._headers["openai-beta"]

    async def answer(self, request: Frame) -> AsyncGenerator[str, None]:
        """See `Transport`.

        Raises:
            UpstreamError: the provider cannot be reached, or left.
            FrameError: what it sent is no answer.

        """
        body = encode({**request, "stream": True})
        post = self._client.stream("POST", self._endpoint.url, content=body.encode(), headers=self._headers)
        with told():
            async with post as answer:
                kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                if answer.status_code != httpx2.codes.OK:
                    yield refusal(answer.status_code, _json(await _head(answer)))
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
        reason = LEFT
    else:
        return
    raise UpstreamError(reason)


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


def _json(body: bytes) -> Json:
    """A body as JSON; None where it is none."""
    try:
        return loads(body)
    except FrameError:
        return None
