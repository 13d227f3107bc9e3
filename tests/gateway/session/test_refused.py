"""What a client sends and must not go on is refused: the provider gets nothing, and the connection lives on."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from gateway.errors import UpstreamError
from gateway.session.effects import Effect
from gateway.session.states import Bounds
from guardrails.errors import VaultError
from guardrails.vault import MAX_VALUES, Restorable, WrongTenant
from tests.kit import CARD, EMAIL, SSN, Wire, noted, policy

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
    assert [(one.entity, one.action) for one, _ in noted(row)] == [
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


def test_an_attachment_in_the_arguments_of_a_call_is_refused_like_any_other() -> None:
    """There it is a string of JSON in a string."""
    url = "data:image/png;base64," + PNG
    call: Any = [{"type": "function_call", "call_id": "c", "name": "show", "arguments": json.dumps({"x": [url]})}]
    wire = Wire()
    assert wire.create(call) == []
    assert "images, files or sound" in refusal(wire)["message"]
    assert wire.rows[0].attachments == 1

    wire = Wire(policy=policy("input: {attachments: allow}\n"))
    (sent,) = wire.create(call)
    assert sent["input"] == call


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
        from gateway.session.effects import Recall
        from gateway.session.refusals import not_recalled

        if isinstance(effect, Recall):
            return self.session.recall_failed(effect.ticket, not_recalled(self.error), self.now)
        return super()._one(effect)


def test_a_message_whose_conversation_cannot_be_looked_up_is_refused() -> None:
    wire = Vaultless()
    wire.error = VaultError("down")
    wire.create(f"mail {EMAIL}", previous_response_id="resp_0")
    error = refusal(wire)
    assert (error["code"], "could not be looked up" in error["message"]) == ("invalid_prompt", True)
    assert len(wire.rows) == 2


def test_a_response_of_another_tenant_is_not_found() -> None:
    wire = Vaultless()
    wire.error = WrongTenant("no")
    wire.create("go on", previous_response_id="resp_other")
    error = refusal(wire)
    assert (error["code"], error["param"]) == ("previous_response_not_found", "previous_response_id")
    assert "resp_other" not in error["message"]


def test_a_nested_previous_response_is_looked_up_too() -> None:
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


@pytest.mark.parametrize("value", [5, ["resp_a"], {"id": "resp_a"}, True])
def test_an_id_of_a_response_that_is_no_string_is_refused(value: Any) -> None:
    wire = Wire()
    wire.create("x", previous_response_id=value)
    assert refusal(wire)["param"] == "previous_response_id"


def test_spaces_around_an_id_do_not_hide_it_from_the_vault() -> None:
    wire = Vaultless()
    wire.error = WrongTenant("no")
    wire.create("go on", previous_response_id=" resp_other\n")
    assert refusal(wire)["code"] == "previous_response_not_found"
