"""A session under test: real policy, real detection, real masking; only the sockets are lists.

`Wire` performs effects the way the runner does, at once and in order, so a test reads as a transcript: what the client
sends, what the provider saw, what the provider sends, what the client got.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gateway.audit.record import Row, Who
from gateway.errors import AuditError, GatewayError, NotExamined, UpstreamError
from gateway.session.answers import Answers
from gateway.session.effects import (
    Connect,
    Detect,
    Disconnect,
    Effect,
    Play,
    Recall,
    Record,
    Remember,
    Show,
    StartTimer,
    StopTimer,
    ToClient,
    ToUpstream,
)
from gateway.session.session import Session
from gateway.session.states import Bounds, Cost, Mismatch, Setup
from gateway.wire.frame import Json, encode, loads
from guardrails.detector import PolicyDetector, build
from guardrails.findings import Finding
from guardrails.redact import Applied, Masker
from guardrails.vault import EMPTY, Recalled, Restorable, union
from policies.load import load
from policies.model import Policy

EMAIL = "ada.lovelace@example.com"
SSN = "536-22-1234"
CARD = "4111 1111 1111 1111"

PATTERNS = r"""
    - use: patterns
      patterns:
        - {entity: EMAIL_ADDRESS, regex: '[A-Za-z0-9._-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+', score: 1.0}
        - {entity: CREDIT_CARD, regex: '(?<!\d)4\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}(?!\d)', score: 1.0}
        - {entity: US_SSN, regex: '(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)', score: 1.0}
"""


def noted(row: Row) -> list[tuple[Applied, str]]:
    """What a row says was found, each with its place."""
    return [(applied, found.place) for found in row.findings for applied in found.applied]


def policy(rest: str = "", *, detect: str = "  fold: false\n  decode: []\n", modules: str = PATTERNS) -> Policy:
    """A policy whose detection is fast and knows e-mails, cards and SSNs; `rest` is more YAML at the top level."""
    text = f"version: 1\nname: test\ndetect:\n{detect}  modules:{modules}{rest}"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test.yaml"
        path.write_text(text, "utf-8")
        return load(path)


RESTORE = policy()
REPLAY = policy("output: {mask: new, delivery: replay}\n")
REPLAY_ALL = policy("output: {mask: all, delivery: replay}\n")
LIVE = policy("output: {mask: new, delivery: live}\n")
LIVE_ALL = policy("output: {mask: all, delivery: live}\n")
SUPPRESS = policy("output: {mask: new, delivery: suppress}\n")

_detectors: dict[str, PolicyDetector] = {}


def detector(of: Policy) -> PolicyDetector:
    """The policy's detector, built once."""
    if of.digest not in _detectors:
        _detectors[of.digest] = build(of)
    return _detectors[of.digest]


