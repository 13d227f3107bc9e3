"""From the client to the provider: what is sent on is masked, and recorded without a value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.session.effects import Detect, Record, ToUpstream
from tests.kit import CARD, EMAIL, SSN, Wire, noted, policy, token

SECRETS = (EMAIL, SSN, CARD)


# What is let through


def test_a_flat_create_goes_up_masked() -> None:
    wire = Wire()
    (sent,) = wire.create(f"Write to {EMAIL} about {CARD}", store=False, tools=[])
    assert not any(secret in wire.raw_up[0] for secret in SECRETS)
    assert sent["type"] == "response.create"
    assert str(sent["input"]).startswith("Write to <EMAIL_ADDRESS_")
    assert (sent["store"], sent["tools"], sent["model"]) == (False, [], "gpt-5.1")


def test_a_nested_create_goes_up_masked_in_its_own_form() -> None:
    wire = Wire()
    (sent,) = wire.client({
        "type": "response.create",
        "event_id": "event_1",
        "response": {"input": f"Write to {EMAIL}", "instructions": SSN, "metadata": {EMAIL: CARD}},
    })  # fmt: skip
    assert not any(secret in wire.raw_up[0] for secret in SECRETS)
    assert set(sent) == {"type", "event_id", "response", "model"}
    assert set(sent["response"]) == {"input", "instructions", "metadata", "model"}  # type: ignore[arg-type]


def test_a_warm_up_is_masked_like_any_other() -> None:
    wire = Wire()
    (sent,) = wire.create(f"The workspace of {EMAIL}", generate=False)
    assert EMAIL not in wire.raw_up[0]
    assert sent["generate"] is False
    wire.begin("resp_warm")
    wire.provider({"type": "response.completed", "response": {"id": "resp_warm", "output": []}})
    (next_one,) = wire.create("go", previous_response_id="resp_warm")
    assert next_one["previous_response_id"] == "resp_warm"
    wire.begin("resp_2")
    assert EMAIL in wire.vault["resp_2"].values.values(), "the warm-up's values restore in what continues it"


def test_what_goes_up_is_written_by_the_gateway_itself() -> None:
    wire = Wire()
    wire.client('{ "type" : "response.create",\n "model":"gpt-5.1", "input" : "\\u0068i", "temperature": 1.50 }')
    assert wire.raw_up == ['{"type":"response.create","model":"gpt-5.1","input":"hi","temperature":1.5}']


def test_the_secrets_of_tools_go_up_unchanged_and_into_no_row() -> None:
    wire = Wire(policy=policy("audit: {content: masked}\n"))
    tool: Any = {"type": "mcp", "server_label": "crm", "authorization": f"Bearer {EMAIL}", "headers": {"X-Key": CARD}}
    (sent,) = wire.create(f"as {SSN}", tools=[tool])
    assert sent["tools"] == [tool]
    rows = json.dumps([row.as_json() for row in wire.rows])
    assert not any(secret in rows for secret in SECRETS)
    assert "Bearer" not in rows


def test_names_of_tools_are_masked_without_brackets() -> None:
    (sent,) = Wire().create("x", tools=[{"type": "function", "name": f"call_{SSN}", "parameters": {}}])
    name = sent["tools"][0]["name"]  # type: ignore[index, call-overload]
    assert SSN not in str(name)
    assert str(name).replace("_", "").replace("-", "").isalnum()


def test_json_in_a_string_stays_json() -> None:
    arguments = json.dumps({"to": EMAIL, "n": 1})
    (sent,) = Wire().create([{"type": "function_call", "name": "f", "call_id": "c", "arguments": arguments}])
    inner = json.loads(sent["input"][0]["arguments"])  # type: ignore[index, call-overload, arg-type]
    assert inner["to"].startswith("<EMAIL_ADDRESS_")
    assert inner["n"] == 1


def test_the_same_value_has_the_same_token_in_every_turn_and_connection() -> None:
    first, second = Wire(), Wire()
    (a,) = first.create(f"mail {EMAIL}")
    (b,) = first.create(f"mail {EMAIL}", stream_id="other")
    (c,) = second.create(f"mail {EMAIL}")
    assert a["input"] == b["input"] == c["input"]


def test_a_look_alike_of_a_token_goes_up_as_it_is_and_never_becomes_restorable() -> None:
    wire = Wire()
    (sent,) = wire.create("say <EMAIL_ADDRESS_aaaaaaaa>")
    assert sent["input"] == "say <EMAIL_ADDRESS_aaaaaaaa>"
    wire.begin()
    assert not wire.vault["resp_1"].values


def test_logprobs_of_earlier_answers_are_emptied() -> None:
    part: Any = {"type": "output_text", "text": "hi", "logprobs": [{"token": EMAIL, "bytes": [97, 100, 97]}]}
    (sent,) = Wire().create([{"type": "message", "role": "assistant", "content": [part]}])
    assert sent["input"][0]["content"][0]["logprobs"] == []  # type: ignore[index, call-overload]


@pytest.mark.parametrize("kind", ["response.steer", "response.inject"])
def test_steering_and_injecting_are_masked_and_carry_no_model(kind: str) -> None:
    wire = Wire()
    (sent,) = wire.client(
        {"type": kind, "response_id": "resp_1", "input": [{"role": "user", "content": f"to {EMAIL}"}]}
    )
    assert EMAIL not in wire.raw_up[0]
    assert "model" not in sent
    assert wire.rows[0].event == kind
    assert wire.rows[0].decision == "masked"
    assert not wire.timers, "it asks for no response of its own"


# The rows


def test_a_row_says_what_was_found_and_where_and_nothing_raw() -> None:
    wire = Wire()
    wire.now = 5.0
    wire.create(
        [{"role": "user", "content": [{"type": "input_text", "text": f"{EMAIL} {CARD}"}]}],
        metadata={"who": EMAIL},
        previous_response_id="resp_0",
        stream_id="lane-1",
    )
    (row,) = wire.rows
    places = [(one.entity, place, one.action) for one, place in noted(row)]
    assert places == [
        ("EMAIL_ADDRESS", "input[0].content[0].text", "mask"),
        ("CREDIT_CARD", "input[0].content[0].text", "mask"),
        ("EMAIL_ADDRESS", "metadata.*", "mask"),
    ]
    assert len({one.fingerprint for one, _ in noted(row)}) == 2
    written = row.as_json()
    assert (written["turn"], written["direction"], written["event"]) == (1, "input", "response.create")
    assert (written["decision"], written["lane"], written["response"]) == ("masked", "lane-1", "resp_0")
    assert not any(secret in json.dumps(written) for secret in SECRETS)
    assert "<EMAIL_ADDRESS_" in json.dumps(written["content"])


def test_a_row_without_content_has_no_text_at_all() -> None:
    wire = Wire(policy=policy("audit: {content: none}\n"))
    wire.create(f"a private word to {EMAIL}")
    (row,) = wire.rows
    assert row.findings
    assert not row.content
    assert "private" not in json.dumps(row.as_json())


def test_a_row_counts_every_message_of_the_client() -> None:
    wire = Wire()
    wire.create("a")
    wire.client("not json")
    wire.client({"type": "response.steer", "previous_response_id": "resp_1", "input": "x"})
    assert [(row.turn, row.event, row.decision) for row in wire.rows] == [
        (1, "response.create", "forwarded"),
        (2, "other", "refused"),
        (3, "response.steer", "forwarded"),
    ]


@pytest.mark.parametrize(
    "frame",
    [
        {"previous_response_id": f"resp-{SSN}"},
        {"response": {"previous_response_id": f"resp-{SSN}"}},
        {"stream_id": f"lane-{SSN}"},
        {"stream_id": "ProjectFalcon"},
        {"previous_response_id": "ProjectFalcon"},
        {"stream_id": "ProjectFalcon", "model": "gpt-9"},
        {"previous_response_id": "ProjectFalcon", "model": "gpt-9"},
    ],
)
def test_no_id_of_a_client_carries_data_into_a_row(frame: dict[str, Any]) -> None:
    detect = "  fold: false\n  decode: []\n  deny: [{entity: PROJECT, text: ProjectFalcon}]\n"
    wire = Wire(policy=policy(detect=detect), mismatch="reject", asked="gpt-5.1")
    wire.client({"type": "response.create", "input": "x", **frame})
    rows = json.dumps([row.as_json() for row in wire.rows])
    assert len(wire.rows) == 1
    assert SSN not in rows
    assert "Falcon" not in rows


def test_neither_do_ids_of_a_message_that_could_not_be_examined() -> None:
    for mode in ("enforce", "observe"):
        wire = Wire(policy=policy(f"mode: {mode}\n"), hold=True)
        wire.create("x", stream_id="ProjectFalcon", previous_response_id="ProjectFalcon")
        wire.fail()
        assert "Falcon" not in json.dumps([row.as_json() for row in wire.rows])


def test_the_row_comes_before_the_frame_it_is_about() -> None:
    wire = Wire(hold=True)
    wire.create(f"mail {EMAIL}")
    question = wire.questions.popleft()
    effects = wire.session.detected(question.ticket, wire._findings(question), 0.0, 0.0)
    wire.perform(effects)
    wire.create(f"mail {EMAIL}", stream_id="b")
    question = wire.questions.popleft()
    effects = wire.session.detected(question.ticket, wire._findings(question), 0.0, 0.0)
    kinds = [type(effect) for effect in effects]
    assert kinds.index(Record) < kinds.index(ToUpstream)
    assert {effect.ticket for effect in effects if isinstance(effect, Record | ToUpstream)} == {question.ticket}


def test_texts_are_examined_once_and_together() -> None:
    wire = Wire(hold=True)
    effects = wire.session.client_frame(
        json.dumps({"type": "response.create", "input": ["a", "b"], "metadata": {"k": "v"}}), 0.0
    )
    (question,) = [effect for effect in effects if isinstance(effect, Detect)]
    assert list(question.texts) == ["a", "b", "k", "v"]


# Steering restores


def test_what_steering_brings_is_restored_in_the_response_and_its_successor() -> None:
    wire = Wire()
    wire.create("write a letter")
    wire.begin("resp_1")
    wire.client({"type": "response.steer", "previous_response_id": "resp_1", "input": f"to {EMAIL}"})
    name = token(wire, EMAIL)
    delta: Any = {
        "type": "response.output_text.delta",
        "item_id": "m",
        "output_index": 0,
        "content_index": 0,
        "delta": name,
    }
    assert wire.provider(delta)[0]["delta"] == EMAIL
    wire.provider({
        "type": "response.incomplete",
        "response": {"id": "resp_1", "incomplete_details": {"reason": "steered"}, "output": []},
    })  # fmt: skip
    wire.begin("resp_2")
    assert wire.provider({**delta, "delta": f"Dear {name}"})[0]["delta"] == f"Dear {EMAIL}"
    assert wire.vault["resp_2"].values[name] == EMAIL


@pytest.mark.parametrize("rest", ["", "output: {mask: new}\n"], ids=["restoring", "masking"])
@pytest.mark.parametrize("over", [False, True], ids=["while it runs", "after it is over"])
def test_steering_that_failed_comes_back_with_its_values(rest: str, over: bool) -> None:
    wire = Wire(policy=policy(rest))
    wire.create("write a letter", stream_id="lane-1")
    wire.begin("resp_1", stream_id="lane-1")
    if over:
        wire.provider({"type": "response.completed", "response": {"id": "resp_1", "output": []}, "stream_id": "lane-1"})
    wire.client({"type": "response.steer", "previous_response_id": "resp_1", "input": f"to {EMAIL}"})
    sent = wire.sent_up[-1]["input"]
    assert EMAIL not in str(sent)
    (failed,) = wire.provider({
        "type": "response.steer.failed",
        "stream_id": "lane-1",
        "error": {"type": "invalid_request_error", "code": "response_already_completed", "message": "too late"},
        "steer": {"previous_response_id": "resp_1", "input": sent},
    })  # fmt: skip
    assert failed["steer"]["input"] == f"to {EMAIL}"  # type: ignore[index, call-overload]


def test_steering_follows_the_lane_of_the_response_it_names() -> None:
    wire = Wire(hold=True)
    wire.create("a", stream_id="lane-1")
    wire.answer()
    wire.begin("resp_1", stream_id="lane-1")
    wire.create("b", stream_id="lane-1")
    wire.client({"type": "response.steer", "previous_response_id": "resp_1", "input": "c"})
    wire.answer(1)
    assert len(wire.sent_up) == 1, "what is ahead of it in the lane is still being examined"
    wire.answer()
    assert [frame["type"] for frame in wire.sent_up] == ["response.create"] * 2 + ["response.steer"]


def test_steering_while_a_text_streams_is_restored_in_that_very_text() -> None:
    wire = Wire()
    wire.create("from grace.hopper@example.com")
    wire.begin("resp_1")
    grace = token(wire, "grace.hopper@example.com")
    delta: Any = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0}
    assert wire.provider({**delta, "delta": f"{grace} "})[0]["delta"] == "grace.hopper@example.com "
    wire.client({"type": "response.steer", "previous_response_id": "resp_1", "input": f"to {EMAIL}"})
    name = token(wire, EMAIL)
    pieces = [*wire.provider({**delta, "delta": name[:9]}), *wire.provider({**delta, "delta": name[9:]})]
    assert "".join(str(piece["delta"]) for piece in pieces) == EMAIL
