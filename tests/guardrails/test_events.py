"""Running `on_event` of modules: in order, in time, and failing without a word of the data."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any, ClassVar

import pytest

from guardrails import events
from guardrails.errors import EventError, GuardrailError, ModuleNotAvailable
from guardrails.events import EventModules, event_modules
from guardrails.modules import EventModule
from policies.model import Policy
from tests.kit import PATTERNS, policy

Event = dict[str, object]

SECRET = "ada.lovelace@example.com"


class Recorder:
    """A module of somebody's own; what it is made and called with is kept in `made`."""

    made: ClassVar[list[Recorder]] = []

    def __init__(self, *, add: str = "x", hang: bool = False) -> None:
        self.add, self.hang = add, hang
        self.goes_on = threading.Event()
        self.running = threading.Event()
        Recorder.made.append(self)

    def find(self, text: str) -> list[Any]:
        return []

    def on_event(self, event: Event) -> Any:
        self.running.set()
        if self.hang:
            self.goes_on.wait()
        if event["type"] == "wrong":
            return [event]
        if event["type"] == "bad":
            raise ValueError(SECRET)
        if event["type"] == "drop":
            return None
        return {**event, "seen": f"{event.get('seen', '')}{self.add}"}


class Finder:
    """A module without `on_event`."""

    def find(self, text: str) -> list[Any]:
        return []


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made = ModuleType("acme_events")
    made.__dict__.update(Recorder=Recorder, Finder=Finder)
    monkeypatch.setitem(sys.modules, "acme_events", made)
    Recorder.made = []
    yield
    for one in Recorder.made:
        one.goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "guardrails-events":
            thread.join(5)


def of(*uses: str, budget: str = "2s", rest: str = "") -> Policy:
    modules = "".join(f"\n    - {{{use}}}" for use in uses)
    return policy(rest, detect=f"  budget: {budget}\n", modules=PATTERNS.rstrip("\n") + modules + "\n")


def running(*uses: str, budget: str = "2s") -> EventModules:
    made = event_modules(of(*uses, budget=budget))
    assert made is not None
    return made


def test_a_policy_without_such_modules_has_none_and_makes_no_thread() -> None:
    assert event_modules(of()) is None
    assert event_modules(of("use: 'acme_events:Finder'")) is None
    assert [thread for thread in threading.enumerate() if thread.name == "guardrails-events"] == []


def test_modules_get_what_the_one_before_them_gave() -> None:
    modules = running("use: 'acme_events:Recorder', add: a", "use: 'acme_events:Recorder', add: b")
    assert modules.show_now({"type": "t"}) == {"type": "t", "seen": "ab"}
    assert asyncio.run(modules.show({"type": "t"})) == {"type": "t", "seen": "ab"}
    modules.close()


def test_none_drops_the_event_and_no_later_module_sees_it() -> None:
    modules = running("use: 'acme_events:Recorder'", "use: 'acme_events:Recorder'")
    assert modules.show_now({"type": "drop"}) is None
    assert not Recorder.made[1].running.is_set()
    modules.close()


@pytest.mark.parametrize(("kind", "reason"), [("bad", "ValueError"), ("wrong", "neither an event nor None")])
def test_a_module_that_fails_is_named_and_what_it_said_is_not(kind: str, reason: str) -> None:
    modules = running("use: 'acme_events:Recorder'")
    with pytest.raises(EventError, match=reason) as caught:
        modules.show_now({"type": kind, "text": SECRET})
    assert "acme_events:Recorder" in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert modules.show_now({"type": "t"}) == {"type": "t", "seen": "x"}, "the next event is as good as any"
    modules.close()


@pytest.mark.parametrize("way", ["now", "later"])
def test_a_module_that_hangs_is_left_behind_and_the_next_event_has_a_new_one(way: str) -> None:
    modules = running("use: 'acme_events:Recorder', hang: true", budget="50ms")
    with pytest.raises(EventError, match="too long"):
        modules.show_now({"type": "t"}) if way == "now" else asyncio.run(modules.show({"type": "t"}))
    (first,) = Recorder.made
    with pytest.raises(EventError, match="too long"):
        modules.show_now({"type": "t"})
    assert len(Recorder.made) == 2
    assert Recorder.made[1] is not first
    modules.close()


def test_an_event_that_waits_too_long_for_its_turn_fails_and_is_never_shown() -> None:
    modules = running("use: 'acme_events:Recorder', hang: true", budget="50ms")
    (module,) = Recorder.made

    async def two() -> list[object]:
        return await asyncio.gather(modules.show({"type": "a"}), modules.show({"type": "bad"}), return_exceptions=True)

    assert [str(one) for one in asyncio.run(two())] == ["a module took too long over an event"] * 2
    module.goes_on.set()
    modules.close()
    assert len(Recorder.made) == 1


def test_threads_that_hang_are_bounded_and_do_not_count_once_they_are_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_STUCK", 2)
    modules = running("use: 'acme_events:Recorder', hang: true", budget="20ms")
    for _ in range(2):
        with pytest.raises(EventError, match="too long"):
            modules.show_now({"type": "t"})
    with pytest.raises(EventError, match="not running"):
        modules.show_now({"type": "t"})
    assert len(Recorder.made) == 2
    for one in Recorder.made:
        one.goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "guardrails-events":
            thread.join(5)
    with pytest.raises(EventError, match="too long"):
        modules.show_now({"type": "t"})
    assert len(Recorder.made) == 3
    modules.close()


def test_nothing_runs_after_close() -> None:
    modules = running("use: 'acme_events:Recorder'")
    modules.show_now({"type": "t"})
    modules.close()
    modules.close()
    with pytest.raises(EventError, match="not running"):
        modules.show_now({"type": "t"})


def test_a_policy_that_observes_shows_nothing() -> None:
    assert event_modules(of("use: 'acme_events:Recorder'", rest="mode: observe\n")) is None


def test_a_module_that_cannot_be_made_is_said_at_the_start() -> None:
    with pytest.raises(GuardrailError, match="cannot be made"):
        event_modules(of("use: 'acme_events:Recorder', no_such: 1"))
    with pytest.raises(ModuleNotAvailable):
        event_modules(of("use: 'acme_events:NoSuch'"))


def test_a_module_that_sees_events_is_told_by_its_method() -> None:
    assert isinstance(Recorder(), EventModule)
    assert not isinstance(Finder(), EventModule)
