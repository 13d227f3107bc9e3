"""The provider is dialled where the configuration says, and every failure is one plain sentence."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from gateway.errors import UpstreamError
from gateway.upstream import websocket
from gateway.upstream.websocket import Endpoint, dial
from tests.gateway.tls import Authority

SECRET = "sk-provider-0a1b2c3d4e5f"
LIMIT = 1 << 20


def port_of(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])


Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def provider(handler: Handler, *, secure: ssl.SSLContext | None = None, **how: Any) -> AsyncIterator[str]:
    """A WebSocket server on loopback; gives its URL."""
    async with serve(handler, "127.0.0.1", 0, ssl=secure, **how) as server:
        yield f"{'ws' if secure is None else 'wss'}://127.0.0.1:{port_of(server)}/v1/responses"


@asynccontextmanager
async def listener(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that is no WebSocket server, for one connection; gives a URL as if it were."""
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        try:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        finally:
            await over.wait()


async def echo(socket: ServerConnection) -> None:
    async for data in socket:
        await socket.send(data)


def run(script: Awaitable[None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(10):
            await script

    asyncio.run(main())


def failure(script: Awaitable[Any]) -> str:
    """The text of the error that a script ends with."""

    async def main() -> str:
        async with asyncio.timeout(10):
            with pytest.raises(UpstreamError) as caught:
                await script
            assert caught.value.__cause__ is None
            assert caught.value.code == "invalid_prompt"
            return str(caught.value)

    return asyncio.run(main())


def test_frames_go_both_ways_as_text() -> None:
    async def script() -> None:
        async with provider(echo) as url:
            up = await dial(Endpoint(url, LIMIT), {})
            await up.send('{"a":"ä😀"}')
            assert await up.receive() == ['{"a":"ä😀"}']
            await up.close()
            await up.close()

    run(script())


def test_the_provider_gets_the_given_headers_and_no_others_of_the_library() -> None:
    seen: list[Any] = []

    async def keep(socket: ServerConnection) -> None:
        assert socket.request is not None
        seen.append(socket.request)

    async def script() -> None:
        async with provider(keep) as url:
            up = await dial(Endpoint(url + "?api-version=1", LIMIT), {"authorization": f"Bearer {SECRET}", "x-a": "b"})
            await up.close()

    run(script())
    (request,) = seen
    assert request.path == "/v1/responses?api-version=1"
    names = {name.lower() for name, _ in request.headers.raw_items()}
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert names == {
        *("host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"),
        *("authorization", "x-a"),
    }, "no user agent, and no compression is offered"


def test_the_headers_of_the_answer_are_there_in_lower_case() -> None:
    def answer(connection: ServerConnection, request: Request, response: Response) -> None:
        response.headers["X-Request-ID"] = "req_1"

    async def script() -> None:
        async with provider(echo, process_response=answer) as url:
            up = await dial(Endpoint(url, LIMIT), {})
            assert up.headers["x-request-id"] == "req_1"
            await up.close()

    run(script())


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "refused the credentials"),
        (403, "(HTTP 403)"),
        (404, "(HTTP 404)"),
        (429, "too many requests"),
        (500, "(HTTP 500)"),
    ],
)
def test_a_provider_that_refuses_is_told_by_its_status_only(status: int, message: str) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus(status), f"your key {SECRET} is wrong\n")

    async def script() -> None:
        async with provider(echo, process_request=refuse) as url:
            await dial(Endpoint(url, LIMIT), {"authorization": f"Bearer {SECRET}"})

    told = failure(script())
    assert message in told
    assert SECRET not in told


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    """The frames go where the configuration says; a provider cannot send them elsewhere."""
    elsewhere: list[Any] = []

    async def keep(socket: ServerConnection) -> None:
        elsewhere.append(socket.request)

    async def script() -> None:
        async with provider(keep) as other:

            def redirect(connection: ServerConnection, request: Request) -> Response:
                response = connection.respond(HTTPStatus(status), "")
                response.headers["Location"] = other
                return response

            async with provider(echo, process_request=redirect) as url:
                await dial(Endpoint(url, LIMIT), {"authorization": f"Bearer {SECRET}"})

    assert failure(script()) == f"The provider refused the connection (HTTP {status})."
    assert not elsewhere


def test_a_provider_that_is_not_there_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"ws://127.0.0.1:{probe.getsockname()[1]}/{SECRET}"
    assert failure(dial(Endpoint(url, LIMIT), {})) == "The provider cannot be reached."


def test_a_name_that_does_not_resolve_cannot_be_reached() -> None:
    assert failure(dial(Endpoint("ws://nobody.invalid/", LIMIT), {})) == "The provider cannot be reached."


def test_what_speaks_another_protocol_cannot_be_reached() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await writer.drain()

    async def script() -> None:
        async with listener(talk) as url:
            await dial(Endpoint(url, LIMIT), {})

    assert failure(script()) == "The provider cannot be reached."


def test_a_provider_that_says_nothing_did_not_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "DIAL_SECONDS", 0.02)

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def script() -> None:
        async with listener(silence) as url:
            await dial(Endpoint(url, LIMIT), {})

    assert failure(script()) == "The provider did not answer in time."


