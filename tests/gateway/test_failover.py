"""Real deployments that die: before their first event another one answers, after it the client is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.standin import leaked
from gateway.standin.server import StandIn, serve
from tests.gateway.loopback import Gateway, configuration, configuration_of_two, gateway, run
from tests.gateway.test_transports import CLIENTS, ask, shape

EMAIL = "ada.lovelace@example.com"
MANY = 1_000_000

Broken = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes a request, and is gone."""
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers 503."""
    await reader.readuntil(b"\r\n\r\n")
    body = b'{"error":{"message":"overloaded","code":"overloaded","type":"server_error"}}'
    head = (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
    )
    writer.write(head + str(len(body)).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    writer.close()


async def empty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begins a stream and ends it before any event."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: hello\n\n")
    await writer.drain()
    writer.close()


def play(folder: Path, broken: Broken, way: str, script: Callable[[Gateway, StandIn], Awaitable[None]]) -> None:
    """Run a script with a gateway whose first choice is broken, and a provider that works."""

    async def main() -> None:
        works = StandIn()
        server = await asyncio.start_server(broken, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, serve(works) as url:
            first = {"name": "first", "url": f"{way}://127.0.0.1:{port}/v1/responses", "model": "m1", "weight": MANY}
            second = {"name": "second", "url": f"{url}/responses", "model": "m2"}
            deployments = [{"auth": "none", **one} for one in (first, second)]
            config = configuration(url, models={"gpt-5.1": {"deployments": deployments}})
            for key in config["keys"]:
                key["models"] = ["gpt-5.1"]
            async with gateway(folder, config) as made:
                await script(made, works)

    run(main())


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("broken", [dies, busy, empty], ids=["dies", "answers 503", "begins and ends"])
@pytest.mark.parametrize("way", ["http", "ws"])
def test_a_deployment_that_fails_before_its_first_event_is_replaced(
    tmp_path: Path, broken: Broken, client: str, way: str
) -> None:
    async def script(made: Gateway, works: StandIn) -> None:
        for number in range(3):
            answer = await ask(made, client, "gpt-5.1", f"turn {number} of {EMAIL}")
            assert shape(answer)[0] == "completed"
            assert EMAIL in json.dumps(answer["output"])
        rows = made.rows()
        assert [row["decision"] for row in rows if row["direction"] == "output"] == ["forwarded"] * 3
        asked = [(row["deployment"], row.get("attempt", 1)) for row in rows if row["direction"] == "input"]
        retried = [("first", 1), ("second", 2)] if way == "http" else [("second", 1)]
        # Its pause keeps the broken one from being asked again, though its weight is a million times the other's.
        assert asked == [*retried, ("second", 1), ("second", 1)]
        assert leaked([EMAIL], [seen.raw for seen in works.seen]) == []
        models = {json.loads(seen.raw)["model"] for seen in works.seen if seen.kind == "post"}
        assert models == {"m2"}

    play(tmp_path, broken, way, script)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", ["http", "ws"])
def test_a_deployment_that_dies_within_an_answer_is_told_and_not_replaced(
    tmp_path: Path, client: str, way: str
) -> None:
    async def main() -> None:
        one, two = StandIn(), StandIn()
        async with (
            serve(one) as first,
            serve(two) as second,
            gateway(tmp_path, configuration_of_two(first, second, way)) as made,
        ):
            answer = await ask(made, client, "gpt-5.1", f"DROPME {EMAIL} and a long text after it")
            assert "provider closed the connection" in shape(answer)
            assert [row["direction"] for row in made.rows()] == ["input", "output"]
        asked: list[Any] = [seen for seen in (*one.seen, *two.seen) if seen.kind in ("ws", "post")]
        assert len(asked) == 1

    run(main())
