"""What waits to be dealt with by one session: bounded, so that whoever sends faster than that is made to wait.

Two readers put messages in, and one loop takes them out. A reader goes on while neither the bytes that wait nor the
questions to detection pile up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from gateway.session.effects import Effect

LENGTH: Final = 64
"""Entries that wait: each a message of the client's, or some of the provider's that came together."""
BYTES: Final = 4 * 1024 * 1024
"""Bytes of messages that wait; one larger message may wait alone."""
EXAMINING: Final = 8
"""Questions to detection at a time: what a side sends beyond them stays with it until they are answered."""

Event: TypeAlias = Callable[[float], list[Effect]]
"""Something that happened: called with the time, it tells the session and gives what the session asks for."""


class Inbox:
    """The events of one session, in order."""

    def __init__(self) -> None:
        self._queue: Final[asyncio.Queue[tuple[Sequence[Event], int]]] = asyncio.Queue(LENGTH)
        self._taken: Final[deque[Event]] = deque()
        self._size = 0
        self._room: Final = asyncio.Event()
        self._room.set()
        self._examining = 0
        self.held = 0
        """Bytes of messages that wait or are being dealt with."""

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._taken and self._queue.empty()

    @property
    def full(self) -> bool:
        """Whether whoever puts something in has to wait."""
        return self._queue.full()

    async def put(self, *events: Event, size: int = 0) -> None:
        """Have events dealt with, one after the other. `size` is what they have in bytes, and 0 for our own."""
        if size:
            if not self._room.is_set():
                await self._room.wait()
            self.held += size
            if self.held > BYTES:
                self._room.clear()
        if not self._queue.full():
            self._queue.put_nowait((events, size))
            return
        try:
            await self._queue.put((events, size))
        except asyncio.CancelledError:
            self._make_room(size)  # a provider that is left while its messages wait
            raise

    async def end(self) -> None:
        """Let `take` say that nothing more comes, after what waits."""
        await self.put()

    def end_now(self) -> None:
        """The same while nothing waits."""
        self._queue.put_nowait(((), 0))

    def wake(self) -> None:
        """Let the loop go round once, where it waits for something to take."""
        if self.empty:
            self._queue.put_nowait(((lambda _: [],), 0))

    async def take(self) -> Event | None:
        """The next event, and None at the end. Whoever asks for one has dealt with the one before."""
        if not self._taken:
            self._make_room(self._size)
            queue = self._queue
            events, self._size = await queue.get() if queue.empty() else queue.get_nowait()
            if not events:
                return None
            self._taken.extend(events)
        return self._taken.popleft()

    def asked(self) -> None:
        """One more question is with detection."""
        self._examining += 1
        self._make_room(0)

    def answered(self) -> None:
        """One fewer is."""
        self._examining -= 1
        self._make_room(0)

    def _make_room(self, size: int) -> None:
        self.held -= size
        if self.held <= BYTES and self._examining < EXAMINING:
            self._room.set()
        else:
            self._room.clear()