@dataclass
class Wire:
    """A session and both ends of it. `hold` keeps questions to detection unanswered until `answer()`."""

    policy: Policy = RESTORE
    models: Sequence[str] = ("gpt-5.1", "gpt-5.1-mini")
    provider_models: Mapping[str, str] = field(default_factory=dict)
    mismatch: Mismatch = "overwrite"
    asked: str | None = None
    bounds: Bounds = field(default_factory=Bounds)
    deployments: Sequence[str] = ("only",)
    vault: dict[str, Restorable] = field(default_factory=dict)
    homes: dict[str, str | None] = field(default_factory=dict)
    hold: bool = False
    reachable: bool = True
    audit_works: bool = True
    secret: bytes = b"a tenant's own secret"
    tenant: str = "team-a"
    answers: Answers | None = None
    cost: Cost = lambda *_: None
    tells_cost: bool = False
    hidden: Sequence[str] = ()
    on_event: Callable[[Any], object] | None = None
    """What the policy's modules make of events; NotExamined is what it raises when one fails."""

    def __post_init__(self) -> None:
        masker = Masker(self.policy, tenant_secret=self.secret, audit_secret=b"the audit's own secret")
        who = Who("c0ffee", self.tenant, self.policy.name, self.policy.digest)
        several = self.models if len(self.deployments) > 1 else ()
        setup = Setup(
            self.policy,
            masker,
            who,
            self.models,
            self.mismatch,
            self.bounds,
            several=several,
            answers=self.answers,
            shows=self.on_event is not None,
        )
        setup = replace(setup, cost=self.cost, tells_cost=self.tells_cost, hidden=self.hidden)
        self.session = Session(setup, model=self.asked)
        self.sent_up: list[dict[str, Json]] = []
        self.raw_up: list[str] = []
        self.sent_down: list[dict[str, Json]] = []
        self.raw_down: list[str] = []
        self.rows: list[Row] = []
        self.timers: dict[int, float] = {}
        self.questions: deque[Detect] = deque()
        self.shows: deque[Show] = deque()
        self.hold_shows = False
        self.connects: list[Connect] = []
        self.hold_connects = False
        self.now = 0.0
        self.disconnected = 0
        self.dialled: list[str] = []

    def client(self, frame: Json | str | bytes) -> list[dict[str, Json]]:
        """The client sends a frame (a str or bytes as it is); what the provider gets because of it."""
        before = len(self.sent_up)
        data = frame if isinstance(frame, str | bytes) else encode(frame)
        self.perform(self.session.client_frame(data, self.now))
        return self.sent_up[before:]

    def create(self, text: Json = "hello", **more: Json) -> list[dict[str, Json]]:
        """The client asks for a response."""
        return self.client({"type": "response.create", "model": "gpt-5.1", "input": text, **more})

    def provider(self, frame: Json | str) -> list[dict[str, Json]]:
        """The provider sends an event; what the client gets because of it."""
        before = len(self.sent_down)
        data = frame if isinstance(frame, str) else encode(frame)
        self.perform(self.session.upstream_frame(data, self.now))
        return self.sent_down[before:]

    def begin(self, response_id: str = "resp_1", **more: Json) -> list[dict[str, Json]]:
        """The provider begins a response."""
        return self.provider({"type": "response.created", "response": {"id": response_id, "output": []}, **more})

    def ring(self) -> list[dict[str, Json]]:
        """Every timer that runs now runs out."""
        before = len(self.sent_down)
        for ticket in list(self.timers):
            if self.timers.pop(ticket, None) is not None:  # one may stop another
                self.perform(self.session.timer(ticket, self.now))
        return self.sent_down[before:]

    def answer(self, number: int = 0) -> None:
        """Detection answers one of the held questions."""
        question = self.questions[number]
        del self.questions[number]
        self.perform(self.session.detected(question.ticket, self._findings(question), 0.001, self.now))

    def fail(self, error: GatewayError | None = None) -> None:
        """Detection fails for the oldest held question."""
        question = self.questions.popleft()
        error = error or NotExamined("The message could not be examined, so it was not sent.")
        self.perform(self.session.detection_failed(question.ticket, error, self.now))

    def show(self, number: int = 0) -> None:
        """The modules answer about one of the events that are held."""
        question = self.shows[number]
        del self.shows[number]
        self.perform(self._shown(question))

    def perform(self, effects: Sequence[Effect]) -> None:
        """Perform effects as the runner does."""
        waiting, failed = deque(effects), set()
        while waiting:
            effect = waiting.popleft()
            if isinstance(effect, ToClient | ToUpstream | Record | Play) and effect.ticket in failed:
                continue
            try:
                waiting += self._one(effect)
            except (AuditError, UpstreamError) as exc:
                ticket = effect.ticket if isinstance(effect, Record | ToUpstream) else 0
                failed.add(ticket)
                waiting += self.session.failed(ticket, exc, self.now)

    def _one(self, effect: Effect) -> list[Effect]:
        match effect:
            case ToClient(data):
                self.raw_down.append(data)
                self.sent_down.append(loads(data))  # type: ignore[arg-type]
            case ToUpstream(_, data):
                self.raw_up.append(data)
                self.sent_up.append(loads(data))  # type: ignore[arg-type]
            case Record(_, row):
                if not self.audit_works:
                    raise AuditError("The audit could not be written.")
                self.rows.append(row)
            case Detect() if self.hold:
                self.questions.append(effect)
            case Detect(ticket):
                return self.session.detected(ticket, self._findings(effect), 0.001, self.now)
            case Show() if self.hold_shows:
                self.shows.append(effect)
            case Show():
                return self._shown(effect)
            case Recall(ticket, name):
                known = Recalled(self.vault.get(name, EMPTY), self.homes.get(name))
                is_known = name in self.vault or name in self.homes
                return self.session.recalled(ticket, known if is_known else None, self.now)
            case Remember(name, values, deployment):
                self.vault[name] = union(self.vault.get(name, EMPTY), values)
                self.homes[name] = deployment or self.homes.get(name)
            case Play(ticket):
                return self.session.play(ticket, self.now)
            case Connect() if self.hold_connects:
                self.connects.append(effect)
            case Connect():
                return self._connect(effect)
            case Disconnect():
                self.disconnected += 1
            case StartTimer(ticket, seconds):
                self.timers[ticket] = seconds
            case StopTimer(ticket):
                self.timers.pop(ticket, None)
            case _:
                raise AssertionError(effect)
        return []

    def _connect(self, asked: Connect) -> list[Effect]:
        """Dial the deployment that is asked for, or else the first that did not fail."""
        left = [asked.deployment] if asked.deployment else [one for one in self.deployments if one not in asked.failed]
        if not left or not self.reachable:
            return self.session.connect_failed(UpstreamError("The provider cannot be reached."), self.now)
        self.dialled.append(left[0])
        name = self.provider_models.get(left[0]) or self.provider_models.get(asked.model, asked.model)
        return self.session.connected(asked.model, name, self.now, deployment=left[0])

    def leave(self) -> list[dict[str, Json]]:
        """The provider closes the connection; what the client gets because of it."""
        before = len(self.sent_down)
        self.perform(self.session.upstream_closed(UpstreamError("The provider left."), self.now))
        return self.sent_down[before:]

    def _shown(self, question: Show) -> list[Effect]:
        assert self.on_event is not None
        try:
            event = self.on_event(question.event)
        except NotExamined as exc:
            return self.session.show_failed(question.ticket, exc, self.now)
        return self.session.shown(question.ticket, event, self.now)

    def _findings(self, question: Detect) -> list[list[Finding]]:
        return detector(self.policy).detect(question.texts)


def token(wire: Wire, value: str) -> str:
    """The token that stands for a value in what was last sent up."""
    for known in (*wire.vault.values(),):
        for made, original in known.values.items():
            if original == value:
                return made
    raise AssertionError("no such token")
