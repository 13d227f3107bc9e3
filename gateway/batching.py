"""Fewer system calls for streams: what is written to a socket in one turn of the event loop goes out in one piece.

A provider's deltas arrive many in a packet, and each is sent on by itself: without this, most of a delta's cost is its
own system call. Nothing waits: what was written is sent before the event loop looks for anything new.

A text goes out as one unfragmented frame without extensions or mask (RFC 6455, 5.2), whose head is written here: the
library's own way to one took a tenth of what an event costs.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import MutableMapping
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

_FULL: Final = 64 * 1024
"""Bytes after which the rest is not waited for: the transport's own limit, past which a slow reader is noticed."""
_TEXT: Final = 0x81
"""The first byte of a text frame that is the whole message."""


class BatchingTransport(asyncio.Transport):
    """A transport that gathers small writes. All else is the wrapped transport's."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport: Final = transport
        self._loop: Final = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data with whatever else is written now."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(bytes(data))
        self._size += len(data)
        if self._size >= _FULL:
            self._flush()

    def _flush(self) -> None:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))

    def close(self) -> None:
        """Send what is left and close."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what is left is lost."""
        self._pieces, self._size = [], 0
        self._transport.abort()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """See `asyncio.BaseTransport`."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        """See `asyncio.ReadTransport`."""
        return self._transport.is_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See `asyncio.BaseTransport`."""
        return self._transport.get_protocol()

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`."""
        return self._size + self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""
        self._transport.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return self._transport.can_write_eof()


class BatchingProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol over a batching transport."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake's bytes are there; from now on writes are gathered."""
        super().connection_made(BatchingTransport(transport))  # type: ignore[arg-type]  # of a socket

    async def send(self, message: MutableMapping[str, Any]) -> None:  # type: ignore[override]  # as Starlette has it
        """Send an event of the application's; a text on an open connection in the shortest way."""
        text = message.get("text")
        if text is None or not self._is_open():
            await super().send(message)  # type: ignore[arg-type]  # it takes what ASGI has
            return
        self.transport.write(text_frame(text.encode()))

    def _is_open(self) -> bool:
        """Whether a frame may be written as it is: after the handshake, before a goodbye, and to no slow reader."""
        conn = self.conn
        return self.handshake_complete and conn.state is State.OPEN and not conn.extensions and self.writable.is_set()


def text_frame(data: bytes) -> bytes:
    """A server's frame that carries a text, given in UTF-8."""
    size = len(data)
    if size < 126:
        return bytes((_TEXT, size)) + data
    if size < 65536:
        return struct.pack("!BBH", _TEXT, 126, size) + data
    return struct.pack("!BBQ", _TEXT, 127, size) + data
