"""Where the policy masks answers: raw pieces are dropped, and each item comes masked, as every client needs it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter

from tests.gateway.session.masked import EVERY_ITEM, GRACE, ITEMS, NEW, RAW, begun, clean, completed, done, names, part
from tests.kit import EMAIL, REPLAY, REPLAY_ALL, SSN, SUPPRESS, noted, policy, token

SDK: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)


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
    assert last["response"]["output"] == [whole["item"]]
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
    text = last["response"]["output"][0]["text"]
    assert str(text).startswith(f"{EMAIL} {EMAIL} <EMAIL_ADDRESS_")
    assert str(text).endswith("<EMAIL_ADDRESS_aaaaaaaa>")


def test_with_all_nothing_is_restored() -> None:
    wire = begun(REPLAY_ALL)
    name = token(wire, EMAIL)
    message = {**ITEMS["message"][0], "content": [part(f"{name} {EMAIL} {GRACE}")]}
    given = wire.provider(done(message))
    assert EMAIL not in json.dumps(wire.sent_down)
    assert clean(wire.sent_down)
    assert given[-1]["item"]["content"][0]["text"].startswith(f"{name} {name} <EMAIL_ADDRESS_")


def test_values_come_back_in_arguments_escaped_or_not_at_all() -> None:
    for restore in (True, False):
        of = policy(f"output: {{mask: new, restore_in: {{tool_arguments: {str(restore).lower()}}}}}\n")
        wire = begun(of)
        item = {**ITEMS["function_call"][0], "arguments": json.dumps({"to": token(wire, EMAIL)})}
        given = wire.provider(done(item))
        assert json.loads(given[1]["delta"]) == {"to": EMAIL if restore else token(wire, EMAIL)}


def test_logprobs_and_obfuscation_do_not_repeat_what_was_masked() -> None:
    wire = begun()
    logprobs = [{"token": GRACE, "bytes": list(GRACE.encode()), "logprob": -1, "top_logprobs": [{"token": GRACE}]}]
    message = {**ITEMS["message"][0], "content": [{**part("hi"), "logprobs": logprobs}]}
    given = wire.provider({**done(message), "obfuscation": GRACE})
    given += wire.provider({**completed(message), "obfuscation": GRACE})
    assert clean(given)
    assert "obfuscation" not in json.dumps(given)
    assert given[-1]["response"]["output"][0]["content"][0]["logprobs"] == []


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
        assert given["response"]["id"] == "resp_1"


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
    assert {one.entity for one, _ in noted(row)} == {"EMAIL_ADDRESS", "US_SSN"}
    assert not any(piece in json.dumps(row.as_json()) for piece in NEW)


def test_what_was_found_is_recorded_once() -> None:
    for of in (REPLAY, SUPPRESS):
        wire = begun(of)
        wire.provider(done(ITEMS["message"][0]))
        wire.provider(completed(ITEMS["message"][0]))
        row = wire.rows[-1]
        places = [(one.entity, place) for one, place in noted(row)]
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
    assert len(noted(row)) == 2


@pytest.mark.parametrize("index", [GRACE, 4111111111111111, -1, None, [GRACE]])
def test_an_index_that_is_none_stands_in_no_row(index: Any) -> None:
    wire = begun()
    wire.provider(done(ITEMS["message"][0], index))
    wire.provider(completed())
    written = json.dumps(wire.rows[-1].as_json())
    assert "4111" not in written
    assert clean(written)
    assert wire.rows[-1].decision == "masked"
