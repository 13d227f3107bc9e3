"""What a runner works with: the client, the provider, detection, the vault, the audit. Each is a protocol or data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.audit.sinks import Sink
from gateway.session.effects import Connect
from guardrails.findings import Finding
from guardrails.vault import Vault


class Client(Protocol):
    """The client's socket."""

    async def receive(self) -> str | bytes | None:
        """The next message; None when the client has left."""

    async def send(self, data: str) -> None:
        """Send a text message.

        Raises:
            OSError: the client has left.

        """

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; nothing happens when it is closed already."""


class Provider(Protocol):
    """A connection to the provider; see `gateway.upstream.websocket.Upstream`."""

    async def send(self, data: str) -> None:
        """Send one frame; UpstreamError when the provider has left."""

    async def receive(self) -> Sequence[str]:
        """The next frames, at least one; UpstreamError when the provider has left."""

    async def close(self) -> None:
        """Close the connection."""


class Detection(Protocol):
    """Finds what is in texts, under one policy and for one tenant."""

    def inline(self, texts: Sequence[str]) -> Sequence[Sequence[Finding]] | None:
        """The answer, when it is cheap to have at once."""

    async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Finding]]:
        """The answer, within the policy's budget."""


class Events(Protocol):
    """The modules of a policy that see events; see `guardrails.events.EventModules`."""

    async def show(self, event: dict[str, object]) -> dict[str, object] | None:
        """The event as it goes on; None where it is dropped."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection to a provider: which deployment it is, and its own name for the model."""

    provider: Provider
    model: str
    deployment: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the runner performs effects with. `dial` gives a connection as `Connect` asks for it, or UpstreamError."""

    dial: Callable[[Connect], Awaitable[Dialled]]
    detection: Detection
    vault: Vault
    sink: Sink
    tenant: str
    idle: float
    events: Events | None = None
