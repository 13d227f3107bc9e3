"""The row of a response: how it ended, what it has used, and what that costs. There is one for each, at its end.

And the row of a message that cannot be read.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, NamedTuple, TypeGuard

from gateway.audit.record import Decision, Identifier, Outcome, Row, Usage, Who
from gateway.errors import Code, GatewayError, Overdue, UpstreamError
from gateway.session.states import Frame, Lane, Response, Setup
from gateway.wire.frame import Json, encode, loads
from gateway.wire.schema import MAX_COUNT

_DIGITS: Final = re.compile(r"(?:[0-9][-_.:]?){6}")
_RANDOM: Final = re.compile(r"(?:[a-z]{2,12}[_-])?(?:[0-9a-f]{32,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_ENDS: Final[dict[Json, Outcome]] = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}


class _End(NamedTuple):
    """How a response ended, and why."""

    outcome: Outcome
    reason: str | None = None
    code: Code | None = None
    usage: Usage | None = None
    cost: Decimal | None = None


def refused_unread(who: Who, number: int, error: GatewayError) -> Row:
    """The row of a message that is refused before anything in it is known."""
    return Row(who, number, "input", "other", "refused", reason=str(error), code=error.code)


def ended_row(setup: Setup, lane: Lane, response: Response, frame: Frame, now: float) -> Row:
    """The row of a response that came to its end with `frame`, one way or the other."""
    decision: Decision = "forwarded"
    if response.found:
        decision = "observed" if setup.policy.mode == "observe" else "masked"
    outcome = _ENDS.get(frame.get("type"))
    if outcome is None:
        end = _End("error", "The provider answered with an error.")
    else:
        usage, cost = _spent(setup, response, frame.get("response"))
        end = _End(outcome, response.observed, None, usage, cost)
    return _row(setup, lane, response, decision, end, now)


def refused_row(
    setup: Setup, lane: Lane, response: Response, error: GatewayError, decision: Decision, now: float
) -> Row:
    """The row of a response that did not come to its end, because of `error`."""
    outcome: Outcome = "stopped"
    if isinstance(error, UpstreamError):
        outcome = "lost"
    elif isinstance(error, Overdue):
        outcome = "overdue"
    return _row(setup, lane, response, decision, _End(outcome, str(error), error.code), now)


def unfinished_row(setup: Setup, lane: Lane, response: Response, now: float) -> Row:
    """The row of a response that nobody waits for any more."""
    return _row(setup, lane, response, "failed", _End("left", "The client left."), now)


def _row(setup: Setup, lane: Lane, response: Response, decision: Decision, end: _End, now: float) -> Row:
    response.recorded = True
    return Row(
        setup.who,
        response.number,
        "output",
        "response",
        decision,
        lane=lane.shown,
        response=_identifier(response.id),
        model_used=response.model,
        deployment=response.deployment,
        cached=response.kept is not None,
        outcome=end.outcome,
        reason=end.reason,
        code=end.code,
        findings=tuple(response.found),
        detection=response.detection,
        first=None if response.begun is None else response.begun - response.started,
        duration=now - response.started,
        usage=end.usage,
        cost=end.cost,
        content=response.content,
    )


def _identifier(name: str | None) -> Identifier | None:
    """An id of the provider's as it may be recorded: a random one, or without as many digits as a person's number."""
    if name is None or (_DIGITS.search(name) is not None and _RANDOM.fullmatch(name) is None):
        return None
    return Identifier(name, of_provider=True)


def _spent(setup: Setup, response: Response, whole: Json) -> tuple[Usage | None, Decimal | None]:
    """The tokens of a response that is over, as the provider reports them in `whole`, and USD where that is known.

    Not of one that nobody asked for here, but retrieved, nor of one out of memory: those were counted when made.
    """
    usage = usage_of(whole) if response.model is not None and response.kept is None else None
    if usage is None or not isinstance(whole, dict):
        return None, None
    tier = whole.get("service_tier")
    if tier is not None and not isinstance(tier, str):
        return usage, None
    return usage, setup.cost(response.model, response.deployment, usage, tier)


def usage_of(response: Json) -> Usage | None:
    """The usage a terminal event reports; anything but a count is left out, for it goes into the audit as it is."""
    usage = response.get("usage") if isinstance(response, dict) else None
    if not isinstance(usage, dict):
        return None
    sent, answered = _details(usage, "input_tokens_details"), _details(usage, "output_tokens_details")
    return Usage(
        _count(usage, "input_tokens"),
        _count(usage, "output_tokens"),
        _count(usage, "total_tokens"),
        _count(sent, "cached_tokens"),
        _count(sent, "cache_write_tokens"),
        _count(answered, "reasoning_tokens"),
        complete=_is_count(usage.get("input_tokens")) and _is_count(usage.get("output_tokens")),
    )


def with_cost(data: str, cost: Decimal | None) -> str:
    """A last event as it is about to be sent, with its cost among its usage; without any where it is not known.

    Written into what is sent, whichever way that came about, because it is ours and not to be examined.
    """
    frame = loads(data)
    response = frame.get("response") if isinstance(frame, dict) else None
    usage = response.get("usage") if isinstance(response, dict) else None
    if not isinstance(usage, dict):
        return data
    if cost is None and "cost" not in usage:
        return data
    if cost is None:
        del usage["cost"]
    else:
        usage["cost"] = float(cost)
    return encode(frame)


def _details(usage: Frame, key: str) -> Frame:
    details = usage.get(key)
    return details if isinstance(details, dict) else {}


def _count(counts: Frame, key: str) -> int:
    value = counts.get(key)
    return value if _is_count(value) else 0


def _is_count(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT
