"""Measures masking answers as they come beside the bare relay, in one run.

Two things: how many deltas a second go through when they come as fast as can be, and how much of a text is held back when
they come at the pace of a model. There the provider is in this process, so that what it has sent and what the client has
got can be compared at every moment. `--check` exits 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from load import Client
from run import DELTAS, MASKED, Target, check, create, free_port, line, relay_and_gateway, stream_request
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

DELTA_BAR, HOLD_BAR = 0.5, 128
PACE = 0.004
"""Seconds between two deltas of a paced answer: 250 a second, faster than any model."""
PIECE = 4
PROSE = (
    "Thank you for writing to us again. The order was shipped on Monday and should arrive within three days; if it does "
    "not, please call the depot, which is open until late. We have sent a copy of the receipt to the address you gave, "
    "and a note to the warehouse.\n\n- The time of delivery has changed.\n- You get 50% off the next order.\n\n"
) * 8
DEFAULT = Path(__file__).parents[1] / "policies" / "builtin" / "default.yaml"


def live_policy(folder: Path) -> str:
    """The default policy, with answers masked as they come."""
    text = DEFAULT.read_text("utf-8").replace("name: default", "name: live")
    changed = text.replace("mask: off", "mask: new\n  delivery: live")
    if changed == text:
        raise RuntimeError("the default policy is not what it was")
    path = folder / "live.yaml"
    path.write_text(changed, "utf-8")
    return str(path)


async def rate(target: Target, masked: int, seed: int) -> float:
    """The provider's deltas a second, from the request to the end of the answer."""
    client = Client(target.url, target.key)
    await client.open()
    turn = await client.ask(stream_request(masked, seed))
    check(turn, masked)
    client.close()
    return DELTAS / (turn.ended - turn.sent)


@dataclass
class Paced:
    """A provider that sends a text at the pace of a model, and how much of it has arrived at the client."""

    first_sent: float = 0.0
    first_got: float = 0.0
    sent: int = 0
    got: int = 0
    held: list[int] = field(default_factory=list)

    async def answer(self, connection: ServerConnection) -> None:
        """Answer every request of one connection."""
        async for _ in connection:
            await self._write(connection)

    async def _write(self, connection: ServerConnection) -> None:
        at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        item = {"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        response = {"id": "resp_1", "object": "response", "status": "in_progress", "model": "gpt-5.1", "output": []}
        whole = {**part, "text": PROSE}
        done = {**item, "status": "completed", "content": [whole]}

        async def send(kind: str, **fields: object) -> None:
            await connection.send(json.dumps({"type": f"response.{kind}", "sequence_number": 0, **fields}))

        await send("created", response=response)
        await send("output_item.added", output_index=0, item=item)
        await send("content_part.added", **at, part=part)
        self.first_sent, self.sent, self.got = time.perf_counter(), 0, 0
        for start in range(0, len(PROSE), PIECE):
            piece = PROSE[start : start + PIECE]
            await send("output_text.delta", **at, delta=piece, logprobs=[])
            self.sent += len(piece)
            await asyncio.sleep(PACE)
            self.held.append(self.sent - self.got)
        await send("output_text.done", **at, text=PROSE, logprobs=[])
        await send("content_part.done", **at, part=whole)
        await send("output_item.done", output_index=0, item=done)
        await send("completed", response={**response, "status": "completed", "output": [done]})

    async def read(self, target: Target) -> None:
        """Ask, and take in the answer."""
        self.first_got = 0.0
        headers = {"Authorization": f"Bearer {target.key}"}
        async with connect(target.url, additional_headers=headers, compression=None, max_size=None) as client:
            await client.send(create("Tell me about my order.").decode())
            async for message in client:
                event = json.loads(message)
                if event["type"] == "response.output_text.delta":
                    self.first_got = self.first_got or time.perf_counter()
                    self.got += len(event["delta"])
                elif event["type"] in ("response.completed", "error"):
                    break
        if self.got != len(PROSE):
            raise RuntimeError("the text did not arrive")


async def paced(port: int, targets: tuple[Target, Target], rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """For each target, of each round: the median of what is held, and milliseconds to the first delta."""
    provider = Paced()
    results: dict[str, tuple[list[float], list[float]]] = {target.name: ([], []) for target in targets}
    async with serve(provider.answer, "127.0.0.1", port, compression=None, max_size=None):
        for number in range(rounds + 1):
            for target in targets:
                provider.held.clear()
                await provider.read(target)
                if number:  # nothing is measured on a cold path
                    results[target.name][0].append(statistics.median(provider.held))
                    results[target.name][1].append((provider.first_got - provider.first_sent) * 1e3)
    return results


async def rates(targets: tuple[Target, Target], rounds: int) -> bool:
    """Measure in alternation and print."""
    for target in targets:
        await rate(target, 100, -1)
    met: list[bool] = []
    for masked in MASKED:
        of: dict[str, list[float]] = {target.name: [] for target in targets}
        for number in range(rounds):
            for target in targets if number % 2 else targets[::-1]:
                of[target.name].append(await rate(target, masked, number))
        met.append(line(f"deltas/s live, {masked} values", of["relay"], of["gateway"], DELTA_BAR, at_most=False))
    return all(met)


def report(results: dict[str, tuple[list[float], list[float]]]) -> bool:
    """Print what is held, and when the first words come."""
    (relay_held, relay_first), (held, first) = results["relay"], results["gateway"]
    added = statistics.median(held) - statistics.median(relay_held)
    is_met = added <= HOLD_BAR
    print(
        f"{'characters held, median':34}{statistics.median(relay_held):>12.0f}{statistics.median(held):>12.0f}", end=""
    )
    print(f"   added {added:.0f}   <= {HOLD_BAR}  {'met' if is_met else 'MISSED'}")
    print(
        f"{'ms to the first delta, median':34}{statistics.median(relay_first):>12.1f}{statistics.median(first):>12.1f}",
        end="",
    )
    print(f"   at {1 / PACE:.0f} deltas of {PIECE} characters a second")
    return is_met


def main() -> int:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        policy = live_policy(Path(folder))
        print(f"{'':34}{'relay':>12}{'gateway':>12}{'ratio':>8}{'  (rounds)':>16}   bar")
        with relay_and_gateway(policy) as targets:
            is_met = uvloop.run(rates(targets, options.rounds))
        port = free_port()
        with relay_and_gateway(policy, provider=port) as targets:
            is_met = report(uvloop.run(paced(port, targets, options.rounds))) and is_met
    return 0 if is_met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
