"""Server-sent events, as the Responses API streams them over HTTP (HTML Living Standard, 9.2).

Decoding is incremental: bytes may come in any pieces, lines may end in any of three ways, `data:` may have several
lines, and what begins with a colon is a comment.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.errors import FrameError

DONE: Final = "[DONE]"
"""What some providers send after the last event; it is none, and never given."""
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BREAK: Final = re.compile(r"\r\n|\n|\r")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_BOM: Final = b"\xef\xbb\xbf"


class SseDecoder:
    """Takes bytes as they come and gives the data of each complete event that has some. One for each response."""

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes` bounds one event."""
        self._max = max_bytes
        self._rest: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._begun = False

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that this piece completes. At the end of the body an incomplete event is dropped.

        Raises:
            FrameError: an event is too large, or not UTF-8.

        """
        self._size += len(piece)
        self._rest.append(piece)
        events: list[str] = []
        if b"\n" in piece or b"\r" in piece or self._rest[0].endswith(b"\r"):
            buffered = b"".join(self._rest)
            # A CR at the end may be the first half of a CR LF.
            held = b"\r" if buffered.endswith(b"\r") else b""
            *lines, last = _LINE_END.split(buffered[: len(buffered) - len(held)])
            self._rest = [last + held]
            for line in lines:
                self._line(line, events)
        if self._size > self._max:
            raise FrameError(f"An event of the provider is larger than {self._max} bytes.")
        return events

    def end(self) -> list[str]:
        """The data of an event that the end of the body completes: a CR may have been the last line's end."""
        return self.feed(b"\n") if self._rest and self._rest[-1].endswith(b"\r") else []

    def _line(self, line: bytes, events: list[str]) -> None:
        if not self._begun:
            self._begun, line = True, line.removeprefix(_BOM)
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            return
        data = _text(b"\n".join(self._data))
        if data and data != DONE:
            events.append(data)
        self._data = []
        self._size = sum(map(len, self._rest))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    raise FrameError("An event of the provider is not UTF-8.")


def encode_event(name: str, data: str) -> bytes:
    """An event as it is streamed. A name that is none is left out, and data of several lines stays one event's."""
    if "\n" in data or "\r" in data:
        data = _BREAK.sub("\ndata: ", data)
    head = f"event: {name}\n" if _NAME.fullmatch(name) else ""
    return f"{head}data: {data}\n\n".encode()


def encode_comment(text: str) -> bytes:
    """A comment, which keeps the connection alive and means nothing."""
    return f": {text}\n\n".encode()
