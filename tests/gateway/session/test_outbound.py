"""From the provider to the client: which response an event belongs to, how it ends, and what is recorded of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.audit.record import Usage
from gateway.errors import UpstreamError
from gateway.session.states import Bounds
from tests.kit import EMAIL, Wire, policy, token

GRACE = "grace.hopper@example.com"
MASKING = policy("output: {mask: new}\n")
POLICIES = pytest.mark.parametrize("of", [policy(), MASKING], ids=["restoring", "masking"])
TOO_LONG = "The response took longer than this gateway allows."


def delta(text: str, **more: Any) -> dict[str, Any]:
    at = {"item_id": "msg", "output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", **at, "delta": text, **more}


def message(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [part]}


def ended(how: str, response_id: str = "resp_1", text: str | None = None, **response: Any) -> dict[str, Any]:
    output = [] if text is None else [message(text)]
    return {"type": f"response.{how}", "response": {"id": response_id, "output": output, **response}}


def kinds(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


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
        ({"input_tokens": "5", "output_tokens": True, "total_tokens": 1.5}, Usage(0, 0, 0)),
        ({}, Usage(0, 0, 0)),
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
    error = {"type": "invalid_request_error", "code": "rate_limit_exceeded", "message": "later", "param": None}
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
    steer = {"id": "steer_1", "previous_response_id": "resp_1"}
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


# Errors of the provider


@pytest.mark.parametrize("status", [401, 403, 426, 500, 503, None, "400"])
@POLICIES
def test_an_error_after_which_clients_hang_or_leave_is_told_in_another_form(of: Any, status: Any) -> None:
    wire = Wire(policy=of)
    wire.create("x", stream_id="a")
    wire.begin("resp_1", stream_id="a")
    error = {"type": "server_error", "code": "server_error", "message": "The server had an error."}
    frame = {"type": "error", "stream_id": "a", "error": error} | ({} if status is None else {"status": status})
    (given,) = wire.provider(frame)
    assert (given["type"], given["status"], given["stream_id"]) == ("error", 400, "a")
    assert given["error"]["message"] == "The server had an error."  # type: ignore[index, call-overload]
    assert given["error"]["code"] == ("invalid_prompt" if isinstance(status, int) else "server_error")  # type: ignore[index, call-overload]
    assert not wire.timers
    assert rows(wire)[-1].reason == "The provider answered with an error."


@POLICIES
def test_the_flat_form_of_an_error_is_told_in_the_nested_one(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create("x")
    wire.begin()
    (given,) = wire.provider({"type": "error", "code": "server_error", "message": "Sorry.", "param": None})
    assert given["status"] == 400
    assert given["error"]["message"] == "Sorry."  # type: ignore[index, call-overload]
    assert "message" not in given


@POLICIES
@pytest.mark.parametrize("status", [400, 404, 409, 429])
def test_any_other_error_goes_on_as_it_is(of: Any, status: int) -> None:
    wire = Wire(policy=of)
    wire.create("x")
    error = {"type": "invalid_request_error", "code": "previous_response_not_found", "message": "No.", "param": None}
    frame = {"type": "error", "status": status, "error": error}
    assert wire.provider(frame) == [frame]


def test_an_errors_text_is_restored() -> None:
    wire = Wire()
    (one,) = wire.create(f"mail {EMAIL}")
    name = str(one["input"])[5:]
    error = {"type": "invalid_request_error", "code": "x", "message": f"bad: {name}", "param": None}
    (given,) = wire.provider({"type": "error", "status": 400, "error": error})
    assert given["error"]["message"] == f"bad: {EMAIL}"  # type: ignore[index, call-overload]


# The provider's name for the model


def test_a_models_name_in_an_events_headers_is_dropped_when_the_model_was_rewritten() -> None:
    event = {"type": "codex.response.metadata", "headers": {"OpenAI-Model": "azure-7", "x-request-id": "r"}}
    for wire, kept in (
        (Wire(), True),
        (Wire(provider_models={"gpt-5.1": "azure-7"}), False),
        (Wire(asked="gpt-5.1-mini"), False),
    ):
        wire.create("x")
        wire.begin()
        (given,) = wire.provider(event)
        assert ("OpenAI-Model" in given["headers"]) is kept  # type: ignore[operator]
        assert given["headers"]["x-request-id"] == "r"  # type: ignore[index, call-overload]


# The provider leaves


@POLICIES
def test_when_the_provider_leaves_everything_under_way_is_refused_and_the_next_frame_dials_again(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create("a")
    wire.begin("resp_1")
    wire.create("b")
    wire.create("c", stream_id="lane-1")
    wire.create("d", stream_id="lane-2")
    wire.begin("resp_2", stream_id="lane-2")
    wire.provider({**ended("completed", "resp_2"), "stream_id": "lane-2"})
    wire.sent_down.clear()
    wire.perform(wire.session.upstream_closed(UpstreamError("The provider closed the connection."), 1.0))
    assert kinds(wire.sent_down) == ["error"] * 3
    assert [frame.get("stream_id") for frame in wire.sent_down] == [None, None, "lane-1"]
    assert {frame["error"]["message"] for frame in wire.sent_down} == {"The provider closed the connection."}  # type: ignore[index, call-overload]
    assert [(row.decision, row.turn) for row in rows(wire)][1:] == [("failed", 1), ("failed", 2), ("failed", 3)]
    assert not wire.timers
    assert wire.session.idle
    assert wire.create("e"), "dialled again"
    assert kinds(wire.begin("resp_3")) == ["response.created"]


def test_an_answer_of_detection_for_a_provider_that_left_is_ignored() -> None:
    wire = Wire(policy=MASKING)
    wire.create("x")
    wire.begin()
    wire.hold = True
    wire.provider(ended("completed", text="hi"))
    (question,) = wire.questions
    wire.perform(wire.session.upstream_closed(UpstreamError("gone"), 1.0))
    before = len(wire.sent_down)
    wire.perform(wire.session.detected(question.ticket, [[]] * len(question.texts), 0.0, 1.0))
    wire.perform(wire.session.detection_failed(question.ticket, UpstreamError("x"), 1.0))
    assert len(wire.sent_down) == before


BROKEN = ["not json", "[]", '"text"', "{}", '{"type": 5}', '{"type": ["response.created"]}', '{"type": null}', ""]


@POLICIES
@pytest.mark.parametrize("data", BROKEN)
def test_what_is_no_event_fails_what_is_under_way_and_says_nothing_of_it(of: Any, data: str) -> None:
    wire = Wire(policy=of)
    wire.create("x")
    wire.begin()
    (given,) = wire.provider(data)
    assert (given["type"], given["status"]) == ("error", 400)
    assert given["error"]["message"] == "The provider sent something that is not an event."  # type: ignore[index, call-overload]
    assert not wire.timers
    assert rows(wire)[-1].decision == "failed"


def test_what_follows_of_a_response_that_was_given_up_is_not_sent() -> None:
    wire = Wire()
    wire.create("x")
    wire.begin()
    wire.provider("not json")
    assert wire.provider(delta("more")) == []
    assert wire.provider(ended("completed")) == []
    assert wire.create("again")
    assert kinds(wire.begin("resp_2")) == ["response.created"]
    assert kinds(wire.provider(ended("completed", "resp_2"))) == ["response.completed"]


def test_json_deeper_than_clients_read_does_not_end_the_gateway() -> None:
    wire = Wire()
    wire.create("x")
    wire.begin()
    deep = "[" * 900 + "]" * 900
    given = wire.provider(f'{{"type": "response.output_item.done", "output_index": 0, "item": {deep}}}')
    assert len(given) == 1


# Time


@POLICIES
def test_a_response_that_takes_too_long_is_refused_and_nothing_more_of_it_comes(of: Any) -> None:
    wire = Wire(policy=of, bounds=Bounds(response=30.0))
    wire.create("x", stream_id="a")
    wire.begin("resp_1", stream_id="a")
    (ticket,) = [ticket for ticket, seconds in wire.timers.items() if seconds == 30.0]
    del wire.timers[ticket]
    wire.perform(wire.session.timer(ticket, 30.0))
    assert wire.sent_down[-1]["error"]["message"] == TOO_LONG  # type: ignore[index, call-overload]
    assert wire.sent_down[-1]["stream_id"] == "a"
    (row,) = rows(wire)
    assert (row.decision, row.reason) == ("failed", TOO_LONG)
    assert wire.provider(delta("late", stream_id="a")) == []
    assert wire.provider({**ended("completed"), "stream_id": "a"}) == []
    assert len(rows(wire)) == 1, "it is recorded once"
    assert not wire.timers
    assert wire.create("again", stream_id="a")
    assert kinds(wire.begin("resp_2", stream_id="a")) == ["response.created"]


def test_a_timer_of_what_is_over_does_nothing() -> None:
    wire = Wire()
    wire.create("x")
    (ticket,) = wire.timers
    wire.begin()
    wire.provider(ended("completed"))
    assert wire.session.timer(ticket, 1.0) == []


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
    assert [(one.applied.entity, one.place) for one in row.findings] == [
        ("EMAIL_ADDRESS", "response.output[0].content[0].text")
    ]
