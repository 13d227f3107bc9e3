"""The imperative shell around one session: it reads, asks the session, and performs the effects in order.

One bounded inbox, two readers, one loop. The loop alone touches the session, so there are no locks; it waits for each
send, so a slow reader on either side slows down the other and nothing piles up between.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

from gateway.audit.record import Row
from gateway.errors import AuditError, GatewayError, UpstreamError
from gateway.inbox import LENGTH, Event, Inbox
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
from gateway.session.refusals import not_examined, not_recalled
from gateway.session.session import Session
from gateway.surroundings import Client, Dialled, Provider, Surroundings
from guardrails.errors import GuardrailError, VaultError

_AT_ONCE: Final = 16
"""Frames of the provider that are dealt with in one go."""
_CLOSE_SECONDS: Final = 5.0
"""For a client that does not read, either."""
_IDLE: Final = 0
"""Where the idle watch stands among the timers; tickets begin at 1."""
_NORMAL: Final = 1000
_INTERNAL: Final = 1011
_GOING_AWAY: Final = 1001

_log: Final = logging.getLogger(__name__)


class _Ended(Exception):  # not an error: it ends the group of tasks
    """The connection is over."""


class Runner:
    """Runs one session until one side is gone."""

    def __init__(self, session: Session, client: Client, around: Surroundings) -> None:
        self._session: Final = session
        self._client: Final = client
        self._around: Final = around
        self._inbox: Final = Inbox()
        self._due: Final[deque[int]] = deque()
        self._patient: Final[deque[Detect]] = deque()
        self._passed = 0
        self._timers: Final[dict[int, asyncio.TimerHandle]] = {}
        self._provider: Provider | None = None
        self._open: Final[set[Provider]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._close: tuple[int, str] = (_NORMAL, "")
        self._active = time.monotonic()
        self._patience: Final = asyncio.timeout(None)

    async def run(self, first: tuple[str, Dialled] | None) -> None:
        """Run until the client leaves. `first` is a provider dialled before the client was accepted, and the model."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._read_client())
                if first is not None:
                    model, dialled = first
                    self._attach(dialled.provider)
                    await self._perform(self._connected(model, dialled, time.monotonic()))
                await self._loop()
                raise _Ended
        except* _Ended:
            pass
        except* OSError:
            pass  # the client left while something was sent to it
        except* Exception as group:  # noqa: BLE001  # the one place: say what kind, never what text, and close
            _log.error("a connection failed: %s", ", ".join(type(exc).__name__ for exc in group.exceptions))
            self._close = (_INTERNAL, "internal error")
        finally:
            await self._end()

    async def _loop(self) -> None:
        async with self._patience:
            self._watch()
            await self._take()

    async def _take(self) -> None:
        """Take one event after the other, until the client has left."""
        while (event := await self._inbox.take()) is not None:
            now = self._active = time.monotonic()
            await self._perform(event(now))
            if self._patient:
                await self._examine_patient()
            while self._due:
                await self._perform(self._session.timer(self._due.popleft(), time.monotonic()))

    async def _examine_patient(self) -> None:
        """Ask what could wait, once nothing more is there already: then more is examined at a time."""
        self._passed += 1
        while self._patient and (self._inbox.empty or self._passed >= LENGTH):
            self._passed = 0
            await self._perform([replace(self._patient.popleft(), patient=False)])

    def _watch(self) -> None:
        """Look again when the connection could have been idle for too long, and end it if it was."""
        left = self._active + self._around.idle - time.monotonic()
        if left <= 0 and self._session.idle and self._inbox.empty:
            self._close = (_GOING_AWAY, "idle")
            self._write(self._session.idle_too_long())
            self._inbox.end_now()
            return
        if left <= 0 and (self._due or not self._inbox.empty):
            # What has come is not looked at: the side that something is sent to does not read, for as long as this.
            self._close = (_GOING_AWAY, "stalled")
            self._patience.reschedule(asyncio.get_running_loop().time())
            return
        again = left if left > 0 else self._around.idle
        self._timers[_IDLE] = asyncio.get_running_loop().call_later(again, self._watch)

    async def _perform(self, effects: list[Effect]) -> None:
        """Perform effects in order; what they are answered with at once is performed after them."""
        if len(effects) == 1 and type(effects[0]) is ToClient:  # by far the most: an event that goes on
            await self._client.send(effects[0].data)
            return
        waiting = deque(effects)
        failed: set[int] = set()
        while waiting:
            effect = waiting.popleft()
            if isinstance(effect, ToClient | ToUpstream | Record | Play) and effect.ticket in failed:
                continue
            try:
                waiting += await self._one(effect)
            except (AuditError, UpstreamError) as exc:
                ticket = effect.ticket if isinstance(effect, Record | ToUpstream) else 0
                failed.add(ticket)
                waiting += self._session.failed(ticket, exc, time.monotonic())

    async def _one(self, effect: Effect) -> list[Effect]:
        match effect:
            case StartTimer() | StopTimer():
                self._set_timer(effect)
            case ToClient(data):
                await self._client.send(data)
            case ToUpstream(_, data):
                await self._send_up(data)
            case Record(_, row):
                self._around.sink.write(row)
            case Detect() | Show():
                return self._ask(effect)
            case Recall(ticket, name):
                return await self._recall(ticket, name)
            case Remember():
                await self._remember(effect)
            case Play(ticket):
                return self._session.play(ticket, time.monotonic())
            case Connect() | Disconnect():
                self._switch(effect)
            case _:
                raise AssertionError(f"an effect nobody performs: {type(effect).__name__}")
        return []

    def _set_timer(self, effect: StartTimer | StopTimer) -> None:
        running = self._timers.pop(effect.ticket, None)
        if running is not None:
            running.cancel()
        if isinstance(effect, StartTimer):
            loop = asyncio.get_running_loop()
            self._timers[effect.ticket] = loop.call_later(effect.seconds, self._ring, effect.ticket)

    def _switch(self, effect: Connect | Disconnect) -> None:
        if isinstance(effect, Connect):
            self._spawn(self._connect(effect))
        else:
            self._detach()

    async def _send_up(self, data: str) -> None:
        if self._provider is None:
            raise UpstreamError("The connection to the provider was lost.")
        await self._provider.send(data)

    def _ask(self, effect: Detect | Show) -> list[Effect]:
        if isinstance(effect, Detect):
            return self._detect(effect)
        self._inbox.asked()
        self._spawn(self._show(effect))
        return []

    def _detect(self, effect: Detect) -> list[Effect]:
        if effect.patient:
            self._patient.append(effect)
            return []
        started = time.monotonic()
        try:
            findings = self._around.detection.inline(effect.texts)
        except GuardrailError as exc:
            return self._session.detection_failed(effect.ticket, not_examined(exc), time.monotonic())
        if findings is None:
            self._inbox.asked()
            self._spawn(self._detect_elsewhere(effect, started))
            return []
        now = time.monotonic()
        return self._session.detected(effect.ticket, findings, now - started, now)

    async def _detect_elsewhere(self, effect: Detect, started: float) -> None:
        answer: Event
        try:
            findings = await self._around.detection.detect(effect.texts)
        except GuardrailError as exc:
            answer = partial(self._session.detection_failed, effect.ticket, not_examined(exc))
        else:
            answer = partial(self._session.detected, effect.ticket, findings, time.monotonic() - started)
        self._inbox.answered()
        await self._inbox.put(answer)

    async def _show(self, effect: Show) -> None:
        answer: Event
        if self._around.events is None:
            raise AssertionError("events are shown only where modules ask for them")
        try:
            event = await self._around.events.show(cast("dict[str, object]", effect.event))
        except GuardrailError as exc:
            _log.warning("%s", exc)  # which module, and what kind of mistake
            answer = partial(self._session.show_failed, effect.ticket, not_examined(exc))
        else:
            answer = partial(self._session.shown, effect.ticket, event)
        self._inbox.answered()
        await self._inbox.put(answer)

    async def _recall(self, ticket: int, name: str) -> list[Effect]:
        try:
            known = await self._around.vault.recall(self._around.tenant, name)
        except VaultError as exc:
            return self._session.recall_failed(ticket, not_recalled(exc), time.monotonic())
        return self._session.recalled(ticket, known, time.monotonic())

    async def _remember(self, what: Remember) -> None:
        """Keep what a response can restore. Its own stream restores without it; a later turn will not, and says so."""
        try:
            await self._around.vault.remember(
                self._around.tenant, what.name, what.values, what.deployment, after=what.after
            )
        except VaultError:
            _log.warning("the vault did not keep a response: its tokens will stay tokens in later turns")

    async def _connect(self, asked: Connect) -> None:
        """Dial, and make the new connection the provider's."""
        try:
            dialled = await self._around.dial(asked)
        except UpstreamError as exc:
            await self._inbox.put(partial(self._session.connect_failed, exc))
            return
        self._open.add(dialled.provider)
        await self._inbox.put(partial(self._arrived, asked.model, dialled))

    def _arrived(self, model: str, dialled: Dialled, now: float) -> list[Effect]:
        """A new connection takes the place of the one before, in the same step in which the session learns of it."""
        self._detach()
        self._attach(dialled.provider)
        return self._connected(model, dialled, now)

    def _detach(self) -> None:
        """Leave the provider: what it has sent and nobody has looked at yet is not looked at any more."""
        reading, before = self._reading, self._provider
        self._reading = self._provider = None
        if reading is not None:
            reading.cancel()
        if before is not None:
            self._spawn(self._drop(before))

    def _connected(self, model: str, dialled: Dialled, now: float) -> list[Effect]:
        return self._session.connected(model, dialled.model, now, deployment=dialled.deployment)

    def _attach(self, provider: Provider) -> None:
        self._open.add(provider)
        self._provider = provider
        if self._tasks is None:
            raise AssertionError("a provider is attached while the session runs")
        self._reading = self._tasks.create_task(self._read_provider(provider))

    async def _drop(self, provider: Provider) -> None:
        await provider.close()
        self._open.discard(provider)

    async def _read_client(self) -> None:
        while (data := await self._client.receive()) is not None:
            await self._inbox.put(partial(self._session.client_frame, data), size=len(data) + 1)
        await self._inbox.end()

    async def _read_provider(self, provider: Provider) -> None:
        while True:
            try:
                frames = await provider.receive()
            except UpstreamError as exc:
                await self._inbox.put(partial(self._left, provider, exc))
                return
            for start in range(0, len(frames), _AT_ONCE):
                some = frames[start : start + _AT_ONCE]
                events = (partial(self._received, provider, data) for data in some)
                await self._inbox.put(*events, size=sum(map(len, some)) + len(some))

    def _received(self, provider: Provider, data: str, now: float) -> list[Effect]:
        return self._session.upstream_frame(data, now) if provider is self._provider else []

    def _left(self, provider: Provider, error: GatewayError, now: float) -> list[Effect]:
        """The provider closed; nothing, when another one has taken its place meanwhile."""
        if provider is not self._provider:
            return []
        self._provider = self._reading = None
        self._spawn(self._drop(provider))
        return self._session.upstream_closed(error, now)

    def _ring(self, ticket: int) -> None:
        """A timer ran out: the loop looks at `_due` after each event, so one that waits is as good as a new one."""
        self._timers.pop(ticket, None)
        self._due.append(ticket)
        self._inbox.wake()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            raise AssertionError("work is started while the session runs")
        self._tasks.create_task(work)

    async def _end(self) -> None:
        """Leave nothing behind: timers, connections to the provider, rows of what was under way."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for row in self._session.client_left(time.monotonic()):
            self._write(row)
        self._provider = None
        for provider in tuple(self._open):
            await self._drop(provider)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._client.close(*self._close)

    def _write(self, row: Row) -> None:
        """Write a row of what ends anyway."""
        try:
            self._around.sink.write(row)
        except AuditError:
            _log.error("an audit row of a connection that ended could not be written")
