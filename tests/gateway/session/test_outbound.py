"""From the provider to the client: which response an event belongs to, how it ends, and what is recorded of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.audit.record import Usage
from gateway.errors import UpstreamError
from gateway.session.states import Bounds
from tests.gateway.session.answering import MASKING, POLICIES, delta, ended, kinds, message
from tests.kit import EMAIL, Wire, noted, policy, token

GRACE = "grace.hopper@example.com"


def text_of(event: Any) -> Any:
    return event["response"]["output"][0]["content"][0]["text"]


def rows(wire: Wire) -> list[Any]:
    """The rows of responses."""
    return [row for row in wire.rows if row.direction == "output"]


# Beginning and end


@POLICIES
@pytest.mark.parametrize("how", ["completed", "incomplete", "failed"])
def test_a_response_ends_with_its_row_and_then_its_last_event(of: Any, how: str) -> None:
    wire = Wire(policy=of)
    wire.now = 10.0
    wire.create(f"mail {EMAIL}", stream_id="lane-1")
    wire.begin("resp_1", stream_id="lane-1")
    wire.now = 12.5
    wire.provider({**ended(how, text=f"to {token(wire, EMAIL)}"), "stream_id": "lane-1"})
    assert wire.sent_down[-1]["type"] == f"response.{how}"
    assert text_of(wire.sent_down[-1]) == f"to {EMAIL}"
    (row,) = rows(wire)
    assert (row.turn, row.event, row.decision, row.reason) == (1, "response", "forwarded", None)
    assert (row.lane.text, row.response.text, row.duration) == ("lane-1", "resp_1", 2.5)
    assert row.model_used == "gpt-5.1"


def test_a_row_has_the_usage_that_the_provider_counted() -> None:
    wire = Wire()
    for usage, expected in [
        ({"input_tokens": 5, "output_tokens": 7, "total_tokens": 12, "more": {}}, Usage(5, 7, 12)),
        ({"input_tokens": "5", "output_tokens": True, "total_tokens": 1.5}, Usage(complete=False)),
        ({}, Usage(complete=False)),
        (None, None),
        ("many", None),
    ]:
        wire.create("x")
        wire.begin()
        wire.provider(ended("completed", usage=usage))
        assert rows(wire)[-1].usage == expected


@POLICIES
def test_a_response_that_the_audit_cannot_take_is_not_ended_for_the_client(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create("x", stream_id="lane-1")
    wire.begin("resp_1", stream_id="lane-1")
    wire.audit_works = False
    given = wire.provider({**ended("completed", text="done"), "stream_id": "lane-1"})
    assert kinds(given) == ["error"]
    assert (given[0]["status"], given[0]["stream_id"]) == (400, "lane-1")
    wire.audit_works = True
    assert wire.create("again", stream_id="lane-1")
    assert kinds(wire.begin("resp_2", stream_id="lane-1")) == ["response.created"]
    assert kinds(wire.provider({**ended("completed", "resp_2"), "stream_id": "lane-1"})) == ["response.completed"]


@POLICIES
def test_a_refusal_of_a_running_response_that_cannot_be_recorded_names_its_lane(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create("x", stream_id="lane-1")
    wire.begin("resp_1", stream_id="lane-1")
    wire.audit_works = False
    wire.perform(wire.session.upstream_closed(UpstreamError("The provider left."), 0.0))
    assert wire.sent_down[-1]["type"] == "error"
    assert wire.sent_down[-1]["stream_id"] == "lane-1"


@POLICIES
def test_after_many_turns_a_session_holds_nothing_of_them(of: Any) -> None:
    wire = Wire(policy=of)
    for number in range(50):
        wire.create(f"mail {EMAIL}", previous_response_id=f"resp_{number - 1}")
        wire.begin(f"resp_{number}")
        wire.provider(delta("hi"))
        wire.provider({"type": "response.output_item.done", "output_index": 0, "item": message("hi")})
        wire.provider(ended("completed", f"resp_{number}", "hi"))
        assert not wire.timers
    session = wire.session
    assert session.idle
    assert not session._outbound._timers
    assert not session._outbound._jobs
    assert not session._inbound.pending
    assert not session._inbound._sent
    (lane,) = session._lanes
    assert not (lane.turns or lane.waiting or lane.out or lane.active)
    assert lane.last is not None
    assert lane.last.id == "resp_49"
    assert not (lane.last.streams or lane.last.asides or lane.last.timers)


@POLICIES
def test_timers_run_while_a_response_is_under_way_and_stop_at_its_end(of: Any) -> None:
    wire = Wire(policy=of, bounds=Bounds(response=30.0))
    wire.create("x")
    assert sorted(wire.timers.values()) == ([30.0] if of is not MASKING else [5.0, 30.0])
    wire.begin()
    wire.provider(ended("completed"))
    assert not wire.timers


@POLICIES
def test_an_error_for_a_response_that_has_not_begun_stops_its_timers(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create("x")
    wire.create("y")
    error: Any = {"type": "invalid_request_error", "code": "rate_limit_exceeded", "message": "later", "param": None}
    wire.provider({"type": "error", "status": 429, "error": error})
    assert len(wire.timers) == (2 if of is MASKING else 1), "those of the second"
    wire.begin("resp_2")
    wire.provider(ended("completed", "resp_2"))
    assert not wire.timers
    assert [(row.turn, row.decision, row.reason) for row in rows(wire)] == [
        (1, "forwarded", "The provider answered with an error."),
        (2, "forwarded", None),
    ]


def test_a_steered_response_is_followed_by_one_that_the_client_did_not_ask_for() -> None:
    wire = Wire(policy=MASKING)
    wire.create(f"mail {EMAIL}")
    wire.begin("resp_1")
    wire.provider(ended("incomplete", incomplete_details={"reason": "steered"}))
    assert not wire.timers
    wire.begin("resp_2")
    assert len(wire.timers) == 2, "it is watched like any other"
    wire.provider(ended("completed", "resp_2", f"to {token(wire, EMAIL)}"))
    assert text_of(wire.sent_down[-1]) == f"to {EMAIL}"
    assert [(row.turn, row.response.text) for row in rows(wire)] == [(1, "resp_1"), (1, "resp_2")]
    assert not wire.timers


def test_a_successor_comes_before_what_waits_in_the_lane() -> None:
    wire = Wire()
    (one,) = wire.create(f"mail {EMAIL}")
    wire.begin("resp_1")
    (two,) = wire.create(f"mail {GRACE}")
    wire.provider(ended("incomplete", incomplete_details={"reason": "steered"}))
    mine, other = str(one["input"])[5:], str(two["input"])[5:]
    both = f"{mine} {other} "
    wire.begin("resp_2")
    assert wire.provider(delta(both))[0]["delta"] == f"{EMAIL} {other} "
    wire.provider(ended("completed", "resp_2"))
    wire.begin("resp_3")
    assert wire.provider(delta(both))[0]["delta"] == f"{mine} {GRACE} "


def test_a_new_response_does_not_restore_what_another_conversation_sent() -> None:
    wire = Wire()
    (one,) = wire.create(f"mail {EMAIL}")
    wire.begin("resp_1")
    wire.provider(ended("completed"))
    wire.create("a new conversation")
    wire.begin("resp_2")
    name = str(one["input"])[5:]
    assert wire.provider(delta(f"{name} "))[0]["delta"] == f"{name} "
    wire.provider(ended("completed", "resp_2"))
    wire.create("the first goes on", previous_response_id="resp_1")
    wire.begin("resp_3")
    assert wire.provider(delta(f"{name} "))[0]["delta"] == f"{EMAIL} "


def test_what_still_comes_after_the_end_is_a_part_of_what_is_over() -> None:
    wire = Wire()
    (one,) = wire.create(f"mail {EMAIL}")
    wire.begin("resp_1")
    wire.provider(ended("completed"))
    name = str(one["input"])[5:]
    assert wire.provider(delta(f"{name} "))[0]["delta"] == f"{EMAIL} "
    assert wire.session.idle
    assert not wire.timers


@POLICIES
def test_steering_and_notices_do_not_end_a_response(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create("x")
    wire.begin()
    steer: Any = {"id": "steer_1", "previous_response_id": "resp_1"}
    event: Any
    for event in (
        {"type": "response.steer.accepted", "steer": steer},
        {"type": "response.steer.pending", "steer": steer, "reason": "waiting_for_required_input"},
        {"type": "codex.rate_limits", "plan_type": "pro"},
        {"type": "keepalive"},
        {"type": "a.new.event", "x": 1},
    ):
        assert kinds(wire.provider(event)) == [event["type"]]
    assert not rows(wire)
    wire.provider(ended("completed"))
    assert len(rows(wire)) == 1


# The client leaves


@POLICIES
def test_a_client_that_leaves_has_rows_of_what_it_leaves_behind(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create("a")
    wire.begin("resp_1")
    wire.provider(ended("completed"))
    wire.create("b")
    wire.begin("resp_2")
    wire.create("c")
    wire.create("d", stream_id="lane-1")
    left = wire.session.client_left(9.0)
    assert [(row.turn, row.decision, row.reason) for row in left] == [
        (2, "failed", "The client left."),
        (3, "failed", "The client left."),
        (4, "failed", "The client left."),
    ]
    assert left[0].response is not None
    assert left[0].response.text == "resp_2"
    assert wire.session.client_left(9.0) == [], "once"


def test_a_refused_response_is_recorded_once_when_the_client_leaves() -> None:
    wire = Wire()
    wire.create("a")
    wire.begin("resp_1")
    wire.ring()
    assert wire.session.client_left(1.0) == []


# What the record keeps


def test_no_row_of_an_answer_holds_a_value() -> None:
    wire = Wire(policy=policy("output: {mask: new}\naudit: {content: masked}\n"))
    wire.create(f"mail {EMAIL}")
    wire.begin()
    wire.provider(ended("completed", text=f"{token(wire, EMAIL)} or {EMAIL} or {GRACE}"))
    assert text_of(wire.sent_down[-1]).startswith(f"{EMAIL} or {EMAIL} or <EMAIL_ADDRESS_")
    written = json.dumps([row.as_json() for row in wire.rows])
    assert "ada" not in written
    assert "grace" not in written
    (row,) = rows(wire)
    assert row.decision == "masked"
    assert [(one.entity, place) for one, place in noted(row)] == [
        ("EMAIL_ADDRESS", "response.output[0].content[0].text")
    ]
