"""Under output masking nothing the provider sends reaches the client unexamined; nor the audit.

Events are built from the types of the installed `openai` package with every field filled. A canary goes into each place
in turn and into all at once; everything the client gets until the response is over is searched. And what the client
gets still is what the package's own types say an event is.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import openai.types.responses as responses
import pytest

from gateway.session import replay
from gateway.wire import schema, texts
from gateway.wire.frame import Json, encode
from gateway.wire.synth import item_events
from gateway.wire.texts import Walk
from tests.kit import REPLAY, RESTORE, SUPPRESS, Wire, policy
from tests.properties.answers import (
    CASES,
    EACH,
    FILLED,
    MODELS,
    POLICIES,
    RESPONSE,
    Frame,
    check_all_at_once,
    check_one_at_a_time,
    done,
    run,
)
from tests.properties.planting import CARD, EMAIL, Place, everywhere, leaked, leaks, places, plantings, replaced
from tests.properties.sdk import LANE, Record, examples


@pytest.mark.parametrize("name", EACH)
def test_a_canary_in_any_one_place_never_reaches_the_client(name: str) -> None:
    assert check_one_at_a_time(name, REPLAY) > 0


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("item-")])
def test_a_canary_in_an_item_never_reaches_the_client_that_gets_only_the_end(name: str) -> None:
    """With `suppress` the final event is all there is."""
    seen: set[Place] = set()
    for event in CASES[name]:
        for place, planted in plantings(event["item"], seen):
            response: Frame = {"id": "resp_1", "output": [planted]}
            over: Frame = {"type": "response.completed", "response": response, "stream_id": LANE}
            wire = run(over, SUPPRESS, until_end=False)
            assert len(wire.raw_down) == 2
            assert leaked(wire) == [], place


@pytest.mark.parametrize("of", POLICIES)
def test_canaries_in_all_places_never_reach_the_client(of: str) -> None:
    for name in EACH:
        check_all_at_once(name, POLICIES[of])


@pytest.mark.parametrize("of", POLICIES)
def test_a_whole_response_with_every_item_and_tool_never_leaks(of: str) -> None:
    """Everything of the package in one event, filled with canaries."""
    (whole, *_) = examples(Record(responses.Response))
    planted = everywhere(whole, keep=frozenset({"type"}))
    for name in ("response.created", "response.completed", "response.failed"):
        assert leaked(run({"type": name, "response": planted, "stream_id": LANE}, POLICIES[of], until_end=False)) == []


BINARY: Final = base64.b64encode(bytes(range(128, 256)) * 3).decode()
ODD: Final[dict[str, Json]] = {
    "an unknown event": {"type": "response.shiny.new", "payload": {"deep": [EMAIL, {EMAIL: CARD}]}, EMAIL: EMAIL},
    "an unknown delta": {"type": "response.shiny.delta", "delta": EMAIL},
    "an unknown delta of bytes": {"type": "response.shiny.delta", "delta": {"audio": EMAIL, "n": CARD}},
    "rate limits": {"type": "codex.rate_limits", "plan_type": EMAIL, "rate_limits": {"primary": {"n": CARD}}},
    "metadata": {
        "type": "response.metadata",
        "headers": {"x-request-id": EMAIL, EMAIL: "x"},
        "metadata": {EMAIL: CARD},
    },
    "timing": {"type": "responsesapi.websocket_timing", "timing": {EMAIL: CARD}},
    "keepalive": {"type": "keepalive", "note": EMAIL},
    "a flat error": {"type": "error", "code": EMAIL, "message": EMAIL, "param": EMAIL, "sequence_number": CARD},
    "an error": {
        "type": "error",
        "status": CARD,
        "error": {"type": EMAIL, "code": CARD, "message": EMAIL, "x": [EMAIL]},
    },
    "an error that is a string": {"type": "error", "error": EMAIL},
    "an error that is an array": {"type": "error", "error": [EMAIL, [CARD]], "status": [EMAIL]},
    "a response.error": {"type": "response.error", "error": {"message": EMAIL, "headers": {EMAIL: EMAIL}}},
    "a steer that failed": {
        "type": "response.steer.failed",
        "steer": {"input": EMAIL, "id": EMAIL},
        "error": {"code": EMAIL},
    },
    "an injection that failed": {"type": "response.inject.failed", "input": [{"type": "message", "content": EMAIL}]},
    "a picture under a name": {"type": "response.shiny.new", EMAIL: f"data:image/png;base64,{BINARY}", "x": EMAIL},
    "an item that is a string": done(EMAIL),
    "an item in an array": done([{"type": "message", "content": EMAIL}]),
    "an item without a place": {"type": "response.output_item.done", "item": {"type": "message", "id": EMAIL}},
    "a place that is a string": {**done({"type": "message", "id": EMAIL}), "output_index": EMAIL},
    "a place that is an array": {**done({"type": "message", "id": [EMAIL]}), "output_index": [EMAIL]},
    "a response that is a string": {"type": "response.completed", "response": EMAIL},
    "a response that is an array": {"type": "response.in_progress", "response": [EMAIL, {"id": EMAIL}]},
    "an id": {"type": "response.in_progress", "response": {"id": EMAIL, "output": EMAIL}},
    "an output that is an object": {"type": "response.completed", "response": {"id": "r", "output": {"a": EMAIL}}},
    "a second response": {"type": "response.created", "response": {"id": EMAIL, "output": [EMAIL]}},
    "a failure": {"type": "response.failed", "response": {"id": "r", "error": {"code": EMAIL, "message": EMAIL}}},
    "logprobs": done(
        {
            "type": "message",
            "id": "m",
            "content": [
                {"type": "output_text", "text": "x", "logprobs": [{"token": EMAIL, "bytes": list(EMAIL.encode())}]},
                {"type": "output_text", "text": EMAIL, "logprobs": {"token": EMAIL}, "annotations": {"url": EMAIL}},
            ],
        }
    ),
    "arguments": done({"type": "function_call", "arguments": encode({EMAIL: encode({EMAIL: CARD})}), "name": EMAIL}),
    "arguments that broke off": done({"type": "function_call", "arguments": f'{{"to": "{EMAIL}', "call_id": EMAIL}),
    "parts that are none": done({"type": "reasoning", "summary": [EMAIL, [EMAIL]], "content": {"text": EMAIL}}),
    "commands that are none": done({"type": "shell_call", "action": {"commands": [[EMAIL], {"x": EMAIL}, CARD]}}),
    "prints that are none": done({"type": "shell_call_output", "output": [EMAIL, {"stdout": [EMAIL], "stderr": CARD}]}),
    "obfuscation": {"type": "response.in_progress", "response": {"id": "r"}, "obfuscation": EMAIL},
    "a type that is an array": done(
        {"type": ["message"], "status": EMAIL, "content": [{"type": {EMAIL: 1}, "text": EMAIL}]}
    ),
    "a type that is an object": done(
        {"type": {"x": EMAIL}, "status": "completed", "summary": [{"type": [], "text": CARD}]}
    ),
    "a lifecycle": {"type": "response.web_search_call.searching", "output_index": 7, "item_id": EMAIL, "x": EMAIL},
}


@pytest.mark.parametrize("of", POLICIES)
@pytest.mark.parametrize("shape", ODD)
def test_an_odd_event_hides_nothing(shape: str, of: str) -> None:
    event = ODD[shape]
    assert isinstance(event, dict)
    assert leaked(run({**event, "stream_id": LANE}, POLICIES[of])) == []
    assert leaked(run(event, POLICIES[of])) == []


@pytest.mark.parametrize("shape", ODD)
def test_an_event_before_any_was_asked_for_hides_nothing(shape: str) -> None:
    wire = Wire(REPLAY, asked="gpt-5.1")
    wire.provider(ODD[shape])
    wire.create(EMAIL)
    wire.provider(ODD[shape])
    wire.ring()
    assert not any(leaks(raw) for raw in wire.raw_up)
    assert not any(leaks(encode(row.as_json())) for row in wire.rows)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data", ["", EMAIL, f'["{EMAIL}"]', f'{{"type": {CARD}}}', f'{{"x": "{EMAIL}"}}', "\ud800" + EMAIL]
)
def test_what_is_no_event_ends_what_is_under_way(data: str) -> None:
    wire = run("{}", until_end=False)
    assert wire.sent_down[-1]["type"] == "error"
    wire = Wire(REPLAY, asked="gpt-5.1")
    wire.create()
    wire.begin()
    wire.provider(data)
    assert leaked(wire) == []
    assert (wire.sent_down[-1]["type"], wire.sent_down[-1]["status"]) == ("error", 400)


# --------------------------------------------------------------------------------------------------------------- audit


def test_no_row_holds_anything_raw_where_answers_are_only_restored() -> None:
    """Nothing of an answer was examined, so nothing of it is written down: not an id, not a count."""
    for name, cases in CASES.items():
        for event in cases[:2]:
            wire = run(everywhere(event, keep=frozenset({"type", "stream_id"})), RESTORE)
            assert not any(leaks(encode(row.as_json())) for row in wire.rows), name  # type: ignore[arg-type]


@pytest.mark.parametrize("identity", ["resp_a4111111111111111", "resp_a4111-1111-1111-1111", "4111111111111111"])
@pytest.mark.parametrize("of", ["off", "new"])
def test_no_row_holds_a_number_as_the_id_of_a_response(identity: str, of: str) -> None:
    wire = Wire({"off": RESTORE, "new": REPLAY}[of])
    wire.create()
    wire.begin(identity)
    wire.provider(
        {"type": "response.completed", "response": {"id": identity, "output": [], "usage": {"input_tokens": CARD}}}
    )
    rows = "".join(encode(row.as_json()) for row in wire.rows)  # type: ignore[arg-type]
    assert not leaks(rows)
    assert "4111-1111" not in rows


def test_no_row_holds_a_clients_own_value_that_the_provider_wrote_out() -> None:
    """The client gets it, for it is the client's; the audit does not."""
    wire = Wire(REPLAY)
    wire.create(f"mail {EMAIL}")
    wire.begin()
    item: Frame = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": f"to {EMAIL}"}]}
    wire.provider({"type": "response.completed", "response": {"id": "resp_1", "output": [item]}})
    assert EMAIL in wire.raw_down[-1]
    assert not any(leaks(encode(row.as_json())) for row in wire.rows)  # type: ignore[arg-type]


