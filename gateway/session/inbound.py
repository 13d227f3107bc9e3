"""From the client to the provider: check, examine, mask, record, send."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.audit.record import Decision, Identifier, Row
from gateway.errors import Code, FrameError, GatewayError, NotExamined, Refused, UpstreamError
from gateway.session import model as models
from gateway.session.affinity import conversation_name, marks
from gateway.session.effects import Detect, Effect, Play, Recall, Record, Remember, ToClient, ToUpstream
from gateway.session.lanes import Lanes
from gateway.session.masking import mask_turn, masked_texts, question
from gateway.session.refusals import error_frame
from gateway.session.rows import refused_unread
from gateway.session.states import WOULD, ClientEvent, Frame, Lane, Response, Setup, Turn, Unanswered
from gateway.wire.frame import Json, decode, encode
from gateway.wire.texts import walk
from guardrails.errors import VaultError
from guardrails.vault import EMPTY, Restorable

_MASKING: Final = (Refused, NotExamined, FrameError, VaultError)
"""Why a frame cannot be masked."""
_LONGEST_ID: Final = 1024
"""Characters of a response's id: providers have 32 to 256, and the vault keeps what a client calls one."""
_JSON_FORMATS: Final = ("json_schema", "json_object")
_EVENTS: Final[dict[str, ClientEvent]] = {
    "response.create": "response.create",
    "response.steer": "response.steer",
    "response.inject": "response.inject",
}


