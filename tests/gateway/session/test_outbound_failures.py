"""The provider fails, leaves, says nonsense or takes too long: the client is told, and the next turn works."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import UpstreamError
from gateway.session.states import Bounds
from tests.gateway.session.answering import MASKING, POLICIES, delta, ended, kinds
from tests.kit import EMAIL, Wire

TOO_LONG = "The response took longer than this gateway allows."


def rows(wire: Wire) -> list[Any]:
    """The rows of responses."""
    return [row for row in wire.rows if row.direction == "output"]


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
    error: Any = {
        "type": "invalid_request_error",
        "code": "previous_response_not_found",
        "message": "No.",
        "param": None,
    }
    frame: Any = {"type": "error", "status": status, "error": error}
    assert wire.provider(frame) == [frame]


@POLICIES
def test_a_response_that_failed_after_its_error_is_not_taken_for_the_next_one(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create("x")
    wire.create(f"mail {EMAIL}")
    wire.begin("resp_1")
    wire.provider({"type": "error", "status": 400, "error": {"code": "c", "message": "so"}})
    wire.provider(ended("failed", "resp_1"))
    assert [row.response.text for row in rows(wire)] == ["resp_1"]
    wire.begin("resp_2")
    wire.provider(ended("completed", "resp_2"))
    assert [row.response.text for row in rows(wire)] == ["resp_1", "resp_2"]
    assert rows(wire)[-1].turn == 2


def test_an_errors_text_is_restored() -> None:
    wire = Wire()
    (one,) = wire.create(f"mail {EMAIL}")
    name = str(one["input"])[5:]
    error: Any = {"type": "invalid_request_error", "code": "x", "message": f"bad: {name}", "param": None}
    (given,) = wire.provider({"type": "error", "status": 400, "error": error})
    assert given["error"]["message"] == f"bad: {EMAIL}"  # type: ignore[index, call-overload]


# The provider's name for the model


def test_a_models_name_in_an_events_headers_is_dropped_when_the_model_was_rewritten() -> None:
    event: Any = {"type": "codex.response.metadata", "headers": {"OpenAI-Model": "azure-7", "x-request-id": "r"}}
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
    item = ended("completed", text="hi")["response"]["output"][0]
    wire.provider({"type": "response.output_item.done", "output_index": 0, "item": item})
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