NAMED: Final = """
    - use: patterns
      patterns: [{entity: EMPLOYEE_ID, regex: 'EMP-[0-9]{6}', score: 1.0}]
"""


@pytest.mark.parametrize(
    "rest", ["", "output: {mask: new}\n", "mode: observe\n", "actions: {EMPLOYEE_ID: {input: block}}\n"]
)
def test_no_row_holds_a_value_that_would_do_as_a_name(rest: str) -> None:
    """Some values look like the name of a lane or of a response."""
    name = "EMP-123456"
    wire = Wire(policy(rest, modules=NAMED))
    wire.create(stream_id=name)
    wire.create(previous_response_id=name)
    wire.client({"type": "response.steer", "previous_response_id": name, "input": "x"})
    wire.client({"type": "response.inject", "response_id": name, "input": []})
    wire.client({"type": "response.create", "stream_id": name, "model": "another"})
    wire.client(
        {"type": "response.create", "stream_id": name, "input": "x", "prompt": {"id": name, "variables": {name: name}}}
    )
    for lane in ({}, {"stream_id": name}):
        wire.create(**lane)
        wire.begin(name, **lane)
        wire.provider({"type": "response.completed", "response": {"id": name, "output": []}, **lane})
    wire.session.client_left(0.0)
    assert len(wire.rows) >= 8
    assert not any(name in encode(row.as_json()) for row in wire.rows)  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------------- types


