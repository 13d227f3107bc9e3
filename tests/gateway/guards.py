"""A provider that answers a guarded request, as the SDK would give its answer: the stand-in, with or without a network."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

from openai._models import construct_type
from openai.types.responses import Response, ResponseStreamEvent

from gateway.standin import StandIn, serve
from gateway.standin.plan import as_items, plan
from gateway.standin.turn import Chunks, Turn

Event = dict[str, Any]


def answered(body: dict[str, Any], *, chunk: int | str = 3, known: list[Any] | None = None) -> list[Event]:
    """The events of the stand-in's answer to a request, as they come over the wire."""
    items = [*(known or []), *as_items(body["input"])]
    turn = Turn(body, plan(body, items), Chunks(chunk))  # type: ignore[arg-type]
    return [event for event in turn.events() if isinstance(event, dict)]


def sdk(events: Iterable[Event]) -> Iterator[Any]:
    """The same as the SDK gives them."""
    for event in events:
        yield construct_type(value=event, type_=ResponseStreamEvent)


async def asdk(events: Iterable[Event]) -> AsyncIterator[Any]:
    """The same in an event loop."""
    for event in sdk(events):
        yield event


def whole(events: list[Event]) -> Response:
    """The answer that is not streamed."""
    return Response.construct(**events[-1]["response"])


@contextlib.contextmanager
def served(standin: StandIn) -> Iterator[str]:
    """The stand-in on loopback, in a thread, for clients that wait; gives its base URL."""
    started: Future[tuple[str, Callable[[], object]]] = Future()

    async def main() -> None:
        over = asyncio.Event()
        async with serve(standin) as url:
            loop = asyncio.get_running_loop()
            started.set_result((url, lambda: loop.call_soon_threadsafe(over.set)))
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    url, stop = started.result(20)
    try:
        yield url
    finally:
        stop()
        thread.join()
