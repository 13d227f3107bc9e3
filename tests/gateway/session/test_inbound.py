"""From the client to the provider: what is sent on is masked, and what cannot be is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from gateway.errors import UpstreamError
from gateway.session.effects import Detect, Effect, Record, ToUpstream
from gateway.session.states import Bounds
from guardrails.errors import VaultError
from guardrails.vault import MAX_VALUES, Restorable
from tests.kit import CARD, EMAIL, SSN, Wire, policy, token

SECRETS = (EMAIL, SSN, CARD)
BLOCKING = policy("actions: {US_SSN: {input: block}}\n")
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()
PICTURE = [{"role": "user", "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}]}]


def refusal(wire: Wire, **frame: Any) -> dict[str, Any]:
    """The one frame that the client got: an error in the form after which clients stay. What is in it is returned."""
    assert len(wire.sent_down) == 1
    (sent,) = wire.sent_down
    error: Any = sent.pop("error")
    assert sent == {"type": "error", "status": 400, **frame}
    assert set(error) == {"type", "code", "message", "param"}
    assert error["type"] == "invalid_request_error"
    assert not wire.sent_up
    assert not any(secret in wire.raw_down[0] for secret in SECRETS)
    wire.sent_down.clear()
    wire.raw_down.clear()
    assert wire.create("still here"), "the connection lives on"
    wire.sent_up.clear()
    return dict(error)


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
    tool = {"type": "mcp", "server_label": "crm", "authorization": f"Bearer {EMAIL}", "headers": {"X-Key": CARD}}
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
    part = {"type": "output_text", "text": "hi", "logprobs": [{"token": EMAIL, "bytes": [97, 100, 97]}]}
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
    places = [(found.applied.entity, found.place, found.applied.action) for found in row.findings]
    assert places == [
        ("EMAIL_ADDRESS", "input[0].content[0].text", "mask"),
        ("CREDIT_CARD", "input[0].content[0].text", "mask"),
        ("EMAIL_ADDRESS", "metadata.*", "mask"),
    ]
    assert len({found.applied.fingerprint for found in row.findings}) == 2
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


# What is refused


BROKEN: dict[str, str | bytes] = {
    "no JSON": f"{EMAIL} {{",
    "an open object": f'{{"type": "response.create", "input": "{EMAIL}"',
    "a repeated key": f'{{"type": "response.create", "input": "{EMAIL}", "input": "x"}}',
    "NaN": f'{{"type": "response.create", "input": "{EMAIL}", "x": NaN}}',
    "a lone surrogate": f'{{"type": "response.create", "input": "{EMAIL} \\ud800"}}',
    "a byte order mark": f'\ufeff{{"type": "response.create", "input": "{EMAIL}"}}',
    "text after the value": f'{{"type": "response.create", "input": "x"}} {EMAIL}',
    "a huge integer": f'{{"type": "response.create", "input": "{EMAIL}", "n": {10**30}}}',
    "too deep": '{"type": "response.create", "input": ' + "[" * 70 + f'"{EMAIL}"' + "]" * 70 + "}",
    "nothing": "",
    "a string": json.dumps(EMAIL),
    "a number": "5",
    "null": "null",
    "an array": json.dumps([{"type": "response.create", "input": EMAIL}]),
    "no type": json.dumps({"input": EMAIL}),
    "a type that is a list": json.dumps({"type": ["response.create"], "input": EMAIL}),
    "a type that is null": json.dumps({"type": None, "input": EMAIL}),
    "another case": json.dumps({"type": "Response.Create", "input": EMAIL}),
    "a space in the type": json.dumps({"type": "response.create ", "input": EMAIL}),
    "an event of the server": json.dumps({"type": "response.created", "response": {"id": EMAIL}}),
    "cancelling": json.dumps({"type": "response.cancel", "response_id": EMAIL}),
    "an event of another API": json.dumps({"type": "session.update", "session": {"instructions": EMAIL}}),
    "a type that is data": json.dumps({"type": EMAIL}),
    "a nested response that is a string": json.dumps({"type": "response.create", "response": EMAIL}),
    "a nested response that is a list": json.dumps({"type": "response.create", "response": [{"input": EMAIL}]}),
    "a binary message": json.dumps({"type": "response.create", "input": EMAIL}).encode(),
    "an empty binary message": b"",
    "a message in UTF-16": json.dumps({"type": "response.create"}).encode("utf-16"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_event_of_a_client_is_refused_with_nothing_of_it(data: str | bytes) -> None:
    wire = Wire()
    assert wire.client(data) == []
    error = refusal(wire)
    assert error["code"] == "invalid_prompt"
    row = wire.rows[0]
    assert (row.event, row.decision, row.reason) == ("other", "refused", error["message"])
    assert len(wire.rows) == 2, "the other is of the frame that went up afterwards"


def test_a_message_over_the_limit_is_refused() -> None:
    wire = Wire(bounds=Bounds(message_bytes=1000))
    wire.create("x" * 1000)
    assert "1000 bytes" in refusal(wire)["message"]


def test_json_as_deep_as_allowed_passes() -> None:
    wire = Wire(bounds=Bounds(json_depth=10))
    deep: Any = EMAIL
    for _ in range(9):
        deep = [deep]
    assert wire.create(deep)
    assert EMAIL not in wire.raw_up[0]
    assert not wire.create([deep])


def test_a_message_with_more_texts_than_can_be_examined_is_refused() -> None:
    wire = Wire()
    wire.create(["x"] * 50_001)
    assert "too many values" in refusal(wire)["message"]


def test_a_blocked_entity_stops_the_message_and_names_the_entity_only() -> None:
    wire = Wire(policy=BLOCKING)
    wire.create(f"I am {SSN}, write to {EMAIL}", stream_id="lane-1")
    error = refusal(wire, stream_id="lane-1")
    assert error["message"] == "Policy test does not allow sending US_SSN."
    row = wire.rows[0]
    assert row.decision == "blocked"
    assert [(f.applied.entity, f.applied.action) for f in row.findings] == [
        ("US_SSN", "block"),
        ("EMAIL_ADDRESS", "mask"),
    ]
    assert SSN not in json.dumps(row.as_json())


def test_an_allowed_entity_passes_unmasked_and_is_no_finding() -> None:
    wire = Wire(policy=policy("actions: {US_SSN: {input: allow}}\n"))
    (sent,) = wire.create(f"I am {SSN}")
    assert sent["input"] == f"I am {SSN}"
    assert wire.rows[0].decision == "forwarded"


def test_an_operator_decides_what_a_value_becomes() -> None:
    wire = Wire(policy=policy("operators: {CREDIT_CARD: {use: mask, keep: 4, from_end: true}}\n"))
    (sent,) = wire.create(f"card {CARD}")
    assert sent["input"] == "card ***************1111"


def test_an_attachment_is_refused_unless_the_policy_allows_it() -> None:
    wire = Wire()
    wire.create(PICTURE)  # type: ignore[arg-type]
    error = refusal(wire)
    assert "images, files or sound" in error["message"]
    assert str(error["param"]).startswith("input[0].content[0]")
    assert wire.rows[0].decision == "refused"
    assert wire.rows[0].attachments > 0

    wire = Wire(policy=policy("input: {attachments: allow}\n"))
    (sent,) = wire.create(PICTURE)  # type: ignore[arg-type]
    assert sent["input"] == PICTURE
    assert wire.rows[0].decision == "forwarded"
    assert wire.rows[0].attachments > 0


def test_a_turn_beyond_the_keys_rate_is_refused() -> None:
    wire = Wire()
    object.__setattr__(wire.session._inbound._setup, "admit", iter([True, False, True]).__next__)
    assert wire.create("a")
    assert not wire.create("b")
    error: Any = wire.sent_down[-1]["error"]
    assert (wire.sent_down[-1]["status"], error["code"]) == (400, "rate_limit_exceeded")
    assert wire.client({"type": "response.steer", "previous_response_id": "r", "input": "x"}), "steering is no turn"
    assert wire.create("c")


def test_a_conversation_with_too_many_values_is_refused() -> None:
    wire = Wire(vault={"resp_0": Restorable({f"<A_{number}>": "x" for number in range(MAX_VALUES)})})
    wire.create(f"mail {EMAIL}", previous_response_id="resp_0")
    assert "too many masked values" in refusal(wire)["message"]
    assert wire.rows[0].decision in ("refused", "failed")


# Detection fails


def test_a_message_that_could_not_be_examined_is_refused_and_the_connection_lives_on() -> None:
    wire = Wire(hold=True)
    wire.create(f"mail {EMAIL}", stream_id="lane-1")
    assert not wire.sent_up
    wire.fail()
    wire.hold = False
    error = refusal(wire, stream_id="lane-1")
    assert (error["code"], error["message"]) == (
        "invalid_prompt",
        "The message could not be examined, so it was not sent.",
    )
    assert wire.rows[0].decision == "failed"


def test_answers_to_questions_that_are_settled_are_ignored() -> None:
    wire = Wire(hold=True)
    wire.create(f"mail {EMAIL}")
    ticket = wire.questions[0].ticket
    wire.fail()
    assert wire.session.detected(ticket, [[]], 0.0, 1.0) == []
    assert wire.session.detection_failed(ticket, UpstreamError("x"), 1.0) == []
    assert wire.session.recalled(ticket, None, 1.0) == []
    assert wire.session.recall_failed(ticket, UpstreamError("x"), 1.0) == []
    assert not wire.sent_up
    wire.create("again")
    assert wire.session.detected(ticket, [[]] * 9, 0.0, 1.0) == [], "an old ticket answers no new question"
    wire.answer()
    assert len(wire.sent_up) == 1


# The vault fails


class Vaultless(Wire):
    """The vault cannot be asked, or says that a response belongs to somebody else."""

    error: Any = None

    def _one(self, effect: Effect) -> list[Effect]:
        from gateway.runner import _recalled
        from gateway.session.effects import Recall

        if isinstance(effect, Recall):
            return self.session.recall_failed(effect.ticket, _recalled(self.error), self.now)
        return super()._one(effect)


def test_a_message_whose_conversation_cannot_be_looked_up_is_refused() -> None:
    wire = Vaultless()
    wire.error = VaultError("down")
    wire.create(f"mail {EMAIL}", previous_response_id="resp_0")
    error = refusal(wire)
    assert (error["code"], "could not be looked up" in error["message"]) == ("invalid_prompt", True)
    assert len(wire.rows) == 2


def test_a_response_of_another_tenant_is_not_found() -> None:
    from guardrails.vault import WrongTenant

    wire = Vaultless()
    wire.error = WrongTenant("no")
    wire.create("go on", previous_response_id="resp_other")
    error = refusal(wire)
    assert (error["code"], error["param"]) == ("previous_response_not_found", "previous_response_id")
    assert "resp_other" not in error["message"]


def test_a_nested_previous_response_is_looked_up_too() -> None:
    from guardrails.vault import WrongTenant

    for frame in (
        {"type": "response.create", "response": {"previous_response_id": "resp_other"}},
        {"type": "response.create", "previous_response_id": None, "response": {"previous_response_id": "resp_other"}},
        {"type": "response.steer", "previous_response_id": "resp_other", "input": "x"},
        {"type": "response.inject", "response_id": "resp_other", "input": []},
    ):
        wire = Vaultless()
        wire.error = WrongTenant("no")
        assert wire.client(frame) == []  # type: ignore[arg-type]
        assert refusal(wire)["code"] == "previous_response_not_found"


def test_a_response_that_nobody_knows_goes_up_and_restores_nothing() -> None:
    wire = Wire()
    (sent,) = wire.create("go on", previous_response_id="resp_unknown")
    assert sent["previous_response_id"] == "resp_unknown"
    wire.begin()
    assert not wire.vault["resp_1"].values


def test_a_message_that_names_two_responses_is_refused() -> None:
    """A provider might take the one that the vault was not asked about."""
    for frame in (
        {"type": "response.create", "previous_response_id": "resp_a", "response": {"previous_response_id": "resp_b"}},
        {"type": "response.create", "previous_response_id": "resp_a", "response_id": "resp_b"},
        {"type": "response.inject", "response_id": "resp_a", "previous_response_id": "resp_b", "input": []},
        {"type": "response.steer", "previous_response_id": "resp_a", "response": {"response_id": "resp_b"}},
    ):
        wire = Wire()
        assert wire.client(frame) == []  # type: ignore[arg-type]
        error = refusal(wire)
        assert "more than one response" in error["message"]
    wire = Wire()
    same = {"previous_response_id": "resp_a"}
    assert wire.client({"type": "response.create", **same, "response": same}), "naming one twice is fine"  # type: ignore[dict-item]


# The audit fails


def test_nothing_is_forwarded_without_a_row() -> None:
    wire = Wire()
    wire.audit_works = False
    assert not wire.create(f"mail {EMAIL}", stream_id="lane-1")
    (error,) = wire.sent_down
    assert (error["status"], error["stream_id"]) == (400, "lane-1")
    assert error["error"]["message"] == "The audit could not be written."  # type: ignore[index, call-overload]
    assert not wire.timers, "nobody waits for a response that was never asked for"
    wire.audit_works = True
    (sent,) = wire.create("again", stream_id="lane-1")
    wire.begin("resp_1", stream_id="lane-1")
    assert sent["input"] == "again"
    assert wire.session._lanes._lanes["lane-1"].active is not None


def test_a_refusal_that_cannot_be_recorded_is_a_refusal_all_the_same() -> None:
    wire = Wire(policy=BLOCKING)
    wire.audit_works = False
    wire.create(f"I am {SSN}", stream_id="lane-1")
    wire.client("not json")
    assert [frame["type"] for frame in wire.sent_down] == ["error", "error"]
    assert wire.sent_down[0]["stream_id"] == "lane-1"
    assert not wire.sent_up


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
    delta = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": name}
    assert wire.provider(delta)[0]["delta"] == EMAIL  # type: ignore[arg-type]
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
