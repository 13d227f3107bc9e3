"""`guardrails.Guard`: the same policies, session and masking inside a program, without a gateway and its sockets.

A request goes through a session of its own, as a `POST` to the gateway does (decision 0017), and its answer through the
same one. What a program calls the provider with, and how, stays its own business.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import digest
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.audit.record import Row, Who
from gateway.audit.sinks import FileSink, Sink
from gateway.auth import tenant_secret
from gateway.config import SECRET_BYTES
from gateway.errors import FrameError, Refused
from gateway.exchange import Answers, Exchange, Kept, refused
from gateway.guarded import Request
from gateway.sdk import is_absent, plain
from gateway.session.session import Session
from gateway.session.states import Bounds, Setup
from gateway.wire.frame import Json, encode, loads
from guardrails.direct import Inline, Pooled
from guardrails.events import event_modules
from guardrails.redact import Masker
from guardrails.vault_memory import MemoryVault
from policies.load import load
from policies.model import Policy

DAY: Final = 86_400.0
_ASIDE: Final = ("stream", "timeout")
"""Arguments of `create()` that say how to call the provider, and go into no body."""
_ELSEWHERE: Final = ("extra_headers", "extra_query", "text_format", "response", "type", "background")
"""What a request to be guarded cannot have."""


class Guard:
    """Masks requests to the Responses API, and restores or masks their answers, as one policy says.

    Make one for a program, or one for each tenant; it may be used from several threads and from event loops. Values are
    restored only in the conversation that sent them: give `previous_response_id`, or send the whole conversation again.
    """

    def __init__(  # noqa: PLR0913 - options, each by its name
        self,
        policy: str | Path | Policy = "default",
        *,
        secret: str | bytes | None = None,
        models: Sequence[str] = (),
        audit: str | Path | Sink | None = None,
        tenant: str = "guard",
        workers: int = 0,
        ttl: float = DAY,
    ) -> None:
        """Take a policy: its name, the path of its file, or what `policies.load` gave. Takes seconds.

        `secret` keys the tokens: with the same one, of 16 bytes or more, a value has the same token in every process;
        without it, only in this one. `models`: the models that requests may name, the first being that of requests that
        name none; without any, requests name what they like. `audit`: a file of JSON lines, or any sink of rows.
        `tenant`: whose conversations these are; with a gateway's secret and the id of a key, tokens are those of that
        gateway. `workers`: processes for detection, which can be stopped when a text takes too long; with 0 texts are
        examined here. `ttl`: seconds for which the values of a response are kept.

        Raises:
            PolicyError, GuardrailError: the policy or one of its modules cannot be used.
            AuditError: the audit file cannot be opened.
            ValueError: the secret is too short.

        """
        self._policy: Final = policy if isinstance(policy, Policy) else load(_name(policy))
        key = secrets.token_bytes(32) if secret is None else secret.encode() if isinstance(secret, str) else secret
        if len(key) < SECRET_BYTES:
            raise ValueError(f"the secret needs {SECRET_BYTES} bytes or more")
        self._masker: Final = Masker(
            self._policy,
            tenant_secret=tenant_secret(key, tenant),
            audit_secret=tenant_secret(digest(key, b"audit", sha256), tenant),
        )
        self._models: Final = tuple(models)
        self._tenant: Final = tenant
        events = event_modules(self._policy)
        self._shows: Final = events is not None
        self._file: Final = FileSink(Path(audit)) if isinstance(audit, str | Path) else None
        sink: Sink = audit if audit is not None and not isinstance(audit, str | Path) else self._file or _Nowhere()
        self._kept: Final = Kept(MemoryVault(ttl=ttl, clock=time.monotonic), sink, tenant)
        self._answers: Final = Answers(Pooled(self._policy, workers) if workers else Inline(self._policy), events)

    def request(self, body: Mapping[str, object] | None = None, /, **arguments: object) -> Request:
        """Mask a request: the arguments of `responses.create()`, in a dictionary or as they are.

        Send `body` of what it returns, and give the answer to its `events()` or `response()`.

        Raises:
            Refused: the policy does not let the request through, or it could not be examined. Send nothing.

        """
        given, exchange = self._begin({**(body or {}), **arguments})
        self._answers.settle(exchange)
        return Request(exchange, self._answers, given.masked(exchange))

    async def arequest(self, body: Mapping[str, object] | None = None, /, **arguments: object) -> Request:
        """The same for programs with an event loop, which is not held up while texts are examined."""
        given, exchange = self._begin({**(body or {}), **arguments})
        await self._answers.asettle(exchange)
        return Request(exchange, self._answers, given.masked(exchange))

    def close(self) -> None:
        """End detection's processes and threads, and close the audit. The guard cannot be used any more."""
        self._answers.close()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Guard({self._policy!r}, tenant={self._tenant!r})"

    def _begin(self, arguments: Mapping[str, object]) -> tuple[_Given, Exchange]:
        try:
            given = _taken_apart(arguments)
            exchange = Exchange(Session(self._setup()), self._kept)
            exchange.ask(encode({**given.frame, "type": "response.create"}))
        except (FrameError, Refused) as exc:
            failure = exc
        else:
            return given, exchange
        raise refused(failure)

    def _setup(self) -> Setup:
        policy = self._policy
        who = Who(secrets.token_hex(6), self._tenant, policy.name, policy.digest)
        return Setup(policy, self._masker, who, self._models, "reject", Bounds(), http=True, shows=self._shows)


