"""What a whole connection survives: messages too large, sides that leave, stall or are not there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.gateway.loopback import (
    Gateway,
    Provider,
    ask,
    play,
    read,
    text_of,
)
from tests.kit import EMAIL

# Messages


def test_a_large_message_is_refused_and_a_huge_one_ends_the_connection(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            (refused,) = await ask(socket, "x" * 5000)
            assert "4096 bytes" in refused["error"]["message"]
            assert text_of(await ask(socket)) == "hello"
            await socket.send("x" * 10_000)
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1009
        assert len(provider.frames) == 1

    play(tmp_path, script, limits={"message_bytes": "4KiB"})


def test_a_message_in_fragments_is_one_and_its_limit_counts_all_of_them(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        data = json.dumps({"type": "response.create", "input": f"mail {EMAIL}"})
        async with gateway.connect() as socket:
            await socket.send(data[at : at + 5] for at in range(0, len(data), 5))
            assert text_of(await read(socket)) == f"mail {EMAIL}"
            await socket.send("x" * 1000 for _ in range(20))
            with pytest.raises(ConnectionClosed):
                await socket.recv()

    play(tmp_path, script, limits={"message_bytes": "4KiB"})


def test_a_binary_message_is_refused_and_the_connection_lives_on(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            for data in (b"", json.dumps({"type": "response.create", "input": "x"}).encode()):
                await socket.send(data)
                (refused,) = await read(socket)
                assert (refused["status"], refused["error"]["code"]) == (400, "invalid_prompt")
            assert text_of(await ask(socket)) == "hello"

    play(tmp_path, script)


def test_nothing_is_compressed_towards_either_side(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect(compression="deflate") as socket:
            assert socket.response is not None
            assert "sec-websocket-extensions" not in socket.response.headers
        assert "sec-websocket-extensions" not in provider.handshakes[0].headers

    play(tmp_path, script)


# Failures


def test_a_provider_that_cannot_be_reached_is_told_with_the_first_frame_and_dialled_again(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        provider.status = 503
        async with gateway.connect() as socket:
            (refused,) = await ask(socket, f"mail {EMAIL}")
            assert (refused["status"], refused["error"]["code"]) == (400, "invalid_prompt")
            assert "503" in refused["error"]["message"]
            provider.status = None
            assert text_of(await ask(socket)) == "hello"
        assert not [frame for frame in provider.frames if EMAIL in str(frame)]

    play(tmp_path, script)


def test_a_provider_that_leaves_in_the_middle_is_told_and_the_next_frame_works(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async def leave(socket: ServerConnection, frame: dict[str, Any]) -> None:
            await socket.send(json.dumps({"type": "response.created", "response": {"id": "resp_1"}}))
            provider.script = None
            socket.transport.abort()

        provider.script = leave
        async with gateway.connect() as socket:
            created, refused = await ask(socket)
            assert (created["type"], refused["type"], refused["status"]) == ("response.created", "error", 400)
            assert text_of(await ask(socket)) == "hello"
        assert [row["decision"] for row in gateway.rows()] == ["forwarded", "failed", "forwarded", "forwarded"]

    play(tmp_path, script)


def test_a_client_that_vanishes_leaves_a_row_and_no_connection(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        asked, left = asyncio.Event(), asyncio.Event()

        async def hang(socket: ServerConnection, frame: dict[str, Any]) -> None:
            await socket.send(json.dumps({"type": "response.created", "response": {"id": "resp_1"}}))
            asked.set()
            await socket.wait_closed()
            left.set()

        provider.script = hang
        socket = await gateway.connect()
        await socket.send(json.dumps({"type": "response.create", "input": "x"}))
        await asked.wait()
        socket.transport.abort()
        await left.wait()
        provider.script = None
        async with gateway.connect() as other:
            await ask(other)
        reasons = [row["reason"] for row in gateway.rows()]
        assert "The client left." in reasons

    play(tmp_path, script)


def test_a_client_that_leaves_while_the_provider_is_dialled_leaves_no_connection(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        dialled, go = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            dialled.set()
            await go.wait()

        provider.before = wait
        connecting = asyncio.ensure_future(_opened(gateway))
        await dialled.wait()
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        go.set()
        provider.before = None
        async with gateway.connect() as socket:
            await ask(socket)
        while provider.open:
            await asyncio.sleep(0)

    play(tmp_path, script)


async def _opened(gateway: Gateway) -> ClientConnection:
    return await gateway.connect()


def test_a_client_that_does_not_read_slows_the_provider_down(tmp_path: Path) -> None:
    size, count = 64 * 1024, 480

    async def script(gateway: Gateway, provider: Provider) -> None:
        sent = 0
        stuck = asyncio.Event()

        async def flood(socket: ServerConnection, frame: dict[str, Any]) -> None:
            nonlocal sent
            await socket.send(json.dumps({"type": "response.created", "response": {"id": "resp_1"}}))
            for _ in range(count):
                data = json.dumps({"type": "response.output_text.delta", "output_index": 0, "delta": "x" * size})
                sending = asyncio.ensure_future(socket.send(data))
                done, _ = await asyncio.wait({sending}, timeout=0.1 if not stuck.is_set() else None)
                if not done:
                    stuck.set()
                    await sending
                sent += 1
            await socket.send(json.dumps({"type": "response.completed", "response": {"id": "resp_1", "output": []}}))

        provider.script = flood
        async with gateway.connect(max_queue=1) as socket:
            await socket.send(json.dumps({"type": "response.create", "input": "x"}))
            await stuck.wait()
            assert sent * size < 24 * 1024 * 1024, "what is on its way is bounded"
            events = await read(socket)
            assert sum(len(event.get("delta", "")) for event in events) == size * count

    play(tmp_path, script)


def test_a_mistake_closes_one_connection_with_1011_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as broken, gateway.connect() as other:
            with monkeypatch.context() as patch:
                patch.setattr("gateway.session.session.Session.client_frame", _mistake)
                await broken.send("x")
                with pytest.raises(ConnectionClosed) as caught:
                    await broken.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1011, "internal error")
            assert text_of(await ask(other)) == "hello"

    play(tmp_path, script)


def _mistake(*_: Any) -> Any:
    raise RuntimeError(f"about {EMAIL}")


def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "idle")

    play(tmp_path, script, limits={"idle": "50ms"})
