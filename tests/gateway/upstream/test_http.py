"""An HTTP provider: what it is asked, and what becomes of every answer it may give."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import UpstreamError
from gateway.upstream.http import HttpClients, HttpTransport
from gateway.upstream.stateless import StatelessUpstream
from gateway.upstream.websocket import Endpoint

SECRET = "sk-provider-7f6e5d4c3b2a1908"
LIMIT = 4_000
WHOLE = {"object": "response", "id": "resp_1", "status": "completed", "output": []}


class Server:
    """Answers each request with the next of some raw answers, and keeps what it was asked."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.heads: list[str] = []
        self.bodies: list[dict[str, Any]] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")
        )
        self.heads.append(head)
        self.bodies.append(json.loads(await reader.readexactly(length)))
        writer.write(self.answers.pop(0))
        writer.close()


def answer(body: bytes, kind: str = "text/event-stream", status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{extra}\r\n".encode() + body


def stream(*events: dict[str, Any]) -> bytes:
    return answer(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events))


def completed(name: str, *output: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"id": name, "output": list(output)}}


class OneByOne:
    """A provider whose frames are taken one at a time."""

    def __init__(self, upstream: StatelessUpstream) -> None:
        self.send = upstream.send
        self._upstream = upstream
        self._frames: list[str] = []

    async def receive(self) -> Any:
        self._frames += [] if self._frames else await self._upstream.receive()
        return json.loads(self._frames.pop(0))


def play(server: Server, script: Callable[[OneByOne], Awaitable[None]], **headers: str) -> None:
    async def main() -> None:
        async with asyncio.timeout(10), await asyncio.start_server(server.handle, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            clients = HttpClients()
            endpoint = Endpoint(f"http://127.0.0.1:{port}/v1/responses", LIMIT)
            up = {"authorization": f"Bearer {SECRET}", **headers}
            upstream = StatelessUpstream(HttpTransport(clients.of(endpoint), endpoint, up))
            try:
                await script(OneByOne(upstream))
            finally:
                await upstream.close()
                await clients.close()

    asyncio.run(main())


def one(server: Server, frame: dict[str, Any] | None = None, count: int = 1, **headers: str) -> list[dict[str, Any]]:
    got: list[dict[str, Any]] = []

    async def script(upstream: OneByOne) -> None:
        await upstream.send(json.dumps({"type": "response.create", "model": "m", **(frame or {"input": "hi"})}))
        got.extend([await upstream.receive() for _ in range(count)])

    play(server, script, **headers)
    return got


def test_a_frame_becomes_a_streaming_post_with_the_credentials_of_its_endpoint() -> None:
    server = Server(stream(completed("r")))
    beta = {"openai-beta": "responses_websockets=2026-02-06", "x-client-request-id": "7"}
    assert one(server, {"input": "hi", "stream_id": "a"}, **beta) == [{"stream_id": "a", **completed("r")}]
    assert server.bodies == [{"model": "m", "input": "hi", "stream": True}]
    head = server.heads[0].lower()
    assert head.startswith("post /v1/responses http/1.1")
    assert f"authorization: bearer {SECRET}" in head
    assert "x-client-request-id: 7" in head
    assert "websockets" not in head
    assert "cookie" not in head


def test_a_nested_request_is_asked_flat() -> None:
    server = Server(stream(completed("r")))
    one(server, {"response": {"input": "inner", "model": "m"}})
    assert server.bodies == [{"model": "m", "input": "inner", "stream": True}]


def test_an_answer_that_is_whole_becomes_its_events() -> None:
    part = {"type": "output_text", "text": "hi", "annotations": []}
    item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
    body = json.dumps({**WHOLE, "output": [item]}).encode()
    got = one(Server(answer(body, "application/json; charset=utf-8")), count=9)
    assert [event["type"].removeprefix("response.") for event in got] == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert [event["sequence_number"] for event in got] == list(range(9))
    assert got[-1]["response"]["output"] == [item]


LEFT = "The provider closed the connection before the response was complete."
FAILURES = {
    "cut off": (stream({"type": "response.created", "response": {}}), 2, LEFT),
    "cut within an event": (answer(b'data: {"type": "resp'), 1, LEFT),
    "nothing at all": (b"", 1, LEFT),
    "no HTTP": (b"220 smtp ready\r\n\r\n", 1, LEFT),
    "not JSON": (answer(b"data: <html>\n\n"), 1, "The provider sent something that is not an event."),
    "too large an event": (answer(b"data: " + b"a" * 5000), 1, "An event of the provider is larger than 4000 bytes."),
    "too large a body": (
        answer(b" " * 5000, "application/json"),
        1,
        "The provider's answer is larger than 4000 bytes.",
    ),
    "a page": (answer(b"{}", "application/json"), 1, "The provider sent something that is not a response."),
}


@pytest.mark.parametrize(("raw", "count", "message"), FAILURES.values(), ids=FAILURES)
def test_what_is_no_answer_is_told_in_a_sentence(raw: bytes, count: int, message: str) -> None:
    got = one(Server(raw), {"input": "hi", "stream_id": "a"}, count)
    assert (got[-1]["type"], got[-1]["stream_id"], got[-1]["error"]["message"]) == ("error", "a", message)


@pytest.mark.parametrize("status", ["301 Moved", "401 No", "429 Slow", "500 Oops", "503 Later"])
def test_an_http_error_becomes_an_error_event(status: str) -> None:
    body = json.dumps({"error": {"message": "so", "code": "c", "type": "t", "param": "p"}}).encode()
    location = "Location: http://127.0.0.1:9/\r\n"
    (told,) = one(Server(answer(body, "application/json", status, location)))
    assert told["status"] == int(status[:3])
    assert told["error"] == {"message": "so", "code": "c", "type": "t", "param": "p"}
    (told,) = one(Server(answer(b"<html>", "text/html", status)))
    assert told["error"]["message"] == f"The provider answered with HTTP {status[:3]}."


def test_a_provider_that_is_not_there_is_told() -> None:
    async def main() -> None:
        endpoint = Endpoint("http://127.0.0.1:9/responses", LIMIT)
        clients = HttpClients()
        upstream = StatelessUpstream(HttpTransport(clients.of(endpoint), endpoint, {}))
        await upstream.send('{"type":"response.create","input":"hi"}')
        assert "The provider cannot be reached." in (await upstream.receive())[0]
        await upstream.close()
        await clients.close()

    asyncio.run(main())


def test_steering_needs_a_websocket() -> None:
    async def script(upstream: OneByOne) -> None:
        await upstream.send('{"type":"response.steer","previous_response_id":"r","input":"hi"}')
        assert (await upstream.receive())["error"]["code"] == "unsupported_event"

    play(Server(), script)


def test_a_warm_up_asks_nobody_and_is_part_of_what_follows() -> None:
    server = Server(stream(completed("r1", {"type": "message", "id": "m"})), stream(completed("r2")))

    async def script(upstream: OneByOne) -> None:
        async def turn(**frame: Any) -> dict[str, Any]:
            await upstream.send(json.dumps({"type": "response.create", "store": False, **frame}))
            while (got := await upstream.receive())["type"] != "response.completed":
                pass
            return dict(got["response"])

        warm = await turn(input=["prompt"], generate=False)
        assert (warm["output"], warm["usage"]["total_tokens"]) == ([], 0)
        assert not server.bodies
        await turn(input=["one"], previous_response_id=warm["id"])
        await turn(input=["two"], previous_response_id="r1")

    play(server, script)
    first, second = server.bodies
    assert (first["input"], second["input"]) == (
        ["prompt", "one"],
        ["prompt", "one", {"type": "message", "id": "m"}, "two"],
    )
    assert "previous_response_id" not in first | second
    assert "generate" not in first


def test_a_warm_up_of_another_connection_is_not_found_and_the_provider_is_not_asked() -> None:
    warm_ups: list[str] = []

    async def warm(upstream: OneByOne) -> None:
        await upstream.send('{"type":"response.create","input":"prompt","generate":false}')
        warm_ups.append((await upstream.receive())["response"]["id"])

    play(Server(), warm)
    server = Server()
    (told,) = one(server, {"input": "hi", "previous_response_id": warm_ups[0], "stream_id": "a"})
    assert (told["error"]["code"], told["stream_id"]) == ("previous_response_not_found", "a")
    assert server.bodies == []


def test_what_the_provider_keeps_is_not_said_again() -> None:
    server = Server(stream(completed("r1")), stream(completed("r2")))

    async def script(upstream: OneByOne) -> None:
        for frame in ({"input": "one"}, {"input": "two", "previous_response_id": "r1"}):
            await upstream.send(json.dumps({"type": "response.create", **frame}))
            await upstream.receive()

    play(server, script)
    assert server.bodies[1] == {"input": "two", "previous_response_id": "r1", "stream": True}


def test_nothing_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    one(Server(stream(completed("ada.lovelace@example.com"))), {"input": "ada.lovelace@example.com"})
    assert "ada" not in caplog.text
    assert SECRET not in caplog.text


def test_a_file_of_authorities_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError, match="authorities"):
        HttpClients().of(Endpoint("https://example.com/responses", LIMIT, tmp_path / "none.pem"))


