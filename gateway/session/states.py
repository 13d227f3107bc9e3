"""What the session keeps: lanes, turns on their way up, responses on their way down.

State stands where it belongs (decision 0005): a lane's queue in the lane, a text's held-back end in the response that
it is a part of. Nothing is kept for the connection but the model and the lanes themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from gateway.audit.record import Found, Identifier, Row, Usage, Who
from gateway.errors import GatewayError
from gateway.session.answers import Answers, Kept
from gateway.session.live_json import JsonStream
from gateway.wire.blobs import Opening
from gateway.wire.events import Event
from gateway.wire.frame import Json
from gateway.wire.synth import Place, Source
from gateway.wire.texts import Text, Walk
from guardrails.findings import Finding
from guardrails.joining import Question
from guardrails.live import MaskStream
from guardrails.live_row import Row as NeighbourRow
from guardrails.redact import Applied, Masked, Masker, Outcome
from guardrails.stream import RestoreStream
from guardrails.vault import EMPTY, Restorable
from policies.model import Policy

Frame: TypeAlias = dict[str, Json]
Findings: TypeAlias = Sequence[Sequence[Finding]]
Mismatch: TypeAlias = Literal["overwrite", "reject"]
Cost: TypeAlias = Callable[[str | None, str | None, Usage, str | None], Decimal | None]
"""USD for a response: its model, deployment, tokens and service tier; None where nobody knows."""
ClientEvent: TypeAlias = Literal["response.create", "response.steer", "response.inject"]


_NO_WORDS: Final = frozenset({"presidio", "names", "shapes", "secrets"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may hold. The defaults are the provider's own limits and the contract's.

    `queued` bounds the frames that wait in one lane: a client that sends faster than its provider answers is told so.
    """

    message_bytes: int = 8 * 1024 * 1024
    json_depth: int = 64
    lanes: int = 32
    responses: int = 16
    queued: int = 64
    response: float = 600.0


@dataclass(frozen=True, slots=True)
class Setup:
    """All that a session is given: the policy, the caller, its models, and the bounds.

    `models` are the key's models in its own order; the session writes the provider's name for the chosen one. Without
    any the frame's own stays, and is examined like all of it. `admit` says whether the key's rate allows one more turn.
    `several` are the models that have more than one deployment. `http` says that there is no connection to stay on: an
    error ends a request, and has the status that is its own. `answers` are those given before, if they may be given
    again. `cost` says what tokens cost; `tells_cost`, whether the client reads that in `usage.cost` of the last event.
    `hidden` are the provider's keys, which some quote in their errors.
    `shows` says that events of the provider go to the policy's modules first.
    """

    policy: Policy
    masker: Masker
    who: Who
    models: Sequence[str]
    mismatch: Mismatch
    bounds: Bounds
    admit: Callable[[], bool] = lambda: True
    several: Collection[str] = ()
    http: bool = False
    answers: Answers | None = None
    cost: Cost = lambda *_: None
    tells_cost: bool = False
    hidden: Collection[str] = ()
    shows: bool = False

    @property
    def finds_words(self) -> bool:
        """Whether the policy may look for something that has neither a digit nor an `@`: words of its own."""
        detect = self.policy.detect
        return bool(detect.deny) or any(spec.use not in _NO_WORDS for spec in detect.modules)


WOULD: Final = "enforce would refuse this: "
"""How the reason of a row begins, when the policy only observes."""


@dataclass(slots=True, eq=False)
class Turn:
    """A frame of the client that is being examined."""

    ticket: int
    number: int
    lane: Lane
    event: ClientEvent
    frame: Frame
    started: float
    walk: Walk = field(default_factory=Walk)
    texts: Sequence[Text] = ()
    question: Question = field(default_factory=lambda: Question(()))
    model_asked: str | None = None
    rewritten: bool = False
    continues: str | None = None
    conversation: str | None = None
    """The name of the provider's conversation that it belongs to."""
    findings: Findings | None = None
    inherited: Restorable | None = None
    home: str | None = None
    """The deployment that has what this goes on from."""
    free: bool = True
    """Whether any deployment will do."""
    known: Restorable | None = None
    """What its response can restore, once it is masked."""
    key: bytes | None = None
    kept: Kept | None = None
    """The answer that was given to the same request before."""
    detection: float = 0.0
    refusal: GatewayError | None = None
    observed: str | None = None
    found: list[Found] = field(default_factory=list)
    content: dict[str, list[Masked]] = field(default_factory=dict)

    @property
    def lineage(self) -> str | None:
        """The name of what it goes on from, and inherits the values of."""
        return self.continues if self.continues is not None else self.conversation

    @property
    def ready(self) -> bool:
        """Whether all that was asked about it has been answered."""
        return self.refusal is not None or (self.findings is not None and self.inherited is not None)


