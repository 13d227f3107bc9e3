"""Which response an event of the provider belongs to; a new one begins with its first event."""

from __future__ import annotations

from typing import Final

from gateway.errors import GatewayError, UpstreamError
from gateway.session.effects import Effect, Record, Remember
from gateway.session.lanes import Lanes
from gateway.session.rows import refused_row
from gateway.session.states import Frame, Lane, Outgoing, Response, Setup
from gateway.session.timers import Timers
from gateway.wire.events import Class, Event
from gateway.wire.frame import Json

ENDS: Final = frozenset({Class.TERMINAL, Class.ERROR})
_STEERED: Final = "steered"


class Responses:
    """The responses of one session, as the provider answers them: in order within a lane."""

    def __init__(self, setup: Setup, lanes: Lanes, timers: Timers, *, masks: bool) -> None:
        """`masks` says that answers are held back, so that clients have to hear meanwhile that they live."""
        self._setup: Final = setup
        self._lanes: Final = lanes
        self._timers: Final = timers
        self._masks: Final = masks

    def expect(self, lane: Lane, response: Response) -> list[Effect]:
        """A frame was sent that asks for a response."""
        lane.waiting.append(response)
        return self._watch(lane, response)

    def _watch(self, lane: Lane, response: Response) -> list[Effect]:
        effects = [self._timers.start("response", lane, response, self._setup.bounds.response)]
        if self._masks:
            effects.append(self._timers.start("heartbeat", lane, response, self._setup.policy.output.heartbeat))
        return effects

    def of(self, lane: Lane, row: Event, frame: Frame, now: float) -> tuple[Response | None, list[Effect]]:
        """The response an event belongs to. The first event of a new one takes it off the lane's queue."""
        if row.cls is Class.NOTICE:
            return lane.active, []
        if row.cls is Class.ERROR:
            over = lane.active is None or self.is_ending(lane, lane.active)
            return (lane.waiting[0] if lane.waiting and over else lane.active), []
        whole = frame.get("response")
        body = whole if isinstance(whole, dict) else {}
        identity = body.get("id")
        effects: list[Effect] = []
        if lane.active is None and not lane.waiting and row.cls is not Class.RESPONSE:
            return lane.last, []  # what still comes after a response is over is a part of it
        begins = frame.get("type") == "response.created"
        if lane.active is None and lane.last is not None and not begins and _is(lane.last, identity):
            return lane.last, []  # also where the next one waits already: some say that one failed after an error
        if lane.active is None or (begins and identity != lane.active.id):
            if lane.active is not None:  # the provider began the next one without ending this
                effects += self._unended(lane, lane.active, now)
                lane.last = lane.active
            lane.active = self._lanes.begin(lane, body)
            if not lane.active.timers:
                effects += self._watch(lane, lane.active)
        response = lane.active
        if response.id is None and isinstance(identity, str):
            response.id, response.begun = identity, now
            before = response.conversation or response.continues
            effects.append(Remember(identity, response.known, response.deployment, before))
            if response.conversation is not None:
                effects.append(Remember(response.conversation, response.adds, response.deployment))
        return response, effects

    def is_ending(self, lane: Lane, response: Response) -> bool:
        """Whether the end of a response is there, and waits to be examined."""
        ends = (one.row.cls in ENDS for one in lane.out if isinstance(one, Outgoing) and one.response is response)
        return any(ends)

    def leave(self, lane: Lane, response: Response, row: Event, frame: Frame) -> list[Effect]:
        """Take a response that is over out of its lane."""
        stopped = self._timers.stop(response)
        if response in lane.waiting:
            lane.waiting.remove(response)
            lane.spare = response.known
            return stopped
        whole = frame.get("response")
        details = whole.get("incomplete_details") if isinstance(whole, dict) else None
        response.ended_steered = isinstance(details, dict) and details.get("reason") == _STEERED
        response.streams.clear()
        response.asides.clear()
        response.repeats.clear()
        response.items.clear()
        if lane.active is response:
            lane.active = None
        lane.last = response
        return stopped

    def forget(self, lane: Lane, response: Response, error: GatewayError, now: float) -> list[Effect]:
        """A response was not asked for after all: its frame could not be recorded, or not sent."""
        stopped = self._timers.stop(response)
        if not isinstance(error, UpstreamError):
            return stopped
        # The row of its frame says that it was let through, so what became of it belongs into one, too. It has a
        # ticket of its own: nothing more is performed under that of the frame.
        row = refused_row(self._setup, lane, response, error, "failed", now)
        return [*stopped, Record(self._lanes.ticket(), row)]

    def _unended(self, lane: Lane, response: Response, now: float) -> list[Effect]:
        """The provider says no more of a response. One whose end is being examined is recorded with that."""
        stopped = self._timers.stop(response)
        if response.recorded or self.is_ending(lane, response):
            return stopped
        error = UpstreamError("The provider began another response without ending this one.")
        return [*stopped, Record(response.ticket, refused_row(self._setup, lane, response, error, "failed", now))]


def comes_late(response: Response, row: Event) -> bool:
    """Whether an event comes after the one that ended its response, and is for nobody where answers are masked.

    The row of the response can say no more what was found in it, and who was told the end has everything. Some
    providers end twice; that is still masked and sent.
    """
    late = response.over and row.cls not in ENDS and row.cls is not Class.NOTICE
    response.over = response.over or row.cls in ENDS
    return late


def _is(response: Response, identity: Json) -> bool:
    return identity is not None and identity == response.id