def test_no_caller_gets_another_ones_cookie() -> None:
    cookie = "Set-Cookie: session=secret; Path=/\r\n"
    body = b"data: " + json.dumps(completed("r")).encode() + b"\n\n"
    server = Server(answer(body, extra=cookie), answer(body))

    async def script(upstream: OneByOne) -> None:
        for _ in range(2):
            await upstream.send('{"type":"response.create","input":"hi"}')
            await upstream.receive()

    play(server, script)
    assert "cookie" not in "".join(server.heads).lower()


@pytest.mark.parametrize("after", [b"", b"data: {}\n\n", b'data: {"type":"response.failed"}\n\n', b"\xff\xff\n\n"])
def test_nothing_comes_after_the_last_event_of_an_answer(after: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n"
    last = b"data: " + json.dumps(completed("r1")).encode() + b"\n\n"
    server = Server(head + last + after, stream(completed("r2")))

    async def script(upstream: OneByOne) -> None:
        for name in ("r1", "r2"):
            await upstream.send('{"type":"response.create","input":"hi"}')
            assert await upstream.receive() == completed(name)

    play(server, script)


def test_the_provider_has_no_lanes_and_gets_nothing_of_a_frame() -> None:
    server = Server(stream({"stream_id": "b", **completed("r")}))
    frame = {"stream_id": "a", "background": True, "response": {"input": "hi", "stream_id": "c", "background": True}}
    (got,) = one(server, frame)
    assert got == {"stream_id": "a", **completed("r")}
    assert server.bodies == [{"model": "m", "input": "hi", "stream": True}]
