"""What a caller's request or connection is made of: who calls, what may be asked, and everything a session needs.

A WebSocket connection (connection.py) and a POST (posting.py) are two ways to talk to the same session, over the same
policy, vault, audit and providers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias
from urllib.parse import parse_qs
from weakref import WeakSet, WeakValueDictionary

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import Scope

from gateway import headers
from gateway.audit.record import Who
from gateway.audit.sinks import FileSink
from gateway.auth import UNAUTHORIZED, Caller, authenticate, origin_allowed, tenant_secret
from gateway.config import Deployment, Settings
from gateway.detection import CachedDetection, Findings
from gateway.errors import AuditError, GatewayError, UpstreamError
from gateway.metrics import Metrics
from gateway.prices import Prices
from gateway.session.answers import Answers
from gateway.session.effects import Connect
from gateway.session.rows import refused_unread
from gateway.session.session import Session
from gateway.session.states import Bounds, Setup
from gateway.surroundings import Dialled, Surroundings
from gateway.upstream.health import Health
from gateway.upstream.history import Histories
from gateway.upstream.http import HttpClients, HttpTransport
from gateway.upstream.library import Library, LibraryTransport, Reached
from gateway.upstream.stateless import StatelessUpstream
from gateway.upstream.websocket import DIAL_SECONDS, Endpoint, Upstream, dial
from guardrails.cache import FindingsCache, SeenTexts
from guardrails.errors import GuardrailError
from guardrails.events import EventModules, event_modules
from guardrails.pool import DetectionPool
from guardrails.redact import Masker
from guardrails.vault import EMPTY, Vault

_log: Final = logging.getLogger(__name__)

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
_DIALLING_SECONDS: Final = 1.6 * DIAL_SECONDS
"""After this no further deployment is dialled: clients give up on their own handshake after ten seconds."""
_SHORTEST_KEY: Final = 8
"""A shorter one is no secret, and may be a word."""


@dataclass(slots=True)
class Gateway:
    """What all connections share."""

    settings: Settings
    pool: DetectionPool
    vault: Vault
    sink: FileSink
    prices: Prices
    metrics: Metrics
    cache: FindingsCache = field(default_factory=FindingsCache)
    open: Counter[str] = field(default_factory=Counter)
    running: set[asyncio.Task[None]] = field(default_factory=set)
    """Sessions of requests, which end after their answer was given."""
    sessions: WeakSet[Session] = field(default_factory=WeakSet)
    """All that are there, to be counted."""
    asking: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    events: dict[str, EventModules] = field(default_factory=dict)
    """What runs the `on_event` of the policies that have any, by their digest."""
    http: HttpClients = field(default_factory=HttpClients)
    health: Health = field(default_factory=lambda: Health(time.monotonic))
    answers: Answers | None = None
    library: Library | None = None
    """What asks the providers of deployments that name it."""
    histories: Histories = field(default_factory=Histories)
    turns: MovingWindowRateLimiter = field(default_factory=lambda: MovingWindowRateLimiter(MemoryStorage()))

    def __post_init__(self) -> None:
        """Keep answers only where the configuration says so."""
        replay = self.settings.config.replay
        if replay is not None:
            self.answers = Answers(ttl=replay.ttl, max_bytes=replay.max_bytes, clock=time.monotonic)

    def start_events(self) -> None:
        """Make the modules that see events; before the first session.

        Raises:
            GuardrailError: one cannot be made.

        """
        for policy in {key.policy.digest: key.policy for key in self.settings.keys}.values():
            if (events := event_modules(policy)) is not None:
                self.events[policy.digest] = events

    def take_place(self, key: str) -> Place:
        """Count one more connection or request of a key, which `admit` has let in."""
        return Place(self.open, key)

    async def close(self) -> None:
        """End what still runs for requests."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        for events in self.events.values():
            events.close()
        await self.http.close()
        if self.library is not None:
            await self.library.close()


class Place:
    """A place among the connections and requests that a key may have; give it back."""

    def __init__(self, open_: Counter[str], key: str) -> None:
        self._open = open_
        self._names: tuple[str, ...] = (key, "")
        open_.update(self._names)

    def give_back(self) -> None:
        """Once is enough; more often does no harm."""
        self._open.subtract(self._names)
        self._names = ()