@dataclass(frozen=True, slots=True)
class _Given:
    """A request as it was given: what goes to the provider, and what does not go through the session."""

    frame: dict[str, Json]
    aside: dict[str, object]
    plain: frozenset[str]
    """The keys that stood in the body itself; all others go into `extra_body`."""

    def masked(self, exchange: Exchange) -> dict[str, object]:
        """What to give to `responses.create()`.

        Raises:
            Refused: the session does not let it through.

        """
        list(exchange.frames())
        sent = loads(exchange.sent) if exchange.sent is not None else None
        if not isinstance(sent, dict):
            raise AssertionError("a request that is not refused is sent")
        del sent["type"]
        if sent.get("model") != self.frame.get("model") and "model" in self.frame:
            exchange.leave()
            raise refused(Refused("The model's name holds what the policy masks; name it in models.", param="model"))
        body: dict[str, object] = {key: value for key, value in sent.items() if key in self.plain or key == "model"}
        extra = {key: value for key, value in sent.items() if key not in body}
        return {**body, **({"extra_body": extra} if extra else {}), **self.aside}


class _Nowhere:
    """A sink for programs without an audit."""

    def write(self, row: Row) -> None:
        """Keep nothing."""


def _taken_apart(arguments: Mapping[str, object]) -> _Given:
    """A request as the session takes it.

    Raises:
        Refused: it has what cannot be guarded.

    """
    given = {key: value for key, value in arguments.items() if not is_absent(value)}
    for name in _ELSEWHERE:
        if given.pop(name, None) not in (None, False):
            raise Refused(f"{name} cannot be guarded: leave it out here.", param=name)
    aside: dict[str, object] = {key: given.pop(key) for key in _ASIDE if key in given}
    if not isinstance(aside.get("stream", False), bool | None):
        raise Refused("stream must be true or false.", param="stream")
    extra = plain(given.pop("extra_body", None) or {})
    frame = plain(given)
    if not isinstance(extra, dict) or not isinstance(frame, dict):
        raise Refused("The request and its extra_body are dictionaries.", param="extra_body")
    if any(name in frame or name in _ASIDE or name in _ELSEWHERE for name in extra):
        raise Refused("extra_body has what belongs into the request itself.", param="extra_body")
    return _Given({**frame, **extra}, aside, frozenset(frame))


def _name(policy: str | Path) -> str | Path:
    """A policy's name, or the path of its file where it looks like one."""
    text = str(policy)
    return Path(policy) if "/" in text or text.endswith((".yaml", ".yml")) else text
