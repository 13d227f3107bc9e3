"""Lanes keep their own order and wait for nobody else; how many there are is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.session.states import Bounds
from tests.kit import EMAIL, Wire

GRACE = "grace.hopper@example.com"


def error(wire: Wire) -> dict[str, Any]:
    frame: Any = wire.sent_down[-1]
    assert (frame["type"], frame["status"]) == ("error", 400)
    return dict(frame["error"])


def delta(text: str, **more: Any) -> dict[str, Any]:
    at = {"item_id": "msg", "output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", **at, "delta": text, **more}


def completed(response_id: str, **more: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"id": response_id, "output": []}, **more}


def inputs(wire: Wire) -> list[Any]:
    return [frame["input"] for frame in wire.sent_up]


# Order


def test_a_lane_is_first_in_first_out_whatever_is_examined_first() -> None:
    wire = Wire(hold=True)
    for text in ("one", "two", "three"):
        wire.create(text)
    wire.answer(2)
    wire.answer(1)
    assert not wire.sent_up
    wire.answer(0)
    assert inputs(wire) == ["one", "two", "three"]
    assert [row.turn for row in wire.rows] == [1, 2, 3]


def test_no_lane_waits_for_the_detection_of_another() -> None:
    wire = Wire(hold=True)
    wire.create("slow", stream_id="a")
    wire.create("quick", stream_id="b")
    wire.create("default")
    wire.answer(1)
    wire.answer(1)
    assert inputs(wire) == ["quick", "default"]
    wire.begin("resp_b", stream_id="b")
    assert wire.provider(delta("hi", stream_id="b"))[0]["delta"] == "hi"
    wire.answer()
    assert inputs(wire) == ["quick", "default", "slow"]


def test_a_refused_frame_takes_its_place_in_the_order_and_holds_nobody_up() -> None:
    wire = Wire(hold=True, asked="gpt-5.1", mismatch="reject")
    wire.create("one")
    wire.create("two", model="gpt-9")
    wire.create("three")
    assert not wire.sent_down, "its answer waits for those of the frames before it"
    wire.answer(1)
    wire.answer(0)
    assert inputs(wire) == ["one", "three"]
    assert [(row.turn, row.decision) for row in wire.rows] == [(1, "forwarded"), (2, "refused"), (3, "forwarded")]


def test_the_answers_of_one_lane_belong_to_its_frames_in_order() -> None:
    wire = Wire()
    (one,) = wire.create(f"mail {EMAIL}", stream_id="a")
    (two,) = wire.create(f"mail {GRACE}", stream_id="a")
    wire.begin("resp_1", stream_id="a")
    mine, other = str(one["input"])[5:], str(two["input"])[5:]
    assert wire.provider(delta(f"{mine} {other} ", stream_id="a"))[0]["delta"] == f"{EMAIL} {other} "
    wire.provider(completed("resp_1", stream_id="a"))
    wire.begin("resp_2", stream_id="a")
    assert wire.provider(delta(f"{mine} {other} ", stream_id="a"))[0]["delta"] == f"{mine} {GRACE} "


def test_lanes_that_interleave_never_mix() -> None:
    wire = Wire()
    (one,) = wire.create(f"mail {EMAIL}", stream_id="a")
    (two,) = wire.create(f"mail {GRACE}", stream_id="b")
    names = {"a": str(one["input"])[5:], "b": str(two["input"])[5:]}
    for lane in names:
        wire.begin(f"resp_{lane}", stream_id=lane)
    given = {"a": "", "b": ""}
    for index in range(max(map(len, names.values()))):
        for lane, name in names.items():
            for event in wire.provider(delta(name[index : index + 1], stream_id=lane)):
                given[str(event["stream_id"])] += str(event["delta"])
    assert given == {"a": EMAIL, "b": GRACE}


def test_an_event_of_a_lane_that_nobody_opened_is_read_with_the_default_one() -> None:
    wire = Wire()
    (sent,) = wire.create(f"mail {EMAIL}")
    wire.begin()
    name = str(sent["input"])[5:]
    assert wire.provider(delta(f"{name}.", stream_id="nobody"))[0]["delta"] == f"{EMAIL}."
    assert wire.provider(delta(f"{name}.", stream_id=5))[0]["delta"] == f"{EMAIL}."


# What a lane may be called


@pytest.mark.parametrize("name", ["a", "A-Z_0.9", "x" * 256, "-", "."])
def test_a_lane_has_up_to_256_characters_of_a_few_kinds(name: str) -> None:
    (sent,) = Wire().create("x", stream_id=name)
    assert sent["stream_id"] == name


@pytest.mark.parametrize("name", ["", "x" * 257, "a b", "ä", "a/b", "a\n", 5, True, ["a"], {"a": 1}, EMAIL])
def test_any_other_name_is_refused(name: Any) -> None:
    wire = Wire()
    assert wire.create("x", stream_id=name) == []
    assert (error(wire)["code"], error(wire)["param"]) == ("invalid_stream_id", "stream_id")
    assert EMAIL not in wire.raw_down[-1]
    assert wire.create("the connection lives on")


def test_no_name_is_the_default_lane() -> None:
    wire = Wire()
    assert wire.create("x", stream_id=None)
    assert wire.create("y")
    assert [lane.name for lane in wire.session._lanes] == [None]


def test_a_name_with_data_in_it_is_refused() -> None:
    wire = Wire()
    assert wire.create("x", stream_id="lane-536-22-1234") == []
    assert error(wire)["code"] == "invalid_stream_id"
    assert not wire.raw_up


# Limits


def test_there_are_32_named_lanes_and_the_default_one() -> None:
    wire = Wire(bounds=Bounds(responses=100))
    assert all(wire.create("x", stream_id=f"lane-{number}") for number in range(32))
    assert wire.create("x")
    assert wire.create("x", stream_id="lane-32") == []
    assert error(wire)["code"] == "websocket_stream_limit_reached"
    assert "32" in error(wire)["message"]
    assert wire.create("x", stream_id="lane-31")


def test_there_are_16_responses_in_flight_until_one_is_over() -> None:
    wire = Wire()
    assert all(wire.create("x", stream_id=f"lane-{number}") for number in range(16))
    assert wire.create("x", stream_id="lane-16") == []
    assert wire.sent_down[-1]["stream_id"] == "lane-16"
    assert error(wire)["code"] == "websocket_stream_limit_reached"
    assert wire.create("x", stream_id="lane-0"), "the next one of a busy lane waits its turn"
    wire.begin("resp_5", stream_id="lane-5")
    assert wire.create("x", stream_id="lane-16") == []
    wire.provider(completed("resp_5", stream_id="lane-5"))
    assert wire.create("x", stream_id="lane-16")


def test_what_is_being_examined_counts_as_in_flight() -> None:
    wire = Wire(hold=True)
    for number in range(16):
        wire.create("x", stream_id=f"lane-{number}")
    wire.create("x", stream_id="lane-16")
    assert error(wire)["code"] == "websocket_stream_limit_reached"


@pytest.mark.parametrize("hold", [True, False], ids=["while they are examined", "while they are answered"])
def test_so_many_frames_may_wait_in_a_lane(hold: bool) -> None:
    wire = Wire(hold=hold, bounds=Bounds(queued=3))
    for _ in range(3):
        wire.create("x")
    assert not wire.sent_down
    wire.create("y")
    assert error(wire)["code"] == "websocket_stream_limit_reached", "at once: it does not wait with the others"
    while wire.questions:
        wire.answer()
    assert inputs(wire) == ["x", "x", "x"]
    wire.hold = False
    assert wire.create("z", stream_id="other")
    wire.begin()
    wire.provider(completed("resp_1"))
    assert wire.create("z"), "one of them is answered"


@pytest.mark.parametrize("kind", ["response.steer", "response.inject"])
def test_steering_that_waits_is_bounded_too(kind: str) -> None:
    wire = Wire(hold=True, bounds=Bounds(queued=3))
    for number in range(10):
        wire.client({"type": kind, "response_id": "resp_1", "input": f"x{number}"})
    assert len(wire.questions) == 3
    while wire.questions:
        wire.answer()
    assert inputs(wire) == ["x0", "x1", "x2"]
    assert [frame["type"] for frame in wire.sent_down] == ["error"] * 7
    wire.hold = False
    assert wire.client({"type": kind, "response_id": "resp_1", "input": "again"})
