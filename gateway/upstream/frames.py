"""Frames of a provider, many at a time.

A provider's deltas arrive many in a packet, each a text frame of its own: one piece, not masked, no extensions
(RFC 6455, 5.2). Of such a frame only the head has to be read, which is done here: the library's own way to it, by
generators for every kind of frame, took a tenth of what an event costs. Every other frame is the library's business.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.messages import Assembler
from websockets.frames import Frame, Opcode
from websockets.protocol import State

_TEXT: Final = 0x81
"""The first byte of a text frame that is the whole message."""
_TWO_BYTES: Final = 126
_MASKED: Final = 128
_KEPT: Final = 64 * 1024
"""Bytes of a frame that is not all there; a longer one is put together by the library."""
_AHEAD: Final = 32
"""Frames read ahead of the runner; then the provider has to wait, until all of them are taken."""
_LONG: Final = 64 * 1024
"""Bytes of a frame for which alone it has to wait; and of messages that are had at once, or one longer message."""


class _Ahead(Assembler):
    """What waits to be taken. The library counts frames, of which a few may be as large as all memory we would give."""

    def maybe_pause(self) -> None:
        """Have the provider wait, if need be."""
        if len(self.frames.queue[-1].data) > _LONG and not self.paused:
            self.paused = True
            self.pause()
        super().maybe_pause()


class Frames(ClientConnection):
    """A connection to a provider of which all messages that are there can be had at once."""

    max_bytes = 0
    """The longest message that is read here. Set it once connected; until then the library reads them all."""
    _rest = b""
    _owed = 0
    """Bytes to come of a frame that the library has begun to read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        reading = cast(asyncio.Transport, transport)
        self.recv_messages = _Ahead(_AHEAD, 0, pause=reading.pause_reading, resume=reading.resume_reading)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        data = self._rest + self._handed_over(data)
        self._rest = b""
        at, end = 0, len(data)
        while at < end and self.protocol.state is State.OPEN:
            start, stop = _extent(data, at, end)
            if stop > end and stop - at <= _KEPT:
                self._rest = data[at:]
                return
            if data[at] == _TEXT and at < start and stop <= end and self._fits(stop - start):
                self.recv_messages.put(Frame(Opcode.TEXT, data[start:stop]))
            else:
                self._owed = max(0, stop - end)
                super().data_received(data[at:stop])
            at = stop
        if at < end:
            super().data_received(data[at:])

    def ready(self) -> list[str]:
        """The whole messages that are there already. Ask for the first one with `recv`, and for the others here.

        What is not text is left to `recv`, too, which says so; and so is what would be too much at once.
        """
        messages: list[str] = []
        queue = self.recv_messages.frames.queue
        size = 0
        while queue and queue[0].fin and queue[0].opcode is Opcode.TEXT:
            size += len(queue[0].data)
            if size > _LONG:
                break
            try:
                messages.append(str(queue[0].data, "utf-8"))
            except UnicodeDecodeError:
                break
            queue.popleft()
        if messages:
            self.recv_messages.maybe_resume()
        return messages

    def _handed_over(self, data: bytes) -> bytes:
        """Give the library the handshake, and what it has begun to read; what remains begins with a frame."""
        at, end = 0, len(data)
        while at < end and self.response is None:  # line by line, for it ends with one
            line = data.find(b"\n", at) + 1 or end
            super().data_received(data[at:line])
            at = line
        if at < end and self._owed:
            stop = min(end, at + self._owed)
            self._owed -= stop - at
            super().data_received(data[at:stop])
            at = stop
        return data[at:] if at else data

    def _fits(self, size: int) -> bool:
        return size <= self.max_bytes and self.protocol.current_size is None


def _extent(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Where the payload of the frame at a place begins and ends; behind `end` where not all of its head is there.

    All of the rest, with no beginning, where a server masks, which is against the protocol.
    """
    if end - at < 2:
        return at, end + 1
    size = data[at + 1]
    if size < _TWO_BYTES:
        return at + 2, at + 2 + size
    if size >= _MASKED:
        return at, end
    wide = 4 if size == _TWO_BYTES else 10
    if end - at < wide:
        return at, end + 1
    return at + wide, at + wide + int.from_bytes(data[at + 2 : at + wide])
