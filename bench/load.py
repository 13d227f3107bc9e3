"""The client that measures. It reads frames itself, so that it is never the slowest part of the path."""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

DELTA = b"response.output_text.delta"
COMPLETED = b"response.completed"
HEAD = 80
"""Bytes of an event that are looked at: its type stands at the front."""


@dataclass(slots=True)
class Turn:
    """Times of one answer, in seconds of `time.perf_counter`."""

    sent: float
    first_delta: float = 0.0
    ended: float = 0.0
    deltas: int = 0
    last: bytes = b""
    """The terminal event."""


class Client(asyncio.Protocol):
    """One connection; await `open`, then `ask`."""

    def __init__(self, url: str, key: str) -> None:
        self._protocol = ClientProtocol(parse_uri(url), max_size=None)
        self._key = key
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._buffer = bytearray()
        self._is_open = False
        self._waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turn = Turn(0.0)

    async def open(self) -> None:
        """Connect and shake hands."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: self, self._host, self._port)
        request = self._protocol.connect()
        request.headers["Authorization"] = f"Bearer {self._key}"
        self._protocol.send_request(request)
        self._flush()
        await self._waiting

    async def ask(self, request: bytes) -> Turn:
        """Send one request and wait for the end of its answer."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._protocol.send_text(request)
        self._turn = Turn(time.perf_counter())
        self._flush()
        await self._waiting
        return self._turn

    def close(self) -> None:
        """Say goodbye and leave."""
        self._protocol.send_close(1000)
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        self._transport.writelines(self._protocol.data_to_send())

    def data_received(self, data: bytes) -> None:
        """Take in the answer to the handshake, then frames."""
        if self._is_open:
            self._buffer += data
            self._read_frames()
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response) and self._protocol.handshake_exc is None:
                self._is_open = True
                self._waiting.set_result(None)
        if self._protocol.handshake_exc is not None:
            self._waiting.set_exception(self._protocol.handshake_exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionError("the connection ended within a turn"))

    def _read_frames(self) -> None:
        buffer, start = self._buffer, 0
        while len(buffer) - start >= 2:
            size, body = buffer[start + 1], start + 2
            if size == 126:
                if len(buffer) < body + 2:
                    break
                (size,), body = struct.unpack_from("!H", buffer, body), body + 2
            elif size == 127:
                if len(buffer) < body + 8:
                    break
                (size,), body = struct.unpack_from("!Q", buffer, body), body + 8
            if len(buffer) < body + size:
                break
            self._take(buffer[start] & 0x0F, body, size)
            start = body + size
        del buffer[:start]

    def _take(self, opcode: int, start: int, size: int) -> None:
        buffer, turn = self._buffer, self._turn
        if opcode == Opcode.PING:
            self._protocol.send_pong(bytes(buffer[start : start + size]))
            self._flush()
        elif buffer.find(DELTA, start, start + HEAD) >= 0:
            if not turn.deltas:
                turn.first_delta = time.perf_counter()
            turn.deltas += 1
        elif opcode == Opcode.TEXT and buffer.find(b'"sequence_number"', start, start + size) < 0:
            shown = bytes(buffer[start : start + min(size, 300)]).decode(errors="replace")
            self._waiting.set_exception(RuntimeError(f"not an answer: {shown}"))
        elif buffer.find(COMPLETED, start, start + HEAD) >= 0:
            turn.ended = time.perf_counter()
            turn.last = bytes(buffer[start : start + size])
            self._waiting.set_result(None)
