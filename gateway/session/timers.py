"""The timers of responses: when one took too long, and when a client that waits should hear that it lives."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from gateway.session.effects import Effect, StartTimer, StopTimer
from gateway.session.lanes import Lanes
from gateway.session.states import Lane, Response

Purpose: TypeAlias = Literal["heartbeat", "response"]


class Timers:
    """What runs, by ticket."""

    __slots__ = ("_lanes", "_running")

    def __init__(self, lanes: Lanes) -> None:
        self._lanes: Final = lanes
        self._running: dict[int, tuple[Purpose, Lane, Response]] = {}

    def __len__(self) -> int:
        """How many run."""
        return len(self._running)

    def start(self, purpose: Purpose, lane: Lane, response: Response, seconds: float) -> Effect:
        """Start one for a response."""
        ticket = self._lanes.ticket()
        self._running[ticket] = (purpose, lane, response)
        response.timers.add(ticket)
        return StartTimer(ticket, seconds)

    def rang(self, ticket: int) -> tuple[Purpose, Lane, Response] | None:
        """What one that ran out was for; None when it was stopped meanwhile."""
        ran = self._running.pop(ticket, None)
        if ran is not None:
            ran[2].timers.discard(ticket)
        return ran

    def stop(self, response: Response) -> list[Effect]:
        """Stop all of a response's."""
        stopped: list[Effect] = [StopTimer(ticket) for ticket in sorted(response.timers)]
        for ticket in response.timers:
            self._running.pop(ticket, None)
        response.timers.clear()
        return stopped
