"""A policy that observes changes and blocks nothing, and records what would have been done."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.kit import CARD, EMAIL, SSN, Wire, noted, policy

BLOCKING = "actions: {US_SSN: {input: block, output: block}}\n"
OBSERVE = policy("mode: observe\n" + BLOCKING)
WATCH = policy("mode: observe\noutput: {mask: new}\naudit: {content: masked}\n" + BLOCKING)
BOTH = pytest.mark.parametrize("of", [OBSERVE, WATCH], ids=["answers are not examined", "answers are examined"])
TEXT = f"I am {SSN}, mail {EMAIL}"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()


def completed(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "logprobs": [{"token": text}]}
    item = {"type": "message", "id": "m", "content": [part]}
    return {"type": "response.completed", "response": {"id": "resp_1", "output": [item]}, "obfuscation": "x"}


def findings(row: Any) -> list[tuple[str, str]]:
    return [(one.entity, one.action) for one, _ in noted(row)]


@BOTH
def test_what_goes_up_is_what_came(of: Any) -> None:
    frame = {
        "type": "response.create",
        "model": "gpt-5.1",
        "input": [{"role": "user", "content": TEXT, "logprobs": [{"token": SSN}]}],
        "metadata": {EMAIL: CARD, "n": 536221234},
        "stream_id": "lane-1",
    }
    wire = Wire(policy=of)
    assert wire.client(frame) == [frame]  # type: ignore[arg-type]


@BOTH
def test_the_row_says_what_would_have_been_done(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create(TEXT)
    (row,) = wire.rows
    assert row.decision == "observed"
    assert findings(row) == [("US_SSN", "block"), ("EMAIL_ADDRESS", "mask")]
    written = json.dumps(row.as_json())
    assert SSN not in written
    assert EMAIL not in written


@BOTH
def test_what_holds_nothing_is_forwarded(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create("hello")
    assert wire.rows[0].decision == "forwarded"


@BOTH
def test_attachments_pass_and_are_counted(of: Any) -> None:
    wire = Wire(policy=of)
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
    assert wire.create([{"role": "user", "content": [picture]}])  # type: ignore[list-item]
    assert wire.rows[0].attachments > 0


@BOTH
def test_a_message_that_could_not_be_examined_passes_and_the_row_says_so(of: Any) -> None:
    wire = Wire(policy=of, hold=True)
    wire.create(TEXT)
    wire.fail()
    assert [frame["input"] for frame in wire.sent_up] == [TEXT]
    (row,) = wire.rows
    assert (row.decision, row.findings) == ("observed", ())
    assert row.reason == "enforce would refuse this: The message could not be examined, so it was not sent."
    assert not row.content
    assert not wire.sent_down


@BOTH
def test_the_model_strictness_and_limits_hold_all_the_same(of: Any) -> None:
    wire = Wire(policy=of, asked="gpt-5.1-mini")
    (sent,) = wire.create("x", model="gpt-9", tools=[{"type": "image_generation", "model": "gpt-9"}])
    assert sent["model"] == "gpt-5.1-mini"
    assert "gpt-9" not in wire.raw_up[0]
    wire.client('{"type": "response.create", "input": "a", "input": "b"}')
    wire.client({"type": "session.update"})
    wire.create("x", stream_id="not a name")
    assert [frame["type"] for frame in wire.sent_down] == ["error"] * 3


@BOTH
def test_nothing_is_forwarded_without_a_row(of: Any) -> None:
    wire = Wire(policy=of)
    wire.audit_works = False
    assert wire.create(TEXT) == []


@BOTH
def test_answers_stream_as_the_very_bytes_that_came(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create(TEXT)
    events = [
        {"type": "response.created", "response": {"id": "resp_1", "instructions": SSN}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "message", "id": "m", "content": []},
        },
        {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": SSN},
        {"type": "response.web_search_call.searching", "item_id": "w", "output_index": 1},
        {"type": "response.audio.delta", "delta": PNG},
        completed(f"{SSN} {EMAIL}"),
    ]
    raw = [json.dumps(event, indent=1) for event in events]
    for event in raw:
        wire.provider(event)
    assert wire.raw_down == raw
    assert wire.session.idle
    assert not wire.timers


def test_an_answer_is_recorded_with_what_would_have_been_done() -> None:
    wire = Wire(policy=WATCH)
    wire.create("hello")
    wire.begin()
    wire.provider(completed(f"{SSN} {EMAIL}"))
    row = wire.rows[-1]
    assert row.decision == "observed"
    assert set(findings(row)) == {("US_SSN", "block"), ("EMAIL_ADDRESS", "mask")}
    written = json.dumps(row.as_json())
    assert SSN not in written
    assert "<US_SSN_" in written


@pytest.mark.parametrize("how", ["completed", "failed"])
def test_an_answer_that_could_not_be_examined_passes_too(how: str) -> None:
    wire = Wire(policy=WATCH)
    wire.create("hello", stream_id="lane-1")
    wire.begin(stream_id="lane-1")
    wire.hold = True
    event = {**completed(SSN), "type": f"response.{how}", "stream_id": "lane-1"}
    wire.provider(event)
    wire.fail()
    assert wire.sent_down[-1] == event
    row = wire.rows[-1]
    assert (row.direction, row.decision, row.findings) == ("output", "forwarded", ())
    assert row.reason is not None
    assert wire.session.idle
    assert not wire.timers


def test_events_after_one_that_is_examined_keep_their_order() -> None:
    wire = Wire(policy=WATCH)
    wire.create("hello")
    wire.begin()
    wire.hold = True
    wire.provider(completed("x"))
    wire.create("next")
    wire.answer(1)
    wire.hold = False
    wire.begin("resp_2")
    wire.answer()
    kinds = [(event["type"], event["response"]["id"]) for event in wire.sent_down]  # type: ignore[index, call-overload]
    assert kinds == [
        ("response.created", "resp_1"),
        ("response.completed", "resp_1"),
        ("response.created", "resp_2"),
    ]
