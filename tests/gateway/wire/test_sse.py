"""Server-sent events are read the same however their bytes are cut."""

from __future__ import annotations

import pytest

from gateway.errors import FrameError
from gateway.wire.sse import SseDecoder, encode_comment, encode_event

STREAM = (
    b'\xef\xbb\xbf: a comment\n\nevent: one\ndata: {"a":1}\n\n'
    b"data: two\r\ndata:lines \r\nid: 7\r\nretry: 9\r\n\r\n"
    b"data: \xc3\xa9\r\rdata\n\ndatax: no\n\n: data: no\n\ndata: [DONE]\n\ndata: cut off"
)
EVENTS = ['{"a":1}', "two\nlines ", "é"]


def decode(pieces: list[bytes], most: int = 1000) -> list[str]:
    decoder = SseDecoder(most)
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.end()


@pytest.mark.parametrize("first", range(len(STREAM) + 1))
def test_any_two_cuts_give_the_same_events(first: int) -> None:
    assert decode([STREAM]) == EVENTS
    for second in range(first, len(STREAM) + 1):
        assert decode([STREAM[:first], STREAM[first:second], STREAM[second:]]) == EVENTS


def test_byte_by_byte_gives_the_same_events() -> None:
    assert decode([bytes([byte]) for byte in STREAM]) == EVENTS


def test_what_is_written_is_read_again() -> None:
    stream = encode_event("response.created", '{"x":"\\n"}') + encode_comment("keepalive") + encode_event("b", "[]")
    assert decode([stream]) == ['{"x":"\\n"}', "[]"]


def test_data_of_several_lines_stays_one_events_and_a_name_that_is_none_is_left_out() -> None:
    assert encode_event("a", "1\n2\r\n3\r4") == b"event: a\ndata: 1\ndata: 2\ndata: 3\ndata: 4\n\n"
    assert encode_event("a\n\ndata: x", "1") == b"data: 1\n\n"


@pytest.mark.parametrize("end", [b"\r\r", b"\n\r", b"\r\n\r", b"\r\n\r\n", b"\n\n"])
def test_the_last_event_may_end_in_any_way(end: bytes) -> None:
    assert decode([b"data: 1" + end]) == ["1"]
    assert decode([bytes([byte]) for byte in b"data: 1" + end]) == ["1"]


@pytest.mark.parametrize("stream", [b"data: " + b"a" * 200, b"data: a\n" * 40, b": " + b"a" * 200])
def test_an_event_that_is_too_large_is_none(stream: bytes) -> None:
    with pytest.raises(FrameError, match="larger than 100 bytes"):
        decode([stream[at : at + 7] for at in range(0, len(stream), 7)], most=100)


def test_many_events_may_be_larger_than_one() -> None:
    assert len(decode([b"data: aaaa\n\n" * 100], most=100)) == 100


def test_what_is_not_utf_8_is_no_event() -> None:
    with pytest.raises(FrameError, match="not UTF-8"):
        decode([b"data: \xff\n\n"])