@dataclass(slots=True)
class Unanswered:
    """What was asked of a deployment that has not begun to answer: another one may still be asked the same."""

    frame: Frame
    row: Row
    failed: tuple[str, ...] = ()
    """The deployments that were asked and did not answer."""
    fault: str | GatewayError | None = None
    """How the last one failed, an event of its own or what we say; with one, nobody is being asked."""


@dataclass(slots=True)
class Streaming:
    """One text of a response that arrives in pieces, and the last event that brought one."""

    stream: RestoreStream
    row: Event
    key: str
    last: Frame


@dataclass(slots=True, eq=False)
class LiveText:
    """One text of a response that goes out masked as it comes."""

    response: Response
    item: LiveItem
    source: Source
    place: Place
    stream: MaskStream | JsonStream
    row: LiveRow | None = None
    """Its neighbours."""
    announced: bool = True
    """Whether the client was told of it: else it comes whole, with its item."""
    ending: bool = False
    """No piece is to come."""
    ended: bool = False
    """All of it was decided."""
    opening: Opening | None = None
    """Its beginning, where as a whole it may be no text at all but a picture."""
    unread: str = ""
    """All of it, where it was one and the policy lets that through."""
    found: list[Applied] = field(default_factory=list)

    @property
    def lane(self) -> Lane:
        """The lane in which it goes out."""
        return self.item.lane

    @property
    def raw(self) -> str:
        """What has arrived so far. Never to be sent."""
        return self.stream.raw or (self.opening.kept if self.opening is not None else "")

    @property
    def shown(self) -> str:
        """What has gone out so far."""
        return self.unread or self.stream.shown

    @property
    def size(self) -> int:
        """How many characters have arrived."""
        return self.stream.size or (self.opening.size if self.opening is not None else 0)

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        rest = piece if self.opening is None else self.opening.feed(piece)
        if rest:
            self.stream.feed(rest)

    def flush(self) -> str:
        """No piece is to come: give all of it, where it is a picture. Nothing of that was examined or went out."""
        if self.opening is None:
            return ""
        rest, picture = self.opening.flush()
        if rest:
            self.stream.feed(rest)
        return picture

    def resume(self) -> Outcome | None:
        """What may go out of it now that it was joined to a neighbour."""
        return self.stream.resume() if isinstance(self.stream, MaskStream) else None

    def late(self, text: str, findings: Sequence[Finding]) -> tuple[Applied, ...]:
        """What a look at the whole text shows that had gone out by then. Values of JSON are looked at whole anyway."""
        return self.stream.late(text, findings) if isinstance(self.stream, MaskStream) else ()


@dataclass(slots=True, eq=False)
class LiveRow:
    """Texts of one item that are neighbours, in their order."""

    row: NeighbourRow
    texts: list[LiveText] = field(default_factory=list)

    @property
    def lane(self) -> Lane:
        """The lane in which they go out."""
        return self.texts[0].item.lane

    @property
    def response(self) -> Response:
        """The response that they are parts of."""
        return self.texts[0].response


@dataclass(slots=True, eq=False)
class LiveItem:
    """An item that was announced before it is complete, and its texts so far. `at` is how its events name it."""

    index: int
    lane: Lane
    name: tuple[str, str]
    """Its type and id."""
    texts: dict[Place, LiveText] = field(default_factory=dict)
    rows: dict[tuple[str, str], LiveRow] = field(default_factory=dict)
    """By the array of their parts, and the field of those."""
    parts: dict[str, int] = field(default_factory=dict)
    """How many parts of each array were announced, one after the other."""
    at: Frame = field(default_factory=dict)

    @property
    def begun(self) -> Collection[Place]:
        """The places of the texts that the client was told of."""
        return {place for place, text in self.texts.items() if text.announced}


