"""Masked answers while they are held back: blocked, examined late or not at all, and heartbeats meanwhile."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.gateway.session.masked import EVERY_ITEM, ITEMS, RAW, begun, clean, completed, done, names
from tests.kit import REPLAY, SUPPRESS, Wire, noted, policy

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()

BLOCKING = policy("output: {mask: new}\nactions: {US_SSN: {output: block}}\n")


@pytest.mark.parametrize("item", [None, "text", [RAW], 5])
@pytest.mark.parametrize("index", [0, None, "0"])
def test_an_item_or_an_index_of_another_shape_is_masked_all_the_same(item: Any, index: Any) -> None:
    wire = begun()
    given = wire.provider(done(item, index))
    assert clean(given)
    assert clean(wire.provider(completed(item)))
    assert wire.sent_down[-1]["type"] == "response.completed"


def test_pictures_and_sounds_are_not_sent_unless_attachments_are_allowed() -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG}
    for allowed in (False, True):
        rest = "output: {mask: new}\n" + ("input: {attachments: allow}\n" if allowed else "")
        wire = begun(policy(rest))
        given = wire.provider({"type": "response.audio.delta", "delta": PNG})
        partial = {"item_id": "ig_1", "output_index": 0, "partial_image_index": 0, "partial_image_b64": PNG}
        given += wire.provider({"type": "response.image_generation_call.partial_image", **partial})
        assert len(given) == (2 if allowed else 0)
        given += wire.provider(done(item))
        given += wire.provider(completed(item))
        assert (PNG in json.dumps(given)) is allowed


@pytest.mark.parametrize("holder", ["function_call", "mcp_call"])
@pytest.mark.parametrize("allowed", [False, True])
def test_a_picture_in_the_arguments_of_a_call_is_one_too(holder: str, allowed: bool) -> None:
    """Also where nothing else in them changes."""
    wire = begun(policy("output: {mask: new}\n" + ("input: {attachments: allow}\n" if allowed else "")))
    source = json.dumps({"n": 1, "picture": [f"data:image/png;base64,{PNG}"]})
    item = {"type": holder, "id": "item", "name": "show", "arguments": source, "status": "completed"}
    given = wire.provider(done(item)) + wire.provider(completed(item))
    assert (PNG in json.dumps(given)) is allowed
    last: Any = given[-1]["response"]
    shown = json.loads(last["output"][0]["arguments"])
    assert shown == (json.loads(source) if allowed else {"n": 1, "picture": [""]})


# Suppress


@EVERY_ITEM
def test_suppress_sends_the_beginning_and_the_masked_end_only(item: dict[str, Any], expected: list[str]) -> None:
    wire = begun(SUPPRESS)
    assert wire.provider(done(item)) == []
    assert wire.provider({"type": "response.web_search_call.searching", "item_id": "item", "output_index": 0}) == []
    assert names(wire.provider(completed(item))) == ["completed"]
    assert names(wire.sent_down) == ["created", "completed"]
    assert clean(wire.sent_down)


# Blocking


def test_a_blocked_entity_in_an_answer_ends_the_response_with_a_refusal() -> None:
    wire = begun(BLOCKING, stream_id="lane-1")
    (given,) = wire.provider(done(ITEMS["message"][0], stream_id="lane-1"))
    assert (given["type"], given["status"], given["stream_id"]) == ("error", 400, "lane-1")
    assert given["error"]["message"] == "Policy test does not let US_SSN through in an answer."
    assert wire.provider(done(ITEMS["function_call"][0], 1, stream_id="lane-1")) == []
    assert wire.provider(completed(ITEMS["message"][0], stream_id="lane-1")) == []
    row = wire.rows[-1]
    assert (row.direction, row.decision) == ("output", "blocked")
    assert ("US_SSN", "block") in {(one.entity, one.action) for one, _ in noted(row)}
    assert len(wire.rows) == 2
    assert not wire.timers
    assert wire.create("again", stream_id="lane-1")
    assert names(wire.begin("resp_2", stream_id="lane-1")) == ["created"]


def test_suppress_blocks_with_the_last_event() -> None:
    wire = begun(policy("output: {mask: new, delivery: suppress}\nactions: {US_SSN: {output: block}}\n"))
    assert wire.provider(done(ITEMS["message"][0])) == []
    assert names(wire.provider(completed(ITEMS["message"][0]))) == ["error"]
    assert wire.rows[-1].decision == "blocked"


# Detection


def test_an_answer_that_cannot_be_examined_is_refused_and_the_connection_lives_on() -> None:
    wire = begun(stream_id="lane-1")
    wire.hold = True
    assert wire.provider(done(ITEMS["message"][0], stream_id="lane-1")) == []
    wire.fail()
    (given,) = wire.sent_down[1:]
    assert (given["type"], given["status"], given["stream_id"]) == ("error", 400, "lane-1")
    assert wire.rows[-1].decision == "failed"
    wire.hold = False
    assert wire.provider(completed(ITEMS["message"][0], stream_id="lane-1")) == []
    assert not wire.timers
    assert wire.create("again", stream_id="lane-1")


def test_events_of_a_lane_keep_their_order_while_they_are_examined() -> None:
    wire = begun()
    wire.hold = True
    wire.provider(done(ITEMS["message"][0]))
    wire.provider(done({**ITEMS["web_search_call"][0], "id": "second"}, 1))
    wire.provider({"type": "keepalive"})
    wire.provider(completed())
    assert names(wire.sent_down) == ["created"]
    while len(wire.questions) > 1:
        wire.answer(1)
    assert names(wire.sent_down) == ["created"]
    wire.answer()
    given = names(wire.sent_down)[1:]
    assert [name for name in given if name in ("output_item.done", "keepalive", "completed")] == [
        *("output_item.done", "output_item.done", "keepalive", "completed")
    ]


def test_no_lane_waits_for_the_answers_of_another() -> None:
    wire = Wire(policy=REPLAY)
    for lane in ("a", "b"):
        wire.create("x", stream_id=lane)
        wire.begin(f"resp_{lane}", stream_id=lane)
    wire.hold = True
    wire.provider(done(ITEMS["message"][0], stream_id="a"))
    wire.provider(done(ITEMS["message"][0], stream_id="b"))
    before = len(wire.sent_down)
    wire.answer(1)
    assert {event["stream_id"] for event in wire.sent_down[before:]} == {"b"}
    assert len(wire.questions) == 1


def test_a_refused_item_lets_nothing_that_was_examined_later_through() -> None:
    wire = begun()
    wire.hold = True
    wire.provider(done(ITEMS["message"][0]))
    wire.provider(completed(ITEMS["message"][0]))
    wire.answer(1)
    wire.fail()
    assert names(wire.sent_down) == ["created", "error"]
    assert wire.session.idle


def test_events_that_wait_for_detection_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.session.outbound._MAX_WAITING", 3)
    wire = begun()
    wire.hold = True
    for _ in range(10):
        wire.provider({"type": "keepalive", "x": "y"})
    assert len(wire.questions) == 3
    while wire.questions:
        wire.answer()
    assert names(wire.sent_down) == ["created", "keepalive", "keepalive", "keepalive", "error"]


# Heartbeats


def test_a_client_that_waits_is_told_so_by_a_text_frame() -> None:
    wire = begun(text="x", stream_id="lane-1")
    wire.provider({
        "type": "response.in_progress",
        "response": {"id": "resp_1", "instructions": RAW},
        "sequence_number": 1,
        "stream_id": "lane-1",
    })  # fmt: skip
    beat_ticket = next(ticket for ticket, seconds in wire.timers.items() if seconds == 5.0)
    wire.perform(wire.session.timer(beat_ticket, 5.0))
    before = len(wire.sent_down)
    assert names(wire.sent_down) == ["created", "in_progress"], "something was sent meanwhile"
    for _ in range(3):
        beat_ticket = max(ticket for ticket, seconds in wire.timers.items() if seconds == 5.0)
        wire.perform(wire.session.timer(beat_ticket, 10.0))
    beats = wire.sent_down[before:]
    assert names(beats) == ["in_progress"] * 3
    assert clean(beats)
    assert [beat["stream_id"] for beat in beats] == ["lane-1"] * 3
    numbers = [beat["sequence_number"] for beat in beats]
    assert numbers == sorted(set(numbers))


def test_before_a_response_says_anything_the_heartbeat_is_a_keepalive() -> None:
    wire = Wire(policy=REPLAY)
    wire.create("x", stream_id="lane-1")
    wire.hold = True
    wire.begin("resp_1", stream_id="lane-1")
    ticket = next(ticket for ticket, seconds in wire.timers.items() if seconds == 5.0)
    wire.perform(wire.session.timer(ticket, 5.0))
    assert wire.sent_down == [{"type": "keepalive", "stream_id": "lane-1"}]


def test_what_is_dropped_does_not_count_as_sent_and_what_is_sent_does() -> None:
    wire = begun()

    def beat() -> list[str]:
        before = len(wire.sent_down)
        ticket = max(ticket for ticket, seconds in wire.timers.items() if seconds == 5.0)
        del wire.timers[ticket]
        wire.perform(wire.session.timer(ticket, 1.0))
        return names(wire.sent_down[before:])

    assert beat() == [], "created was sent"
    wire.provider({"type": "response.output_text.delta", "delta": "x", "output_index": 0})
    assert beat() == ["in_progress"]
    wire.provider(done(ITEMS["message"][0]))
    assert beat() == []
    assert beat() == ["in_progress"]
    wire.provider(completed())
    assert not wire.timers


def test_a_refused_response_and_one_that_waits_its_turn_have_no_heartbeat() -> None:
    wire = begun(BLOCKING)
    wire.provider(done(ITEMS["message"][0]))
    before = len(wire.sent_down)
    ticket = max(ticket for ticket, seconds in wire.timers.items() if seconds == 5.0)
    wire.perform(wire.session.timer(ticket, 1.0))
    assert len(wire.sent_down) == before
    wire = Wire(policy=REPLAY)
    wire.create("x")
    ticket = max(ticket for ticket, seconds in wire.timers.items() if seconds == 5.0)
    wire.perform(wire.session.timer(ticket, 1.0))
    assert not wire.sent_down


def test_an_answer_of_too_many_values_is_refused() -> None:
    wire = begun()
    (given,) = wire.provider({"type": "response.output_item.done", "output_index": 0, "item": {"x": ["y"] * 50_001}})
    assert (given["type"], given["status"]) == ("error", 400)
    assert "too many values" in given["error"]["message"]
    assert wire.rows[-1].decision == "failed"


def test_a_blocked_entity_outside_any_response_is_refused_too() -> None:
    wire = Wire(policy=BLOCKING)
    (given,) = wire.provider({"type": "a.new.event", "text": RAW})
    assert given["type"] == "error"
    assert clean(given)


def test_an_answer_is_recorded_without_its_text_where_the_policy_says_so() -> None:
    wire = begun(policy("output: {mask: new}\naudit: {content: none}\n"))
    wire.provider(done(ITEMS["message"][0]))
    wire.provider(completed(ITEMS["message"][0]))
    row = wire.rows[-1]
    assert len(noted(row)) == 2
    assert not row.content


@pytest.mark.parametrize("how", ["completed", "incomplete", "failed"])
def test_suppress_puts_into_the_last_event_what_it_leaves_out(how: str) -> None:
    """Some providers end every response with an empty output; under suppress nothing else of it reaches the client."""
    wire = begun(SUPPRESS)
    wire.provider(done({**ITEMS["function_call"][0], "id": "second"}, 1))
    wire.provider(done(ITEMS["message"][0], 0))
    (last,) = wire.provider(completed(how=how))
    assert [item["type"] for item in last["response"]["output"]] == ["message", "function_call"]
    assert clean(last)
    assert {one.entity for one, _ in noted(wire.rows[-1])} == {"EMAIL_ADDRESS", "US_SSN"}
    wire.create("next")
    wire.begin("resp_2")
    response = {"id": "resp_2", "output": []}
    (last,) = wire.provider({"type": "response.completed", "response": response})
    assert last["response"]["output"] == [], "nothing of the one before"