def numbers_planted(value: Json, key: str = "") -> Json:
    """A tree with the card for every number that does not say where something belongs."""
    if isinstance(value, dict):
        return {name: numbers_planted(child, name) for name, child in value.items() if name != "category_scores"}
    if isinstance(value, list):
        return [numbers_planted(child, key) for child in value]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return CARD if number and key != "output_index" else value


def check_types(wire: Wire) -> None:
    """Every event that the client got is one of the package's, strictly."""
    for frame in wire.sent_down:
        MODELS[str(frame["type"])].model_validate(frame, strict=True)


@pytest.mark.parametrize("of", ["new", "all", "suppress", "open"])
@pytest.mark.parametrize("name", FILLED)
def test_what_the_client_gets_is_what_the_package_reads(name: str, of: str) -> None:
    for event in FILLED[name]:
        wire = run({**event, "stream_id": LANE}, POLICIES[of])
        assert leaked(wire) == []
        check_types(wire)


@pytest.mark.parametrize("name", [name for name in FILLED if not name.startswith("response.") or "." not in name[9:]])
def test_numbers_stay_numbers(name: str) -> None:
    """A client drops a usage or an item whose types are not right, so a masked number is still one."""
    for event in FILLED[name]:
        if "category_scores" not in encode(event):
            wire = run(numbers_planted({**event, "stream_id": LANE}))
            assert leaked(wire) == []
            check_types(wire)


