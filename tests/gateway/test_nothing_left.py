"""A thousand turns leave nothing behind: no task, no socket, no history, no memory of their own."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from gateway.conversation import Conversation
from gateway.standin.server import StandIn, serve
from gateway.upstream.history import History
from gateway.upstream.stateless import StatelessUpstream
from gateway.upstream.websocket import Upstream
from tests.gateway.loopback import Gateway, configuration, gateway, run
from tests.gateway.test_transports import CLIENTS, NATIVE, ask

TURNS = 1_000
KINDS = (Conversation, History, StatelessUpstream, Upstream)


def alive() -> Counter[str]:
    """What of a conversation is still in memory."""
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects() if type(one) in KINDS)


def sockets() -> int:
    """Sockets this process has open."""
    folder = f"/proc/{os.getpid()}/fd"
    return sum(
        os.path.islink(path := f"{folder}/{name}") and "socket:" in os.readlink(path) for name in os.listdir(folder)
    )


@pytest.mark.skipif(sys.platform != "linux", reason="counts sockets in /proc")
@pytest.mark.timeout(120)
def test_a_thousand_turns_leave_no_task_no_socket_and_no_history(tmp_path: Path) -> None:
    async def main() -> None:
        others = alive()
        both, whole = StandIn(), StandIn(streams=False)
        async with serve(both) as url, serve(whole) as other:
            urls = (url.replace("http", "ws"), url, other)
            models = {
                name: {"deployments": [{"auth": "none", "name": name, "model": "m", "url": f"{of}/responses"}]}
                for name, of in zip(NATIVE, urls, strict=True)
            }
            config = configuration(url, models=models)
            for key in config["keys"]:
                key["models"] = list(NATIVE)
            async with gateway(tmp_path, config) as made:
                ways = [(client, model) for client in CLIENTS for model in NATIVE]
                for client, model in ways:  # what is kept for good, as connections to providers, is there now
                    await ask(made, client, model, "hello")
                before = await _settled(others)
                for number in range(TURNS):
                    client, model = ways[number % len(ways)]
                    if number % 10 == 9:
                        await _leave(made, model)
                    else:
                        await ask(made, client, model, f"turn {number} of ada@example.com")
                    if number % 100 == 0:
                        both.seen.clear()
                        whole.seen.clear()
                tasks, open_ = await _settled(others)
                assert tasks <= before[0]
                assert open_ <= before[1]
                assert len(made.rows()) >= 2 * TURNS

    run(main(), seconds=110)


async def _leave(made: Gateway, model: str) -> None:
    """Ask, and go away within the answer."""
    reader, writer = await made.post({"model": model, "input": "hello " * 50, "stream": True})
    await reader.readuntil(b"response.created")
    writer.transport.abort()


async def _settled(others: Counter[str]) -> tuple[int, int]:
    """Wait until every conversation has ended but those of other tests; how many tasks and sockets there are then."""
    while alive() - others:
        for _ in range(50):
            await asyncio.sleep(0)
    return len(asyncio.all_tasks()), sockets()
