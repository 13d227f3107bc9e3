"""A provider that costs as little as possible: it builds every frame of an answer first, then writes them at once.

A request's `max_output_tokens` says how many deltas its answer has. The values it finds in the request (e-mail
addresses, or the tokens that stand for them) come back in the answer, cut wherever a delta ends.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import struct
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

DELTA = 20
"""Characters of one delta: about four tokens of a model, as providers send them when they are fast."""
TURN_DELTAS = 8
REPEATS = 100
"""How often an answer repeats the values of its request; the same however many there are."""

VALUES = re.compile(rb"<[A-Z_]+_[a-z0-9]{8}>|[a-z0-9.]+@example\.com")
COUNT = re.compile(rb'"max_output_tokens": ?(\d+)')
NUMBERS = itertools.count(1)
FILLER = b"the quick brown fox jumps over the lazy dog and runs on "

NUMBER = b"0000000000"
"""Stands where the number of a response does, which is as long: no provider gives an id twice."""
RESPONSE = b'{"id":"resp_0000000000","object":"response","status":"%b","model":"gpt-5.1","output":[%b],"usage":%b}'
ITEM = b'{"id":"msg_1","type":"message","status":"%b","role":"assistant","content":[%b]}'
PART = b'{"type":"output_text","annotations":[],"logprobs":[],"text":"%b"}'
PLACE = b'"item_id":"msg_1","output_index":0,"content_index":0'
USAGE = b'{"input_tokens":50,"output_tokens":50,"total_tokens":100}'


def frame(payload: bytes) -> bytes:
    """A server's WebSocket text frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + struct.pack("!H", size) + payload
    return b"\x81\x7f" + struct.pack("!Q", size) + payload


def event(kind: bytes, number: int, fields: bytes) -> bytes:
    """One event as a frame."""
    return frame(b'{"type":"response.%b","sequence_number":%d,%b}' % (kind, number, fields))


STARTED = RESPONSE % (b"in_progress", b"", b"null")
HEAD = b"".join(
    event(kind, number, fields)
    for number, (kind, fields) in enumerate(
        (
            (b"created", b'"response":' + STARTED),
            (b"in_progress", b'"response":' + STARTED),
            (b"output_item.added", b'"output_index":0,"item":' + ITEM % (b"in_progress", b"")),
            (b"content_part.added", PLACE + b',"part":' + PART % b""),
        )
    )
)


def answer(request: bytes) -> bytes:
    """Every frame that answers a request."""
    return _answer(request).replace(NUMBER, b"%010d" % next(NUMBERS))


def _answer(request: bytes) -> bytes:
    count = int(found[1]) if (found := COUNT.search(request)) else TURN_DELTAS
    text = compose(list(dict.fromkeys(VALUES.findall(request))), count)
    part = PART % text
    item = ITEM % (b"completed", part)
    delta = PLACE + b',"delta":"%b","logprobs":[],"obfuscation":"hT3Ds8"'
    pieces = (text[start : start + DELTA] for start in range(0, len(text), DELTA))
    deltas = [event(b"output_text.delta", number, delta % piece) for number, piece in enumerate(pieces, 4)]
    number = 4 + len(deltas)
    return b"".join(
        (
            HEAD,
            *deltas,
            event(b"output_text.done", number, PLACE + b',"text":"%b","logprobs":[]' % text),
            event(b"content_part.done", number + 1, PLACE + b',"part":' + part),
            event(b"output_item.done", number + 2, b'"output_index":0,"item":' + item),
            event(b"completed", number + 3, b'"response":' + RESPONSE % (b"completed", item, USAGE)),
        )
    )


def compose(values: list[bytes], count: int) -> bytes:
    """A text of `count` deltas in which the values stand, evenly spread."""
    length = count * DELTA
    if not values:
        return (FILLER * (length // len(FILLER) + 1))[:length]
    places = min(REPEATS, max(1, count // 10))
    gap = length // places
    pieces: list[bytes] = []
    for place in range(places):
        value = values[place * len(values) // places]
        pieces.append((value + b" " + FILLER * (gap // len(FILLER) + 1))[:gap])
    return b"".join(pieces).ljust(length, b".")


async def converse(connection: ServerConnection) -> None:
    """Answer every request of one connection."""
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            # Past the library: it would cost as much as the relay under test.
            connection.transport.write(answer(message if isinstance(message, bytes) else message.encode()))


async def main() -> None:
    """Serve until killed."""
    server = await serve(converse, "127.0.0.1", int(sys.argv[1]), compression=None, max_size=None, ping_interval=None)
    print(f"ready on http://127.0.0.1:{sys.argv[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