class Inbound:
    """The client's side of a session."""

    def __init__(self, setup: Setup, lanes: Lanes, *, model: str | None) -> None:
        self._setup: Final = setup
        self._lanes: Final = lanes
        self._number = 0
        self._sent: dict[int, tuple[Lane, Response | None]] = {}
        self.model = model
        self.provider_model: str | None = None
        self.deployment: str | None = None
        self.pending: dict[int, Turn] = {}

    @property
    def first_model(self) -> str:
        """The model of a connection that has not named any; empty where none is enforced."""
        return self._setup.models[0] if self._setup.models else ""

    @property
    def _several(self) -> bool:
        return self.model in self._setup.several

    def frame(self, data: str | bytes, now: float) -> tuple[Turn | None, list[Effect]]:
        """Take a message. The turn, if it became one, is in its lane, and settled when it is ready."""
        self._number += 1
        bounds = self._setup.bounds
        lane: Lane | None = None
        try:
            if isinstance(data, bytes):
                raise FrameError("A message must be text, not binary.")
            frame = _event(decode(data, depth=bounds.json_depth, limit=bounds.message_bytes))
            lane = self._lane(frame)
            self._lanes.check_queue(lane)
            turn = Turn(self._lanes.ticket(), self._number, lane, _EVENTS[str(frame["type"])], frame, now)
        except (FrameError, Refused) as exc:
            return None, self._refuse_unread(exc, lane)
        lane.turns.append(turn)
        try:
            self._check(turn)
        except Refused as exc:
            turn.refusal = exc
            return turn, []
        return turn, self._examine(turn)

    def not_examined(self, turn: Turn, error: GatewayError) -> None:
        """Detection failed for a turn: it is refused; a policy that only observes lets it pass, and says so."""
        if self._setup.policy.mode == "observe":
            turn.findings, turn.texts, turn.observed = (), (), f"{WOULD}{error}"
        else:
            turn.refusal = error

    def kept(self, turn: Turn) -> bool:
        """Whether the answer to a turn that is ready is there already. The turn is masked to find out."""
        answers = self._setup.answers
        if answers is None or turn.event != "response.create" or turn.known is not None:
            return turn.kept is not None
        try:
            turn.known = mask_turn(self._setup, turn)
        except _MASKING as exc:
            turn.refusal = _refusal(exc)
            return False
        who = self._setup.who
        turn.key = answers.key(who.key, who.policy_digest, self.model or self.first_model, turn.frame)
        if turn.key is not None and turn.lane.active is None and not turn.lane.waiting:
            turn.kept = answers.get(turn.key)
        return turn.kept is not None

    def settle(self, turn: Turn, now: float) -> tuple[list[Effect], Response | None]:
        """Mask and send a turn that is ready, or refuse it; the response, if one is to come."""
        self.pending.pop(turn.ticket, None)
        if turn.refusal is None:
            try:
                return self._send(turn, now)
            except _MASKING as exc:
                turn.refusal = _refusal(exc)
        lane = turn.lane.name
        decision: Decision = "failed" if isinstance(turn.refusal, NotExamined | UpstreamError) else "refused"
        if any(one.action == "block" for found in turn.found for one in found.applied):
            decision = "blocked"
        row = self._row(turn, decision, now, reason=str(turn.refusal), code=turn.refusal.code)
        self._sent[turn.ticket] = (turn.lane, None)
        return [
            Record(turn.ticket, row),
            ToClient(error_frame(turn.refusal, lane, http=self._setup.http), turn.ticket, turn.refusal),
        ], None

    def performed(self) -> None:
        """Everything so far has been performed, or has failed: the runner does so before it brings the next message."""
        self._sent.clear()

    def failed(self, ticket: int, error: GatewayError) -> tuple[list[Effect], Lane | None, Response | None]:
        """A turn could not be recorded or sent: nobody waits for its response, given with its lane, any more."""
        sent = self._sent.pop(ticket, None)
        if sent is None:
            return [], None, None
        lane, response = sent
        if response is not None and response in lane.waiting:
            lane.waiting.remove(response)
        return [ToClient(error_frame(error, lane.name, http=self._setup.http), 0, error)], lane, response

    def idle_too_long(self) -> Row:
        """The row of a connection that is closed because nothing happens on it."""
        self._number += 1
        return Row(self._setup.who, self._number, "input", "other", "refused", reason="The connection was idle.")

    def _lane(self, frame: Frame) -> Lane:
        """The lane of a frame. A steering or an injection goes to the lane of the response it names."""
        if frame["type"] == "response.create":
            return self._lanes.of_client(frame)
        target = _target(frame)
        return (self._lanes.of_response(target) if target else None) or self._lanes.of_client(frame)

    def _check(self, turn: Turn) -> None:
        """Check limits and write the model.

        Raises:
            Refused: a limit is reached, or the model is not one this frame may name.

        """
        setup, frame = self._setup, turn.frame
        turn.continues = _target(frame)
        turn.conversation = _conversation(frame)
        if turn.continues is not None and turn.conversation is not None:
            raise Refused("The message goes on from a response and from a conversation.", param="conversation")
        turn.lane.turns.pop()
        try:
            self._lanes.check_room(turn.lane, asks=turn.event == "response.create")
        finally:
            turn.lane.turns.append(turn)
        if turn.event == "response.create" and not setup.admit():
            raise Refused("This key has no more turns this minute.", code="rate_limit_exceeded")
        if not setup.models:
            return
        if turn.event != "response.create":
            models.drop_foreign(frame, setup.models, setup.mismatch)
            return
        named = models.asked(frame)
        turn.model_asked = named if isinstance(named, str) and named in setup.models else None
        if self.model is None:
            self.model = models.choose(named, setup.models)
        turn.rewritten = models.enforce(frame, self.model, self.model, setup.models, setup.mismatch)

    def _examine(self, turn: Turn) -> list[Effect]:
        try:
            turn.walk = walk(turn.frame)
        except FrameError as exc:
            turn.refusal = exc
            return []
        turn.texts = masked_texts(self._setup, turn.walk)
        self.pending[turn.ticket] = turn
        effects: list[Effect] = []
        # What goes on from nothing may still hold what only one deployment has: the vault is asked where that is.
        held = marks(turn.frame, self._setup.who.key) if turn.lineage is None and self._several else ()
        known_as = held[-1] if held else turn.lineage
        if known_as is None:
            turn.inherited = EMPTY
        else:
            effects.append(Recall(turn.ticket, known_as))
        if turn.texts:
            turn.question = question(self._setup, turn.frame, turn.texts)
            effects.append(Detect(turn.ticket, turn.question.asked))
        else:
            turn.findings = ()
        return effects

    def _send(self, turn: Turn, now: float) -> tuple[list[Effect], Response | None]:
        known = turn.known if turn.known is not None else mask_turn(self._setup, turn)
        frame, kept = turn.frame, turn.kept
        provider_model = self.provider_model if self.model is not None else None
        if turn.event == "response.create" and provider_model is not None:
            _write_model(frame, provider_model)
        decision: Decision = "forwarded"
        if turn.found or turn.observed is not None:
            decision = "observed" if self._setup.policy.mode == "observe" else "masked"
        row = self._row(turn, decision, now, reason=turn.observed)
        answered = Play(turn.ticket) if kept is not None else ToUpstream(turn.ticket, encode(frame))
        effects: list[Effect] = [Record(turn.ticket, row), answered]
        response: Response | None = None
        if turn.event == "response.create":
            response = Response(turn.ticket, turn.number, known, now, turn.continues, turn.conversation)
            response.adds = _added(turn, known)
            response.json_text = _wants_json(frame)
            response.rewritten = turn.rewritten or provider_model not in (None, self.model)
            response.model, response.deployment = self.model, self.deployment if kept is None else kept.deployment
            response.key, response.kept, response.several = turn.key, kept, self._several
            if kept is None and self._several and turn.free and turn.lineage is None:
                response.unanswered = Unanswered(frame, row)
        else:
            self._lanes.steering.brought(turn.continues, known)
        if response is None and turn.lineage is not None and known is not turn.inherited:
            added = _added(turn, known)
            effects.append(Remember(turn.lineage, added))
            effects += self._steer(turn.lineage, added)
        self._sent[turn.ticket] = (turn.lane, response)
        return effects, response

    def again(self, lane: Lane, response: Response, waits: Unanswered) -> list[Effect]:
        """Ask the deployment that is connected now what another one did not answer. Its row says that it is asked."""
        waits.fault = None
        response.deployment = self.deployment
        if self.provider_model is not None:
            _write_model(waits.frame, self.provider_model)
            response.rewritten = response.rewritten or self.provider_model != self.model
        row = replace(waits.row, deployment=self.deployment, attempt=len(waits.failed) + 1)
        self._sent[response.ticket] = (lane, response)
        return [Record(response.ticket, row), ToUpstream(response.ticket, encode(waits.frame))]

    def _steer(self, name: str, added: Restorable) -> list[Effect]:
        """Steering goes on in the response it names and in its automatic successor: both restore its values."""
        effects: list[Effect] = []
        for lane in self._lanes:
            for response in (lane.active, lane.last):
                if response is not None and name in (response.id, response.conversation):
                    response.known = response.known.with_values(added.values)
                    response.repeats.clear()
                    for streaming in response.streams.values():
                        streaming.stream.known = response.known
                    for item in response.live.values():
                        for text in item.texts.values():
                            text.stream.known = response.known
                    if response.conversation not in (None, name):
                        effects.append(Remember(response.conversation, added))
        return effects

    def _refuse_unread(self, error: GatewayError, lane: Lane | None) -> list[Effect]:
        row = refused_unread(self._setup.who, self._number, error)
        ticket = self._lanes.ticket()
        return [
            Record(ticket, row),
            ToClient(error_frame(error, lane.name if lane else None, http=self._setup.http), ticket, error),
        ]

    def _row(self, turn: Turn, decision: Decision, now: float, *, reason: str | None, code: Code | None = None) -> Row:
        shown = _identifier(turn, "stream_id", turn.lane.name)
        turn.lane.shown = shown or turn.lane.shown
        return Row(
            self._setup.who,
            turn.number,
            "input",
            turn.event,
            decision,
            lane=shown,
            response=_identifier(turn, "response_id", turn.continues),
            model_asked=turn.model_asked,
            model_used=self.model,
            deployment=self.deployment if turn.kept is None else turn.kept.deployment,
            cached=turn.kept is not None,
            reason=reason,
            code=code,
            findings=tuple(turn.found),
            attachments=len(turn.walk.attachments),
            detection=turn.detection,
            duration=now - turn.started,
            content=turn.content,
        )


