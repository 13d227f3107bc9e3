"""Where the policy masks answers: raw pieces are dropped, and each item comes masked, as every client needs it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter

from policies.model import Policy
from tests.kit import EMAIL, REPLAY, REPLAY_ALL, SSN, SUPPRESS, Wire, policy, token

SDK: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)
GRACE = "grace.hopper@example.com"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()
RAW = f"Ask {GRACE} or {SSN}."
NEW = (GRACE, SSN, "grace", "hopper", "536-22")

BLOCKING = policy("output: {mask: new}\nactions: {US_SSN: {output: block}}\n")


def part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


ITEMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "message": (
        {"type": "message", "id": "item", "role": "assistant", "status": "completed", "content": [part(RAW)]},
        ["output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done"],
    ),
    "reasoning": (
        {
            "type": "reasoning",
            "id": "item",
            "summary": [{"type": "summary_text", "text": RAW}],
            "content": [{"type": "reasoning_text", "text": RAW}],
            "encrypted_content": "gAAAAABk" * 8,
        },
        [
            "output_item.added",
            *("reasoning_summary_part.added", "reasoning_summary_text.delta"),
            *("reasoning_summary_text.done", "reasoning_summary_part.done"),
            *("content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done"),
        ],
    ),
    "function_call": (
        {
            "type": "function_call",
            "id": "item",
            "call_id": "call_1",
            "name": "send",
            "arguments": json.dumps({"to": RAW, "n": 1}),
            "status": "completed",
        },
        ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done"],
    ),
    "custom_tool_call": (
        {"type": "custom_tool_call", "id": "item", "call_id": "call_1", "name": "shell", "input": RAW},
        ["output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done"],
    ),
    "mcp_call": (
        {
            "type": "mcp_call",
            "id": "item",
            "name": "find",
            "server_label": "crm",
            "arguments": json.dumps({"who": RAW}),
            "output": RAW,
        },
        ["output_item.added", "mcp_call_arguments.delta", "mcp_call_arguments.done"],
    ),
    "code_interpreter_call": (
        {
            "type": "code_interpreter_call",
            "id": "item",
            "code": f"print({RAW!r})",
            "container_id": "cntr_1",
            "outputs": [{"type": "logs", "logs": RAW}],
            "status": "completed",
        },
        ["output_item.added", "code_interpreter_call_code.delta", "code_interpreter_call_code.done"],
    ),
    "web_search_call": (
        {
            "type": "web_search_call",
            "id": "item",
            "status": "completed",
            "action": {"type": "search", "query": RAW, "queries": [RAW]},
        },
        ["output_item.added"],
    ),
}
EVERY_ITEM = pytest.mark.parametrize(("item", "expected"), ITEMS.values(), ids=ITEMS)


def begun(of: Policy = REPLAY, text: str = f"mail {EMAIL}", **more: Any) -> Wire:
    wire = Wire(policy=of)
    wire.create(text, **more)
    wire.begin(**({"stream_id": more["stream_id"]} if "stream_id" in more else {}))
    return wire


def done(item: Any, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item, "sequence_number": 7, **more}


def completed(*output: Any, how: str = "completed", **more: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "output": list(output), "status": how}
    return {"type": f"response.{how}", "sequence_number": 9, "response": response, **more}


def names(events: list[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def clean(events: Any) -> bool:
    return not any(piece in json.dumps(events) for piece in NEW)


def strings(value: Any) -> list[str]:
    """Every string in a value, JSON in a string opened."""
    if isinstance(value, str):
        return strings(json.loads(value)) if value.startswith("{") else [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in strings(child)]


# Items


@EVERY_ITEM
def test_a_finished_item_comes_masked_as_the_events_that_would_have_brought_it(
    item: dict[str, Any], expected: list[str]
) -> None:
    wire = begun()
    given = wire.provider(done(item))
    assert names(given) == [*expected, "output_item.done"]
    assert clean(given)
    assert clean(wire.sent_down)


@EVERY_ITEM
def test_the_same_masked_item_stands_in_the_last_event(item: dict[str, Any], expected: list[str]) -> None:
    wire = begun()
    *_, whole = wire.provider(done(item))
    (last,) = wire.provider(completed(item))
    assert last["response"]["output"] == [whole["item"]]  # type: ignore[index, call-overload]
    assert clean(last)


@EVERY_ITEM
def test_deltas_done_and_item_are_the_same_text(item: dict[str, Any], expected: list[str]) -> None:
    given = begun().provider(done(item))
    whole = strings(given[-1]["item"])
    for event in given[:-1]:
        for key in ("delta", "text", "arguments", "input", "code"):
            assert all(text in whole for text in strings(event.get(key)))
    masked = [text for text in whole if "<EMAIL_ADDRESS_" in text]
    assert masked
    assert all("<US_SSN_" in text for text in masked), "so that this test sees something"


@EVERY_ITEM
def test_every_event_is_one_of_the_sdk_and_the_item_keeps_its_schema(item: dict[str, Any], expected: list[str]) -> None:
    given = begun().provider(done(item))
    for event in given:
        assert SDK.validate_python(event).to_dict() == event
    kept: Any = given[-1]["item"]
    assert set(kept) == set(item)
    for key in ("type", "id", "call_id", "name", "role", "status", "encrypted_content", "container_id", "server_label"):
        assert kept.get(key) == item.get(key)
    if "arguments" in item:
        assert set(json.loads(kept["arguments"])) == set(json.loads(item["arguments"]))


@EVERY_ITEM
def test_an_item_that_only_the_last_event_holds_is_delivered_before_it(
    item: dict[str, Any], expected: list[str]
) -> None:
    for how in ("completed", "incomplete", "failed"):
        wire = begun()
        given = wire.provider(completed(item, how=how))
        assert names(given) == [*expected, "output_item.done", how]
        assert clean(given)
        wire = begun()
        first = wire.provider(done(item))
        rest = wire.provider(completed(item, {**item, "id": "other"}, how=how))
        assert names(rest) == [*names(first), how], "only what was not delivered"
        assert rest[0]["output_index"] == 1


def test_the_raw_pieces_of_a_text_are_dropped() -> None:
    wire = begun()
    at = {"item_id": "item", "output_index": 0, "content_index": 0, "sequence_number": 1}
    for event in (
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "message", "id": "item", "content": []},
        },
        {"type": "response.content_part.added", **at, "part": part("")},
        {"type": "response.output_text.delta", **at, "delta": GRACE, "logprobs": [{"token": GRACE}]},
        {"type": "response.haiku.delta", **at, "delta": GRACE},
        {"type": "response.output_text.annotation.added", **at, "annotation": {"title": GRACE}},
        {"type": "response.output_text.done", **at, "text": GRACE},
        {"type": "response.content_part.done", **at, "part": part(GRACE)},
        {"type": "response.reasoning_summary_text.delta", "item_id": "r", "summary_index": 0, "delta": GRACE},
        {"type": "response.function_call_arguments.delta", "item_id": "f", "output_index": 1, "delta": GRACE},
        {"type": "response.audio.transcript.delta", "delta": GRACE},
        {"type": "response.shell_call_output_content.delta", "delta": {"stdout": GRACE}},
    ):
        assert wire.provider(event) == [], event["type"]


def test_new_data_is_masked_and_the_clients_own_comes_back() -> None:
    wire = begun()
    name = token(wire, EMAIL)
    (last,) = wire.provider(completed(part(f"{name} {EMAIL} {GRACE} <EMAIL_ADDRESS_aaaaaaaa>")))[-1:]
    text = last["response"]["output"][0]["text"]  # type: ignore[index, call-overload]
    assert str(text).startswith(f"{EMAIL} {EMAIL} <EMAIL_ADDRESS_")
    assert str(text).endswith("<EMAIL_ADDRESS_aaaaaaaa>")


def test_with_all_nothing_is_restored() -> None:
    wire = begun(REPLAY_ALL)
    name = token(wire, EMAIL)
    message = {**ITEMS["message"][0], "content": [part(f"{name} {EMAIL} {GRACE}")]}
    given = wire.provider(done(message))
    assert EMAIL not in json.dumps(wire.sent_down)
    assert clean(wire.sent_down)
    assert given[-1]["item"]["content"][0]["text"].startswith(f"{name} {name} <EMAIL_ADDRESS_")  # type: ignore[index, call-overload, union-attr]


def test_values_come_back_in_arguments_escaped_or_not_at_all() -> None:
    for restore in (True, False):
        of = policy(f"output: {{mask: new, restore_in: {{tool_arguments: {str(restore).lower()}}}}}\n")
        wire = begun(of)
        item = {**ITEMS["function_call"][0], "arguments": json.dumps({"to": token(wire, EMAIL)})}
        given = wire.provider(done(item))
        assert json.loads(given[1]["delta"]) == {"to": EMAIL if restore else token(wire, EMAIL)}  # type: ignore[arg-type]


def test_logprobs_and_obfuscation_do_not_repeat_what_was_masked() -> None:
    wire = begun()
    logprobs = [{"token": GRACE, "bytes": list(GRACE.encode()), "logprob": -1, "top_logprobs": [{"token": GRACE}]}]
    message = {**ITEMS["message"][0], "content": [{**part("hi"), "logprobs": logprobs}]}
    given = wire.provider({**done(message), "obfuscation": GRACE})
    given += wire.provider({**completed(message), "obfuscation": GRACE})
    assert clean(given)
    assert "obfuscation" not in json.dumps(given)
    assert given[-1]["response"]["output"][0]["content"][0]["logprobs"] == []  # type: ignore[index, call-overload]


def test_every_leaf_of_a_whole_response_is_masked() -> None:
    wire = begun()
    response = {
        "id": "resp_1",
        "status": "failed",
        "error": {"code": "server_error", "message": RAW},
        "incomplete_details": {"reason": RAW},
        "instructions": RAW,
        "metadata": {GRACE: SSN, "n": 536221234},
        "tools": [{"type": "function", "name": "f", "description": RAW}],
        "user": GRACE,
        "haiku": [{"verse": RAW, GRACE: [RAW]}],
        "output": [],
    }
    for how in ("created", "in_progress", "queued", "completed"):
        (given,) = wire.provider({"type": f"response.{how}", "sequence_number": 3, "response": response, "more": RAW})
        assert clean(given)
        assert given["response"]["id"] == "resp_1"  # type: ignore[index, call-overload]


@pytest.mark.parametrize("response_over", [False, True])
def test_errors_notices_and_unlisted_events_are_masked(response_over: bool) -> None:
    for event in (
        {"type": "error", "status": 400, "error": {"type": "x", "code": "y", "message": RAW, "param": GRACE}},
        {"type": "response.steer.failed", "steer": {"previous_response_id": "resp_1", "input": RAW}, "error": {}},
        {"type": "codex.rate_limits", "plan_type": RAW},
        {"type": "a.new.event", GRACE: {"x": [RAW]}},
        {"type": "a.new.event.done", "text": RAW},
    ):
        wire = begun()
        if response_over:
            wire.provider(completed())
        (given,) = wire.provider(event)
        assert given["type"] == event["type"]
        assert clean(given)


def test_progress_of_a_tool_comes_with_its_item_and_says_nothing_else() -> None:
    wire = begun(stream_id="lane-1")
    at = {"item_id": "item", "output_index": 0, "stream_id": "lane-1"}
    for step in ("in_progress", "searching", "completed"):
        event = {"type": f"response.web_search_call.{step}", **at, "sequence_number": 5, "query": RAW}
        assert wire.provider(event) == []
    given = wire.provider(done(ITEMS["web_search_call"][0], stream_id="lane-1"))
    assert names(given) == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]
    assert clean(given)
    for event in given:
        assert SDK.validate_python(event).to_dict() == event


def test_progress_that_is_never_followed_by_its_item_is_bounded() -> None:
    wire = begun()
    for _ in range(100):
        wire.provider({"type": "response.web_search_call.searching", "item_id": "item", "output_index": 0})
    given = wire.provider(done(ITEMS["web_search_call"][0]))
    assert len(given) == 34


def test_sequence_numbers_go_up_by_one_and_lanes_keep_their_name() -> None:
    wire = begun(stream_id="lane-1")
    wire.provider(
        {"type": "response.in_progress", "response": {"id": "resp_1"}, "sequence_number": 1, "stream_id": "lane-1"}
    )
    wire.provider(done(ITEMS["message"][0], stream_id="lane-1"))
    wire.provider(done(ITEMS["function_call"][0], 1, stream_id="lane-1"))
    wire.provider(completed(stream_id="lane-1"))
    assert {event["stream_id"] for event in wire.sent_down} == {"lane-1"}
    numbers = [event["sequence_number"] for event in wire.sent_down if "sequence_number" in event]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 10


def test_an_empty_output_in_the_last_event_loses_nothing_that_was_delivered() -> None:
    wire = begun()
    given = wire.provider(done(ITEMS["message"][0]))
    assert clean(given)
    (last,) = wire.provider(completed())
    assert last["type"] == "response.completed"
    row = wire.rows[-1]
    assert row.decision == "masked", "the client got masked text"
    assert {found.applied.entity for found in row.findings} == {"EMAIL_ADDRESS", "US_SSN"}
    assert not any(piece in json.dumps(row.as_json()) for piece in NEW)


def test_what_was_found_is_recorded_once() -> None:
    for of in (REPLAY, SUPPRESS):
        wire = begun(of)
        wire.provider(done(ITEMS["message"][0]))
        wire.provider(completed(ITEMS["message"][0]))
        row = wire.rows[-1]
        places = [(found.applied.entity, found.place) for found in row.findings]
        assert places == [
            ("EMAIL_ADDRESS", "response.output[0].content[0].text"),
            ("US_SSN", "response.output[0].content[0].text"),
        ]
        assert [text.text for text in row.content["response.output[0].content[0].text"]]
        assert len(row.content["response.output[0].content[0].text"]) == 1


def test_what_was_delivered_before_the_provider_left_is_recorded() -> None:
    wire = begun()
    wire.provider(done(ITEMS["message"][0]))
    error = {"type": "server_error", "code": "server_error", "message": "Sorry."}
    wire.provider({"type": "error", "status": 400, "error": error})
    row = wire.rows[-1]
    assert (row.decision, row.reason) == ("masked", "The provider answered with an error.")
    assert len(row.findings) == 2


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
    assert given["error"]["message"] == "Policy test does not let US_SSN through in an answer."  # type: ignore[index, call-overload]
    assert wire.provider(done(ITEMS["function_call"][0], 1, stream_id="lane-1")) == []
    assert wire.provider(completed(ITEMS["message"][0], stream_id="lane-1")) == []
    row = wire.rows[-1]
    assert (row.direction, row.decision) == ("output", "blocked")
    assert ("US_SSN", "block") in {(found.applied.entity, found.applied.action) for found in row.findings}
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
        wire.provider({"type": "keepalive"} | {"x": "y"})
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
    assert numbers == sorted(set(numbers))  # type: ignore[type-var]


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


@pytest.mark.parametrize("index", [GRACE, 4111111111111111, -1, None, [GRACE]])
def test_an_index_that_is_none_stands_in_no_row(index: Any) -> None:
    wire = begun()
    wire.provider(done(ITEMS["message"][0], index))
    wire.provider(completed())
    written = json.dumps(wire.rows[-1].as_json())
    assert "4111" not in written
    assert clean(written)
    assert wire.rows[-1].decision == "masked"
