"""Where detection runs: the cheap at once in the event loop, the rest in worker processes with a deadline.

Detection is pure computing, so threads only make it slower; and a regular expression that has run wild cannot be
stopped from inside its process. So each worker is a process of its own that can be killed: one that overruns the
policy's budget is killed and replaced, one that dies is replaced, and in both cases the texts it had are refused.

A round trip to a worker costs half a millisecond, more than most chat lines cost to examine, so what is certain to be
cheap is done inline (inline.py).

The workers come from a fork server where the system has one, because a server that has imported Presidio once makes a
replacement in a tenth of the time. worker.py has both ends of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from guardrails.detector import PolicyDetector, build
from guardrails.errors import DetectionError, DetectionTimeout, GuardrailError
from guardrails.findings import Finding, made
from guardrails.horizon import horizon
from guardrails.inline import examined, inline_safe, room
from guardrails.worker import NOT_STARTED, WARM_UP_TEXT, Answer, Worker, worker_context
from policies.model import Policy

INLINE_PATTERN_SECONDS = 0.02
"""What one of a policy's own expressions may take in the event loop before the texts go to a worker instead."""

RETRY_SECONDS = 1.0
"""The pause before another attempt to start a worker that did not start."""


class PoolState(NamedTuple):
    """Processes, those of them that are free, questions that wait, and by reason those that were not answered."""

    workers: int
    idle: int
    waiting: int
    failures: Mapping[str, int]


