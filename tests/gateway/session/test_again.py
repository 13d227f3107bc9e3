"""A value that is found in one place of a message is masked in all, and in the conversation's next messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies.load import load
from policies.model import Policy
from tests.kit import Wire

PHONE, SECRET = "4155552671", "Zx91kQpLm2vRt7Yw"
DEFAULT = load("default")


def output(text: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": "call_1", "output": text}


def call(**arguments: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": "call_1", "name": "run", "arguments": json.dumps(arguments)}


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (SECRET, [output(f"DB_PASSWORD={SECRET}"), call(cmd=f"mysql -u app -p{SECRET} shop")]),
        (SECRET, [call(cmd=f"mysql -u app -p{SECRET} shop"), output(f"DB_PASSWORD={SECRET}")]),
        (PHONE, [user(f"my phone number is {PHONE}"), output(PHONE), call(to=int(PHONE)), call(**{PHONE: 1})]),
    ],
    ids=["a password and its use", "the other way round", "a number"],
)
def test_it_is_masked_wherever_it_stands(value: str, items: list[dict[str, Any]]) -> None:
    wire = Wire(policy=DEFAULT)
    wire.create(items)
    assert value not in "".join(wire.raw_up)
    assert value not in json.dumps([row.as_json() for row in wire.rows])
    assert "again" in {found["module"] for row in wire.rows for found in row.as_json()["findings"]}


@pytest.mark.parametrize("later", [output(PHONE), call(to=PHONE), user(f"{PHONE}?")])
def test_it_is_masked_in_the_next_message_of_its_conversation(later: dict[str, Any]) -> None:
    wire = Wire(policy=DEFAULT)
    wire.create([user(f"my phone number is {PHONE}")])
    wire.begin("resp_1")
    wire.provider({"type": "response.completed", "response": {"id": "resp_1", "output": []}})
    wire.create([later], previous_response_id="resp_1")
    assert PHONE not in "".join(wire.raw_up)
    wire.create([later])
    assert PHONE in wire.raw_up[-1], "and nowhere else: there it was not found"


def test_a_value_that_may_not_be_sent_may_not_be_sent_from_there() -> None:
    blocks = Policy.model_validate({**DEFAULT.model_dump(), "actions": {"PHONE_NUMBER": {"input": "block"}}})
    wire = Wire(policy=blocks)
    wire.create([user(f"my phone number is {PHONE}")])
    assert wire.sent_down[-1]["type"] == "error"
    wire.create([output(PHONE), user(f"my phone number is {PHONE}")])
    assert [len(row.findings) for row in wire.rows] == [1, 2]
    assert not wire.raw_up


def test_what_the_policy_lets_through_is_let_through() -> None:
    allows = Policy.model_validate({**DEFAULT.model_dump(), "actions": {"PHONE_NUMBER": {"input": "allow"}}})
    wire = Wire(policy=allows)
    wire.create([output(PHONE), user(f"my phone number is {PHONE}")])
    assert wire.raw_up[-1].count(PHONE) == 2


def test_a_policy_that_observes_notes_it() -> None:
    wire = Wire(policy=load("observe"))
    wire.create([output(PHONE), user(f"my phone number is {PHONE}")])
    assert wire.raw_up[-1].count(PHONE) == 2
    assert len(wire.rows[-1].findings) == 2


@pytest.mark.parametrize("name", ["default", "observe"])
def test_too_many_keys_in_too_much_text_are_refused_and_where_it_only_observes_noted(name: str) -> None:
    keys = [f'api_key = "zQ{number:04}xK7vLp3Wn8Rb5Ty2Md"' for number in range(1_500)]
    wire = Wire(policy=load(name))
    wire.create([user("\n".join(keys)), user("word " * 40_000)])
    assert bool(wire.raw_up) == (name == "observe")
    assert "could not be examined" in str(wire.rows[-1].reason)
