"""What steering and injecting brought: a provider that does not take it sends it back, and the client reads its words.

By then the response that was meant may be over, be followed by others in its lane, or never have been there; and the
provider need not name the lane. So what may be restored goes by the response that the frame named.
"""

from __future__ import annotations

from typing import Final

from gateway.session.states import Frame
from gateway.wire.frame import Json
from guardrails.vault import Restorable, union

_MOST: Final = 64
"""Responses whose steering is remembered, the latest ones: as many frames as may wait in a lane."""


class Steering:
    """The values of the steering of one connection, by the response it named."""

    def __init__(self) -> None:
        self._brought: dict[str, Restorable] = {}

    def brought(self, target: str | None, known: Restorable) -> None:
        """A frame that steers a response was masked: `known` is what may be restored in what it brought."""
        name = target or ""
        before = self._brought.pop(name, None)
        self._brought[name] = known if before is None else union(before, known)
        if len(self._brought) > _MOST:
            del self._brought[next(iter(self._brought))]

    def echo(self, frame: Frame) -> Restorable | None:
        """What may be restored in an event that returns such a frame's input; None for any other event."""
        match frame.get("type"):
            case "response.steer.failed":
                about, key = frame.get("steer"), "previous_response_id"
            case "response.inject.failed":
                about, key = frame, "response_id"
            case _:
                return None
        target: Json = about.get(key) if isinstance(about, dict) else None
        return self._brought.get(target if isinstance(target, str) else "")
