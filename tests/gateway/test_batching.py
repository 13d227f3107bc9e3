"""Small writes of one turn of the event loop go out together, in order, and none waits for another turn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from gateway.batching import _FULL, BatchingTransport, text_frame


class Transport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.calls: list[Any] = []
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closing = True
        self.calls.append("close")

    def abort(self) -> None:
        self.closing = True
        self.calls.append("abort")

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 5

    def pause_reading(self) -> None:
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        self.calls.append("resume_reading")

    def is_reading(self) -> bool:
        return True

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": "p"}.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.calls.append((high, low))

    def can_write_eof(self) -> bool:
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.calls.append(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return asyncio.Protocol()


def test_what_is_written_in_one_turn_goes_out_in_one_piece_with_the_next() -> None:
    async def main() -> None:
        inner = Transport()
        outer = BatchingTransport(inner)
        for data in (b"a", bytearray(b"b"), memoryview(b"c")):
            outer.write(data)
        assert inner.written == []
        assert outer.get_write_buffer_size() == 3 + 5, "what is gathered counts as not yet sent"
        await asyncio.sleep(0)
        assert inner.written == [b"abc"]
        outer.write(b"d")
        await asyncio.sleep(0)
        assert inner.written == [b"abc", b"d"]
        await asyncio.sleep(0)
        assert len(inner.written) == 2

    asyncio.run(main())


def test_much_goes_out_at_once() -> None:
    async def main() -> None:
        inner = Transport()
        outer = BatchingTransport(inner)
        outer.write(b"a")
        outer.write(b"b" * _FULL)
        assert inner.written == [b"a" + b"b" * _FULL]
        await asyncio.sleep(0)
        assert len(inner.written) == 1

    asyncio.run(main())


def test_what_is_left_goes_out_before_a_close_and_not_before_an_abort() -> None:
    async def main() -> None:
        inner, other = Transport(), Transport()
        outer = BatchingTransport(inner)
        outer.write(b"last words")
        outer.close()
        assert (inner.written, inner.calls) == ([b"last words"], ["close"])
        aborted = BatchingTransport(other)
        aborted.write(b"lost")
        aborted.abort()
        await asyncio.sleep(0)
        assert (other.written, other.calls) == ([], ["abort"])
        assert aborted.is_closing()

    asyncio.run(main())


def test_nothing_is_written_to_a_transport_that_closed_meanwhile() -> None:
    async def main() -> None:
        inner = Transport()
        outer = BatchingTransport(inner)
        outer.write(b"too late")
        inner.closing = True
        await asyncio.sleep(0)
        assert inner.written == []

    asyncio.run(main())


def test_all_else_is_the_wrapped_transports() -> None:
    async def main() -> None:
        inner = Transport()
        outer = BatchingTransport(inner)
        protocol = asyncio.Protocol()
        outer.pause_reading()
        outer.resume_reading()
        outer.set_write_buffer_limits(2, 1)
        outer.set_protocol(protocol)
        assert inner.calls == ["pause_reading", "resume_reading", (2, 1), protocol]
        assert outer.get_extra_info("peername") == "p"
        assert outer.get_extra_info("nothing", 7) == 7
        assert outer.is_reading()
        assert not outer.can_write_eof()
        assert isinstance(outer.get_protocol(), asyncio.Protocol)

    asyncio.run(main())


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_text_frame_is_the_librarys_own(size: int) -> None:
    data = b"x" * size
    assert text_frame(data) == Frame(Opcode.TEXT, data).serialize(mask=False)
