"""What the session asks the runner to do (decision 0001).

The runner performs effects in order. Those of one `ticket` belong together: when one fails, the rest of that ticket is
not performed, and the session is told with `failed()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from gateway.audit.record import Row
from gateway.errors import GatewayError
from gateway.wire.frame import Json
from guardrails.vault import Restorable


@dataclass(frozen=True, slots=True)
class ToUpstream:
    """Send a frame to the provider."""

    ticket: int
    data: str


class ToClient(NamedTuple):
    """Send a frame to the client. A tuple, because there is one for each delta.

    `refusal` is what the frame tells, where the session itself refuses: who has no wire raises instead.
    """

    data: str
    ticket: int = 0
    refusal: GatewayError | None = None


@dataclass(frozen=True, slots=True)
class Detect:
    """Find what is in some texts; answer with `detected()` or `detection_failed()`.

    `patient`: messages that are there already may be dealt with first, so that more is examined at a time.
    """

    ticket: int
    texts: Sequence[str]
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Show:
    """Show an event to the policy's modules; answer with `shown()` or `show_failed()`."""

    ticket: int
    event: Json
    """A copy, which is theirs to change."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Look up what a response or a conversation can restore; answer with `recalled()` or `recall_failed()`."""

    ticket: int
    name: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep what a response or a conversation can restore, besides what is kept of it, and which deployment has it.

    `after` is what it goes on from.
    """

    name: str
    values: Restorable
    deployment: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect to a deployment of a model; answer with `connected()` or `connect_failed()`.

    `deployment` is the one that has what a turn goes on from: no other will do. Those of `failed`, the last one just
    now, did not answer a turn, and will not do either.
    """

    model: str
    deployment: str | None = None
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection to the provider: what it still sends belongs to nothing any more."""


@dataclass(frozen=True, slots=True)
class Play:
    """Let an answer be given that is there already: call `play(ticket)`."""

    ticket: int


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Call `timer(ticket)` after some seconds."""

    ticket: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Forget a timer."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Record:
    """Write an audit row; what follows under its ticket waits for it."""

    ticket: int
    row: Row


Effect: TypeAlias = (
    ToUpstream
    | ToClient
    | Detect
    | Show
    | Recall
    | Remember
    | Connect
    | Disconnect
    | Play
    | StartTimer
    | StopTimer
    | Record
)