def _refusal(error: Refused | NotExamined | FrameError | VaultError) -> GatewayError:
    return Refused(str(error)) if isinstance(error, VaultError) else error


def _event(frame: Json) -> Frame:
    """A frame that is one of the client events.

    Raises:
        Refused: it is not.

    """
    if not isinstance(frame, dict):
        raise Refused("A message must be a JSON object.")
    name = frame.get("type")
    if not isinstance(name, str) or name not in _EVENTS:
        raise Refused("The event is not one that a client may send.", param="type")
    nested = frame.get("response")
    if name == "response.create" and nested is not None and not isinstance(nested, dict):
        raise Refused("The nested response must be an object.", param="response")
    return frame


def _identifier(turn: Turn, place: str, name: str | None) -> Identifier | None:
    """A name of the client's as it may be recorded: only when it was examined and nothing was found in it."""
    if name is None or turn.findings is None or len(turn.texts) != len(turn.findings) or not turn.texts:
        return None
    if any(found.place.endswith(place) for found in turn.found):
        return None
    return Identifier(name)


def _target(frame: Frame) -> str | None:
    """The response that a frame continues, steers or injects into.

    Raises:
        Refused: it names several. A provider might take the one that the vault was not asked about.

    """
    nested = frame.get("response")
    places = (frame, nested) if isinstance(nested, dict) else (frame,)
    values = [place.get(key) for place in places for key in ("previous_response_id", "response_id")]
    given = [value for value in values if value is not None and value != ""]
    # A provider may overlook spaces around an id: they must not keep the vault from knowing it.
    named = {value.strip() for value in given if isinstance(value, str)}
    if not all(isinstance(value, str) and len(value) <= _LONGEST_ID for value in given):
        raise Refused(
            f"The id of a response is a string of up to {_LONGEST_ID} characters.", param="previous_response_id"
        )
    if len(named) > 1:
        raise Refused("The message names more than one response.", param="previous_response_id")
    return named.pop() if named else None


