"""Measures the gateway beside a bare relay, in one run and in alternation, and prints the ratios.

Four processes: a light provider, the relay, the gateway, and this one, the client. Absolute numbers are the machine's;
the ratios are the product's. `--check` exits 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvloop
from load import Client, Turn

HERE = Path(__file__).parent
MASKED = (0, 10, 100, 500)
DELTAS = 10_000
WARM_UP_TURNS = 50
SHORT_ROUNDS = 4
"""Rounds of turns for each of deltas: a shared machine changes its speed within seconds, so the two are measured close
together and often, and the ratio is the median of the ratios of such pairs."""
TURN_BAR, CPU_BAR, DELTA_BAR, FLAT_BAR = 2.0, 3.0, 0.9, 0.9

SENTENCES = "Please update the order {number} of our customer, who wrote again today and asked that the receipt go to "
FINISH = " as soon as the shipment has left the warehouse, thank you very much."


@dataclass(frozen=True, slots=True)
class Target:
    """A server under test."""

    name: str
    url: str
    key: str
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU the process has used so far."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def resident(self) -> float:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def create(text: str, **more: object) -> bytes:
    """A response.create as the SDKs write it."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return json.dumps({"type": "response.create", "model": "gpt-5.1", "input": [item], **more}).encode()


def turn_request(number: int) -> bytes:
    """A 200-byte text with one e-mail address, different each time so that nothing can be remembered."""
    text = SENTENCES.format(number=f"{number:06d}") + f"user{number:06d}@example.com" + FINISH
    return create(text.ljust(200, "."))


def stream_request(masked: int, seed: int) -> bytes:
    """A request with so many different e-mail addresses in it, to be answered with many deltas."""
    addresses = ", ".join(f"m{seed}u{number:04d}@example.com" for number in range(masked))
    return create(f"Write about these people: {addresses}", max_output_tokens=DELTAS)


async def measure_turns(target: Target, numbers: range) -> tuple[float, float]:
    """The median time and the CPU time of a turn, in microseconds."""
    client = Client(target.url, target.key)
    await client.open()
    for number in numbers[:WARM_UP_TURNS]:
        await client.ask(turn_request(number))
    before, times = target.cpu(), []
    for number in numbers[WARM_UP_TURNS:]:
        turn = await client.ask(turn_request(number))
        check(turn, 1)
        times.append(turn.ended - turn.sent)
    used = target.cpu() - before
    client.close()
    return statistics.median(times) * 1e6, used / len(times) * 1e6


async def measure_stream(target: Target, masked: int, seed: int) -> float:
    """Deltas a second, from the first to the end of the answer."""
    client = Client(target.url, target.key)
    await client.open()
    turn = await client.ask(stream_request(masked, seed))
    check(turn, masked)
    client.close()
    return turn.deltas / (turn.ended - turn.first_delta)


def check(turn: Turn, masked: int) -> None:
    """A benchmark of wrong answers is worth nothing."""
    if b"<EMAIL" in turn.last or (masked > 0) != (b"@example.com" in turn.last):
        raise RuntimeError("the values did not come back")


async def run(relay: Target, gateway: Target, rounds: int, turns: int) -> bool:
    """Measure in alternation and print; whether every bar is met."""
    numbers = iter(range(0, 10**9, turns + WARM_UP_TURNS))
    both = (relay, gateway)
    for target in both:  # nothing is measured on a cold path
        await measure_turns(target, range(start := next(numbers), start + 2 * WARM_UP_TURNS))
        await measure_stream(target, 100, -1)
    p50: dict[str, list[float]] = {target.name: [] for target in both}
    cpu: dict[str, list[float]] = {target.name: [] for target in both}
    rates: dict[tuple[str, int], list[float]] = {(target.name, n): [] for target in both for n in MASKED}
    for number in range(rounds * SHORT_ROUNDS):
        for target in both if number % 2 else both[::-1]:
            time, used = await measure_turns(target, range(start := next(numbers), start + WARM_UP_TURNS + turns))
            p50[target.name].append(time)
            cpu[target.name].append(used)
    for number in range(rounds):
        for masked in MASKED:
            for target in both if number % 2 else both[::-1]:
                rates[target.name, masked].append(await measure_stream(target, masked, number))
    return report(p50, cpu, rates, both)