@pytest.mark.parametrize("value", ["b\r\nx-injected: c", "b\nc", "\x00", "ä", "\x7f"])
def test_a_value_that_would_be_more_than_one_header_is_not_sent(value: str) -> None:
    async def script() -> None:
        async with provider(echo) as url:
            await dial(Endpoint(url, LIMIT), {"x-a": value})

    assert failure(script()) == "A header for the provider holds what a header cannot carry."


CLOSED = "The provider closed the connection before the response was complete."


@pytest.mark.parametrize("way", ["politely", "with a code", "by cutting the line"])
def test_a_provider_that_leaves_is_told_in_one_sentence(way: str) -> None:
    async def leave(socket: ServerConnection) -> None:
        await socket.recv()
        if way == "by cutting the line":
            socket.transport.abort()
        else:
            await socket.close(1000 if way == "politely" else 1008, f"because of {SECRET}"[:60])

    async def script() -> None:
        async with provider(leave) as url:
            up = await dial(Endpoint(url, LIMIT), {})
            await up.send("x")
            try:
                await up.receive()
            finally:
                with pytest.raises(UpstreamError, match=r"The connection to the provider was lost\."):
                    await up.send("y")
                await up.close()

    assert failure(script()) == CLOSED


def test_a_message_over_the_limit_ends_the_connection() -> None:
    async def big(socket: ServerConnection) -> None:
        await socket.send("x" * 2000)
        await socket.wait_closed()

    async def script() -> None:
        async with provider(big) as url:
            up = await dial(Endpoint(url, 1024), {})
            await up.receive()

    assert failure(script()) == CLOSED


def test_a_message_larger_than_the_librarys_own_limit_is_received() -> None:
    async def big(socket: ServerConnection) -> None:
        await socket.send("x" * (3 << 20))

    async def script() -> None:
        async with provider(big) as url:
            up = await dial(Endpoint(url, 4 << 20), {})
            assert [len(frame) for frame in await up.receive()] == [3 << 20]
            await up.close()

    run(script())


def test_a_binary_message_is_not_an_event() -> None:
    async def binary(socket: ServerConnection) -> None:
        await socket.send(b"{}")
        await socket.wait_closed()

    async def script() -> None:
        async with provider(binary) as url:
            up = await dial(Endpoint(url, LIMIT), {})
            try:
                await up.receive()
            finally:
                await up.close()

    assert failure(script()) == "The provider sent something that is not text."


def test_nothing_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    async def script() -> None:
        async with provider(echo, logger=logging.getLogger("test.server")) as url:
            up = await dial(Endpoint(url + f"?key={SECRET}", LIMIT), {"authorization": f"Bearer {SECRET}"})
            await up.send(f'{{"input": "{SECRET}"}}')
            await up.receive()
            await up.close()

    logging.getLogger("test.server").disabled = True
    with caplog.at_level(logging.DEBUG):
        run(script())
    assert SECRET not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith(("websockets", "gateway"))]


# TLS


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    folder = tmp_path_factory.mktemp("tls")
    return Authority(folder, "ours"), Authority(folder, "other")


def test_a_certificate_of_the_configured_authority_is_good(authorities: tuple[Authority, Authority]) -> None:
    ours, _ = authorities

    async def script() -> None:
        async with provider(echo, secure=ours.server) as url:
            up = await dial(Endpoint(url, LIMIT, ours.ca_file), {})
            await up.send("x")
            assert await up.receive() == ["x"]
            await up.close()

    run(script())


@pytest.mark.parametrize("trusted", ["another authority", "the system's authorities"])
def test_any_other_certificate_is_not(authorities: tuple[Authority, Authority], trusted: str) -> None:
    ours, other = authorities

    async def script() -> None:
        async with provider(echo, secure=ours.server) as url:
            await dial(Endpoint(url, LIMIT, other.ca_file if trusted == "another authority" else None), {})

    assert failure(script()) == "The provider's certificate is not valid."


def test_a_certificate_for_another_name_is_not(authorities: tuple[Authority, Authority]) -> None:
    ours, _ = authorities

    async def script() -> None:
        async with provider(echo, secure=ours.server) as url:
            await dial(Endpoint(url.replace("127.0.0.1", "localhost"), LIMIT, ours.ca_file), {})

    assert failure(script()) == "The provider's certificate is not valid."


def test_a_file_of_authorities_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    for content in (None, b"no certificate"):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_bytes(content)
        message = failure(dial(Endpoint("wss://127.0.0.1:1/", LIMIT, path), {}))
        assert message == "The file of certificate authorities cannot be read."
        assert "ca.pem" not in message


def test_a_plain_provider_is_not_reached_by_tls(authorities: tuple[Authority, Authority]) -> None:
    async def script() -> None:
        async with provider(echo) as url:
            await dial(Endpoint(url.replace("ws:", "wss:"), LIMIT, authorities[0].ca_file), {})

    assert failure(script()) == "The provider cannot be reached."