class DetectionPool:
    """Runs the detectors of some policies. `start()` it, `await detect()` or ask `inline()` first, and `close()` it."""

    def __init__(self, policies: Sequence[Policy], workers: int, queue: int = 64) -> None:
        """Take the policies to be ready for, the number of processes (0: everything inline), and how many may wait."""
        self._policies = tuple({policy.digest: policy for policy in policies}.values())
        self._count = workers
        self._queue = queue
        self._inline: dict[str, PolicyDetector] = {}
        self._room: dict[str, int] = {}
        self._workers: set[Worker] = set()
        self._idle: deque[Worker] = deque()
        self._waiting: deque[asyncio.Future[Worker]] = deque()
        self._threads: ThreadPoolExecutor | None = None
        self._open = False
        self._failures = Counter(full=0, no_worker=0, overran=0, died=0, failed=0)

    @property
    def state(self) -> PoolState:
        """How it is doing now."""
        alive = sum(not worker.down for worker in self._workers)
        idle = sum(not worker.down for worker in self._idle)
        return PoolState(alive, idle, len(self._waiting), dict(self._failures))

    @property
    def ready(self) -> bool:
        """Whether texts can be examined now: a worker lives, or none is needed."""
        return self._open and (self._count == 0 or any(not worker.down for worker in self._workers))

    async def start(self) -> None:
        """Build the detectors and warm the workers; takes seconds. Then call `detect`, and `close` at the end.

        Raises: ModuleNotAvailable, GuardrailError: a policy names what is not here; nothing is left running.
        """
        self._open = True
        # One thread more than workers, in which this process builds its own detectors.
        self._threads = ThreadPoolExecutor(self._count + 1, "guardrails-detection")
        loop = asyncio.get_running_loop()
        building = loop.run_in_executor(self._threads, self._build_inline)
        starting = [loop.run_in_executor(self._threads, self._start_worker) for _ in range(self._count)]
        try:
            await building
            for reason in await asyncio.gather(*starting):
                if isinstance(reason, str):
                    raise GuardrailError(reason)
                self._offer(reason)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End all workers now; texts still in them are refused. May be called more than once."""
        self._open = False
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(DetectionError("the detection pool was closed"))
        self._waiting.clear()
        for worker in self._workers:
            worker.kill()
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)
            self._threads = None
        for worker in self._workers:
            worker.release()
        self._workers.clear()
        self._idle.clear()

    def inline(self, policy: Policy, texts: Sequence[str]) -> list[list[Finding]] | None:
        """Examine the texts at once if that is certain to be cheap; None when they must go to `detect`.

        Raises: DetectionTimeout, DetectionError: the texts must not go on.
        """
        detector = self._inline.get(policy.digest)
        if detector is None:
            return None
        start = time.monotonic()
        found: list[list[Finding]] | None
        try:
            most = self._room[policy.digest]
            found = detector.detect(texts) if self._count == 0 else examined(detector, texts, most)
        except DetectionTimeout:
            if self._count == 0:
                raise
            # An expression of the policy's own ran longer than the event loop can spare: a worker has more time.
            return None
        if time.monotonic() - start > policy.detect.budget:
            raise DetectionTimeout("detection took longer than the policy's budget")
        return found

    async def detect(self, policy: Policy, texts: Sequence[str]) -> list[list[Finding]]:
        """Examine the texts in a worker, or inline if there are none, within the policy's budget.

        Raises: DetectionTimeout, DetectionError: the texts must not go on.
        """
        if self._count == 0:
            found = self.inline(policy, texts)
            if found is None:
                raise DetectionError("the detection pool was not started for this policy")
            return found
        loop = asyncio.get_running_loop()
        worker = await self._take(policy.detect.budget)
        # Waiting for a worker has its own time: what others have examined must not cost these texts theirs.
        deadline = loop.time() + policy.detect.budget
        if self._threads is None:
            raise DetectionError("the detection pool was closed")
        exchange = loop.run_in_executor(self._threads, worker.exchange, policy, texts)
        timer = loop.call_at(deadline, worker.overrun)
        exchange.add_done_callback(lambda done: self._finished(worker, timer, done))
        # Shielded: a client that vanishes must not make the worker look free while it still computes.
        answer = await asyncio.shield(exchange)
        if isinstance(answer, list):
            return [list(map(made, one)) for one in answer]
        if answer is not None:
            self._failures["failed"] += 1
            raise DetectionError(answer)
        if worker.overran:
            self._failures["overran"] += 1
            raise DetectionTimeout("detection took longer than the policy's budget")
        self._failures["died"] += 1
        raise DetectionError("a detection worker died")

    async def _take(self, seconds: float) -> Worker:
        if not self._open:
            raise DetectionError("the detection pool is not running")
        while self._idle:
            worker = self._idle.popleft()
            if not worker.down:
                return worker
        if len(self._waiting) >= self._queue:
            self._failures["full"] += 1
            raise DetectionError("too many texts wait for detection")
        waiter: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        taken = False
        try:
            async with asyncio.timeout(seconds):
                worker = await waiter
            taken = True
        except TimeoutError:
            self._failures["no_worker"] += 1
            raise DetectionTimeout("no detection worker became free within the policy's budget") from None
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)
            if not taken and waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._offer(waiter.result())
        return worker

    def _offer(self, worker: Worker) -> None:
        """Give a worker to whoever has waited longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(worker)
                return
        self._idle.append(worker)

    def _finished(self, worker: Worker, timer: asyncio.TimerHandle, exchange: asyncio.Future[Answer | None]) -> None:
        timer.cancel()
        broken = exchange.cancelled() or exchange.exception() is not None
        if not self._open:
            return
        if broken or worker.down:
            worker.kill()
            self._replace(worker)
        else:
            self._offer(worker)

    def _replace(self, worker: Worker | None) -> None:
        if worker is not None:
            self._workers.discard(worker)
        if not self._open or self._threads is None:
            return
        loop = asyncio.get_running_loop()
        start = loop.run_in_executor(self._threads, self._start_worker, worker)
        start.add_done_callback(self._replaced)

    def _replaced(self, start: asyncio.Future[Worker | str]) -> None:
        if start.cancelled() or not self._open:
            return
        worker = start.result() if start.exception() is None else None
        if isinstance(worker, Worker):
            self._offer(worker)
        else:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._replace, None)

    def _start_worker(self, old: Worker | None = None) -> Worker | str:
        """Block until a new worker is warm, instead of an old one; the reason if it cannot be."""
        if old is not None:
            old.release()
        if not self._open:
            return "the detection pool was closed"
        try:
            worker = Worker(worker_context(), self._policies)
        except (EOFError, OSError):  # as when all processes are told to end while this one begins
            return NOT_STARTED
        self._workers.add(worker)
        reason = worker.wait_ready()
        if reason is not None:
            self._workers.discard(worker)
        return worker if reason is None else reason

    def _build_inline(self) -> None:
        for policy in self._policies:
            if policy.output.delivery == "live":
                horizon(policy)  # remembered: the first time it may import Presidio
            if self._count == 0 or inline_safe(policy):
                detector = build(policy)
                detector.detect([WARM_UP_TEXT])
                if self._count > 0:
                    detector.hurry(INLINE_PATTERN_SECONDS)
                self._inline[policy.digest], self._room[policy.digest] = detector, room(policy)