def report(
    p50: dict[str, list[float]],
    cpu: dict[str, list[float]],
    rates: dict[tuple[str, int], list[float]],
    targets: tuple[Target, Target],
) -> bool:
    """Print the medians and the ratios beside the bars."""
    print(f"{'':34}{'relay':>12}{'gateway':>12}{'ratio':>8}{'  (quartiles)':>16}   bar")
    met = [
        line("p50 of a 200 B turn, µs", p50["relay"], p50["gateway"], TURN_BAR, at_most=True),
        line("CPU of a 200 B turn, µs", cpu["relay"], cpu["gateway"], CPU_BAR, at_most=True),
    ]
    for masked in MASKED:
        label = f"deltas/s, {masked} values masked"
        met.append(line(label, rates["relay", masked], rates["gateway", masked], DELTA_BAR, at_most=False))
    full, empty = rates["gateway", MASKED[-1]], rates["gateway", MASKED[0]]
    label = f"deltas/s, {MASKED[-1]} values against none"
    met.append(line(label, empty, full, FLAT_BAR, at_most=False, columns="gateway"))
    memory = "   ".join(f"{target.name} {target.resident():.0f} MiB" for target in targets)
    print(f"resident: {memory}")
    return all(met)


def line(label: str, base: list[float], mine: list[float], bar: float, *, at_most: bool, columns: str = "") -> bool:
    """Print one comparison: medians, and median and quartiles of the ratios of each round; whether it meets the bar."""
    ratios = sorted(b / a for a, b in zip(base, mine, strict=True) if a)
    if not ratios:
        return True
    ratio = statistics.median(ratios)
    is_met = ratio <= bar if at_most else ratio >= bar
    middle = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratio, ratio, ratio)
    spread = f"({middle[0]:.2f}-{middle[2]:.2f})"
    values = f"{statistics.median(base):>12,.0f}{statistics.median(mine):>12,.0f}"
    verdict = f"{'<=' if at_most else '>='} {bar}  {'met' if is_met else 'MISSED'}"
    print(f"{label:34}{values}{ratio:>8.2f}{spread:>16}   {verdict}")
    return is_met


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(*arguments: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python process that has printed its ready line."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}) as started:
        try:
            assert started.stdout is not None
            while "http://" not in (ready := started.stdout.readline()):
                if not ready:
                    raise RuntimeError(f"{arguments[0]} did not start")
            yield started
        finally:
            started.terminate()


def configuration(folder: Path, port: int, upstream: str, policy: str = "default") -> Path:
    """A gateway.yaml with one policy and nothing unusual. JSON is YAML."""
    deployment = {"name": "bench", "url": upstream, "model": "gpt-5.1", "auth": "none"}
    settings = {
        "listen": {"host": "127.0.0.1", "port": port},
        "keys": [{"id": "bench", "secret_env": "BENCH_KEY", "models": ["gpt-5.1"], "policy": policy}],
        "models": {"gpt-5.1": {"deployments": [deployment]}},
        "vault": {"store": "memory", "secret_env": "GATEWAY_VAULT_SECRET", "ttl": "1h"},
        "audit": {"path": str(folder / "audit.jsonl"), "secret_env": "GATEWAY_AUDIT_SECRET"},
    }
    path = folder / "gateway.yaml"
    path.write_text(json.dumps(settings))
    return path


@contextlib.contextmanager
def relay_and_gateway(policy: str = "default", provider: int | None = None) -> Iterator[tuple[Target, Target]]:
    """The provider, the relay and the gateway, each in a process of its own; or the provider at a port of its own."""
    env = {name: secrets.token_hex(32) for name in ("BENCH_KEY", "GATEWAY_VAULT_SECRET", "GATEWAY_AUDIT_SECRET")}
    ports = [provider or free_port(), free_port(), free_port()]
    upstream = f"ws://127.0.0.1:{ports[0]}/v1/responses"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = configuration(folder, ports[2], upstream, policy)
        if provider is None:
            stack.enter_context(process(str(HERE / "upstream.py"), str(ports[0])))
        relay = stack.enter_context(process(str(HERE / "relay.py"), str(ports[1]), upstream))
        serving = process("-m", "gateway", "serve", "--config", str(config), env=env)
        gateway = stack.enter_context(serving)
        urls = [f"ws://127.0.0.1:{port}/v1/responses" for port in ports]
        key = env["BENCH_KEY"]
        yield Target("relay", urls[1], key, relay.pid), Target("gateway", urls[2], key, gateway.pid)


def main() -> int:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--turns", type=int, default=100, help="measured in each round")
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    options = parser.parse_args()
    with relay_and_gateway() as targets:
        is_met = uvloop.run(run(*targets, options.rounds, options.turns))
    return 0 if is_met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