class Denied(Exception):  # an answer, not a mistake
    """The handshake is answered with an HTTP status; the text is constant."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def admit(gateway: Gateway, scope: Scope) -> tuple[Caller, str | None]:
    """Who calls, and the model of `?model=`.

    Raises:
        Denied: not this caller, not from there, not that model, or not so many.

    """
    settings, raw = gateway.settings, scope["headers"]
    caller = authenticate(settings, raw)
    if caller is None:
        raise Denied(401, UNAUTHORIZED, "invalid_api_key")
    if not origin_allowed(settings, dict(raw)):
        raise Denied(403, "This origin is not allowed.", "origin_not_allowed")
    key = caller.key.key
    own = key.limits.connections
    if gateway.open[""] >= settings.config.limits.connections or (own is not None and gateway.open[key.id] >= own):
        raise Denied(429, "Too many connections.", "rate_limit_exceeded")
    named = set(parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("model", []))
    if not named:
        return caller, None
    model = named.pop()
    if named or model not in key.models:
        raise Denied(400, "This key may not use the model that was asked for.", "model_not_found")
    return caller, model


class Conversation:
    """What one connection or one request is made of, put together."""

    def __init__(self, gateway: Gateway, caller: Caller, raw: RawHeaders) -> None:
        self._gateway: Final = gateway
        self._caller: Final = caller
        self._raw: Final = raw
        self._config: Final = gateway.settings.config
        self._policy: Final = caller.key.policy
        audit = tenant_secret(gateway.settings.audit_secret, caller.tenant)
        self._masker: Final = Masker(self._policy, tenant_secret=caller.secret, audit_secret=audit)
        self._who: Final = Who(secrets.token_hex(6), caller.tenant, self._policy.name, self._policy.digest)
        self._detection: Final = CachedDetection(
            gateway.pool,
            SeenTexts(gateway.cache, self._policy.digest, caller.tenant),
            self._policy,
            gateway.asking.setdefault(caller.tenant, asyncio.Lock()),
        )

    def session(self, model: str | None, *, http: bool = False) -> Session:
        """A session for this caller; `model` is what `?model=` asked for, `http` that it is for one request."""
        session = Session(replace(self._setup(), http=http), model=model)
        self._gateway.sessions.add(session)
        return session

    def around(self) -> Surroundings:
        """What the session's effects are performed with."""
        gateway = self._gateway
        return Surroundings(
            self._redial,
            self._detection,
            gateway.vault,
            gateway.metrics.counting(gateway.sink, self._caller.key.key.id),
            self._caller.tenant,
            self._config.limits.idle,
            gateway.events.get(self._policy.digest),
        )

    def refused(self, error: GatewayError) -> None:
        """Record what was refused before it came to a session."""
        with contextlib.suppress(AuditError):  # which has been logged, and nothing of it goes on anyway
            self.around().sink.write(refused_unread(self._who, 1, error))

    def _setup(self) -> Setup:
        limits = self._config.limits
        bounds = Bounds(
            message_bytes=limits.message_bytes,
            json_depth=limits.json_depth,
            lanes=limits.lanes,
            responses=limits.responses,
            response=limits.response,
        )
        shows = self._policy.digest in self._gateway.events
        return Setup(
            self._policy,
            self._masker,
            self._who,
            self._caller.key.key.models,
            self._config.on_model_mismatch,
            bounds,
            self._admit_turn(),
            frozenset(name for name, model in self._config.models.items() if len(model.deployments) > 1),
            # What was not masked must not be kept; nor what modules have changed, for they may do otherwise next time.
            answers=self._gateway.answers if self._policy.mode == "enforce" and not shows else None,
            cost=self._gateway.prices.cost,
            tells_cost=self._caller.key.key.usage_cost,
            hidden=tuple(key for key in self._gateway.settings.provider_keys.values() if len(key) >= _SHORTEST_KEY),
            shows=shows,
        )

    def _admit_turn(self) -> Callable[[], bool]:
        """Whether one more turn may begin, as the key's limit says."""
        limit = self._caller.key.key.limits.turns_per_minute
        if limit is None:
            return lambda: True
        item = RateLimitItemPerMinute(limit)
        return lambda: self._gateway.turns.hit(item, self._caller.tenant)

    async def _redial(self, asked: Connect) -> Dialled:
        return (await self.dial(asked))[1]

    async def dial(self, asked: Connect) -> tuple[Mapping[str, str], Dialled]:
        """Connect to one of a model's deployments: by weight, and to another one where that fails.

        To the one asked for alone, where the model has it: what a conversation goes on from is there and nowhere else.
        Gives the headers of its answer, too.

        Raises:
            UpstreamError: none can be reached.

        """
        health, every = self._gateway.health, self._config.models[asked.model].deployments
        if asked.failed:
            _log.warning("deployment %s did not answer key %s", asked.failed[-1], self._caller.key.key.id)
            self._failed(next(one for one in every if one.name == asked.failed[-1]))
        left = [one for one in every if one.name == asked.deployment]
        left = left or [one for one in every if one.name not in asked.failed]
        until = time.monotonic() + _DIALLING_SECONDS
        while left:
            good = health.good([one.name for one in left])
            first = [one for one in left if one.name in good]
            chosen = random.choices(first, [one.weight for one in first])[0]
            left.remove(chosen)
            try:
                upstream = await self._connect(chosen)
            except UpstreamError as exc:
                self._failed(chosen)
                self._gateway.metrics.dial_failed(asked.model, chosen.name)
                _log.warning("deployment %s, dialled for key %s: %s", chosen.name, self._caller.key.key.id, exc)
                # One that answers nothing takes half the time a client waits; one that refuses takes none.
                if not left or time.monotonic() >= until:
                    raise
            else:
                return upstream.headers, Dialled(upstream, chosen.model, chosen.name)
        raise UpstreamError("No other deployment of the model is left.")

    def _failed(self, deployment: Deployment) -> None:
        """A deployment did not answer. Where callers bring their own keys, one's trouble is not the others'."""
        if deployment.auth != "forward":
            self._gateway.health.failed(deployment.name)

    async def _connect(self, chosen: Deployment) -> Upstream | StatelessUpstream:
        if chosen.through_library:
            return self._through_library(chosen)
        endpoint = Endpoint(chosen.url, self._config.limits.upstream_message_bytes, chosen.ca_file)
        up = await self.upward(chosen)
        if chosen.url.lower().startswith("http"):
            return StatelessUpstream(HttpTransport(self._gateway.http.of(endpoint), endpoint, up))
        return await dial(endpoint, up)

    def _through_library(self, chosen: Deployment) -> StatelessUpstream:
        library, limits = self._gateway.library, self._config.limits
        if library is None:
            raise AssertionError("it is loaded where a deployment names it")
        key = self._gateway.settings.provider_key(chosen)
        if chosen.auth == "forward":
            key = self._caller.authorization.partition(" ")[2].strip()
        reached = Reached(chosen.model, chosen.api_base, key, limits.upstream_message_bytes, limits.response)
        return StatelessUpstream(LibraryTransport(library, reached), self._gateway.histories.of(self._caller.tenant))

    async def upward(self, deployment: Deployment) -> dict[str, str]:
        """The headers for the provider: the allowed ones of the client, masked, and the credentials."""
        forward = deployment.auth == "forward"
        chosen = headers.upward(self._raw, forward_key=forward)
        masked = await self._masked(list(chosen.values()))
        up = {name: value for name, value in zip(chosen, masked, strict=True) if value is not None}
        key = self._gateway.settings.provider_key(deployment)
        if forward:
            up["authorization"] = self._caller.authorization
        elif key is not None:
            up["authorization"] = f"Bearer {key}"
        return up

    async def _masked(self, values: Sequence[str]) -> Sequence[str | None]:
        """The client's header values as the policy lets them go; None for what it blocks, or cannot be examined."""
        if self._policy.mode == "observe":
            return values
        try:
            found = await self._examine(values)
        except GuardrailError:
            return [None] * len(values)
        masked: list[str | None] = []
        for value, findings in zip(values, found, strict=True):
            outcome = self._masker.input(value, findings, {})
            blocked = any(applied.action == "block" for applied in outcome.applied)
            masked.append(None if blocked or not outcome.text.isprintable() else outcome.text)
        return masked

    async def downward(self, given: Mapping[str, str], *, model_kept: bool) -> RawHeaders:
        """The provider's headers for the client; under output masking those with findings are left out."""
        chosen = headers.downward(given, model_kept=model_kept)
        if self._policy.output.mask == "off" or self._policy.mode == "observe":
            return chosen
        try:
            found = await self._examine([value.decode("latin-1") for _, value in chosen])
        except GuardrailError:
            return []
        outcomes = [
            self._masker.output(value.decode("latin-1"), findings, EMPTY, escape=False, restore=False)
            for (_, value), findings in zip(chosen, found, strict=True)
        ]
        return [header for header, outcome in zip(chosen, outcomes, strict=True) if not outcome.applied]

    async def _examine(self, texts: Sequence[str]) -> Findings:
        found = self._detection.inline(texts)
        return found if found is not None else await self._detection.detect(texts)
