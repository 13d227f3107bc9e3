"""Show the provider's events to the policy's modules before anything else is done with them (`on_event`).

What a module answers takes the place of what the provider sent: it goes the whole way that every event goes, so a
module can neither bring out a value nor let one through. It sees what the provider saw, tokens in place of the client's
values. Where the policy also masks answers, what is masked is masked before a module sees it; the pieces of texts,
which nobody can mask one by one, are not shown then: the client does not get them either.

    provider's event ──▶ [Detect, mask] ──▶ Show ──▶ shown ──▶ Outbound

Events of a lane are shown in their order and go on in their order. There is no `Showing` where no module asks for
events: nothing of this costs anything then.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from gateway.audit.record import Found
from gateway.errors import FrameError, GatewayError, NotExamined, Refused, UpstreamError
from gateway.session.effects import Detect, Effect, Show
from gateway.session.lanes import Lanes
from gateway.session.outbound import MAX_DEPTH, Outbound
from gateway.session.replay import Replay
from gateway.session.restoring import Restoring
from gateway.session.states import Findings, Frame, Lane, Outgoing, Response, Setup
from gateway.wire.events import Class, Event, event
from gateway.wire.frame import encode, loads
from guardrails.vault import EMPTY

_WHOLE: Final = frozenset({Class.RESPONSE, Class.TERMINAL, Class.ITEM_DONE, Class.ERROR, Class.NOTICE})
"""What is shown where answers are masked."""
_ENDS: Final = frozenset({Class.TERMINAL, Class.ERROR})
_MAX_WAITING: Final = 10_000
"""Events of a lane that may wait for modules; a provider that sends more has its response refused."""
_KEPT: Final = ("type", "stream_id")
"""What says to which response an event belongs, and what it does to it."""


@dataclass(slots=True, eq=False)
class _Event:
    """An event on its way past the modules. `data` is what goes on: at first what came, None for nothing."""

    row: Event
    frame: Frame
    data: str | None
    examined: Outgoing | None = None
    asked: bool = False
    answered: bool = False
    failure: GatewayError | None = None
    found: list[Found] = field(default_factory=list)

    def fail(self, error: GatewayError) -> None:
        """Its response is to be refused."""
        self.failure, self.asked, self.answered = error, True, True


@dataclass(slots=True, eq=False)
class _Queue:
    """The events of one lane: all that are not passed on, and those of them that were not shown yet."""

    lane: Lane
    unasked: deque[_Event] = field(default_factory=deque)
    waiting: deque[_Event] = field(default_factory=deque)
    delivered: set[int] = field(default_factory=set)
    """Items of the response that went by: what was found in them is not noted again at its end."""


class Showing:
    """Stands before the provider's side of a session whose policy has modules with `on_event`."""

    def __init__(self, setup: Setup, lanes: Lanes, outbound: Outbound) -> None:
        self._setup: Final = setup
        self._lanes: Final = lanes
        self._outbound: Final = outbound
        self._replay: Final = Replay(setup, Restoring(setup))
        self._masks = setup.policy.output.mask != "off"
        self._queues: dict[str | None, _Queue] = {}
        self._asked: dict[int, tuple[_Queue, _Event]] = {}

    @property
    def idle(self) -> bool:
        """Whether no event is on its way."""
        return not any(queue.waiting for queue in self._queues.values())

    def clear(self) -> None:
        """The provider is gone, and with it what it has sent: late answers are about nothing."""
        self._queues.clear()
        self._asked.clear()

    def frame(self, data: str, now: float) -> list[Effect]:
        """Take a message of the provider."""
        try:
            frame = loads(data, depth=MAX_DEPTH)
        except FrameError:
            frame = None
        name = frame.get("type") if isinstance(frame, dict) else None
        if not isinstance(frame, dict) or not isinstance(name, str):
            return self._outbound.frame(data, now)  # which gives the provider up
        lane = self._lanes.of_provider(frame)
        queue = self._queues.setdefault(lane.name, _Queue(lane))
        one = _Event(event(name), frame, data)
        if len(queue.waiting) >= _MAX_WAITING:
            one.fail(UpstreamError("The provider sends faster than its answers can be examined."))
        elif self._is_refused(queue, one) or (self._masks and one.row.cls not in _WHOLE):
            one.asked = one.answered = True
        if lane.active is None and lane.waiting and one.row.cls not in (Class.ERROR, Class.NOTICE):
            lane.waiting[0].unanswered = None  # its answer has begun: no other deployment is asked for it
        queue.waiting.append(one)
        queue.unasked.append(one)
        return [*self._examine(queue, one), *self._drain(queue, now)]

    def _is_refused(self, queue: _Queue, one: _Event) -> bool:
        """Whether an event is certainly a part of a response that was refused, and goes to nobody."""
        active = queue.lane.active
        return active is not None and active.muted and not queue.waiting and one.row.cls is not Class.RESPONSE

    def detected(self, ticket: int, findings: Findings, now: float) -> list[Effect] | None:
        """Detection answered; None when it was not asked about an event here."""
        queue, one = self._asked.pop(ticket, (None, None))
        if queue is None or one is None:
            return None
        if one.examined is not None:
            one.examined.findings = one.examined.question.answer(findings)
        return self._drain(queue, now)

    def failed(self, ticket: int, error: GatewayError, now: float) -> list[Effect] | None:
        """Detection or a module failed on an event, so its response is refused; None when it was none of here."""
        queue, one = self._asked.pop(ticket, (None, None))
        if queue is None or one is None:
            return None
        one.fail(error)
        return self._drain(queue, now)

    def shown(self, ticket: int, answer: object, now: float) -> list[Effect]:
        """The modules answered: with the event that goes on, or None for none."""
        queue, one = self._asked.pop(ticket, (None, None))
        if queue is None or one is None:
            return []
        try:
            one.data = _checked(one, answer)
        except GatewayError as exc:
            one.fail(exc)
        one.answered = True
        return self._drain(queue, now)

    def _examine(self, queue: _Queue, one: _Event) -> list[Effect]:
        """Have an event examined that is to be masked before it is shown."""
        if one.asked or not self._masks:
            return []
        try:
            found, texts = self._replay.texts(one.frame)
        except FrameError:
            one.fail(NotExamined("The answer holds too many values to examine."))
            return []
        asked = self._replay.question(one.frame, texts)
        ticket = self._lanes.ticket()
        one.examined = Outgoing(ticket, queue.lane, None, one.row, one.frame, "", texts, found, asked)
        if not texts:
            one.examined.findings = ()
            return []
        self._asked[ticket] = (queue, one)
        return [Detect(ticket, asked.asked)]

    def _drain(self, queue: _Queue, now: float) -> list[Effect]:
        """Show what comes next and can be shown; pass on what comes first and was answered."""
        effects: list[Effect] = []
        while queue.unasked and _may_be_asked(queue.unasked[0]):
            one = queue.unasked.popleft()
            if not one.asked:
                effects += self._show(queue, one)
        while queue.waiting and queue.waiting[0].answered:
            effects += self._pass_on(queue.waiting.popleft(), now)
        return effects

    def _show(self, queue: _Queue, one: _Event) -> list[Effect]:
        one.asked = True
        if one.examined is not None:
            try:
                self._hide(queue, one, one.examined)
            except GatewayError as exc:
                one.fail(exc)
                return []
        ticket = self._lanes.ticket()
        self._asked[ticket] = (queue, one)
        return [Show(ticket, loads(encode(one.frame)))]

    def _hide(self, queue: _Queue, one: _Event, examined: Outgoing) -> None:
        """Mask an event, and keep what was found in it for the record.

        Raises:
            Refused: the policy blocks something that was found.

        """
        lane, index = queue.lane, one.frame.get("output_index")
        if one.frame.get("type") == "response.created":
            queue.delivered.clear()
        at = lane.active or (lane.waiting[0] if lane.waiting else lane.last)
        seen = Response(0, 0, at.known if at is not None else EMPTY, 0.0, delivered=queue.delivered)
        examined.response = seen
        self._replay.hide(examined)
        one.found = seen.found
        if one.row.cls is Class.ITEM_DONE and isinstance(index, int):
            queue.delivered.add(index)

    def _pass_on(self, one: _Event, now: float) -> list[Effect]:
        if one.failure is None and one.data is None and one.row.cls in _ENDS:
            one.failure = Refused(f"A module of policy {self._setup.policy.name} dropped the end of the response.")
        if one.failure is not None:
            return self._outbound.refuse(one.frame, one.failure, now)
        return [] if one.data is None else self._outbound.frame(one.data, now, found=one.found)


def _may_be_asked(one: _Event) -> bool:
    return one.asked or one.examined is None or one.examined.findings is not None


def _checked(one: _Event, answer: object) -> str | None:
    """What a module answered, as it goes on.

    Raises:
        NotExamined: it is no event, or another one than was shown.

    """
    if answer is None:
        return None
    try:
        data = encode(answer)  # type: ignore[arg-type]  # whatever a module gives: what is no JSON is refused here
        new = loads(data, depth=MAX_DEPTH)
    except FrameError:
        new = None
        data = ""
    if not isinstance(new, dict) or any(new.get(key) != one.frame.get(key) for key in _KEPT):
        raise NotExamined("A module of the policy answered with something that is not the event it was shown.")
    return data
