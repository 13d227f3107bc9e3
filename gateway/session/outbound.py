"""From the provider to the client: restore or mask each event, in the order of its lane."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from gateway.audit.record import Decision, Found, Row
from gateway.errors import FrameError, GatewayError, NotExamined, Overdue, Refused, UpstreamError
from gateway.session.affinity import marks
from gateway.session.effects import Detect, Effect, Record, Remember, ToClient
from gateway.session.keeping import Keeping
from gateway.session.lanes import Lanes
from gateway.session.live import live_texts
from gateway.session.moving import may_move, moves, strand, stranded
from gateway.session.refusals import error_frame, mend
from gateway.session.replay import Replay
from gateway.session.responses import ENDS, Responses, comes_late
from gateway.session.restoring import Restoring
from gateway.session.rows import ended_row, refused_row, unfinished_row, with_cost
from gateway.session.states import Findings, Frame, Lane, Outgoing, Response, Setup
from gateway.session.timers import Timers
from gateway.wire.events import Class, Event, event
from gateway.wire.frame import DEFAULT_DEPTH, encode, loads
from gateway.wire.synth import response_events
from guardrails.vault import EMPTY

_KEEPALIVE: Final = "keepalive"
MAX_DEPTH: Final = 2 * DEFAULT_DEPTH
"""Arrays and objects in each other: what a client may send, and as much again for what the provider puts around it."""
_MAX_WAITING: Final = 10_000
"""Events that may wait in a lane for detection; a provider that sends more has its response refused."""


class Outbound:
    """The provider's side of a session."""

    def __init__(self, setup: Setup, lanes: Lanes) -> None:
        self._setup: Final = setup
        self._lanes: Final = lanes
        self._restoring: Final = Restoring(setup)
        self._replay: Final = Replay(setup, self._restoring)
        self._observes = setup.policy.mode == "observe"
        self._masks = setup.policy.output.mask != "off" and not self._observes
        self._watches = setup.policy.output.mask != "off" and self._observes
        self._live: Final = live_texts(setup, lanes, self._restoring) if self._masks else None
        self._timers: Final = Timers(lanes)
        self._responses: Final = Responses(setup, lanes, self._timers, masks=self._masks)
        self._jobs: dict[int, Outgoing] = {}
        self._keeping: Final = Keeping(setup, lanes)
        self.broken = False
        """The connection to the provider is of no use any more."""
        self.overdue = False
        """The provider goes on with a response that took too long: its lane would stay behind by one answer."""
        self.model: str | None = None
        """What clients call the connection's model, where its provider calls it otherwise."""

    def expect(self, lane: Lane, response: Response) -> list[Effect]:
        """A frame was sent that asks for a response."""
        return self._responses.expect(lane, response)

    def forget(self, lane: Lane, response: Response, error: GatewayError, now: float) -> list[Effect]:
        """A response was not asked for after all: its frame could not be recorded, or not sent."""
        return self._responses.forget(lane, response, error, now)

    def frame(self, data: str, now: float, *, found: Sequence[Found] = ()) -> list[Effect]:
        """Take a message of the provider; `found` is what was masked in it before."""
        try:
            frame = loads(data, depth=MAX_DEPTH)
        except FrameError:
            frame = None
        name = frame.get("type") if isinstance(frame, dict) else None
        if not isinstance(frame, dict) or not isinstance(name, str):
            self.broken = True
            return self.provider_left(UpstreamError("The provider sent something that is not an event."), now)
        row = event(name)
        lane = self._lanes.of_provider(frame)
        active = lane.active
        if row.cls is Class.DELTA and active is not None and not (self._masks or active.muted or lane.out):
            # By far the most events of a stream: nothing of what follows can concern them.
            return [ToClient(new) for new in self._restoring.frames(active, row, frame, data)]
        moving = moves(self._lanes, lane, frame) if row.cls is Class.ERROR else None
        if moving is not None and strand(moving, data):
            self.broken = True
            return []
        data = mend(self._setup, lane, row, frame, data, model=self.model)
        response, effects = self._responses.of(lane, row, frame, now)
        if response is not None:
            response.found += found or ()
            self._restoring.learn(response, row, frame)
        if response is not None and response.muted:
            return effects + self._after(lane, response, row, frame, now)
        if self._masks or lane.out or (self._watches and row.cls is Class.TERMINAL):
            return effects + self._queue(lane, response, row, frame, data, now)
        echo = self._lanes.steering.echo(frame) if row.cls is Class.NOTICE else None
        if response is None or echo is not None:
            known = echo if echo is not None else lane.known(None)
            return [*effects, ToClient(self._restoring.whole(known, frame, data))]
        keeps = self._keeping.keep(response, row, data, examined=False)
        sent = [ToClient(new) for new in self._restoring.frames(response, row, frame, data)]
        if row.cls in ENDS:
            return effects + self._end(lane, response, row, frame, sent, now) + keeps
        return [*effects, *sent]

    def play(self, ticket: int, now: float) -> list[Effect]:
        """Give an answer that was given before, as if the provider did."""
        effects: list[Effect] = []
        for lane in self._lanes:
            response = lane.waiting[0] if lane.waiting else None
            if response is not None and response.ticket == ticket and response.kept is not None:
                whole = loads(response.kept.response)
                named: Frame = {} if lane.name is None else {"stream_id": lane.name}
                for new in response_events(whole if isinstance(whole, dict) else {}):
                    effects += self.frame(encode({**new, **named}), now)
        return effects

    def refuse(self, frame: Frame, error: GatewayError, now: float) -> list[Effect]:
        """Refuse the response that an event belongs to, instead of passing that on."""
        row, lane = event(str(frame.get("type"))), self._lanes.of_provider(frame)
        response, effects = self._responses.of(lane, row, frame, now)
        if response is None:
            return [*effects, ToClient(error_frame(error, lane.name, http=self._setup.http), 0, error)]
        if not response.muted:
            decision: Decision = "blocked" if isinstance(error, Refused) else "failed"
            effects += self._refuse(lane, response, error, decision, now)
        return effects + self._after(lane, response, row, frame, now)

    def detected(self, ticket: int, findings: Findings, seconds: float, now: float) -> list[Effect]:
        """Detection answered for an event, or for a text that is under way."""
        self._keeping.detected(ticket, findings)
        waiting = self._jobs.pop(ticket, None)
        if waiting is None:
            return self._examined(ticket, findings, seconds, now)
        waiting.findings = waiting.question.answer(findings)
        if waiting.response is not None:
            waiting.response.detection += seconds
        return self._drain(waiting.lane, now)

    def detection_failed(self, ticket: int, error: GatewayError, now: float) -> list[Effect]:
        """Detection failed for an event, or for a text that is under way: its response is refused."""
        self._keeping.detection_failed(ticket)
        waiting = self._jobs.pop(ticket, None)
        if waiting is None:
            of = self._live.answered(ticket) if self._live is not None else None
            return [] if of is None else self._break_off(of.lane, of.response, error, now)
        waiting.failure = error
        return self._drain(waiting.lane, now)

    def _examined(self, ticket: int, findings: Findings, seconds: float, now: float) -> list[Effect]:
        """A text that is under way was examined: send what may go."""
        of = self._live.answered(ticket) if self._live is not None else None
        if of is None or self._live is None or of.response.muted:
            return []
        of.response.detection += seconds
        try:
            pieces, asks = self._live.release(of, findings)
        except GatewayError as exc:
            return self._break_off(of.lane, of.response, exc, now)
        return [*self._live.place(of, pieces), *self._drain(of.lane, now), *asks]

    def _break_off(self, lane: Lane, response: Response, error: GatewayError, now: float) -> list[Effect]:
        """A text that is under way cannot go on: the response ends here, and what waits for the text need not."""
        if response.muted:
            return []
        decision: Decision = "blocked" if isinstance(error, Refused) else "failed"
        return self._refuse(lane, response, error, decision, now) + self._drain(lane, now)

    def nobody_answers(self, now: float) -> list[Effect]:
        """No other deployment can be asked for what is stranded: tell what the last one said."""
        effects: list[Effect] = []
        for lane, response, waits in stranded(self._lanes):
            response.unanswered = None
            if isinstance(waits.fault, str):
                effects += self.frame(waits.fault, now)
            elif waits.fault is not None:
                lane.waiting.remove(response)
                effects += self._timers.stop(response) + self._refuse(lane, response, waits.fault, "failed", now)
        return effects

    def timer(self, ticket: int, now: float) -> list[Effect]:
        """A heartbeat is due, or a response took too long."""
        rang = self._timers.rang(ticket)
        if rang is None:
            return []
        purpose, lane, response = rang
        if purpose == "response":
            stopped: list[Effect] = []
            if response.unanswered is not None and response.unanswered.fault is not None:
                lane.waiting.remove(response)
                stopped = self._timers.stop(response)
            response.unanswered = None
            error = Overdue("The response took longer than this gateway allows.")
            self.overdue = True
            return stopped + self._refuse(lane, response, error, "failed", now)
        effects = [self._timers.start("heartbeat", lane, response, self._setup.policy.output.heartbeat)]
        if response.quiet and not response.muted and response is lane.active:
            effects.insert(0, ToClient(self._replay.beat(response) or _keepalive(lane)))
        response.quiet = True
        return effects

    def abandon(self) -> list[Effect]:
        """Leave the provider, which goes on with a response that nobody gets any more."""
        self.broken, self.overdue = True, False
        return self._clear(frozenset())

    def failed(self, ticket: int, error: GatewayError) -> list[Effect]:
        """What ends a response could not be recorded, so it was not sent."""
        for lane in self._lanes:
            if any(one is not None and one.ticket == ticket for one in (lane.last, lane.active, *lane.waiting)):
                return [ToClient(error_frame(error, lane.name, http=self._setup.http), 0, error)]
        return [ToClient(error_frame(error, None, http=self._setup.http), 0, error)]

    def client_left(self, now: float) -> list[Row]:
        """The rows of responses that nobody waits for any more."""
        rows: list[Row] = []
        for lane in self._lanes:
            unfinished = [one for one in (lane.active, *lane.waiting) if one is not None and not one.recorded]
            for one in unfinished:
                self._note(one)
                rows.append(unfinished_row(self._setup, lane, one, now))
        return rows

    def _queue(
        self, lane: Lane, response: Response | None, row: Event, frame: Frame, data: str, now: float
    ) -> list[Effect]:
        """Have an event examined before it may go, in the order of its lane."""
        kept = self._kept(lane, response, row, frame, now) if self._masks else frame
        if not isinstance(kept, dict):
            return kept
        waiting = Outgoing(self._lanes.ticket(), lane, response, row, kept, data, echo=self._lanes.steering.echo(kept))
        effects = self._read(waiting)
        if len(lane.out) >= _MAX_WAITING:
            waiting.failure = UpstreamError("The provider sends faster than its answers can be examined.")
        lane.out.append(waiting)
        if waiting.ready:
            return effects + self._drain(lane, now)
        if waiting.findings is None:
            self._jobs[waiting.ticket] = waiting
            effects.append(Detect(waiting.ticket, waiting.question.asked))
        return effects

    def _read(self, waiting: Outgoing) -> list[Effect]:
        """Find the texts of an event that are to be examined; and what to do about texts that end with it."""
        asks: list[Effect] = []
        if self._masks or waiting.row.cls is Class.TERMINAL:
            try:
                waiting.walk, waiting.texts = self._replay.texts(waiting.frame)
            except FrameError:
                waiting.failure = NotExamined("The answer holds too many values to examine.")
        if self._live is not None:
            asks = self._live.ends(waiting)
        waiting.question = self._replay.question(waiting.frame, waiting.texts)
        if not waiting.texts:
            waiting.findings = ()
        return asks

    def _kept(
        self, lane: Lane, response: Response | None, row: Event, frame: Frame, now: float
    ) -> Frame | list[Effect]:
        """What to send of an event, once it was examined; or, where nothing of it is sent, what to do instead."""
        if response is not None and comes_late(response, row):
            return []
        live = self._live if response is not None else None
        if live is None or response is None:
            self._replay.complete(response, row, frame)
            return [] if self._replay.drops(response, row, frame) else frame
        try:
            kept = live.takes(lane, response, row, frame)
        except GatewayError as exc:
            return self._break_off(lane, response, exc, now)
        if isinstance(kept, list):
            return kept
        return [] if kept is None and self._replay.drops(response, row, frame) else kept or frame

    def _drain(self, lane: Lane, now: float) -> list[Effect]:
        """Send the events at the head of a lane that were examined."""
        effects: list[Effect] = []
        while lane.out and lane.out[0].ready:
            first = lane.out.popleft()
            if isinstance(first, Outgoing):
                effects += self._deliver(lane, first, now)
            elif self._live is not None and not first.response.muted:
                effects.append(self._live.send(first))
        return effects

    def _deliver(self, lane: Lane, waiting: Outgoing, now: float) -> list[Effect]:
        response, row, frame = waiting.response, waiting.row, waiting.frame
        if response is not None and response.muted:
            return self._after(lane, response, row, frame, now)
        try:
            sent = [ToClient(waiting.data)] if self._watches else []
            if self._watches:
                self._replay.note(waiting)
            elif waiting.failure is not None:
                raise waiting.failure
            else:
                sent += (self._live.send(piece) for piece in waiting.ahead if self._live is not None)
                sent += (ToClient(new) for new in self._replay.frames(waiting))
                if self._live is not None and response is not None and row.cls is Class.ITEM_ADDED:
                    self._live.announced(response, frame)
        except GatewayError as exc:
            if response is None:
                return [ToClient(error_frame(exc, lane.name, http=self._setup.http), 0, exc)]
            blocked: Decision = "blocked" if isinstance(exc, Refused) else "failed"
            return self._refuse(lane, response, exc, blocked, now) + self._after(lane, response, row, frame, now)
        if response is None:
            return list(sent)
        response.quiet = response.quiet and not sent
        if row.cls in ENDS:
            self._note(response)
        keeps = self._keeping.keep(response, row, waiting.data, examined=self._masks)
        if row.cls in ENDS:
            return self._end(lane, response, row, frame, sent, now) + keeps
        return list(sent)

    def _end(
        self, lane: Lane, response: Response, row: Event, frame: Frame, sent: list[ToClient], now: float
    ) -> list[Effect]:
        """A response is over: record it, then send its last frames."""
        stopped = self._responses.leave(lane, response, row, frame)
        if response.recorded:
            return [*stopped, *sent]
        record = Record(response.ticket, ended_row(self._setup, lane, response, frame, now))
        if self._setup.tells_cost and sent:
            sent[-1] = ToClient(with_cost(sent[-1].data, record.row.cost))
        # What the client may bring back without naming the response has to go to where it came from.
        held = marks(frame, self._setup.who.key) if response.several else ()
        kept = [Remember(name, EMPTY, response.deployment) for name in held]
        return [*stopped, record, *kept, *(ToClient(one.data, response.ticket) for one in sent)]

    def _refuse(
        self, lane: Lane, response: Response, error: GatewayError, decision: Decision, now: float
    ) -> list[Effect]:
        """Refuse a response: tell the client, record it, and let nothing more of it through."""
        response.muted = True
        for waiting in lane.out:
            if isinstance(waiting, Outgoing) and waiting.response is response:
                waiting.awaits.clear()
        self._note(response)
        row = refused_row(self._setup, lane, response, error, decision, now)
        return [
            Record(response.ticket, row),
            ToClient(error_frame(error, lane.name, http=self._setup.http), response.ticket, error),
        ]

    def _note(self, response: Response) -> None:
        """Before a response is recorded: bring what was found in its live texts to where the row takes it from."""
        if self._live is not None:
            self._live.note(response)

    def _after(self, lane: Lane, response: Response, row: Event, frame: Frame, now: float) -> list[Effect]:
        """An event of a response that was refused: nothing is sent, but its end frees the lane."""
        if row.cls in ENDS:
            return self._responses.leave(lane, response, row, frame)
        return []

    def provider_left(self, error: GatewayError, now: float) -> list[Effect]:
        """The provider is gone: tell what is lost, not an answer whose end is there, nor what another may answer."""
        effects: list[Effect] = []
        ending: set[Response] = set()
        for lane in list(self._lanes):
            queued = dict.fromkeys(one.response for one in lane.out if isinstance(one, Outgoing))
            mine = {one for one in queued if one is not None and self._responses.is_ending(lane, one)}
            moves_on = may_move(lane)
            for response in dict.fromkeys((*queued, lane.active, *lane.waiting)):
                if response is None or response.muted or response.recorded or response in mine:
                    continue
                if moves_on and strand(response, error):
                    continue
                response.unanswered = None
                effects += self._timers.stop(response) + self._refuse(lane, response, error, "failed", now)
            ending |= mine
        return effects + self._clear(frozenset(ending))

    def _clear(self, ending: frozenset[Response]) -> list[Effect]:
        """Nothing of the provider is waited for any more, but by what another deployment may answer; and the events of
        the responses that are ending, which are there.
        """
        effects: list[Effect] = []
        for lane in self._lanes:
            for response in [lane.active, *lane.waiting]:
                if response is not None and response.unanswered is None and response not in ending:
                    effects += self._timers.stop(response)
            for waiting in lane.out:
                if isinstance(waiting, Outgoing) and waiting.response not in ending:
                    self._jobs.pop(waiting.ticket, None)
            lane.out = deque(one for one in lane.out if one.response in ending)
            lane.waiting = deque(one for one in lane.waiting if one.unanswered is not None or one in ending)
            if lane.active is not None and lane.active not in ending:
                lane.last, lane.active = lane.active, None
        return effects


def _keepalive(lane: Lane) -> str:
    frame: Frame = {"type": _KEEPALIVE}
    if lane.name is not None:
        frame["stream_id"] = lane.name
    return encode(frame)
