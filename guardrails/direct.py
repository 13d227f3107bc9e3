"""Detection for programs that call it themselves, from threads or from an event loop, without a gateway around it.

`Inline` examines in the thread that asks, one question at a time. `Pooled` has worker processes, which can be stopped
when a text takes longer than the policy's budget; it costs their memory and some seconds at its start.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Final, Protocol, TypeAlias, TypeVar

from guardrails.cache import FindingsCache, SeenTexts
from guardrails.detector import build
from guardrails.errors import DetectionTimeout
from guardrails.findings import Finding
from guardrails.inline import examined, inline_safe, room
from guardrails.pool import DetectionPool
from policies.model import Policy

Findings: TypeAlias = list[Sequence[Finding]]
_Examine: TypeAlias = Callable[[list[str]], list[list[Finding]] | None]
_T = TypeVar("_T")


class Direct(Protocol):
    """Finds what is in texts, under one policy; `close()` it at the end."""

    def now(self, texts: Sequence[str]) -> Findings:
        """The answer; the caller waits. Raises: DetectionError, and then no text may go on."""

    async def later(self, texts: Sequence[str]) -> Findings:
        """The same for an event loop, which is not held up. Raises: DetectionError."""

    def close(self) -> None:
        """End what runs."""


class Inline:
    """Examines in the calling thread. What takes longer than the budget is refused, though only afterwards."""

    def __init__(self, policy: Policy) -> None:
        """Build the detector, which takes seconds the first time.

        Raises: ModuleNotAvailable, GuardrailError: the policy names what is not here.
        """
        self._budget: Final = policy.detect.budget
        self._detector: Final = build(policy)
        self._quick: Final = inline_safe(policy)
        self._room: Final = room(policy)
        self._seen: Final = SeenTexts(FindingsCache(), policy.digest, "")
        self._lock: Final = threading.Lock()

    def now(self, texts: Sequence[str]) -> Findings:
        """See `Direct`."""
        if not self._lock.acquire(timeout=self._budget):
            raise DetectionTimeout("too much waits to be examined")
        try:
            found = self._look(texts, self._detector.detect)
        finally:
            self._lock.release()
        if found is None:
            raise AssertionError("a detector answers")
        return found

    async def later(self, texts: Sequence[str]) -> Findings:
        """See `Direct`."""
        found = None
        if self._quick and self._lock.acquire(blocking=False):
            try:
                found = self._look(texts, lambda unseen: examined(self._detector, unseen, self._room))
            finally:
                self._lock.release()
        return found if found is not None else await asyncio.to_thread(self.now, texts)

    def close(self) -> None:
        """Nothing runs."""

    def _look(
        self, texts: Sequence[str], examine: Callable[[list[str]], list[list[Finding]] | None]
    ) -> Findings | None:
        """What is in the texts; None where `examine` does not say."""
        known = self._seen.split(texts)
        started = time.monotonic()
        fresh = examine(known.unseen) if known.unseen else []
        if time.monotonic() - started > self._budget:
            raise DetectionTimeout("detection took longer than the policy's budget")
        return None if fresh is None else self._seen.merge(known, fresh)


_GRACE_SECONDS: Final = 1.0


class Pooled:
    """Examines in worker processes; an event loop in a thread of its own talks to them."""

    def __init__(self, policy: Policy, workers: int) -> None:
        """Start the workers, which takes seconds.

        Raises: ModuleNotAvailable, GuardrailError: the policy names what is not here; nothing is left running.
        """
        self._policy: Final = policy
        self._seen: Final = SeenTexts(FindingsCache(), policy.digest, "")
        self._pool: Final = DetectionPool([policy], workers)
        self._loop: Final = asyncio.new_event_loop()
        self._thread: Final = threading.Thread(target=self._loop.run_forever, name="guardrails-pool", daemon=True)
        self._thread.start()
        try:
            self._run(self._pool.start())
        except BaseException:
            self._stop()
            raise

    def now(self, texts: Sequence[str]) -> Findings:
        """See `Direct`."""
        asked = asyncio.run_coroutine_threadsafe(self._detect(texts), self._loop)
        try:
            # The pool keeps to the budget, for waiting and for examining; after a fork there is nobody to do so.
            return asked.result(2 * self._policy.detect.budget + _GRACE_SECONDS)
        except TimeoutError:
            asked.cancel()
        raise DetectionTimeout("detection took longer than the policy's budget")

    async def later(self, texts: Sequence[str]) -> Findings:
        """See `Direct`."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._detect(texts), self._loop))

    def close(self) -> None:
        """End the workers and the thread. May be called more than once."""
        if not self._loop.is_closed():
            self._run(self._pool.close())
            self._stop()

    def _run(self, work: Coroutine[None, None, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop(self) -> None:
        self._run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _detect(self, texts: Sequence[str]) -> Findings:
        known = self._seen.split(texts)
        fresh = self._pool.inline(self._policy, known.unseen) if known.unseen else []
        if fresh is None:
            fresh = await self._pool.detect(self._policy, known.unseen)
        return self._seen.merge(known, fresh)