def _conversation(frame: Frame) -> str | None:
    """The name of the provider's conversation that a frame belongs to.

    Raises:
        Refused: it names several, or something else. A provider might take the one that the vault was not asked about.

    """
    nested = frame.get("response")
    places = (frame, nested) if isinstance(nested, dict) else (frame,)
    given = [place.get("conversation") for place in places]
    values = [value.get("id") if isinstance(value, dict) else value for value in given if value is not None]
    named = {value.strip() for value in values if isinstance(value, str)} - {""}
    if not all(isinstance(value, str) for value in values):
        raise Refused("The id of a conversation is a string.", param="conversation")
    if len(named) > 1:
        raise Refused("The message names more than one conversation.", param="conversation")
    return conversation_name(named.pop()) if named else None


def _added(turn: Turn, known: Restorable) -> Restorable:
    """What a turn brought that it did not inherit."""
    inherited = turn.inherited
    if not inherited or known is inherited:
        return EMPTY if known is inherited else known
    return Restorable({token: value for token, value in known.values.items() if token not in inherited.values})


def _write_model(frame: Frame, name: str) -> None:
    frame["model"] = name
    nested = frame.get("response")
    if isinstance(nested, dict):
        nested["model"] = name


def _wants_json(frame: Frame) -> bool:
    """Whether the answer's text will be JSON source (structured output)."""
    nested = frame.get("response")
    for place in (frame, nested if isinstance(nested, dict) else frame):
        text = place.get("text")
        form = text.get("format") if isinstance(text, dict) else None
        if isinstance(form, dict) and form.get("type") in _JSON_FORMATS:
            return True
    return False
