"""Detection inline and in worker processes: deadlines, deaths, queues and clean ends."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from guardrails.errors import DetectionError, DetectionTimeout, GuardrailError
from guardrails.findings import Finding
from guardrails.inline import ADDRESSES, CHARACTERS, WORDS, inline_safe, room
from guardrails.pool import DetectionPool
from guardrails.worker import Worker, worker_context
from policies.load import load, load_text
from policies.model import Policy

ROOT = Path(__file__).parents[2]


def policy(modules: str, budget: str = "2s", name: str = "test") -> Policy:
    return load_text(
        f"version: 1\nname: {name}\ndetect: {{budget: {budget}, fold: false, decode: [], modules: [{modules}]}}"
    )


NUMBERS = policy("{use: patterns, patterns: [{entity: NUMBER, regex: '\\d{4}'}]}")
ROOM = room(NUMBERS)
WILD = policy("{use: patterns, patterns: [{entity: WILD, regex: '(a|aa)+b'}]}", name="wild")


def words(length: int) -> str:
    """So many characters of nothing but words."""
    return ("ab " * length)[:length]


class Hands:
    """A third party's module that does what the text says; worker processes import it from the test's own folder."""

    def find(self, text: str) -> Iterable[Finding]:
        if text == "hang":
            signal.pause()
        if text == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if text == "raise":
            raise ValueError("jane@example.com")
        if text == "pid":
            return [Finding(0, 1, "PID", 1.0, str(os.getpid()))]
        return [Finding(0, len(text), "TEXT", 1.0, "hands")] if text else []


@pytest.fixture(scope="session", autouse=True)
def importable() -> Iterator[None]:
    # The workers get this path with everything else of sys.path.
    sys.path.insert(0, str(Path(__file__).parent))
    yield
    sys.path.remove(str(Path(__file__).parent))


BUSY = policy("{use: 'test_pool:Hands'}", budget="300ms", name="busy")
PATIENT = policy("{use: 'test_pool:Hands'}", budget="30s", name="patient")


@asynccontextmanager
async def running(*policies: Policy, workers: int = 1, queue: int = 64) -> AsyncIterator[DetectionPool]:
    pool = DetectionPool(policies, workers, queue)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(body())


def plain(found: list[list[Finding]]) -> list[list[tuple[int, int, str]]]:
    return [[(f.start, f.end, f.entity) for f in one] for one in found]


def test_a_worker_gives_what_the_detector_gives_one_list_for_each_text() -> None:
    async def body() -> None:
        async with running(NUMBERS) as pool:
            assert plain(await pool.detect(NUMBERS, ["1234", "", "a 5678"])) == [
                [(0, 4, "NUMBER")],
                [],
                [(2, 6, "NUMBER")],
            ]

    run(body)


def test_a_policy_that_came_after_the_start_is_built_in_the_worker() -> None:
    async def body() -> None:
        async with running(NUMBERS) as pool:
            assert pool.inline(PATIENT, ["new"]) is None
            assert plain(await pool.detect(PATIENT, ["new"])) == [[(0, 3, "TEXT")]]
            assert plain(await pool.detect(PATIENT, ["new"])) == [[(0, 3, "TEXT")]]

    run(body)


def test_a_worker_that_overruns_the_budget_is_killed_and_replaced() -> None:
    async def body() -> None:
        async with running(BUSY, PATIENT) as pool:
            [[before]] = await pool.detect(PATIENT, ["pid"])
            start = time.monotonic()
            with pytest.raises(DetectionTimeout):
                await pool.detect(BUSY, ["hang"])
            assert time.monotonic() - start < 5
            [[after]] = await pool.detect(PATIENT, ["pid"])
            assert before.module != after.module
            assert pool.state.failures == {"full": 0, "no_worker": 0, "overran": 1, "died": 0, "failed": 0}
            with pytest.raises(ProcessLookupError):
                os.kill(int(before.module), 0)

    run(body)


def test_a_worker_that_dies_is_replaced_and_its_texts_refused() -> None:
    async def body() -> None:
        async with running(PATIENT) as pool:
            with pytest.raises(DetectionError) as caught:
                await pool.detect(PATIENT, ["die"])
            assert not isinstance(caught.value, DetectionTimeout)
            assert plain(await pool.detect(PATIENT, ["ok"])) == [[(0, 2, "TEXT")]]
            assert pool.ready
            assert pool.state.failures["died"] == 1

    run(body)


def test_a_worker_killed_while_idle_refuses_one_request_at_most() -> None:
    async def body() -> None:
        async with running(PATIENT) as pool:
            [[one]] = await pool.detect(PATIENT, ["pid"])
            os.kill(int(one.module), signal.SIGKILL)
            with pytest.raises(DetectionError):
                await pool.detect(PATIENT, ["ok"])
            assert plain(await pool.detect(PATIENT, ["ok"])) == [[(0, 2, "TEXT")]]

    run(body)


def test_a_modules_exception_is_a_detection_error_without_its_text() -> None:
    async def body() -> None:
        async with running(PATIENT) as pool:
            with pytest.raises(DetectionError, match="ValueError") as caught:
                await pool.detect(PATIENT, ["raise"])
            assert "jane" not in str(caught.value)
            assert plain(await pool.detect(PATIENT, ["ok"])) == [[(0, 2, "TEXT")]]

    run(body)


def test_what_waits_longer_than_its_budget_is_refused() -> None:
    async def body() -> None:
        async with running(BUSY, PATIENT) as pool, asyncio.TaskGroup() as tasks:
            long = tasks.create_task(refused(pool, PATIENT, "hang"))
            await asyncio.sleep(0)
            assert pool.state == (1, 0, 0, dict.fromkeys(pool.state.failures, 0))
            with pytest.raises(DetectionTimeout):
                await pool.detect(BUSY, ["ok"])
            assert pool.state.failures["no_worker"] == 1
            assert not long.done()
            await pool.close()

    run(body)


async def refused(pool: DetectionPool, used: Policy, text: str) -> None:
    with pytest.raises(DetectionError):
        await pool.detect(used, [text])


def test_more_than_the_queue_holds_is_refused_at_once() -> None:
    async def body() -> None:
        async with running(PATIENT, queue=1) as pool, asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(refused(pool, PATIENT, "hang")) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(DetectionError, match="wait"):
                await pool.detect(PATIENT, ["ok"])
            await pool.close()
            await asyncio.wait(waiting)

    run(body)


def test_a_client_that_vanishes_does_not_free_a_worker_that_still_computes() -> None:
    async def body() -> None:
        async with running(BUSY, PATIENT) as pool:
            gone = asyncio.ensure_future(pool.detect(BUSY, ["hang"]))
            await asyncio.sleep(0)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            # It is killed at its deadline, and only its replacement answers.
            assert plain(await pool.detect(PATIENT, ["ok"])) == [[(0, 2, "TEXT")]]

    run(body)


def test_two_workers_answer_many_requests_each_its_own() -> None:
    async def body() -> None:
        async with running(PATIENT, workers=2) as pool:
            texts = ["x" * (n + 1) for n in range(40)]
            answers = await asyncio.gather(*(pool.detect(PATIENT, [text]) for text in texts))
            assert [found[0][0].end for found in answers] == [len(text) for text in texts]

    run(body)


def test_a_pool_that_is_closed_or_was_never_started_refuses() -> None:
    async def body() -> None:
        pool = DetectionPool([PATIENT], 1)
        await refused(pool, PATIENT, "ok")
        await pool.start()
        await pool.close()
        await pool.close()
        assert not pool.ready
        await refused(pool, PATIENT, "ok")

    run(body)


def test_closing_leaves_no_worker_behind() -> None:
    async def body() -> None:
        async with running(PATIENT, workers=2) as pool:
            [[one]] = await pool.detect(PATIENT, ["pid"])
        with pytest.raises(ProcessLookupError):
            os.kill(int(one.module), 0)

    run(body)


def test_a_worker_that_is_starting_does_not_hear_ctrl_c() -> None:
    """It reaches all processes; from this one there would be a traceback."""
    worker = Worker(worker_context(), (NUMBERS,))
    try:
        while not worker._pipe.poll(0.001):
            os.kill(worker._process.pid or 0, signal.SIGINT)
        assert worker.wait_ready() is None
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        worker.release()


def test_a_policy_that_cannot_be_built_fails_the_start_and_leaves_nothing_running() -> None:
    async def body() -> None:
        pool = DetectionPool([policy("{use: no_such_module}")], 1)
        with pytest.raises(GuardrailError, match="no_such_module"):
            await pool.start()
        assert not pool.ready

    run(body)


def test_without_workers_everything_runs_inline() -> None:
    async def body() -> None:
        async with running(PATIENT, workers=0) as pool:
            assert pool.ready
            assert plain(await pool.detect(PATIENT, ["x" * 10_000])) == [[(0, 10_000, "TEXT")]]
            with pytest.raises(DetectionError):
                await pool.detect(NUMBERS, ["1234"])

    run(body)


def test_small_texts_of_a_safe_policy_run_inline_and_large_ones_do_not() -> None:
    async def body() -> None:
        async with running(NUMBERS) as pool:
            assert plain(pool.inline(NUMBERS, ["1234"]) or []) == [[(0, 4, "NUMBER")]]
            assert pool.inline(NUMBERS, [words(CHARACTERS)]) == [[]]
            assert pool.inline(NUMBERS, [words(ROOM)]) == [[]]
            assert pool.inline(NUMBERS, [words(ROOM), "b"]) is None
            assert pool.inline(NUMBERS, [words(ROOM // 2), "%" * 29]) == [[], []]
            assert pool.inline(NUMBERS, [words(ROOM // 2), "%" * 31]) is None
            assert pool.inline(NUMBERS, [words(ROOM // 2) + " a1@b.co" * (ADDRESSES // 4)]) == [[]]
            assert pool.inline(NUMBERS, [words(ROOM // 2) + " a1@b.co" * (ADDRESSES // 2)]) is None
            assert pool.inline(NUMBERS, ["password is " * (ROOM // 24)]) is None
            assert pool.inline(NUMBERS, [words(ROOM // 2) + " 212-555-0199@b.co" * 6]) is None
            assert pool.inline(NUMBERS, [words(ROOM // 2) + "x" * 900]) is None
            assert pool.inline(NUMBERS, ["\u200b" * (CHARACTERS + 1)]) is None
            assert pool.inline(NUMBERS, ["12345678" * 30]) is None

    run(body)


def test_an_expression_that_runs_wild_leaves_the_event_loop_for_a_worker_and_is_refused_there() -> None:
    async def body() -> None:
        async with running(WILD) as pool:
            start = time.monotonic()
            assert pool.inline(WILD, ["a" * 100]) is None
            assert time.monotonic() - start < 0.2
            with pytest.raises(DetectionError):
                await pool.detect(WILD, ["a" * 100])

    run(body)


@pytest.mark.parametrize(
    ("modules", "safe"),
    [
        ("{use: presidio, entities: [EMAIL_ADDRESS, PHONE_NUMBER]}", True),
        ("{use: presidio, entities: [EMAIL_ADDRESS, URL]}", False),
        ("{use: presidio, entities: [EMAIL_ADDRESS], model: en_core_web_lg}", False),
        ("{use: secrets}, {use: shapes}", True),
        ("{use: secrets}, {use: 'acme:Detector'}", False),
        ("{use: some_entry_point}", False),
    ],
)
def test_only_modules_of_known_cost_run_inline(modules: str, safe: bool) -> None:
    assert inline_safe(policy(modules)) is safe


def test_the_default_policy_runs_inline() -> None:
    assert inline_safe(load("default"))
    assert room(load("default")) == WORDS


@pytest.mark.parametrize("plain", ["phone number 212 555 0199 " * 90, "phone number 212 555 0199 " * 8])
def test_what_is_decoded_counts_as_if_it_stood_there(plain: str) -> None:
    async def body() -> None:
        decoding = load_text("version: 1\ndetect: {modules: [{use: shapes}]}")
        async with running(decoding) as pool:
            assert pool.inline(decoding, [base64.b64encode(plain.encode()).decode()]) is None

    run(body)


def test_the_more_expressions_a_policy_has_the_shorter_are_texts_that_run_inline() -> None:
    rules = ", ".join("{entity: A, regex: 'a'}" for _ in range(3))
    assert room(policy(f"{{use: secrets}}, {{use: patterns, patterns: [{rules}]}}")) == WORDS // 4


def test_a_pool_works_in_a_program_run_with_dash_m_and_ends_without_a_trace(tmp_path: Path) -> None:
    package = tmp_path / "program"
    package.mkdir()
    (package / "__main__.py").write_text(
        textwrap.dedent("""
        import asyncio
        from guardrails.pool import DetectionPool
        from policies.load import load_text

        async def main():
            modules = "[{use: patterns, patterns: [{entity: N, regex: '[0-9]+'}]}]"
            policy = load_text("version: 1\\ndetect: {modules: " + modules + "}")
            pool = DetectionPool([policy], 1)
            await pool.start()
            print([len(found) for found in await pool.detect(policy, ["12 34", "x"])])
            await pool.close()

        if __name__ == "__main__":
            asyncio.run(main())
        """)
    )
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-m", "program"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "[2, 0]", "")
