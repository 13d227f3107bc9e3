"""`python -m gateway.standin`: the stand-in provider in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from gateway.standin.server import StandIn, serve
from gateway.standin.turn import Chunk


def main() -> None:
    """Serve until interrupted; prints one line with the base URL when ready."""
    parser = argparse.ArgumentParser(prog="python -m gateway.standin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--chunk", type=_chunk, default=5, help="characters per delta, or 'rand' for 1 to 7")
    parser.add_argument("--seed", type=int, default=1, help="of the random sizes")
    parser.add_argument("--log", type=Path, help="a file that gets one JSON line for everything received")
    parser.add_argument("--key", help="the API key to demand")
    options = parser.parse_args()
    standin = StandIn(chunk=options.chunk, seed=options.seed, log=options.log, key=options.key)
    asyncio.run(_run(standin, options.port))


def _chunk(value: str) -> Chunk:
    if value == "rand":
        return "rand"
    if int(value) < 1:
        raise argparse.ArgumentTypeError("a delta has at least one character")
    return int(value)


async def _run(standin: StandIn, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers on its event loop
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(standin, port=port) as url:
        sys.stdout.write(f"stand-in provider ready on {url}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    main()
