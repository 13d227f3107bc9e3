"""One client connection, from the handshake to its end: who calls, which model, dial the provider, accept, run."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import parse_qs
from weakref import WeakValueDictionary

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import Message, Receive, Scope, Send

from gateway import headers
from gateway.audit.record import Who
from gateway.audit.sinks import FileSink
from gateway.auth import UNAUTHORIZED, Caller, authenticate, origin_allowed, tenant_secret
from gateway.config import Deployment, Settings
from gateway.errors import UpstreamError
from gateway.runner import Dialled, Runner, Surroundings
from gateway.session.refusals import error_body
from gateway.session.session import Session
from gateway.session.states import Bounds, Setup
from gateway.upstream.websocket import Endpoint, Upstream, dial
from gateway.wire.frame import encode
from guardrails.cache import FindingsCache
from guardrails.errors import DetectionTimeout, GuardrailError
from guardrails.findings import Finding
from guardrails.pool import DetectionPool
from guardrails.redact import Masker
from guardrails.vault import EMPTY, Vault
from policies.model import Policy

_log: Final = logging.getLogger(__name__)

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
_Findings: TypeAlias = Sequence[Sequence[Finding]]


@dataclass(slots=True)
class Gateway:
    """What all connections share."""

    settings: Settings
    pool: DetectionPool
    vault: Vault
    sink: FileSink
    cache: FindingsCache = field(default_factory=FindingsCache)
    open: Counter[str] = field(default_factory=Counter)
    asking: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    turns: MovingWindowRateLimiter = field(default_factory=lambda: MovingWindowRateLimiter(MemoryStorage()))


class _Denied(Exception):  # an answer, not a mistake
    """The handshake is answered with an HTTP status; the text is constant."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class _Seen(NamedTuple):
    """What is known of some texts: their keys in the cache, what that holds, and the texts it does not know."""

    keys: list[bytes]
    found: list[tuple[Finding, ...] | None]
    unseen: list[str]


class _CachedDetection:
    """Detection under one policy, for one tenant: a text that was seen before costs a hash."""

    def __init__(self, gateway: Gateway, policy: Policy, tenant: str) -> None:
        self._pool = gateway.pool
        self._cache = gateway.cache
        self._policy = policy
        self._tenant = tenant
        self._lock = gateway.asking.setdefault(tenant, asyncio.Lock())

    def inline(self, texts: Sequence[str]) -> _Findings | None:
        """See `gateway.runner.Detection`."""
        seen = self._seen(texts)
        fresh = self._pool.inline(self._policy, seen.unseen) if seen.unseen else []
        return None if fresh is None else self._merge(seen, fresh)

    async def detect(self, texts: Sequence[str]) -> _Findings:
        """See `gateway.runner.Detection`."""
        seen = self._seen(texts)
        fresh = await self._in_turn(seen.unseen) if seen.unseen else []
        return self._merge(seen, fresh)

    def _seen(self, texts: Sequence[str]) -> _Seen:
        keys = [self._cache.key(self._policy.digest, self._tenant, text) for text in texts]
        found = [self._cache.get(key) for key in keys]
        return _Seen(keys, found, [text for text, known in zip(texts, found, strict=True) if known is None])

    async def _in_turn(self, texts: Sequence[str]) -> _Findings:
        """Ask the pool, one question of a tenant at a time: whoever floods it waits for himself."""
        try:
            async with asyncio.timeout(self._policy.detect.budget):
                await self._lock.acquire()
        except TimeoutError:
            waited = True
        else:
            waited = False
        if waited:
            raise DetectionTimeout("too much of this key waits to be examined")
        try:
            return await self._pool.detect(self._policy, texts)
        finally:
            self._lock.release()

    def _merge(self, seen: _Seen, fresh: _Findings) -> _Findings:
        new = iter(fresh)
        merged: list[Sequence[Finding]] = []
        for key, known in zip(seen.keys, seen.found, strict=True):
            if known is None:
                known = tuple(next(new))
                self._cache.put(key, known)
            merged.append(known)
        return merged


class _Socket:
    """The client's side of an ASGI WebSocket."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._gone = False

    async def receive(self) -> str | bytes | None:
        """The next message; None when the client has left. ASGI gives text or bytes, and the other may be absent."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self._gone = True
            return None
        text: str | None = message.get("text")
        data: bytes | None = message.get("bytes")
        return text if text is not None else data or b""

    async def send(self, data: str) -> None:
        """Send a text message."""
        await self._send({"type": "websocket.send", "text": data})

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; nothing when the client has left."""
        if self._gone:
            return
        self._gone = True
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):
            return  # it left while it was told to


async def serve_socket(gateway: Gateway, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one WebSocket from its handshake to its end."""
    await receive()
    try:
        caller, asked = _admit(gateway, scope)
    except _Denied as exc:
        _log.warning("a handshake was answered with %d: %s", exc.status, exc)
        await _deny(scope, send, exc)
        return
    key = caller.key.key
    gateway.open.update((key.id, ""))
    try:
        await _Connection(gateway, caller, scope["headers"]).run(asked, receive, send)
    finally:
        gateway.open.subtract((key.id, ""))


