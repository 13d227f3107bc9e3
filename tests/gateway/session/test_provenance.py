"""The provenance rule: a value comes back where somebody whom the policy names has said it (decision 0026)."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from gateway.session.answers import Answers
from gateway.wire.frame import Json
from tests.kit import EMAIL, RESTORE, SSN, Wire
from tests.properties.spoken import (
    DELIVERIES,
    OTHER_EMAIL,
    SWITCHES,
    TOKEN,
    Frame,
    Kept,
    answer,
    cut,
    message,
    output,
    places,
    restoring_from,
    without,
)

PLACES: Final = places(EMAIL)
EVERY: Final = [pytest.param(o, p, id=f"{o}: {n}") for o, some in PLACES.items() for n, p in some.items()]


def ask(wire: Wire, place: Frame) -> list[str]:
    """The client asks; the tokens that the provider saw."""
    wire.client({"type": "response.create", "model": "gpt-5.1", "input": "who?", **place})
    assert EMAIL not in "".join(wire.raw_up)
    return TOKEN.findall(wire.raw_up[-1])


def check(wire: Kept, name: str, *, back: bool) -> None:
    """A token comes back as its value everywhere, or nowhere; and only in the first case was the value kept."""
    down = answer(wire, f"to {name} now", asked=json.loads(wire.raw_up[-1]))
    whole = wire.policy.output.delivery == "suppress" and wire.policy.output.mask != "off"
    assert down.count(EMAIL if back else name) >= (6 if whole else 12)
    assert (EMAIL in down, name in down) == (back, not back)
    assert wire.remembered == ({EMAIL} if back else set())
    if not back:
        assert all(EMAIL not in raw for raw in wire.raw_down)


# ------------------------------------------------------------------------------------------------------- each origin


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize(("origin", "place"), EVERY)
def test_a_value_comes_back_where_its_origin_is_named(origin: str, place: Frame, delivery: str) -> None:
    names = SWITCHES if origin == "other" else (origin,)
    wire = Kept(restoring_from(*names, more=DELIVERIES[delivery]))
    (name,) = set(ask(wire, place))
    check(wire, name, back=True)


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize(("origin", "place"), EVERY)
def test_a_value_stays_a_token_where_its_origin_is_not_named(origin: str, place: Frame, delivery: str) -> None:
    for left_out in SWITCHES if origin == "other" else (origin,):
        wire = Kept(without(left_out, more=DELIVERIES[delivery]))
        (name,) = set(ask(wire, place))
        check(wire, name, back=False)


@pytest.mark.parametrize(("origin", "place"), EVERY)
def test_by_default_it_does_not_matter_who_said_it(origin: str, place: Frame) -> None:
    del origin
    wire = Kept(RESTORE)
    (name,) = set(ask(wire, place))
    check(wire, name, back=True)


@pytest.mark.parametrize(("origin", "place"), EVERY)
def test_the_token_is_the_same_under_every_rule(origin: str, place: Frame) -> None:
    """So the provider's cache stays warm, and the token tells nobody which rule there is."""
    del origin
    assert ask(Wire(RESTORE), place) == ask(Wire(restoring_from("user")), place) == ask(Wire(restoring_from()), place)


# ------------------------------------------------------------------------------------------------ one of several places


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("hidden", ["instructions", "tool_outputs", "assistant", "other"])
def test_one_place_that_is_allowed_is_enough(hidden: str, first: bool) -> None:
    """The history that a client sends again has the old answer with the value in it, and the user's own message."""
    for place in PLACES[hidden].values():
        items = place.get("input", [])
        if "response" in place or not all(isinstance(item, dict) for item in items):
            continue
        mine = message("user", f"I am {EMAIL}")
        wire = Kept(restoring_from("user"))
        (name,) = set(ask(wire, {**place, "input": [mine, *items] if first else [*items, mine]}))
        check(wire, name, back=True)


def test_of_two_values_in_one_request_each_goes_by_its_own_origin() -> None:
    wire = Kept(without("tool_outputs"))
    mine, theirs = ask(wire, {"input": [message("user", EMAIL), output(OTHER_EMAIL)]})
    down = answer(wire, f"{mine} and {theirs}")
    assert f"{EMAIL} and {theirs}" in down
    assert OTHER_EMAIL not in down
    assert wire.remembered == {EMAIL}


