"""What one deployment did not begin to answer, until another one is asked (decision 0018)."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.errors import GatewayError
from gateway.session.lanes import Lanes
from gateway.session.refusals import is_outage
from gateway.session.states import Frame, Lane, Response, Unanswered


def strand(response: Response, fault: str | GatewayError) -> bool:
    """Keep a response for another deployment, if one can answer it; `fault` is how this one failed."""
    waits = response.unanswered
    if waits is None or response.muted:
        return False
    waits.failed, waits.fault = (*waits.failed, response.deployment or ""), fault
    return True


def may_move(lane: Lane) -> bool:
    """Whether all of a lane that waits can be asked of another deployment: its answers must stay in their order."""
    return all(one.unanswered is not None and not one.muted for one in lane.waiting)


def stranded(lanes: Lanes) -> Iterator[tuple[Lane, Response, Unanswered]]:
    """The responses that no deployment is asked for at the moment."""
    for lane in lanes:
        for response in tuple(lane.waiting):
            waits = response.unanswered
            if waits is not None and waits.fault is not None:
                yield lane, response, waits


def moves(lanes: Lanes, lane: Lane, error: Frame) -> Response | None:
    """The response that an error leaves to another deployment, if it is about this one and moving ends nothing else."""
    under_way = [response for one in lanes for response in (one.active, *one.waiting) if response is not None]
    alone = len(under_way) == 1 and bool(lane.waiting)
    return lane.waiting[0] if alone and is_outage(error) else None
