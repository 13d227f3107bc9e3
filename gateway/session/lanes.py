"""The lanes of one connection, and the limits on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.errors import Refused
from gateway.session.states import Bounds, Frame, Lane, Response
from gateway.session.steering import Steering
from guardrails.vault import EMPTY

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")


class Lanes:
    """All lanes by name. Iterating gives them in the order in which they came up."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds: Final = bounds
        self.steering: Final = Steering()
        self._lanes: dict[str | None, Lane] = {None: Lane(None)}
        self._ticket = 0

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    @property
    def under_way(self) -> bool:
        """Whether a client waits for an answer from the provider."""
        return any(not one.muted for lane in self for one in (lane.active, *lane.waiting) if one is not None)

    def ticket(self) -> int:
        """A number that no other question or timer of this connection has."""
        self._ticket += 1
        return self._ticket

    @property
    def default(self) -> Lane:
        """The lane of frames without `stream_id`."""
        return self._lanes[None]

    def of_client(self, frame: Frame) -> Lane:
        """The lane of a client's frame, made when it is new.

        Raises:
            Refused: the `stream_id` is not one, or there are too many lanes.

        """
        if frame.get("stream_id") is None:
            return self.default
        name = frame["stream_id"]
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise Refused(
                "A stream_id is 1 to 256 characters of A-Z a-z 0-9 _ . -", code="invalid_stream_id", param="stream_id"
            )
        lane = self._lanes.get(name)
        if lane is None:
            if len(self._lanes) > self._bounds.lanes:
                raise Refused(
                    f"There are at most {self._bounds.lanes} lanes on a connection.",
                    code="websocket_stream_limit_reached",
                    param="stream_id",
                )
            lane = self._lanes[name] = Lane(name)
        return lane

    def of_provider(self, frame: Frame) -> Lane:
        """The lane of a provider's event; the default one when it names none that the client has opened."""
        name = frame.get("stream_id")
        return self._lanes.get(name, self.default) if isinstance(name, str) else self.default

    def of_response(self, response_id: str) -> Lane | None:
        """The lane in which a response is under way, or was the last one."""
        for lane in self:
            for response in (lane.active, lane.last):
                if response is not None and response.id == response_id:
                    return lane
        return None

    def begin(self, lane: Lane, body: Frame) -> Response:
        """The next response of a lane: the one that waits first, or what the provider begins by itself."""
        last = lane.last
        before = body.get("previous_response_id")
        successor = last is not None and last.id is not None and before == last.id
        steered = last is not None and last.ended_steered and before is None
        if lane.waiting:
            first = lane.waiting[0]
            if not (successor and before != first.continues) and not steered:
                first.unanswered = None
                lane.spare = EMPTY
                return lane.waiting.popleft()
        # It goes on from the last one, or is one that had failed before it began: never both, for they may be two
        # conversations.
        goes_on = last if successor or steered or not lane.spare else None
        return Response(
            self.ticket(),
            last.number if last is not None else 0,
            goes_on.known if goes_on is not None else lane.spare,
            last.started if last is not None else 0.0,
            goes_on.id if goes_on is not None else None,
            goes_on.conversation if goes_on is not None else None,
            json_text=last is not None and last.json_text,
            rewritten=last is not None and last.rewritten,
            model=last.model if last is not None else None,
            deployment=last.deployment if last is not None else None,
        )

    def check_queue(self, lane: Lane) -> None:
        """Make sure that one more frame may wait in a lane.

        Raises:
            Refused: too many wait already.

        """
        if len(lane.turns) + len(lane.waiting) >= self._bounds.queued:
            raise Refused("Too many frames wait in this lane.", code="websocket_stream_limit_reached")

    def check_room(self, lane: Lane, *, asks: bool) -> None:
        """Make sure that one more frame may wait in a lane, and, if it asks for one, one more response be in flight.

        Raises:
            Refused: too many responses are in flight.

        """
        if asks and not lane.busy and sum(other.busy for other in self) >= self._bounds.responses:
            raise Refused(
                f"At most {self._bounds.responses} responses may be in flight on a connection.",
                code="websocket_stream_limit_reached",
            )