def test_a_value_in_pieces_goes_by_the_origin_of_each_piece() -> None:
    wire = Wire(restoring_from("user"))
    wire.create(
        [message("user", "536-22"), message("user", "-1234"), message("system", "536-22"), message("system", "-1234")]
    )
    tokens = TOKEN.findall(wire.raw_up[-1])
    assert len(tokens) == 4
    assert tokens[:2] == tokens[2:], "the user said both pieces, too"
    wire = Wire(restoring_from("user"))
    wire.create([message("system", "536-22"), message("system", "-1234")])
    down = answer(wire, "".join(TOKEN.findall(wire.raw_up[-1])))
    assert "536-22" not in down
    assert "-1234" not in down


# -------------------------------------------------------------------------------------------------------------- lineage

CONVERSATION: Final = {"conversation": "conv_1"}
LINEAGE: Final = pytest.mark.parametrize(
    ("begun", "goes_on"),
    [({}, {"previous_response_id": "resp_1"}), (CONVERSATION, CONVERSATION)],
    ids=["a response", "a conversation"],
)


@LINEAGE
def test_later_turns_know_what_was_allowed_and_nothing_else(begun: Frame, goes_on: Frame) -> None:
    wire = Kept(restoring_from("user"))
    mine, theirs = ask(wire, {"input": [message("user", EMAIL), message("system", OTHER_EMAIL)], **begun})
    answer(wire, "ok")
    again = Kept(restoring_from("user"), vault=wire.vault, homes=wire.homes)
    again.create("repeat it all", **goes_on)
    down = answer(again, f"{mine} and {theirs}", "resp_2")
    assert f"{EMAIL} and {theirs}" in down
    assert again.remembered == wire.remembered == {EMAIL}


@LINEAGE
def test_who_says_a_value_later_gets_it_from_then_on(begun: Frame, goes_on: Frame) -> None:
    wire = Kept(restoring_from("user"))
    (name,) = set(ask(wire, {"instructions": f"of {EMAIL}", **begun}))
    assert EMAIL not in answer(wire, name)
    wire.create(f"is it {EMAIL}?", **goes_on)
    assert f"of {EMAIL}" in answer(wire, f"of {name}", "resp_2")
    wire.create([message("system", EMAIL)], **(goes_on | ({"previous_response_id": "resp_2"} if not begun else {})))
    assert f"of {EMAIL}" in answer(wire, f"of {name}", "resp_3")
    assert wire.remembered == {EMAIL}


def test_a_set_that_was_kept_under_another_rule_is_still_restored() -> None:
    """What was remembered does not say who said it."""
    wire = Kept(RESTORE)
    (name,) = set(ask(wire, {"instructions": f"of {EMAIL}"}))
    answer(wire, "ok")
    again = Kept(restoring_from("user"), vault=wire.vault)
    again.create("and now?", previous_response_id="resp_1")
    assert f"of {EMAIL}" in answer(again, f"of {name}", "resp_2")


@pytest.mark.parametrize("event", ["response.steer", "response.inject"])
@pytest.mark.parametrize("back", [True, False])
def test_what_joins_a_response_goes_by_the_same_rule(event: str, back: bool) -> None:
    wire = Kept(without("tool_outputs"))
    wire.create("hello")
    wire.begin()
    named = "previous_response_id" if event == "response.steer" else "response_id"
    added: Json = [message("user", f"rather {EMAIL}")] if back else [output(f"row of {EMAIL}")]
    wire.client({"type": event, named: "resp_1", "input": added})
    (name,) = TOKEN.findall(wire.raw_up[-1])
    at: Frame = {"item_id": "m", "output_index": 0, "content_index": 0}
    said = [wire.provider({"type": "response.output_text.delta", **at, "delta": f"{one}"}) for one in cut(f"{name}. ")]
    assert "".join(one["delta"] for event in said for one in event) == f"{EMAIL if back else name}. "
    check(wire, name, back=back)
    assert set(wire.vault["resp_1"].values.values()) == wire.remembered


def test_the_successor_of_a_steered_response_knows_no_more_than_it() -> None:
    wire = Kept(without("instructions"))
    (name,) = set(ask(wire, {"instructions": EMAIL}))
    wire.begin()
    wire.client({"type": "response.steer", "previous_response_id": "resp_1", "input": [message("system", EMAIL)]})
    details = {"reason": "steered"}
    wire.provider(
        {"type": "response.incomplete", "response": {"id": "resp_1", "output": [], "incomplete_details": details}}
    )
    check(wire, name, back=False)


