"""A provider's frames are read as the library reads them, however they come."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from websockets.server import ServerProtocol

from gateway.errors import UpstreamError
from gateway.upstream.websocket import Endpoint, Upstream, dial

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMIT = 300_000


class Provider(asyncio.Protocol):
    """Shakes hands, then says `pieces`, each in a packet of its own; `with_answer` puts the first to the handshake."""

    def __init__(self, pieces: list[bytes], *, with_answer: bool) -> None:
        self._pieces = pieces
        self._with_answer = with_answer
        self.got = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._protocol: ServerProtocol | None = ServerProtocol()

    def data_received(self, data: bytes) -> None:
        if self._protocol is None:
            self.got += data
            return
        self._protocol.receive_data(data)
        for request in self._protocol.events_received():
            self._protocol.send_response(self._protocol.accept(request))  # type: ignore[arg-type]  # the handshake
            said = b"".join(self._protocol.data_to_send())
            self._protocol = None
            pieces = [said + self._pieces[0], *self._pieces[1:]] if self._with_answer else [said, *self._pieces]
            self._say(iter(pieces))
            return

    def _say(self, pieces: Iterator[bytes]) -> None:
        """One after the other: each is read before the next is there, or is joined to it, as it happens."""
        piece = next(pieces, None)
        if piece is None:
            self._transport.write_eof()
            return
        self._transport.write(piece)
        asyncio.get_running_loop().call_soon(self._say, pieces)


@contextlib.asynccontextmanager
async def connected(
    pieces: list[bytes], *, with_answer: bool = False, limit: int = LIMIT
) -> AsyncIterator[tuple[Upstream, list[Provider]]]:
    made: list[Provider] = []

    def make() -> Provider:
        made.append(Provider(pieces, with_answer=with_answer))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    async with server, asyncio.timeout(10):
        port = server.sockets[0].getsockname()[1]
        upstream = await dial(Endpoint(f"ws://127.0.0.1:{port}", limit), {})
        try:
            yield upstream, made
        finally:
            await upstream.close()


def frame(payload: bytes, first: int = 0x81, *, wide: bool = False) -> bytes:
    if len(payload) < 126 and not wide:
        return bytes((first, len(payload))) + payload
    if len(payload) < 65536:
        return struct.pack("!BBH", first, 126, len(payload)) + payload
    return struct.pack("!BBQ", first, 127, len(payload)) + payload


def said(pieces: list[bytes], *, with_answer: bool = False, limit: int = LIMIT) -> list[str]:
    """All messages of a provider that then leaves."""

    async def main() -> list[str]:
        messages: list[str] = []
        async with connected(pieces, with_answer=with_answer, limit=limit) as (upstream, _):
            with contextlib.suppress(UpstreamError):
                while True:
                    messages += await upstream.receive()
        return messages

    return asyncio.run(main())


TEXTS = [
    "{}",
    "",
    "ä😀" * 40,
    "x" * 125,
    "y" * 126,
    "z" * 65535,
    "w" * 65536,
    "v" * 200_000,
    "Á\x03xyz" * 40_000,
    "last",
]


def stream(rng: random.Random, texts: list[str]) -> bytes:
    """The texts as frames, some in fragments, with pings, pongs and empty fragments between."""
    data = b""
    for text in texts:
        payload = text.encode()
        if rng.random() < 0.3:
            cuts = sorted(rng.choices(range(len(payload) + 1), k=rng.randrange(1, 4)))
            parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
            for number, part in enumerate(parts):
                data += frame(part, (0 if number else 1) | (0x80 if number == len(parts) - 1 else 0))
                if rng.random() < 0.3:
                    data += frame(b"ping", 0x89)
        else:
            data += frame(payload, wide=rng.random() < 0.2)
        if rng.random() < 0.3:
            data += frame(b"p" * rng.randrange(20), rng.choice((0x89, 0x8A)))
    return data


@pytest.mark.parametrize("seed", range(40))
def test_all_messages_come_in_order_however_the_stream_is_cut(seed: int) -> None:
    rng = random.Random(seed)
    texts = rng.choices(TEXTS, k=12)
    data = stream(rng, texts)
    cuts = sorted(rng.choices(range(len(data) + 1), k=rng.choice((0, 3, 30))))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert said(pieces, with_answer=rng.random() < 0.5) == texts


def test_a_short_stream_may_be_cut_at_every_byte() -> None:
    data = stream(random.Random(5), ["a", "bc" * 80, "", "d"])
    assert said([data[at : at + 1] for at in range(len(data))]) == ["a", "bc" * 80, "", "d"]
    assert said([data[at : at + 1] for at in range(len(data))], with_answer=True) == ["a", "bc" * 80, "", "d"]


def test_what_is_there_comes_at_once() -> None:
    async def main() -> None:
        async with connected([b"".join(frame(b"%d" % number) for number in range(100))]) as (upstream, _):
            assert await upstream.receive() == [str(number) for number in range(100)]

    asyncio.run(main())


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(frame(b"\xff\xfe"), id="not UTF-8"),
        pytest.param(frame(b"x" * (LIMIT + 1)), id="too long"),
        pytest.param(struct.pack("!BBQ", 0x81, 127, 2**63), id="absurdly long"),
        pytest.param(b"\x81\x80" + struct.pack("!Q", 5) + b"hello", id="masked"),
        pytest.param(frame(b"x", 0xC1), id="compressed, which nobody agreed upon"),
        pytest.param(frame(b"x", 0x83), id="of no kind"),
        pytest.param(frame(b"x", 0x80), id="the rest of nothing"),
        pytest.param(frame(b"x", 0x01) + frame(b"y"), id="a message within another"),
        pytest.param(frame(b"x" * 126, 0x89), id="a ping that is too long"),
        pytest.param(frame(b"\x03\xe8bye", 0x88), id="goodbye"),
    ],
)
def test_what_is_wrong_ends_the_connection_after_what_came_before(wrong: bytes) -> None:
    for pieces in ([frame(b"before") + wrong + frame(b"after") * 3], [frame(b"before"), wrong, frame(b"after") * 3]):
        assert said(pieces) == ["before"]


@pytest.mark.parametrize("size", [1_000, 1_001])
def test_the_limit_holds_for_what_is_there_in_one_piece(size: int) -> None:
    assert said([frame(b"x" * size)], limit=1_000) == ["x" * size] * (size <= 1_000)


def test_a_binary_message_is_not_passed_over() -> None:
    assert said([frame(b"one") + frame(b"two") + frame(b"no", 0x82) + frame(b"three")]) == ["one", "two"]


def test_pings_are_answered() -> None:
    async def main() -> bytes:
        async with connected([frame(b"a") + frame(b"1234", 0x89) + frame(b"b")]) as (upstream, made):
            messages = await upstream.receive()
            while messages != ["a", "b"]:
                messages += await upstream.receive()
            with pytest.raises(UpstreamError):
                await upstream.receive()
        return bytes(made[0].got)

    got = asyncio.run(main())
    assert got[0] == 0x8A
    mask, payload = got[2:6], got[6:10]
    assert bytes(a ^ b for a, b in zip(payload, mask, strict=True)) == b"1234"


def test_long_frames_are_read_one_at_a_time() -> None:
    """Longer than what is read at a time. Else thirty of sixteen megabytes would wait for a client that does not read."""

    async def main() -> None:
        async with connected([frame(b"x" * 290_000)] * 20) as (upstream, _):
            socket = upstream._socket
            for _ in range(20):
                while not socket.recv_messages.frames.queue:
                    await asyncio.sleep(0)
                for _ in range(50):  # what more there is could be read now
                    await asyncio.sleep(0)
                assert len(socket.recv_messages.frames) == 1
                assert await upstream.receive() == ["x" * 290_000]

    asyncio.run(main())


def test_messages_that_are_long_together_do_not_come_at_once() -> None:
    async def main() -> None:
        async with connected([frame(b"x" * 30_000) * 20]) as (upstream, _):
            counts = [len(await upstream.receive()) for _ in range(7)]
            assert sum(counts) <= 20
            assert max(counts) <= 3

    asyncio.run(main())