def _admit(gateway: Gateway, scope: Scope) -> tuple[Caller, str | None]:
    """Who calls, and the model of `?model=`.

    Raises:
        _Denied: not this caller, not from there, not that model, or not so many.

    """
    settings, raw = gateway.settings, scope["headers"]
    caller = authenticate(settings, raw)
    if caller is None:
        raise _Denied(401, UNAUTHORIZED, "invalid_api_key")
    if not origin_allowed(settings, dict(raw)):
        raise _Denied(403, "This origin is not allowed.", "origin_not_allowed")
    key = caller.key.key
    own = key.limits.connections
    if gateway.open[""] >= settings.config.limits.connections or (own is not None and gateway.open[key.id] >= own):
        raise _Denied(429, "Too many connections.", "rate_limit_exceeded")
    named = set(parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("model", []))
    if not named:
        return caller, None
    model = named.pop()
    if named or model not in key.models:
        raise _Denied(400, "This key may not use the model that was asked for.", "model_not_found")
    return caller, model


async def _deny(scope: Scope, send: Send, denied: _Denied) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    body = encode(error_body(str(denied), denied.code)).encode()
    start: Message = {
        "type": "websocket.http.response.start",
        "status": denied.status,
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
    }
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body})


class _Connection:
    """What one connection is made of, put together."""

    def __init__(self, gateway: Gateway, caller: Caller, raw: RawHeaders) -> None:
        self._gateway: Final = gateway
        self._caller: Final = caller
        self._raw: Final = raw
        self._config: Final = gateway.settings.config
        self._policy: Final = caller.key.policy
        audit = tenant_secret(gateway.settings.audit_secret, caller.tenant)
        self._masker: Final = Masker(self._policy, tenant_secret=caller.secret, audit_secret=audit)
        self._detection: Final = _CachedDetection(gateway, self._policy, caller.tenant)

    async def run(self, asked: str | None, receive: Receive, send: Send) -> None:
        """Dial, accept, and run the session to its end.

        The provider is dialled first, because what it answers belongs into our own answer. When it cannot be reached
        the client is let in all the same, and told with its first frame: a refused handshake would send it elsewhere.
        """
        model = asked or self._caller.key.key.models[0]
        first: tuple[str, Dialled] | None = None
        try:
            upstream, dialled = await self._dial(model)
        except UpstreamError:
            await send({"type": "websocket.accept", "headers": []})
        else:
            first = (model, dialled)
            accepted = False
            try:
                down = await self._downward(upstream.headers, model_kept=asked is not None and asked == dialled.model)
                await send({"type": "websocket.accept", "headers": down})
                accepted = True
            finally:
                if not accepted:  # the client may have left meanwhile
                    await upstream.close()
        session = Session(self._setup(), model=asked)
        around = Surroundings(
            self._redial,
            self._detection,
            self._gateway.vault,
            self._gateway.sink,
            self._caller.tenant,
            self._config.limits.idle,
        )
        await Runner(session, _Socket(receive, send), around).run(first)

    def _setup(self) -> Setup:
        limits = self._config.limits
        bounds = Bounds(
            message_bytes=limits.message_bytes,
            json_depth=limits.json_depth,
            lanes=limits.lanes,
            responses=limits.responses,
            response=limits.response,
        )
        who = Who(secrets.token_hex(6), self._caller.tenant, self._policy.name, self._policy.digest)
        return Setup(
            self._policy,
            self._masker,
            who,
            self._caller.key.key.models,
            self._config.on_model_mismatch,
            bounds,
            self._admit_turn(),
        )

    def _admit_turn(self) -> Callable[[], bool]:
        """Whether one more turn may begin, as the key's limit says."""
        limit = self._caller.key.key.limits.turns_per_minute
        if limit is None:
            return lambda: True
        item = RateLimitItemPerMinute(limit)
        return lambda: self._gateway.turns.hit(item, self._caller.tenant)

    async def _redial(self, model: str) -> Dialled:
        return (await self._dial(model))[1]

    async def _dial(self, model: str) -> tuple[Upstream, Dialled]:
        """Connect to one of a model's deployments, by weight.

        Raises:
            UpstreamError: it cannot be reached.

        """
        deployments = self._config.models[model].deployments
        chosen = random.choices(deployments, [one.weight for one in deployments])[0]
        endpoint = Endpoint(chosen.url, self._config.limits.upstream_message_bytes, chosen.ca_file)
        try:
            upstream = await dial(endpoint, await self._upward(chosen))
        except UpstreamError as exc:
            _log.warning("deployment %s, dialled for key %s: %s", chosen.name, self._caller.key.key.id, exc)
            raise
        return upstream, Dialled(upstream, chosen.model, chosen.name)

    async def _upward(self, deployment: Deployment) -> dict[str, str]:
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

    async def _downward(self, given: Mapping[str, str], *, model_kept: bool) -> RawHeaders:
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

    async def _examine(self, texts: Sequence[str]) -> _Findings:
        found = self._detection.inline(texts)
        return found if found is not None else await self._detection.detect(texts)
