"""What only those have said whom the policy does not name never reaches the client, whatever else was said, by whom, and
in which turn. What one of the others said comes back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations, product
from typing import Final, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.session import masking
from gateway.wire import origins
from guardrails.vault import Restorable
from policies.model import RestoreFrom
from tests.kit import Wire
from tests.properties.spoken import DELIVERIES, SWITCHES, TOKEN, Frame, Kept, answer, message, places, restoring_from

VALUES: Final = tuple(f"person{number}@example.com" for number in range(4))
PLACES: Final = {value: places(value) for value in VALUES}
SPOKEN: Final = [
    (origin, name)
    for origin, some in PLACES[VALUES[0]].items()
    for name, place in some.items()
    if "response" not in place
]
WAYS: Final = ("again", "previous_response_id", "conversation", "response.steer", "response.inject")
LITTLE: Final = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


class Said(NamedTuple):
    """A value, who says it, and in which place of theirs."""

    origin: str
    place: str
    value: str


SAID: Final = st.builds(lambda where, value: Said(*where, value), st.sampled_from(SPOKEN), st.sampled_from(VALUES))
TURNS: Final = st.lists(st.lists(SAID, min_size=1, max_size=5), min_size=1, max_size=3)


def request(turn: Sequence[Said], before: Frame) -> tuple[Frame, list[Said]]:
    """A request with as much of a turn as one can have: of two that stand in one parameter only the first."""
    frame: Frame = {**before, "input": [*before.get("input", []), message("user", "and now?")]}
    had: list[Said] = []
    for one in turn:
        for key, part in PLACES[one.value][one.origin][one.place].items():
            if key == "input":
                frame["input"] += part if isinstance(part, list) else [message("user", part)]
            elif key in frame:
                continue
            else:
                frame[key] = part
            had.append(one)
    return frame, had


def check(turns: Sequence[Sequence[Said]], names: set[str], way: str, delivery: str) -> None:
    """The property, for one conversation."""
    wire = Kept(restoring_from(*names, more=DELIVERIES[delivery]))
    may = names | ({"other"} if names == set(SWITCHES) else set())
    allowed: set[str] = set()
    tokens: dict[str, None] = {}
    frame: Frame = {}
    for number, turn in enumerate(turns, 1):
        frame, had = request(turn, frame if way == "again" else {})
        allowed |= {one.value for one in had if one.origin in may}
        send(wire, frame, way, number)
        tokens |= dict.fromkeys(TOKEN.findall(wire.raw_up[-1]))
        down = answer(wire, " ".join(tokens), f"resp_{number}", asked=json.loads(wire.raw_up[-1]))
        assert {value for value in VALUES if value in down} == allowed
        assert wire.remembered == allowed
    assert not any(value in raw for raw in wire.raw_up for value in VALUES)


def send(wire: Wire, frame: Frame, way: str, number: int) -> None:
    """A turn, as this client goes on from the one before."""
    if way == "conversation":
        frame["conversation"] = "conv_1"
    elif number > 1 and way != "again":
        frame["previous_response_id"] = f"resp_{number - 1}"
    if not way.startswith("response."):
        wire.client({"type": "response.create", "model": "gpt-5.1", **frame})
        return
    goes_on = {"previous_response_id": frame["previous_response_id"]} if number > 1 else {}
    wire.create("hello", **goes_on)
    wire.begin(f"resp_{number}")
    named = "response_id" if way == "response.inject" else "previous_response_id"
    wire.client({"type": way, **frame, "previous_response_id": None, named: f"resp_{number}"})


NAMES: Final = [set(some) for size in range(5) for some in combinations(SWITCHES, size)]
ONE, OTHER = VALUES[:2]


def check_each_place() -> None:
    """The property for each place by itself, under every policy."""
    for where in SPOKEN:
        for names in NAMES:
            check([[Said(*where, ONE)]], names, "again", "off")


def check_two_turns(way: str) -> None:
    """The property for two turns that bring one value each."""
    for first, then in product(SPOKEN[::4], repeat=2):
        check([[Said(*first, ONE)], [Said(*then, OTHER)]], {"user", "assistant"}, way, "off")


def test_each_place_goes_by_its_origin() -> None:
    check_each_place()


@pytest.mark.parametrize("way", WAYS)
def test_two_turns_have_what_each_was_allowed(way: str) -> None:
    check_two_turns(way)


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("way", WAYS)
def test_only_what_somebody_has_said_whom_the_policy_names_comes_back(way: str, delivery: str) -> None:
    @LITTLE
    @given(turns=TURNS, names=st.sampled_from(NAMES))
    def holds(turns: list[list[Said]], names: set[str]) -> None:
        check(turns, names, way, delivery)

    holds()


# -------------------------------------------------------------------------------------------------------------- mutants


def test_taking_everybody_for_the_user_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: one origin for all."""
    monkeypatch.setattr(masking, "origin", lambda _frame, _text: "user")
    with pytest.raises(AssertionError):
        check_each_place()


@pytest.mark.parametrize("whose", ["user", "instructions", "tool_outputs", "assistant"])
@pytest.mark.parametrize(
    "kind", ["mcp_approval_response", "additional_tools", "function_call_output", "shell_call_output", "reasoning"]
)
def test_an_item_in_the_wrong_row_shows(monkeypatch: pytest.MonkeyPatch, kind: str, whose: str) -> None:
    """A mutant: an item that somebody else is said to have said."""
    if origins._ITEMS[kind] == whose:
        return
    monkeypatch.setitem(origins._ITEMS, kind, whose)
    with pytest.raises(AssertionError):
        check_each_place()


def test_allowing_what_is_nobodys_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: an unknown item counts as said by somebody who is allowed."""
    allows = RestoreFrom.allows
    monkeypatch.setattr(RestoreFrom, "allows", lambda self, origin: origin == "other" or allows(self, origin))
    with pytest.raises(AssertionError):
        check_each_place()


@pytest.mark.parametrize("way", WAYS)
def test_putting_back_what_was_set_apart_shows(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """A mutant: somebody is thought to have said every value before."""
    monkeypatch.setattr(Restorable, "is_value", lambda _self, _text: True)
    with pytest.raises(AssertionError):
        check_two_turns(way)


@pytest.mark.parametrize("way", ["previous_response_id", "conversation"])
def test_forgetting_what_somebody_said_before_shows(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """A mutant: each turn knows its own values only."""
    monkeypatch.setattr(Restorable, "with_values", lambda _self, values: Restorable(values))
    with pytest.raises(AssertionError):
        check_two_turns(way)
