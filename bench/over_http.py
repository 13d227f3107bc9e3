"""Measures events a second over HTTP beside bare relays, in one run: SSE to SSE, and SSE behind a WebSocket.

The relay passes events on, one by one, as httpx gives their lines: as events, or as frames. (To pass bytes on without
looking for events in them is another thing, and ten times as fast.) `--check` exits 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import uvicorn
import uvloop
from load import COMPLETED, DELTA, Client
from run import HERE, Target, configuration, create, free_port, line, process
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from upstream import answer

BAR = 0.6
MASKED = (0, 100)
EVENTS = 5_000


def provider(port: int) -> None:
    """A provider that costs as little as possible: the frames of upstream.py, as events."""

    async def post(request: Request) -> Response:
        body = await request.body()
        return Response(_as_events(answer(body)), media_type="text/event-stream")

    _serve(Starlette(routes=[Route("/v1/responses", post, methods=["POST"])]), port)


def _as_events(frames: bytes) -> bytes:
    events: list[bytes] = []
    at = 0
    while at < len(frames):
        size, at = frames[at + 1], at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(frames[at : at + width]), at + width
        events.append(b"data: " + frames[at : at + size] + b"\n\n")
        at += size
    return b"".join(events)


def relay(port: int, upstream: str) -> None:
    """What the gateway is measured against."""
    client = httpx2.AsyncClient(timeout=None)

    async def post(request: Request) -> Response:
        body = await request.body()

        async def pieces() -> AsyncIterator[bytes]:
            async with client.stream("POST", upstream, content=body) as answer:
                async for text in answer.aiter_lines():
                    if text:
                        yield f"{text}\n\n".encode()

        return StreamingResponse(pieces(), media_type="text/event-stream")

    async def socket(connection: WebSocket) -> None:
        await connection.accept()
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                body = await connection.receive_text()
                async with client.stream("POST", upstream, content=body) as answer:
                    async for text in answer.aiter_lines():
                        if text.startswith("data: "):
                            await connection.send_text(text[6:])

    routes = [Route("/v1/responses", post, methods=["POST"]), WebSocketRoute("/v1/responses", socket)]
    _serve(Starlette(routes=routes), port)


def _serve(app: Starlette, port: int) -> None:
    print(f"ready on http://127.0.0.1:{port}", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False, ws_per_message_deflate=False)


def body(masked: int, seed: int) -> bytes:
    """A request with so many different e-mail addresses in it, to be answered with many deltas."""
    addresses = ", ".join(f"m{seed}u{number:04d}@example.com" for number in range(masked))
    frame = json.loads(create(f"Write about these people: {addresses}", max_output_tokens=EVENTS))
    return json.dumps({key: value for key, value in frame.items() if key != "type"} | {"stream": True}).encode()


async def over_sse(target: Target, masked: int, seed: int) -> float:
    """Events a second, from the first to the end of the answer."""
    headers = {"authorization": f"Bearer {target.key}"}
    url = target.url.replace("ws", "http", 1)
    first = count = 0.0
    last = b""
    async with (
        httpx2.AsyncClient(timeout=60) as client,
        client.stream("POST", url, content=body(masked, seed), headers=headers) as answer,
    ):
        async for piece in answer.aiter_raw():
            first = first or time.perf_counter()
            count += piece.count(DELTA)
            last = (last + piece)[-4_000_000:]
    took = time.perf_counter() - first
    if COMPLETED not in last or b"<EMAIL" in last or (masked > 0) != (b"@example.com" in last):
        raise RuntimeError("not the answer")
    return count / took


async def over_socket(target: Target, masked: int, seed: int) -> float:
    """The same behind a WebSocket."""
    client = Client(target.url, target.key)
    await client.open()
    turn = await client.ask(json.dumps({**json.loads(body(masked, seed)), "type": "response.create"}).encode())
    client.close()
    return turn.deltas / (turn.ended - turn.first_delta)


async def run(relay_: Target, gateway: Target, rounds: int) -> bool:
    """Measure in alternation and print; whether every bar is met."""
    await asyncio.sleep(1)
    both = (relay_, gateway)
    print(f"{'':34}{'relay':>12}{'gateway':>12}{'ratio':>8}{'  (rounds)':>16}   bar")
    met = []
    for label, measure in (("SSE to SSE", over_sse), ("SSE behind a WebSocket", over_socket)):
        for masked in MASKED:
            rates: dict[str, list[float]] = {target.name: [] for target in both}
            for number in range(-1, rounds):
                for target in both if number % 2 else both[::-1]:
                    rate = await measure(target, masked, number)
                    if number >= 0:
                        rates[target.name].append(rate)
            name = f"{label}, {masked} values, events/s"
            met.append(line(name, rates["relay"], rates["gateway"], BAR, at_most=False))
    return all(met)


def main() -> int:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    parser.add_argument("--provider", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--relay", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--upstream", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.provider:
        provider(options.provider)
    if options.relay:
        relay(options.relay, options.upstream)
    env = {name: secrets.token_hex(32) for name in ("BENCH_KEY", "GATEWAY_VAULT_SECRET", "GATEWAY_AUDIT_SECRET")}
    key = env["BENCH_KEY"]
    env["NO_PROXY"] = "127.0.0.1"
    ports = [free_port() for _ in range(3)]
    upstream = f"http://127.0.0.1:{ports[0]}/v1/responses"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = configuration(folder, ports[2], upstream)
        me = str(HERE / "over_http.py")
        stack.enter_context(process(me, "--provider", str(ports[0]), env=env))
        bare = process(me, "--relay", str(ports[1]), "--upstream", upstream, env=env)
        served = process("-m", "gateway", "serve", "--config", str(config), env=env)
        pids = stack.enter_context(bare).pid, stack.enter_context(served).pid
        urls = [f"ws://127.0.0.1:{port}/v1/responses" for port in ports[1:]]
        targets = [Target(n, u, key, p) for n, u, p in zip(("relay", "gateway"), urls, pids, strict=True)]
        is_met = uvloop.run(run(targets[0], targets[1], options.rounds))
    return 0 if is_met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