def test_the_items_of_the_end_are_those_that_came_before() -> None:
    """Whatever the package's items hold, `output_item.done` and the final event say the same of them."""
    for cases in (FILLED[name] for name in FILLED if name.startswith("item-")):
        for number, case in enumerate(cases):
            wire = run({**case, "stream_id": LANE, "output_index": number}, until_end=False)
            output = [case["item"]] * (number + 1)
            wire.provider({"type": "response.completed", "response": {**RESPONSE, "output": output}, "stream_id": LANE})
            items = {f["output_index"]: f["item"] for f in wire.sent_down if f["type"] == "response.output_item.done"}
            whole: Any = wire.sent_down[-1]["response"]
            assert [items[index] for index in range(number + 1)] == whole["output"]


def test_the_pieces_of_an_item_are_its_texts() -> None:
    """What comes as a piece comes as a whole after it, and stands in the item."""
    pieces = 0
    for cases in (FILLED[name] for name in FILLED if name.startswith("item-")):
        for case in cases:
            brought: list[str] = []
            for event in item_events(case["item"], 0):
                if str(event["type"]).endswith(".delta"):
                    brought += [encode(value) for _, value in places(event["delta"]) if isinstance(value, str)]
                elif str(event["type"]).endswith(".done"):
                    assert all(text in encode(event) for text in brought)
                    pieces += len(brought)
                    brought = []
            assert not brought
    assert pieces >= 9


# -------------------------------------------------------------------------------------------------------------- mutants


def test_numbers_that_are_not_scanned_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "is_count", lambda *_: True)
    with pytest.raises(AssertionError):
        check_one_at_a_time("response.completed", REPLAY)


def test_keys_that_are_not_scanned_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "KNOWN", schema.KNOWN | {EMAIL, str(CARD)})
    with pytest.raises(AssertionError):
        check_one_at_a_time("item-message", REPLAY)


def test_secrets_that_are_not_scanned_on_the_way_back_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "walk", lambda frame, secrets: texts.walk(frame))
    with pytest.raises(AssertionError):
        check_one_at_a_time("tool-mcp", REPLAY)


def test_repeats_that_are_kept_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Walk, "drop_repeats", lambda _self: None)
    with pytest.raises(AssertionError):
        check_one_at_a_time("item-message", REPLAY)


def test_deltas_that_are_sent_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: the raw pieces go out as they come, each examined by itself."""
    monkeypatch.setattr(replay, "_DROPPED", frozenset())
    wire = Wire(REPLAY, asked="gpt-5.1")
    wire.create()
    wire.begin()
    for piece in (EMAIL[:9], EMAIL[9:]):
        wire.provider({"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "delta": piece})
    assert leaks("".join(str(frame.get("delta", "")) for frame in wire.sent_down))


def test_a_place_without_a_canary_would_show() -> None:
    """The search finds what it looks for: with masking off, every string of every item comes through."""
    for cases in (CASES[name] for name in CASES if name.startswith("item-")):
        for at, value in places(cases[0]):
            if isinstance(value, str) and at != ("type",):
                wire = run({**replaced(cases[0], at, EMAIL), "stream_id": LANE}, RESTORE)  # type: ignore[dict-item]
                assert leaked(wire)
