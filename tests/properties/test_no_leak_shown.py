"""Under output masking a module with `on_event` sees nothing unexamined, and brings nothing unexamined to the client."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.session.replay import Replay
from gateway.wire.frame import encode
from tests.kit import REPLAY, REPLAY_ALL, SUPPRESS
from tests.properties.answers import CASES, EACH, run
from tests.properties.planting import Place, everywhere, leaked, leaks, plantings

KEEP = frozenset({"type", "stream_id", "output_index"})


class Seen:
    """A module that keeps what it is shown."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def __call__(self, event: Any) -> object:
        self.events.append(event)
        return event

    @property
    def leaks(self) -> bool:
        return leaks(encode(self.events))


def check_one_at_a_time(name: str) -> None:
    """The property: a canary in one place is shown to no module, and gets no further."""
    seen: set[Place] = set()
    for event in CASES[name]:
        for place, planted in plantings(event, seen):
            module = Seen()
            assert leaked(run(planted, REPLAY, on_event=module)) == [], place
            assert not module.leaks, place


@pytest.mark.parametrize("name", [name for name in EACH if name != "response.completed"])
def test_a_canary_in_any_one_place_is_never_shown(name: str) -> None:
    check_one_at_a_time(name)


def test_canaries_in_all_places_of_a_whole_response_are_never_shown() -> None:
    """One at a time they are in the items above; it would take long."""
    for event in CASES["response.completed"]:
        module = Seen()
        assert leaked(run(everywhere(event, keep=KEEP), REPLAY, on_event=module)) == []
        assert module.events
        assert not module.leaks


@pytest.mark.parametrize("of", [REPLAY, REPLAY_ALL, SUPPRESS], ids=["new", "all", "suppress"])
def test_canaries_that_a_module_puts_everywhere_never_reach_the_client(of: Any) -> None:
    for name in EACH:
        for event in CASES[name]:
            assert leaked(run(event, of, on_event=lambda shown: everywhere(shown, keep=KEEP))) == [], name


def test_the_property_fails_where_events_are_shown_as_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replay, "hide", lambda self, waiting: None)
    with pytest.raises(AssertionError):
        check_one_at_a_time("item-message")


def test_the_second_property_fails_where_answers_of_modules_skip_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replay, "_mask", lambda self, waiting, *, restore=True: None)
    with pytest.raises(AssertionError):
        test_canaries_that_a_module_puts_everywhere_never_reach_the_client(REPLAY)
