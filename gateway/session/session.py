"""The session: one client's connection, without any I/O.

Frames, answers and timers go in; effects come out (decision 0001). The order within a lane is kept both ways, and no
lane waits for another: what a slow detection holds up is the lane it belongs to.

    client_frame ──▶ Detect, Recall ──▶ detected, recalled ──▶ Record, ToUpstream
    upstream_frame ──▶ ToClient                                   (the policy only restores)
    upstream_frame ──▶ Detect ──▶ detected ──▶ Record, ToClient   (the policy masks answers)
    upstream_frame ──▶ Show ──▶ shown ──▶ as above                (the policy has modules with `on_event`)

Times are seconds on the caller's clock.
"""

from __future__ import annotations

from typing import Final

from gateway.audit.record import Row
from gateway.errors import GatewayError, Refused
from gateway.session.effects import Connect, Disconnect, Effect
from gateway.session.inbound import Inbound
from gateway.session.lanes import Lanes
from gateway.session.moving import stranded
from gateway.session.outbound import Outbound
from gateway.session.refusals import no_such_conversation
from gateway.session.showing import Showing
from gateway.session.states import Findings, Lane, Setup, Turn
from guardrails.vault import EMPTY, Recalled, Restorable


class Session:
    """One client's connection. The runner calls a method for each thing that happens, and performs what it returns."""

    def __init__(self, setup: Setup, *, model: str | None = None) -> None:
        """`model` is what `?model=` asked for; it must be one of the key's."""
        self._lanes: Final = Lanes(setup.bounds)
        self._inbound: Final = Inbound(setup, self._lanes, model=model)
        self._outbound: Final = Outbound(setup, self._lanes)
        self._showing: Final = Showing(setup, self._lanes, self._outbound) if setup.shows else None
        self._from_provider: Final = self._outbound.frame if self._showing is None else self._showing.frame
        self._connected: str | None = None
        self._connecting = False
        self._moving = False
        self._held = False
        """A turn waits for what is under way to end, because it has to go to another deployment."""
        self._leaving: GatewayError | None = None
        """How the provider left, while modules still look at what it had sent."""

    @property
    def in_flight(self) -> int:
        """Responses that were asked for and have not ended."""
        running = (one for lane in self._lanes for one in (lane.active, *lane.waiting) if one is not None)
        return sum(not one.recorded for one in running)

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for or under way."""
        shown = self._showing is None or self._showing.idle
        return shown and not any(lane.busy or lane.turns or lane.out for lane in self._lanes)

    def adopt(self, known: Restorable) -> None:
        """The next response is one of an earlier connection, and may restore this."""
        self._lanes.default.spare = known

    @property
    def model(self) -> str | None:
        """The connection's model, once it is known."""
        return self._inbound.model

    def client_frame(self, data: str | bytes, now: float) -> list[Effect]:
        """A message came from the client."""
        self._inbound.performed()
        turn, effects = self._inbound.frame(data, now)
        if turn is not None:
            effects += self._advance(turn.lane, now)
        return effects

    def detected(self, ticket: int, findings: Findings, seconds: float, now: float) -> list[Effect]:
        """Detection answered; a late answer, to a ticket that is settled, is ignored."""
        turn = self._inbound.pending.get(ticket)
        if turn is not None:
            turn.findings, turn.detection = turn.question.answer(findings), seconds
            return self._advance(turn.lane, now)
        effects = self._showing.detected(ticket, findings, now) if self._showing is not None else None
        if effects is None:
            effects = self._outbound.detected(ticket, findings, seconds, now)
        return self._after(effects, now)

    def detection_failed(self, ticket: int, error: GatewayError, now: float) -> list[Effect]:
        """Detection failed or took too long: what it was for is refused."""
        turn = self._inbound.pending.get(ticket)
        if turn is None:
            effects = self._showing.failed(ticket, error, now) if self._showing is not None else None
            if effects is None:
                effects = self._outbound.detection_failed(ticket, error, now)
            return self._after(effects, now)
        self._inbound.not_examined(turn, error)
        return self._advance(turn.lane, now)

    def recalled(self, ticket: int, known: Recalled | None, now: float) -> list[Effect]:
        """The vault answered; None when it does not know the name."""
        turn = self._inbound.pending.get(ticket)
        if turn is None:
            return []
        turn.inherited = known.values if known is not None else EMPTY
        turn.home = known.deployment if known is not None else None
        turn.free = turn.home is None
        return self._advance(turn.lane, now)

    def recall_failed(self, ticket: int, error: GatewayError, now: float) -> list[Effect]:
        """The vault failed, or what the turn goes on from belongs to another key."""
        turn = self._inbound.pending.get(ticket)
        if turn is None:
            return []
        foreign = turn.conversation is not None and isinstance(error, Refused)
        turn.refusal = no_such_conversation() if foreign else error
        return self._advance(turn.lane, now)

    def connected(self, model: str, provider_model: str, now: float, *, deployment: str | None = None) -> list[Effect]:
        """The provider is connected, for `model`; `provider_model` is its own name for that."""
        self._connected, self._connecting, self._moving = model, False, False
        self._inbound.deployment = deployment
        self._inbound.provider_model = provider_model
        self._outbound.model = model if provider_model != model else None
        effects: list[Effect] = []
        for lane, response, waits in stranded(self._lanes):
            effects += self._inbound.again(lane, response, waits)
        return effects + self._advance_all(now)

    def connect_failed(self, error: GatewayError, now: float) -> list[Effect]:
        """The provider cannot be reached: every frame that waits for it is refused. The next one tries again."""
        moving, self._moving, self._connecting = self._moving, False, False
        effects = self._outbound.nobody_answers(now)
        if not moving:  # else those that failed before may do for what is asked next
            for lane in self._lanes:
                for turn in lane.turns:
                    if turn.ready and turn.refusal is None:
                        turn.refusal = error
        return effects + self._advance_all(now)

    def play(self, ticket: int, now: float) -> list[Effect]:
        """An answer that is there already may be given now: its turn is recorded."""
        return self._outbound.play(ticket, now)

    def upstream_frame(self, data: str, now: float) -> list[Effect]:
        """A message came from the provider."""
        self._inbound.performed()
        return self._after(self._from_provider(data, now), now)

    def shown(self, ticket: int, event: object, now: float) -> list[Effect]:
        """The policy's modules answered: with the event as it goes on, or None where it does not."""
        return self._after(self._showing.shown(ticket, event, now), now) if self._showing is not None else []

    def show_failed(self, ticket: int, error: GatewayError, now: float) -> list[Effect]:
        """A module failed, or took too long: the response of the event is refused."""
        effects = self._showing.failed(ticket, error, now) if self._showing is not None else None
        return self._after(effects or [], now)

    def upstream_closed(self, error: GatewayError, now: float) -> list[Effect]:
        """The provider left: what was under way has failed. The next frame dials again."""
        self._connected = None
        if self._showing is not None and not self._showing.idle:
            self._leaving = error  # what has come is looked at first: it may be a whole answer
            return []
        return self._after(self._outbound.provider_left(error, now) + self._ask_another(), now)

    def timer(self, ticket: int, now: float) -> list[Effect]:
        """A timer ran out."""
        return self._after(self._outbound.timer(ticket, now), now)

    def idle_too_long(self) -> Row:
        """The connection is to be closed because nothing happens on it: the row that says so."""
        return self._inbound.idle_too_long()

    def failed(self, ticket: int, error: GatewayError, now: float) -> list[Effect]:
        """An effect of a ticket could not be performed: what it was for is refused, and nothing of it was sent."""
        effects, lane, response = self._inbound.failed(ticket, error)
        if lane is not None and response is not None:
            effects = self._outbound.forget(lane, response, error, now) + effects
        return effects or self._outbound.failed(ticket, error)

    def client_left(self, now: float) -> list[Row]:
        """The client is gone: the rows of what it leaves unfinished."""
        return self._outbound.client_left(now)

    def _after(self, effects: list[Effect], now: float) -> list[Effect]:
        """What follows when something has come from the provider, or should have: leave it, let turns go that wait."""
        outbound = self._outbound
        if self._leaving is not None and self._showing is not None and self._showing.idle:
            error, self._leaving = self._leaving, None
            effects += outbound.provider_left(error, now) + self._ask_another()
            return effects + self._advance_all(now)
        if outbound.overdue and not self._lanes.under_way:
            effects += outbound.abandon()
        if outbound.broken:
            outbound.broken, self._connected = False, None
            if self._showing is not None:
                self._showing.clear()
            effects.append(Disconnect())
            effects += self._ask_another()
            return effects + self._advance_all(now)
        if self._held and not self._lanes.under_way:
            self._held = False
            effects += self._advance_all(now)
        return effects

    def _advance_all(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for lane in list(self._lanes):
            effects += self._advance(lane, now)
        return effects

    def _advance(self, lane: Lane, now: float) -> list[Effect]:
        """Let go of the turns at the head of a lane that are ready, in order."""
        effects: list[Effect] = []
        while lane.turns and lane.turns[0].ready:
            turn = lane.turns[0]
            if turn.refusal is None and not self._inbound.kept(turn) and turn.refusal is None:
                connects = self._way(turn)
                if connects is not None:
                    return effects + connects
            lane.turns.popleft()
            sent, response = self._inbound.settle(turn, now)
            effects += sent
            if response is not None:
                effects += self._outbound.expect(lane, response)
        return effects

    def _way(self, turn: Turn) -> list[Effect] | None:
        """What to do before a turn can be sent, if only to wait; None when it can be.

        One connection serves all lanes. So while it is being changed nothing is sent over the one before, and before it
        is changed for a turn what is under way comes to its end; so that it does, nothing new begins meanwhile.
        """
        if self._connecting or self._leaving is not None:
            return []
        if self._connected is None or self._connected != (self.model or self._connected):
            return self._connect(turn.home)
        if turn.event != "response.create":
            return None
        elsewhere = turn.home is not None and turn.home != self._inbound.deployment
        if (elsewhere or self._held or self._outbound.overdue) and self._lanes.under_way:
            self._held = True
            return []
        if not elsewhere:
            return None
        home, turn.home = turn.home, None  # asked for once: whoever answers is as good as it gets
        return self._connect(home)

    def _ask_another(self) -> list[Effect]:
        """Connect to another deployment for what one did not answer."""
        failed = [waits.failed for _, _, waits in stranded(self._lanes)]
        if not failed or self._connecting:
            return []
        self._connecting = self._moving = True
        return [Connect(self.model or self._inbound.first_model, failed=max(failed, key=len))]

    def _connect(self, home: str | None) -> list[Effect]:
        if self._connecting:
            return []
        self._connecting = True
        return [Connect(self.model or self._inbound.first_model, home)]
