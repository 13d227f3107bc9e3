"""What only the WebSocket mode has, through the gateway: lanes, steering, warm-up, errors and lost connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

CARD = "4111 1111 1111 1111"
PEOPLE = {"a": "ada.lovelace@example.com", "b": "grace.hopper@example.com", "c": "mary.kenneth@example.com"}
TERMINAL = ("response.completed", "response.incomplete", "response.failed", "error")


def talk(gateway: Any, chunk: int, script: Callable[[ClientConnection], Awaitable[None]]) -> None:
    """Run `script` with a WebSocket to the gateway; afterwards the provider must have seen no value."""

    async def main() -> None:
        headers = {"Authorization": f"Bearer {gateway.keys['default']}"}
        url = f"{gateway.url.replace('http', 'ws')}/responses?model={gateway.model(chunk)}"
        async with asyncio.timeout(30), connect(url, additional_headers=headers, proxy=None) as socket:
            await script(socket)

    asyncio.run(main())
    gateway.check_provider(chunk, also=tuple(PEOPLE.values()))


async def send(socket: ClientConnection, kind: str = "response.create", **frame: Any) -> None:
    await socket.send(json.dumps({"type": kind, **frame}))


async def receive(socket: ClientConnection) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(await socket.recv())
    return event


async def until(socket: ClientConnection, *kinds: str) -> list[dict[str, Any]]:
    """Every event up to the first of these kinds."""
    events = [await receive(socket)]
    while events[-1]["type"] not in kinds:
        events.append(await receive(socket))
    return events


def answer(event: dict[str, Any]) -> str:
    return str(event["response"]["output"][0]["content"][0]["text"])


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_lanes_that_interleave_keep_their_values_apart(gateway: Any, chunk: int) -> None:
    """Three lanes write at once; each one's deltas and response hold its own person, exact."""

    async def script(socket: ClientConnection) -> None:
        for lane, email in PEOPLE.items():
            await send(socket, input=f"HOLD and write to {email}", stream_id=lane)
        deltas = dict.fromkeys(PEOPLE, "")
        started: list[str] = []
        answers: dict[str, str] = {}
        while len(answers) < len(PEOPLE):
            event = await receive(socket)
            if event["type"] == "response.created":
                started.append(event["response"]["id"])
                if len(started) == len(PEOPLE):  # all wait in the middle of their answers: let them go on
                    for response in started:
                        await send(socket, "response.inject", response_id=response, input=[])
            elif event["type"] == "response.output_text.delta":
                deltas[event["stream_id"]] += event["delta"]
            elif event["type"] in TERMINAL:
                answers[event["stream_id"]] = answer(event)
        assert answers == deltas == {lane: f"Echo: HOLD and write to {email}" for lane, email in PEOPLE.items()}

    talk(gateway, chunk, script)


@pytest.mark.parametrize("chunk", [1, 7])
def test_a_steered_response_and_its_successor_are_restored(gateway: Any, chunk: int) -> None:
    """The steer's value reaches the provider masked only, and the successor nobody created gives it back."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input="HOLD this")
        first = (await receive(socket))["response"]["id"]
        await send(socket, "response.steer", previous_response_id=first, input=f"rather {PEOPLE['b']}")
        stopped = (await until(socket, *TERMINAL))[-1]
        assert stopped["response"]["incomplete_details"] == {"reason": "steered"}
        successor = (await until(socket, *TERMINAL))[-1]
        assert answer(successor) == f"Echo: rather {PEOPLE['b']}"

    talk(gateway, chunk, script)


def test_a_failed_steer_echoes_the_clients_own_words(gateway: Any) -> None:
    """The provider returns masked input in response.steer.failed; the client gets its own back."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input="hello")
        first = (await until(socket, *TERMINAL))[-1]["response"]["id"]
        await send(socket, "response.steer", previous_response_id=first, input=f"late {PEOPLE['c']}")
        [failed] = await until(socket, "response.steer.failed", "error")
        assert failed["steer"]["input"] == f"late {PEOPLE['c']}"

    talk(gateway, 3, script)


def test_a_warm_up_is_masked_and_the_next_turn_restores_from_it(gateway: Any) -> None:
    """generate: false carries the prompt; a turn that continues it recalls the exact values."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input=f"I am {PEOPLE['a']}, {CARD}", generate=False)
        warm = (await until(socket, *TERMINAL))[-1]["response"]
        assert warm["output"] == []
        await send(socket, input="RECALL", previous_response_id=warm["id"])
        assert answer((await until(socket, *TERMINAL))[-1]) == f"Echo: I am {PEOPLE['a']}, {CARD} | RECALL"

    talk(gateway, 3, script)


def test_a_providers_error_quotes_the_clients_own_words(gateway: Any) -> None:
    """An error that quotes the masked prompt arrives restored, and the connection lives on."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input=f"ERRORME {PEOPLE['a']}")
        [error] = await until(socket, "error")
        assert error["error"]["message"].endswith(f"ERRORME {PEOPLE['a']}")
        await send(socket, input=PEOPLE["b"])
        assert answer((await until(socket, *TERMINAL))[-1]) == f"Echo: {PEOPLE['b']}"

    talk(gateway, 7, script)


@pytest.mark.parametrize(("word", "status"), [("FAILME", "failed"), ("INCOMPLETE", "incomplete")])
def test_responses_that_end_badly_are_restored_too(gateway: Any, word: str, status: str) -> None:
    """The text in response.failed and response.incomplete is exact."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input=f"{word} {PEOPLE['a']}")
        ended = (await until(socket, *TERMINAL))[-1]
        assert ended["type"] == f"response.{status}"
        assert answer(ended) == f"Echo: {word} {PEOPLE['a']}"

    talk(gateway, 1, script)


@pytest.mark.parametrize("word", ["DROPME", "CLOSEME"])
def test_a_provider_that_leaves_ends_the_turn_for_the_client(gateway: Any, word: str) -> None:
    """When the provider cuts or closes, the client is told, by an error or the end of its connection, and not left."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input=f"{word} {PEOPLE['a']}")
        with contextlib.suppress(ConnectionClosed):
            assert (await until(socket, *TERMINAL))[-1]["type"] in ("error", "response.failed")

    talk(gateway, 1, script)
