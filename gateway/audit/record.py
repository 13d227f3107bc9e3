"""One row of the audit: who, which policy, what was decided and found, and never a raw value.

Every field is a number, a word of a closed set, a name out of the configuration, a checked identifier, a fingerprint,
or `Masked` text, which only masking can make. There is no field that a client's or a provider's text fits into.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from gateway.errors import Code
from guardrails.redact import Applied, Masked

Decision: TypeAlias = Literal["forwarded", "masked", "observed", "blocked", "refused", "failed"]
"""`forwarded`: nothing found. `masked`: found and replaced. `observed`: found and left, as the policy's mode says.
`blocked`: found, and the policy does not let it through. `refused`: not let through for another reason.
`failed`: it could not be examined, recorded or delivered, so it was not let through."""

Outcome: TypeAlias = Literal["completed", "incomplete", "failed", "error", "stopped", "overdue", "lost", "left"]
"""How a response ended: as the provider said in its last event, or with its error; `stopped` by the policy or because
it could not be examined; `overdue`: it took too long; `lost`: the provider left; `left`: the client did."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_RESPONSE: Final = re.compile(r"(?:resp|response|chatcmpl|cmpl|msg)[_-][A-Za-z0-9_-]{1,120}")
_DIGITS: Final = re.compile(r"(?<![0-9a-f])(?:[0-9][-. ]?){8,}(?![0-9a-f])")


class Identifier:
    """An id that points at a response or a lane. What does not look like one is recorded as its length only."""

    __slots__ = ("text",)

    def __init__(self, text: str, *, of_provider: bool = False) -> None:
        """`of_provider`: nobody has examined it, so it must also begin as a response's id does."""
        form = _RESPONSE if of_provider else _IDENTIFIER
        plain = form.fullmatch(text) is not None and _DIGITS.search(text) is None
        self.text: Final = text if plain else f"({len(text)} characters)"

    def __repr__(self) -> str:
        return f"Identifier({self.text!r})"


@dataclass(frozen=True, slots=True)
class Found:
    """What was found at one place: of what kind each value is, what became of it, and its fingerprint."""

    applied: Sequence[Applied]
    place: str


@dataclass(frozen=True, slots=True)
class Who:
    """The part of a row that is the same for a whole connection."""

    connection: str
    key: str
    policy: str
    policy_digest: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens the provider counted."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    """Of the input: what the provider had in its cache."""
    cache_write_tokens: int = 0
    """Of the input: what it put there."""
    reasoning_tokens: int = 0
    """Of the output."""
    complete: bool = True
    """Whether the provider gave both sides; otherwise nothing can be said about the price."""

    def as_json(self) -> dict[str, int]:
        """The counts by their names; of the parts those that are not 0, as most are."""
        parts = {
            "cached_tokens": self.cached_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "reasoning_tokens": self.reasoning_tokens,
        }
        whole = {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.total_tokens,
        }
        return whole | {name: count for name, count in parts.items() if count}


@dataclass(frozen=True, slots=True)
class Row:
    """One turn in one direction. Times are in seconds; `reason` is a sentence out of this program."""

    who: Who
    turn: int
    direction: Literal["input", "output"]
    event: Literal["response.create", "response.steer", "response.inject", "response", "other"]
    decision: Decision
    lane: Identifier | None = None
    response: Identifier | None = None
    model_asked: str | None = None
    model_used: str | None = None
    deployment: str | None = None
    attempt: int = 1
    cached: bool = False
    outcome: Outcome | None = None
    reason: str | None = None
    code: Code | None = None
    findings: Sequence[Found] = ()
    attachments: int = 0
    detection: float = 0.0
    first: float | None = None
    duration: float = 0.0
    usage: Usage | None = None
    cost: Decimal | None = None
    content: Mapping[str, Sequence[Masked]] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The row as it is written: plain values, times in milliseconds."""
        row: dict[str, object] = {
            "connection": self.who.connection,
            "key": self.who.key,
            "turn": self.turn,
            "direction": self.direction,
            "event": self.event,
            "decision": self.decision,
            "outcome": self.outcome,
            "reason": self.reason,
            "code": self.code,
            "policy": self.who.policy,
            "policy_digest": self.who.policy_digest,
            "lane": None if self.lane is None else self.lane.text,
            "response": None if self.response is None else self.response.text,
            "model_asked": self.model_asked,
            "model_used": self.model_used,
            "deployment": self.deployment,
            "findings": [finding for found in self.findings for finding in _findings(found)],
            "attachments": self.attachments,
            "detection_ms": round(self.detection * 1000, 3),
            "first_event_ms": None if self.first is None else round(self.first * 1000, 3),
            "duration_ms": round(self.duration * 1000, 3),
        }
        if self.attempt > 1:
            row["attempt"] = self.attempt
        if self.cached:
            row["cached"] = True
        if self.usage is not None:
            row["usage"] = self.usage.as_json()
            row["cost"] = None if self.cost is None else float(self.cost)
        if self.content:
            row["content"] = {place: [masked.text for masked in texts] for place, texts in self.content.items()}
        return row


Scope: TypeAlias = Literal["response", "conversation", "value", "key"]
"""What of the vault is erased: a response or the provider's conversation, each with all that hangs together with it;
one value; or all of a key."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """Values that an operator took out of the vault: of which key, how many, out of how many sets; never which.

    `found` is the kind and the fingerprint of the one that was sought, in every way in which it was written.
    """

    key: str
    scope: Scope
    id: Identifier | None
    sets: int
    values: int
    found: Sequence[tuple[str, str]] = ()

    def as_json(self) -> dict[str, object]:
        """The row as it is written."""
        return {
            "key": self.key,
            "event": "vault.erase",
            "decision": "erased",
            "scope": self.scope,
            "id": None if self.id is None else self.id.text,
            "sets": self.sets,
            "values": self.values,
            "findings": [{"entity": entity, "fingerprint": fingerprint} for entity, fingerprint in self.found],
        }


def _findings(found: Found) -> list[dict[str, object]]:
    place = found.place
    return [
        {"entity": entity, "module": module, "place": place, "action": action, "fingerprint": fingerprint}
        for entity, module, action, fingerprint in found.applied
    ]
