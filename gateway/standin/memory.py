"""What the stand-in keeps: the conversations it may be asked to go on with, and every frame it received."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.wire.frame import Json, encode

RESPONSES_KEPT: Final = 1_000
"""Responses that `previous_response_id` can name; a run of any test is far shorter."""
FRAMES_KEPT: Final = 20_000
"""Received frames kept in memory; the log file has all of them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing the provider received, as it came: a WebSocket frame, an HTTP body, or the head of a request."""

    connection: int
    kind: str
    """`handshake`, `ws`, `close`, `post` or `get`."""
    raw: str
    """The bytes, read as UTF-8; a byte that is none is written `\\xNN`."""
    headers: tuple[tuple[str, str], ...] = ()


class Log:
    """Every frame received, in memory and, where a file is given, as one JSON line each."""

    def __init__(self, path: Path | None = None) -> None:
        self._seen: deque[Seen] = deque(maxlen=FRAMES_KEPT)
        self._path = path

    def __iter__(self) -> Iterator[Seen]:
        return iter(tuple(self._seen))

    def __len__(self) -> int:
        return len(self._seen)

    def clear(self) -> None:
        """Forget what is in memory; the file keeps it."""
        self._seen.clear()

    def add(self, seen: Seen) -> None:
        """Keep one received thing; it is in the file when this returns."""
        self._seen.append(seen)
        if self._path is not None:
            headers: list[Json] = [[name, value] for name, value in seen.headers]
            line: Json = {"connection": seen.connection, "kind": seen.kind, "raw": seen.raw, "headers": headers}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(encode(line) + "\n")


def printable(raw: bytes | str) -> str:
    """Turn received bytes into text without losing any of them."""
    return raw if isinstance(raw, str) else raw.decode("utf-8", "backslashreplace")


def named_conversation(request: Mapping[str, Json]) -> str | None:
    """The conversation that a request belongs to; each begins when it is first named."""
    named = request.get("conversation")
    named = named.get("id") if isinstance(named, dict) else named
    return named if isinstance(named, str) else None


@dataclass(frozen=True, slots=True)
class _Response:
    items: list[Json]
    connection: int | None


class Memory:
    """The conversations behind response ids.

    What was made with `store: false` is known to the connection that made it and to no other.
    """

    def __init__(self) -> None:
        self._responses: OrderedDict[str, _Response] = OrderedDict()

    def remember(self, response_id: str, items: list[Json], *, connection: int | None) -> None:
        """Keep a conversation up to and including this response; `connection` is None where everybody may use it."""
        self._responses[response_id] = _Response(items, connection)
        while len(self._responses) > RESPONSES_KEPT:
            self._responses.popitem(last=False)

    def recall(self, response_id: str, *, connection: int | None) -> list[Json] | None:
        """Return the conversation that ended in this response, or None where there is none for this connection."""
        known = self._responses.get(response_id)
        if known is None or known.connection not in (None, connection):
            return None
        return known.items
