"""One request and its answer through a session, for a caller without sockets.

The effects are performed at once, but for questions to detection and to modules: those are left for the caller, who
answers them from a thread or from an event loop.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, TypeAlias, TypeVar, cast

from gateway.audit.record import Row
from gateway.audit.sinks import Sink
from gateway.errors import AuditError, GatewayError
from gateway.session.effects import (
    Connect,
    Detect,
    Effect,
    Recall,
    Record,
    Remember,
    Show,
    ToClient,
    ToUpstream,
)
from gateway.session.refusals import not_examined, not_recalled
from gateway.session.session import Session
from guardrails.direct import Direct
from guardrails.errors import GuardrailError, Refused, VaultError
from guardrails.events import EventModules
from guardrails.vault_memory import MemoryVault

Question: TypeAlias = Detect | Show
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Kept:
    """What outlives a request: the values of its conversation and its rows, and whose they are; `lock` is for both."""

    vault: MemoryVault
    sink: Sink
    tenant: str
    lock: Lock = field(default_factory=Lock)


class Answers:
    """Answers what exchanges ask: what is in texts, and what the policy's modules make of events."""

    def __init__(self, detection: Direct, events: EventModules | None) -> None:
        self._detection: Final = detection
        self._events: Final = events

    def settle(self, exchange: Exchange) -> None:
        """Answer until nothing is asked any more; the caller waits."""
        while exchange.questions:
            question, started = exchange.questions.popleft(), time.monotonic()
            answer: object
            try:
                if isinstance(question, Show):
                    answer = self._modules().show_now(_event(question))
                else:
                    answer = self._detection.now(question.texts)
            except GuardrailError as exc:
                exchange.fail(question, exc)
            else:
                exchange.answer(question, answer, time.monotonic() - started)

    async def asettle(self, exchange: Exchange) -> None:
        """The same in an event loop, which is not held up."""
        while exchange.questions:
            question, started = exchange.questions.popleft(), time.monotonic()
            answer: object
            try:
                if isinstance(question, Show):
                    answer = await self._modules().show(_event(question))
                else:
                    answer = await self._detection.later(question.texts)
            except GuardrailError as exc:
                exchange.fail(question, exc)
            else:
                exchange.answer(question, answer, time.monotonic() - started)

    def close(self) -> None:
        """End detection's processes and the modules' thread."""
        self._detection.close()
        if self._events is not None:
            self._events.close()

    def _modules(self) -> EventModules:
        if self._events is None:
            raise AssertionError("events are shown only where modules ask for them")
        return self._events


class Exchange:
    """A session, what it sent up, what it sends down, and what it asks."""

    def __init__(self, session: Session, kept: Kept) -> None:
        self._session: Final = session
        self._kept: Final = kept
        self.sent: str | None = None
        self.down: deque[ToClient] = deque()
        self.questions: deque[Question] = deque()

    @property
    def over(self) -> bool:
        """Whether the answer has ended."""
        return self._session.idle

    def ask(self, frame: str) -> None:
        """The client's frame."""
        self._perform(self._session.client_frame(frame, time.monotonic()))

    def feed(self, event: str) -> None:
        """An event of the provider."""
        self._perform(self._session.upstream_frame(event, time.monotonic()))

    def answer(self, question: Question, answer: object, seconds: float) -> None:
        """What detection found, or what the modules gave."""
        now = time.monotonic()
        if isinstance(question, Show):
            self._perform(self._session.shown(question.ticket, answer, now))
        else:
            findings: Sequence[Any] = answer if isinstance(answer, list) else ()
            self._perform(self._session.detected(question.ticket, findings, seconds, now))

    def fail(self, question: Question, error: GuardrailError) -> None:
        """Detection or a module failed."""
        now, told = time.monotonic(), not_examined(error)
        if isinstance(question, Show):
            self._perform(self._session.show_failed(question.ticket, told, now))
        else:
            self._perform(self._session.detection_failed(question.ticket, told, now))

    def lose(self, error: GatewayError) -> None:
        """The provider's answer broke off."""
        self._perform(self._session.upstream_closed(error, time.monotonic()))

    def leave(self) -> None:
        """The client does not read on. Rows that cannot be written any more are lost: nothing is left to stop."""
        self.questions.clear()
        for row in self._session.client_left(time.monotonic()):
            try:
                self._write(row)
            except AuditError:
                return

    def frames(self) -> Iterator[str]:
        """What the client gets by now; read it to its end.

        Raises:
            Refused: the session does not let the request or the answer through.

        """
        while self.down:
            one = self.down.popleft()
            if one.refusal is not None:
                self.down.clear()
                raise refused(one.refusal)
            yield one.data

    def _perform(self, effects: list[Effect]) -> None:
        waiting = deque(effects)
        failed: set[int] = set()
        while waiting:
            effect = waiting.popleft()
            if isinstance(effect, ToClient | ToUpstream | Record) and effect.ticket in failed:
                continue
            try:
                waiting += self._one(effect)
            except AuditError as exc:
                ticket = effect.ticket if isinstance(effect, Record) else 0
                failed.add(ticket)
                waiting += self._session.failed(ticket, exc, time.monotonic())

    def _one(self, effect: Effect) -> list[Effect]:
        """Perform one effect. Timers do not run: how long an answer may take is up to who waits for it."""
        match effect:
            case ToClient():
                self.down.append(effect)
            case ToUpstream(_, data):
                self.sent = data
            case Record(_, row):
                self._write(row)
            case Detect() | Show():
                self.questions.append(effect)
            case Recall(ticket, name):
                return self._recall(ticket, name)
            case Remember(name, values):
                with self._kept.lock:
                    at_once(self._kept.vault.remember(self._kept.tenant, name, values))
            case Connect(model, _):
                return self._session.connected(model, model, time.monotonic())
            case _:
                pass
        return []

    def _write(self, row: Row) -> None:
        with self._kept.lock:
            self._kept.sink.write(row)

    def _recall(self, ticket: int, name: str) -> list[Effect]:
        now = time.monotonic()
        try:
            with self._kept.lock:
                known = at_once(self._kept.vault.recall(self._kept.tenant, name))
        except VaultError as exc:
            return self._session.recall_failed(ticket, not_recalled(exc), now)
        return self._session.recalled(ticket, known, now)


def _event(question: Show) -> dict[str, object]:
    return cast("dict[str, object]", question.event)


def at_once(work: Coroutine[Any, Any, _T]) -> _T:
    """The result of a coroutine that never waits, as those of a vault in memory."""
    try:
        work.send(None)
    except StopIteration as done:
        result: _T = done.value
        return result
    work.close()
    raise AssertionError("a vault in memory never waits")


def refused(error: GatewayError) -> Refused:
    """What a program is told: the sentence, the code and the place, as they would go over the wire."""
    return Refused(str(error), code=error.code, param=getattr(error, "param", None))
