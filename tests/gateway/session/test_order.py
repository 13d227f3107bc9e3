"""Turns that wait for a connection, connections that end, answers that are examined: nobody is lost, nothing overtakes."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import NotExamined, UpstreamError
from gateway.wire.frame import Json
from tests.kit import EMAIL, REPLAY, RESTORE, Wire

TWO = ("east", "west")
ERROR: dict[str, Json] = {"type": "error", "status": 400, "error": {"code": "x", "message": "no"}}
LEFT = UpstreamError("The provider left.")


def message(text: str) -> dict[str, Json]:
    part: Json = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}


def completed(name: str, text: str = "Done.", **more: Json) -> dict[str, Json]:
    whole: Json = {"id": name, "status": "completed", "output": [message(text)]}
    return {"type": "response.completed", "response": whole, **more}


def test_what_is_asked_while_a_connection_is_made_goes_over_that_connection() -> None:
    wire = Wire(deployments=TWO, homes={"resp_w": "west"}, vault={})
    wire.create(stream_id="a")
    wire.begin("resp_a", stream_id="a")
    wire.provider(completed("resp_a", stream_id="a"))
    wire.hold_connects = True
    wire.create("on", previous_response_id="resp_w", stream_id="a")
    assert [connect.deployment for connect in wire.connects] == ["west"]
    assert wire.create("from b", stream_id="b") == [], "it waits for the connection that is being made"
    wire.perform(wire.session.connected("gpt-5.1", "gpt-5.1", 0.0, deployment="west"))
    assert [frame["stream_id"] for frame in wire.sent_up] == ["a", "a", "b"]


def test_a_turn_waits_for_what_is_under_way_before_it_goes_where_it_has_to() -> None:
    wire = Wire(deployments=TWO, homes={"resp_w": "west"})
    wire.create(stream_id="a")
    wire.begin("resp_a", stream_id="a")
    assert wire.create("go on", stream_id="b", previous_response_id="resp_w") == []
    assert wire.create("later", stream_id="c") == [], "nothing new keeps it waiting"
    wire.provider(completed("resp_a", stream_id="a"))
    assert wire.dialled == ["east", "west"]
    assert [frame["stream_id"] for frame in wire.sent_up] == ["a", "b", "c"]


def test_an_answer_whose_end_is_there_is_not_lost_with_the_connection() -> None:
    wire = Wire(REPLAY, hold=True)
    wire.create("one")
    wire.answer()
    wire.create("two")
    wire.answer()
    wire.begin("resp_1")
    while wire.questions:
        wire.answer()
    wire.provider(completed("resp_1"))
    held = len(wire.questions)
    wire.begin("resp_2")
    told = wire.leave()
    assert [event["type"] for event in told] == ["error"], "the second is lost"
    assert held
    while wire.questions:
        wire.answer()
    assert wire.sent_down[-1]["response"]["id"] == "resp_1"  # type: ignore[index, call-overload]
    assert [row.direction for row in wire.rows] == ["input", "input", "output", "output"]
    assert wire.session.idle
    assert wire.timers == {}


def test_an_error_after_an_end_that_is_examined_is_the_next_turns() -> None:
    wire = Wire(REPLAY, hold=True)
    for text in ("one", f"two {EMAIL}"):
        wire.create(text)
        wire.answer()
    wire.begin("resp_1")
    wire.provider(completed("resp_1"))
    wire.provider(ERROR)
    while wire.questions:
        wire.answer()
    assert [event["type"] for event in wire.sent_down if event["type"] in ("response.completed", "error")] == [
        "response.completed",
        "error",
    ]
    assert (wire.session.in_flight, wire.timers) == (0, {})
    wire.hold = False
    wire.create("three")
    wire.begin("resp_3")
    assert wire.provider(completed("resp_3"))[-1]["response"]["id"] == "resp_3"  # type: ignore[index, call-overload]


def test_a_lane_moves_whole_or_not_at_all() -> None:
    wire = Wire(deployments=TWO, homes={"resp_e": "east"})
    wire.create("free")
    wire.create("bound", previous_response_id="resp_e")
    told = wire.leave()
    assert [event["type"] for event in told] == ["error", "error"], "in their order"
    assert wire.dialled == ["east"]


def test_a_lane_behind_one_that_takes_too_long_begins_anew() -> None:
    wire = Wire()
    wire.create(stream_id="a")
    (timer,) = wire.timers
    wire.create(stream_id="b")
    wire.begin("resp_b", stream_id="b")
    wire.timers.pop(timer)
    wire.perform(wire.session.timer(timer, 0.0))
    assert wire.create("next", stream_id="a") == [], "the provider would answer the one before first"
    wire.provider(completed("resp_b", stream_id="b"))
    assert wire.disconnected == 1
    assert [frame["input"] for frame in wire.sent_up] == ["hello", "hello", "next"]
    wire.begin("resp_n", stream_id="a")
    assert wire.provider(completed("resp_n", stream_id="a"))[-1]["type"] == "response.completed"


@pytest.mark.parametrize("of", [RESTORE, REPLAY], ids=["restore", "replay"])
def test_a_moved_turn_that_takes_too_long_leaves_no_timer(of: Any) -> None:
    wire = Wire(of, deployments=TWO)
    wire.create()
    wire.session.upstream_closed(LEFT, 0.0)
    wire.ring()
    assert wire.timers == {}
    assert wire.session.idle


def test_what_one_key_has_held_is_nothing_to_another() -> None:
    held: dict[str, Json] = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "gAAAA" + "b" * 80}
    first = Wire(deployments=TWO)
    first.create()
    first.begin()
    first.provider(
        {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [held]}}
    )
    other = Wire(deployments=("west", "east"), tenant="team-b", vault=first.vault, homes=first.homes)
    assert other.create([held])
    assert other.dialled == ["west"]


def test_words_of_anybodys_own_data_hold_nobody() -> None:
    wire = Wire(deployments=TWO)
    wire.create(metadata={"container": "web", "conversation": "about tea", "encrypted_content": "short"})
    wire.begin()
    wire.provider(completed("resp_1", metadata={"container": "web"}))
    assert [name for name in wire.homes if name.startswith("held_")] == []


# Modules that see events


def test_after_a_refusal_the_next_turn_is_shown_too() -> None:
    seen: list[Any] = []

    def on_event(event: Any) -> object:
        seen.append(event["type"])
        if len(seen) == 2:
            raise NotExamined("A module failed.")
        return event

    wire = Wire(on_event=on_event)
    wire.hold_shows = True
    wire.create("one")
    wire.begin("resp_1")
    wire.provider({"type": "response.output_text.delta", "delta": "secret one"})
    wire.provider(completed("resp_1", "secret one"))
    wire.show()
    wire.show()
    assert wire.sent_down[-1]["type"] == "error"
    wire.create("two")
    wire.begin("resp_2")
    wire.provider({"type": "response.output_text.delta", "delta": "secret two"})
    while wire.shows:
        wire.show()
    assert seen.count("response.output_text.delta") == 2, "the second turn's was shown"


def test_an_answer_that_modules_look_at_has_begun_and_is_not_lost() -> None:
    wire = Wire(on_event=lambda event: event, deployments=TWO)
    wire.hold_shows = True
    wire.create("one")
    wire.begin("resp_1")
    wire.provider(completed("resp_1"))
    wire.leave()
    assert wire.dialled == ["east"], "no other deployment is asked"
    while wire.shows:
        wire.show()
    assert wire.sent_down[-1]["type"] == "response.completed"
    assert wire.create("two"), "and the next turn dials again"
