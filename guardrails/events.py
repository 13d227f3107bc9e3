"""Run the modules of a policy that have `on_event` over the events of a response.

They run in a thread of their own, one event at a time in the order in which they were given, so a module needs no locks
and a slow one holds up nobody else. Running and waiting for its turn have the policy's `detect.budget`. A module that
hangs cannot be stopped: its thread is left behind, and the next event gets a new thread and modules made anew; after
`MAX_STUCK` of these, every event fails.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Final, TypeAlias

from guardrails.errors import EventError
from guardrails.modules import BUILT_IN, EventModule, create
from policies.model import Policy

MAX_STUCK: Final = 4
"""Threads that hang in a module and are left behind; each holds whatever the module holds."""

Event: TypeAlias = dict[str, object]
Modules: TypeAlias = Sequence[tuple[str, EventModule]]
_Job: TypeAlias = tuple["Future[Event | None]", Event]


def event_modules(policy: Policy) -> EventModules | None:
    """Make what runs the `on_event` of a policy's modules; None where none has it, or the policy only observes.

    Raises: ModuleNotAvailable, GuardrailError: a module cannot be made.
    """
    if policy.mode == "observe":
        return None
    modules = _made(policy)
    return EventModules(modules, policy.detect.budget, again=lambda: _made(policy)) if modules else None


def _made(policy: Policy) -> Modules:
    specs = [spec for spec in policy.detect.modules if spec.use not in BUILT_IN]
    made = [(spec.use, create(spec.use, spec.options, policy.detect.language)) for spec in specs]
    return [(use, module) for use, module in made if isinstance(module, EventModule)]


class EventModules:
    """The modules of one policy, in order: each gets what the one before it gave. `close()` it at the end."""

    def __init__(self, modules: Modules, seconds: float, *, again: Callable[[], Modules]) -> None:
        """`seconds` is what one event may take; `again` makes the modules anew."""
        self._seconds: Final = seconds
        self._again: Final = again
        self._first: Modules | None = modules
        self._thread: _Thread | None = None
        self._closed = False
        self._stuck: list[_Thread] = []
        self._lock: Final = threading.Lock()

    async def show(self, event: Event) -> Event | None:
        """Give the event as it goes on, None where it is dropped.

        Raises: EventError: a module failed or took too long; the response must not go on.
        """
        thread, future = self._submit(event)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            pass
        raise self._too_long(thread, future)

    def show_now(self, event: Event) -> Event | None:
        """The same for callers without an event loop: it waits."""
        thread, future = self._submit(event)
        try:
            return future.result(self._seconds)
        except TimeoutError:
            pass
        raise self._too_long(thread, future)

    def close(self) -> None:
        """End the thread, once it is through with what it was given."""
        with self._lock:
            thread, self._thread, self._closed = self._thread, None, True
        if thread is not None:
            thread.end()

    def _submit(self, event: Event) -> tuple[_Thread, Future[Event | None]]:
        with self._lock:
            if self._thread is None:
                self._thread = self._start()
            return self._thread, self._thread.submit(event)

    def _start(self) -> _Thread:
        self._stuck = [one for one in self._stuck if one.alive]
        if self._closed or len(self._stuck) >= MAX_STUCK:
            raise EventError("the modules of the policy are not running")
        modules, self._first = self._first, None
        return _Thread(modules if modules is not None else self._again())

    def _too_long(self, thread: _Thread, future: Future[Event | None]) -> EventError:
        if not future.cancel() and not future.done():
            self._leave(thread)
        return EventError("a module took too long over an event")

    def _leave(self, thread: _Thread) -> None:
        """Leave a thread that hangs; the next event gets another one, while there are not too many of them."""
        thread.end()
        with self._lock:
            if thread is self._thread:
                self._stuck.append(thread)
                self._thread = None


class _Thread:
    """One thread and the modules that run in it."""

    def __init__(self, modules: Modules) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # A daemon, so that a module that hangs does not keep the program from ending.
        name = "guardrails-events"
        self._thread = threading.Thread(target=_serve, args=(modules, self._jobs), name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, event: Event) -> Future[Event | None]:
        future: Future[Event | None] = Future()
        self._jobs.put((future, event))
        return future

    def end(self) -> None:
        self._jobs.put(None)


def _serve(modules: Modules, jobs: SimpleQueue[_Job | None]) -> None:
    """The life of a thread: answer until there is nothing more."""
    while (job := jobs.get()) is not None:
        future, event = job
        if not future.set_running_or_notify_cancel():
            continue
        try:
            answer = _run(modules, event)
        except EventError as exc:
            future.set_exception(exc)
        else:
            future.set_result(answer)


def _run(modules: Modules, event: Event) -> Event | None:
    """One event through all modules.

    Raises: EventError: one of them failed; the text names it and what kind of mistake it was, nothing else.
    """
    for name, module in modules:
        try:
            answer = module.on_event(event)
        except BaseException as exc:  # noqa: BLE001 - whatever a module does wrong, the response must not go on
            reason = type(exc).__name__
        else:
            if answer is None:
                return None
            event, reason = answer, ""
            if not isinstance(answer, dict):
                reason = "it gave neither an event nor None"
        if reason:
            # Raised outside the handler: the exception of the module may hold the text, and chained it would be kept.
            raise EventError(f"module {name} failed: {reason}")
    return event
