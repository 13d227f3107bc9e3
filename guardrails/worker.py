"""One process that examines texts, from both ends of its pipe.

Over the pipe go (digest, policy or None, texts) there, and back the findings as tuples or the reason why there are
none. Nothing is logged, and no text is in any reason.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import TypeAlias

from guardrails.detector import PolicyDetector, build
from guardrails.errors import GuardrailError
from policies.model import Policy

WARM_UP_SECONDS = 120.0
"""A worker that is not ready after this long never will be; importing Presidio takes 2 to 10 seconds."""
POLICIES_KEPT = 64
"""Detectors a worker keeps for policies that came after its start, such as reloaded ones."""
WARM_UP_TEXT = "Call me on my phone number (212) 555-0199, or write to jane@example.com."
NOT_STARTED = "a detection worker did not start"
_UNKNOWN = "this policy is not known here"

Ready: TypeAlias = str | None
Request: TypeAlias = tuple[str, Policy | None, Sequence[str]]
Plain: TypeAlias = tuple[int, int, str, float, str]
Answer: TypeAlias = list[list[Plain]] | str


class Worker:
    """One worker process and the pipe to it; `exchange` by one thread at a time, `kill` from any."""

    def __init__(self, context: ForkServerContext | SpawnContext, policies: Sequence[Policy]) -> None:
        ours, theirs = context.Pipe()
        self._pipe = ours
        self._known = {policy.digest for policy in policies}
        self._process = context.Process(
            target=serve, args=(theirs, tuple(policies)), name="guardrails-detection", daemon=True
        )
        with _deaf():
            self._process.start()
        theirs.close()
        self.overran = False
        self.down = False

    def wait_ready(self) -> str | None:
        """Block until it has built its detectors; the reason if it cannot."""
        reason: str | None = NOT_STARTED
        with contextlib.suppress(EOFError, OSError):
            if self._pipe.poll(WARM_UP_SECONDS):
                reason = self._pipe.recv()
        if reason is not None:
            self.release()
        return reason

    def exchange(self, policy: Policy, texts: Sequence[str]) -> Answer | None:
        """Block until it answers; None if it died or was killed."""
        try:
            answer = self._ask(policy.digest, None if policy.digest in self._known else policy, texts)
            if answer == _UNKNOWN:
                answer = self._ask(policy.digest, policy, texts)
            self._known.add(policy.digest)
        except (EOFError, OSError):
            self.release()
            return None
        return answer

    def _ask(self, digest: str, policy: Policy | None, texts: Sequence[str]) -> Answer:
        self._pipe.send((digest, policy, list(texts)))
        answer: Answer = self._pipe.recv()
        return answer

    def overrun(self) -> None:
        """Kill it because the deadline has passed."""
        self.overran = True
        self.kill()

    def kill(self) -> None:
        """End the process; whoever waits for its answer learns at once."""
        self.down = True
        self._process.kill()

    def release(self) -> None:
        """End the process and give back its pipe; only when nobody waits for an answer."""
        self.kill()
        self._process.join()
        self._pipe.close()


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Let what is started meanwhile hear no Ctrl-C: it reaches the whole process group, whoever started it ends it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # when it is started it makes its thread hear again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def worker_context() -> ForkServerContext | SpawnContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["guardrails.modules.presidio_engine"])
    return context


def serve(pipe: Connection[Ready | Answer, Request], policies: Sequence[Policy]) -> None:
    """The life of a worker: build, say so, then answer until the pipe closes."""
    # The gateway drains first and ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        detectors = OrderedDict((policy.digest, build(policy)) for policy in policies)
        for detector in detectors.values():
            detector.detect([WARM_UP_TEXT])
    except GuardrailError as exc:
        pipe.send(str(exc))
        return
    pipe.send(None)
    with contextlib.suppress(EOFError, OSError):
        while True:
            digest, policy, texts = pipe.recv()
            pipe.send(_answer(detectors, digest, policy, texts))


def _answer(
    detectors: OrderedDict[str, PolicyDetector], digest: str, policy: Policy | None, texts: Sequence[str]
) -> Answer:
    try:
        if digest not in detectors:
            if policy is None:
                return _UNKNOWN
            detectors[digest] = build(policy)
        detectors.move_to_end(digest)
        while len(detectors) > POLICIES_KEPT:
            detectors.popitem(last=False)
        return [[finding[:] for finding in found] for found in detectors[digest].detect(texts)]
    except GuardrailError as exc:
        return str(exc)
    except Exception as exc:  # noqa: BLE001 - whatever goes wrong, the texts must not go on
        return f"detection failed: {type(exc).__name__}"
