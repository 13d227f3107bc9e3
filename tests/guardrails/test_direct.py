"""Detection that a program calls itself: in its own threads, or in workers that can be stopped."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from guardrails import direct
from guardrails.direct import Direct, Inline, Pooled
from guardrails.errors import DetectionError, DetectionTimeout, GuardrailError
from guardrails.findings import Finding
from policies.load import load_text
from policies.model import Policy


def policy(modules: str, budget: str = "2s") -> Policy:
    return load_text(f"version: 1\ndetect: {{budget: {budget}, fold: false, decode: [], modules: [{modules}]}}")


NUMBERS = policy("{use: patterns, patterns: [{entity: NUMBER, regex: '\\d{4}'}]}")
HANDS = "{use: 'acme_hands:Hands'}"
SOURCE = """
import time
from guardrails.findings import Finding

class Hands:
    def find(self, text):
        if text == "hang":
            time.sleep(60)
        return [Finding(0, len(text), "TEXT", 1.0, "hands")] if text else []
"""


class Slow:
    """A module that waits until it is told to go on, and counts what it was asked."""

    asked: int = 0
    running = threading.Event()
    goes_on = threading.Event()

    def find(self, text: str) -> list[Finding]:
        Slow.asked += 1
        if text == "slow":
            Slow.running.set()
            Slow.goes_on.wait(10)
        return []


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> str:
    made = ModuleType("acme_slow")
    made.__dict__["Slow"] = Slow
    monkeypatch.setitem(sys.modules, "acme_slow", made)
    Slow.asked = 0
    Slow.running, Slow.goes_on = threading.Event(), threading.Event()
    return "{use: 'acme_slow:Slow'}"


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooled]:
    """One worker, whose module hangs when it is told to."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "acme_hands.py").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.syspath_prepend(str(folder))
        made = Pooled(policy(HANDS, budget="1s"), 1)
        yield made
        made.close()
        made.close()


def places(found: object) -> list[list[tuple[int, int]]]:
    assert isinstance(found, list)
    return [[(one.start, one.end) for one in each] for each in found]


def ask(of: Direct, way: str, *texts: str) -> list[list[tuple[int, int]]]:
    return places(of.now(texts) if way == "now" else asyncio.run(of.later(texts)))


@pytest.mark.parametrize("way", ["now", "later"])
def test_texts_are_examined_in_their_order_and_known_ones_only_once(way: str, slow: str) -> None:
    numbers = Inline(NUMBERS)
    assert ask(numbers, way, "a 1234", "b", "1234 1234") == [[(2, 6)], [], [(0, 4), (5, 9)]]
    assert ask(numbers, way, "b", "a 1234") == [[], [(2, 6)]]
    counted = Inline(policy(slow))
    for _ in range(3):
        ask(counted, way, "x", "y")
    assert Slow.asked == 2
    numbers.close()


@pytest.mark.parametrize(("text", "elsewhere"), [("a 1234", 0), ("ab " * 4_000, 0), ("1234 " * 100, 1)])
def test_what_is_not_cheap_leaves_the_event_loop(text: str, elsewhere: int, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    async def noted(now: Callable[[list[str]], object], texts: list[str]) -> object:
        threads.append("one")
        return now(texts)

    inline = Inline(NUMBERS)
    monkeypatch.setattr("guardrails.direct.asyncio.to_thread", noted)
    assert len(ask(inline, "later", text)[0]) == text.count("1234")
    assert len(threads) == elsewhere


def test_what_takes_longer_than_the_budget_is_refused(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inline = Inline(policy(slow, budget="1s"))
    clock = iter([0.0, 1.5, 2.0, 2.5])
    monkeypatch.setattr(direct.time, "monotonic", lambda: next(clock))
    with pytest.raises(DetectionTimeout):
        inline.now(["x"])
    assert ask(inline, "now", "x") == [[]], "and what was found is not kept"
    assert Slow.asked == 2


def test_whoever_waits_too_long_for_his_turn_is_refused_and_the_event_loop_goes_on(slow: str) -> None:
    inline = Inline(policy(slow, budget="50ms"))
    first: list[object] = []

    def long() -> None:
        with pytest.raises(DetectionTimeout) as caught:
            inline.now(["slow"])
        first.append(caught.value)

    thread = threading.Thread(target=long)
    thread.start()
    assert Slow.running.wait(5)
    with pytest.raises(DetectionTimeout, match="waits"):
        inline.now(["other"])
    with pytest.raises(DetectionTimeout, match="waits"):
        asyncio.run(inline.later(["other"]))
    Slow.goes_on.set()
    thread.join()
    assert len(first) == 1


def test_a_module_that_fails_refuses_and_the_next_text_is_examined(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inline = Inline(policy(slow))
    monkeypatch.setattr(Slow, "find", lambda self, text: 1 / len(text.strip("x")))
    with pytest.raises(DetectionError, match="ZeroDivisionError"):
        inline.now(["x"])
    monkeypatch.setattr(Slow, "find", lambda self, text: [])
    assert ask(inline, "now", "x") == [[]]


@pytest.mark.parametrize("make", [Inline, lambda of: Pooled(of, 1)], ids=["inline", "pooled"])
def test_what_is_not_installed_is_said_at_once_and_nothing_is_left(make: Callable[[Policy], object]) -> None:
    before = threading.active_count()
    with pytest.raises(GuardrailError, match="acme_not_here"):
        make(policy("{use: 'acme_not_here:Module'}"))
    assert threading.active_count() == before


@pytest.mark.parametrize("way", ["now", "later"])
def test_workers_examine_for_threads_and_event_loops(way: str, pooled: Pooled) -> None:
    assert ask(pooled, way, "abc", "", "ab") == [[(0, 3)], [], [(0, 2)]]


def test_a_worker_that_takes_too_long_is_stopped_and_the_next_text_is_examined(pooled: Pooled) -> None:
    started = time.monotonic()
    with pytest.raises(DetectionTimeout):
        pooled.now(["hang"])
    assert time.monotonic() - started < 30
    for _ in range(20):  # until another worker is there, texts are refused
        try:
            assert ask(pooled, "now", "abcd") == [[(0, 4)]]
        except DetectionTimeout:
            continue
        return
    raise AssertionError("no worker came back")