@dataclass(slots=True, eq=False)
class Response:
    """A response that was asked for: first waiting for the provider, then running."""

    ticket: int
    number: int
    known: Restorable
    started: float
    continues: str | None = None
    conversation: str | None = None
    adds: Restorable = EMPTY
    """What its conversation did not know before."""
    id: str | None = None
    json_text: bool = False
    rewritten: bool = False
    model: str | None = None
    deployment: str | None = None
    key: bytes | None = None
    """Where its answer is kept for the same request, if it may be."""
    kept: Kept | None = None
    several: bool = False
    """Whether its model has other deployments, too."""
    unanswered: Unanswered | None = None
    """Until its first event, when another deployment could answer."""
    begun: float | None = None
    """When the provider's first event of it came."""
    over: bool = False
    """Whether the event that ends it has come. It may still have to be examined."""
    ended_steered: bool = False
    streams: dict[tuple[Json, ...], Streaming] = field(default_factory=dict)
    delivered: set[int] = field(default_factory=set)
    timers: set[int] = field(default_factory=set)
    asides: dict[int, list[str]] = field(default_factory=dict)
    repeats: dict[str, str] = field(default_factory=dict)
    """Texts that were restored, as they stand in an event with their key, and what they became: they come again."""
    items: dict[int, Json] = field(default_factory=dict)
    tools: dict[int, str] = field(default_factory=dict)
    """What each item calls, where the policy names tools."""
    live: dict[int, LiveItem] = field(default_factory=dict)
    named: dict[tuple[str, str], LiveItem] = field(default_factory=dict)
    """The same by their types and ids."""
    heartbeat: Frame | None = None
    sequence: int = 0
    quiet: bool = True
    found: list[Found] = field(default_factory=list)
    content: dict[str, list[Masked]] = field(default_factory=dict)
    detection: float = 0.0
    observed: str | None = None
    muted: bool = False
    recorded: bool = False


@dataclass(slots=True, eq=False)
class Outgoing:
    """An event of the provider that waits, in its lane's order, for its texts to be examined."""

    ticket: int
    lane: Lane
    response: Response | None
    row: Event
    frame: Frame
    data: str
    texts: Sequence[Text] = ()
    walk: Walk = field(default_factory=Walk)
    question: Question = field(default_factory=lambda: Question(()))
    findings: Findings | None = None
    failure: GatewayError | None = None
    echo: Restorable | None = None
    """What may be restored in it, where it returns what the client had sent."""
    live: dict[int, LiveText] = field(default_factory=dict)
    """Texts of it that have gone out already, by the `id` of their place in it."""
    fields: list[tuple[Frame, LiveText]] = field(default_factory=list)
    """Items of it, each with the field that has gone out already."""
    awaits: list[LiveText] = field(default_factory=list)
    """Texts that end before it."""
    ahead: list[Piece] = field(default_factory=list)
    """Pieces of those that were decided since."""

    @property
    def known(self) -> Restorable:
        """What may be restored in it."""
        return self.echo if self.echo is not None else self.lane.known(self.response)

    @property
    def ready(self) -> bool:
        """Whether it may go, one way or the other."""
        return self.failure is not None or (self.findings is not None and not self.awaits)


@dataclass(frozen=True, slots=True)
class Piece:
    """A masked piece of a text that waits for the events before it."""

    of: LiveText
    text: str
    ready: bool = True

    @property
    def response(self) -> Response:
        """The response that it is a part of."""
        return self.of.response


@dataclass(slots=True, eq=False)
class Lane:
    """One `stream_id`: first in, first out, and independent of every other."""

    name: str | None
    shown: Identifier | None = None
    """The name as it may be recorded, once it was examined."""
    turns: deque[Turn] = field(default_factory=deque)
    waiting: deque[Response] = field(default_factory=deque)
    active: Response | None = None
    last: Response | None = None
    spare: Restorable = EMPTY
    """What a response may restore that the provider begins although the one asked for had failed, or on another
    connection.
    """
    out: deque[Outgoing | Piece] = field(default_factory=deque)

    @property
    def busy(self) -> bool:
        """Whether a response is asked for or under way."""
        return self.active is not None or bool(self.waiting) or any(t.event == "response.create" for t in self.turns)

    def known(self, response: Response | None) -> Restorable:
        """What an event may restore: its response's values, or without one those of the lane's last response."""
        of = response if response is not None else self.last
        return of.known if of is not None else EMPTY