# ------------------------------------------------------------------------------------------------- what a model gets by


@pytest.mark.parametrize("delivery", ["replay", "suppress", "live"])
@pytest.mark.parametrize("back", [True, False])
def test_a_value_that_the_provider_writes_out_counts_as_sent_only_by_whom_the_policy_names(
    delivery: str, back: bool
) -> None:
    """`output.mask: new` leaves alone what the client had sent; what a database had sent is masked."""
    wire = Kept(without("tool_outputs", more=DELIVERIES[delivery]))
    ask(wire, {"input": [message("user", EMAIL) if back else output(EMAIL)]})
    down = answer(wire, f"to {EMAIL} now")
    assert (EMAIL in down) == back
    assert (wire.rows[-1].findings == ()) == back


@pytest.mark.parametrize(
    "way", [str.lower, lambda t: t.replace("_", " "), lambda t: t.strip("<>"), lambda t: f"**{t}**"]
)
def test_no_form_of_the_token_brings_it_back(way: Any) -> None:
    wire = Kept(without("instructions"))
    name, _ = ask(wire, {"instructions": EMAIL, "input": OTHER_EMAIL})
    assert EMAIL not in answer(wire, f"it is {way(name)}.")


def test_a_user_who_writes_the_token_gets_the_token() -> None:
    wire = Kept(without("instructions"))
    (name,) = set(ask(wire, {"instructions": EMAIL}))
    answer(wire, f"it is {name}")
    wire.create(f"what is {name}?", previous_response_id="resp_1")
    assert EMAIL not in answer(wire, f"it is {name}", "resp_2")


def test_an_old_answer_with_the_token_in_it_brings_nothing_back() -> None:
    wire = Kept(without("instructions"))
    (name,) = set(ask(wire, {"instructions": EMAIL}))
    old = message("assistant", [{"type": "output_text", "text": f"it is {name}"}])
    ask(wire, {"instructions": EMAIL, "input": [old, message("user", "again")]})
    check(wire, name, back=False)


@pytest.mark.parametrize("back", [True, False])
def test_names_of_tools_go_by_the_rule_too(back: bool) -> None:
    """Where only letters, digits and `_` may stand, a value has another token. Whoever said it gets both back."""
    wire = Kept(restoring_from("user"))
    wire.create(f"go on with {SSN}" if back else "go on", tools=[{"type": "function", "name": f"f_{SSN}"}])
    tools: Any = wire.sent_up[-1]["tools"]
    wire.begin()
    item: Frame = {"type": "function_call", "id": "fc_1", "name": tools[0]["name"], "arguments": "{}"}
    (down,) = wire.provider({"type": "response.output_item.done", "output_index": 0, "item": item})
    assert down["item"] == (item | {"name": f"f_{SSN}"} if back else item)


def test_an_answer_from_memory_goes_by_the_rule() -> None:
    wire = Kept(without("instructions"), answers=Answers(ttl=60.0, max_bytes=1 << 20, clock=lambda: 0.0))
    (name,) = set(ask(wire, {"instructions": EMAIL}))
    part: Frame = {"type": "output_text", "text": f"it is {name}", "annotations": []}
    item: Frame = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    wire.begin()
    over: Frame = {"id": "resp_1", "status": "completed", "output": [item]}
    wire.provider({"type": "response.completed", "response": over})
    before = len(wire.raw_down)
    assert ask(wire, {"instructions": EMAIL}) == [name]
    assert len(wire.raw_up) == 1
    assert f"it is {name}" in "".join(wire.raw_down[before:])
    assert EMAIL not in "".join(wire.raw_down)


def test_a_refusal_holds_nothing_of_what_it_refuses() -> None:
    wire = Kept(restoring_from("user", rest="actions: {US_SSN: {input: block}}\n"))
    wire.create(f"{SSN}", instructions=EMAIL)
    (told,) = wire.raw_down
    assert wire.raw_up == []
    assert SSN not in told
    assert EMAIL not in told


def test_a_policy_that_observes_leaves_everything_alone() -> None:
    wire = Kept(restoring_from("user", rest="mode: observe\n"))
    wire.create("who?", instructions=EMAIL)
    assert EMAIL in wire.raw_up[-1]
    assert wire.rows[-1].decision == "observed"
