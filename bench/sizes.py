"""Measures turns of 2, 20 and 100 KB beside a bare relay, and a small turn while 200 KB is being examined.

A text has one e-mail address in every 200 bytes. First it is new; then the same text comes again, as an agent sends
its history again with every turn. The last table asks what others notice while one connection keeps the detection
workers busy. `--check` exits 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import statistics
import string
import sys
from collections.abc import Sequence

import uvloop
from load import Client
from run import Target, check, create, line, relay_and_gateway, turn_request

SIZES = {"2 KB": (2_000, 2.0), "20 KB": (20_000, 3.0), "100 KB": (100_000, 6.0)}
AGAIN_BAR, MEANWHILE_BAR, LATE_BAR = 2.0, 2.0, 5.0
WORDS = (
    "please the order of our customer who wrote again today and asked that a receipt goes to them as soon as it has "
    "left warehouse thank you very much for your patience with this matter while we look into what could have happened"
).split()
EVERY = 200
BUSY = 200_000
LOG = "[2025-03-{day:02}T10:{minute:02}:07Z] worker-{n} handled request {n}-{minute} of 10.0.{day}.{minute} in {n} ms\n"


def text(size: int, dice: random.Random) -> str:
    """Prose with an address in every 200 bytes; different each time, so that nothing can be remembered."""
    pieces: list[str] = []
    for number in range(size // EVERY):
        name = "".join(dice.choices(string.ascii_lowercase, k=12))
        address = f" {name[:5]}.{name[5:]}{number % 100}@example.com. "
        words = ""
        while len(words) + len(address) < EVERY:
            words += dice.choice(WORDS) + " "
        pieces.append(words[: EVERY - len(address)] + address)
    return "".join(pieces)


def busy(dice: random.Random) -> str:
    """A log of 200 KB, which takes a worker a second or so."""
    pieces: list[str] = []
    length = 0
    while length < BUSY:
        values = {"day": dice.randrange(1, 28), "minute": dice.randrange(60), "n": dice.randrange(10**6)}
        pieces.append(LOG.format(**values))
        length += len(pieces[-1])
    return "".join(pieces)


async def turns(target: Target, requests: Sequence[bytes]) -> tuple[list[float], list[float]]:
    """The times of turns with each request, and then with each once more, on one connection; in microseconds."""
    client = Client(target.url, target.key)
    await client.open()
    await client.ask(turn_request(random.getrandbits(40)))
    times: list[float] = []
    for request in (*requests, *requests):
        turn = await client.ask(request)
        check(turn, 1)
        times.append((turn.ended - turn.sent) * 1e6)
    client.close()
    return times[: len(requests)], times[len(requests) :]


async def sizes(targets: tuple[Target, Target], rounds: int) -> bool:
    """New texts and repeated ones of each size; whether every bar is met."""
    dice = random.Random(secrets.randbits(64))
    met: list[bool] = []
    print(f"{'':34}{'relay':>12}{'gateway':>12}{'ratio':>8}{'  (rounds)':>16}   bar")
    for name, (size, bar) in SIZES.items():
        new: dict[str, list[float]] = {target.name: [] for target in targets}
        again: dict[str, list[float]] = {target.name: [] for target in targets}
        for number in range(rounds):
            fresh = [create(text(size, dice)) for _ in range(20)]
            for target in targets if number % 2 else targets[::-1]:
                first, second = map(statistics.median, await turns(target, fresh))
                new[target.name].append(first)
                again[target.name].append(second)
        met.append(line(f"p50 of a new {name} turn, µs", new["relay"], new["gateway"], bar, at_most=True))
        label = f"p50 of a repeated {name} turn, µs"
        met.append(line(label, again["relay"], again["gateway"], AGAIN_BAR, at_most=True))
    return all(met)


async def meanwhile(gateway: Target, rounds: int) -> bool:
    """Small turns of one connection, with and without another one that has 200 KB examined; whether the bars are met."""
    dice = random.Random(secrets.randbits(64))
    numbers = iter(range(10**8, 10**9))
    alone: list[float] = []
    beside: list[float] = []
    late: list[float] = []
    for _ in range(rounds):
        usual, _ = await turns(gateway, [turn_request(next(numbers)) for _ in range(200)])
        client = Client(gateway.url, gateway.key)
        await client.open()
        asked = asyncio.ensure_future(client.ask(create(busy(dice))))
        times: list[float] = []
        while not asked.done():
            times += (await turns(gateway, [turn_request(next(numbers)) for _ in range(10)]))[0]
        await asked
        client.close()
        alone.append(statistics.median(usual))
        beside.append(statistics.median(times))
        late += [time - beside[-1] for time in times]
    print("(gateway alone, gateway meanwhile)")
    met = line("p50 while 200 KB is examined, µs", alone, beside, MEANWHILE_BAR, at_most=True)
    worst = statistics.quantiles(late, n=100)[98] / 1000
    print(f"p99 of what a small turn waits longer meanwhile: {worst:.1f} ms of {len(late)} turns   <= {LATE_BAR} ms")
    return met and worst <= LATE_BAR


def main() -> int:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    options = parser.parse_args()
    with relay_and_gateway() as targets:
        is_met = uvloop.run(sizes(targets, options.rounds))
        is_met &= uvloop.run(meanwhile(targets[1], options.rounds))
    return 0 if is_met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
