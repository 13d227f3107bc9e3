"""Objects of an SDK: what they are on the wire, and back."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Literal

import pytest
from openai.types.responses import (
    ParsedResponseFunctionToolCall,
    Response,
    ResponseFunctionToolCall,
    ResponseOutputItemDoneEvent,
    ResponseTextDeltaEvent,
)
from pydantic import BaseModel, Field

from gateway.errors import FrameError, Refused
from gateway.sdk import Kinds, is_absent, made, plain, written
from tests.gateway.guards import sdk
from tests.properties.answers import CASES


class Role(Enum):
    USER = "user"


class Aliased(BaseModel):
    """A class whose field has another name on the wire, and one that is not given."""

    own_schema: dict[str, int] = Field(alias="schema")
    left_out: str = "default"


CALL = {"type": "function_call", "name": "send", "arguments": "{}", "call_id": "call_1"}


def test_a_request_is_taken_apart_into_what_json_has() -> None:
    call = ResponseFunctionToolCall.construct(**CALL)
    value = {
        "a": (1, 2.5, None, True),
        "b": [call],
        "c": Role.USER,
        "d": (x for x in "yz"),
        "e": Aliased(schema={"n": 1}),
    }
    assert plain(value) == {
        "a": [1, 2.5, None, True],
        "b": [CALL],
        "c": "user",
        "d": ["y", "z"],
        "e": {"schema": {"n": 1}},
    }


def test_what_the_sdk_parsed_out_of_an_answer_is_not_sent_again() -> None:
    parsed = ParsedResponseFunctionToolCall.construct(**CALL, parsed_arguments={"x": 1})
    assert plain([parsed]) == [CALL]


@pytest.mark.parametrize("value", [object(), {1: "x"}, b"x", {"x": 1j}])
def test_what_json_has_no_form_for_is_refused(value: Any) -> None:
    with pytest.raises(Refused):
        plain(value)


def test_an_event_is_written_as_it_came_with_what_nobody_knows() -> None:
    wire = {"type": "response.output_text.delta", "delta": "x", "unknown": {"deep": [1]}, "logprobs": None}
    assert json.loads(written(ResponseTextDeltaEvent.construct(**wire))) == wire
    assert json.loads(written(wire)) == wire


@pytest.mark.parametrize("name", CASES)
def test_every_event_of_the_sdk_goes_there_and_back_and_nothing_is_lost(name: str) -> None:
    for event in CASES[name]:
        (given,) = sdk([event])
        wire = written(given)
        assert json.loads(wire) == event
        again = made(json.loads(wire), type(given))
        assert type(again) is type(given)
        assert written(again) == wire


def test_what_is_no_object_of_an_sdk_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="not list"):
        written([])
    with pytest.raises(FrameError):
        written(ResponseTextDeltaEvent.construct(delta="\ud800"))
    with pytest.raises(FrameError):
        written({"delta": "\ud800"})


def test_objects_are_made_as_the_sdk_makes_them_with_all_that_is_within() -> None:
    event = made(
        {"type": "response.output_item.done", "item": {**CALL, "status": "of the future"}, "x": 1},
        ResponseOutputItemDoneEvent,
    )
    assert isinstance(event, ResponseOutputItemDoneEvent)
    assert isinstance(event.item, ResponseFunctionToolCall)
    assert event.to_dict(warnings=False) == {
        "type": "response.output_item.done",
        "item": {**CALL, "status": "of the future"},
        "x": 1,
    }
    assert made({"schema": {"n": 1}}, Aliased) == Aliased(schema={"n": 1})
    assert type(made({"schema": "wrong"}, Aliased)) is Aliased


def test_the_class_of_an_event_is_the_one_it_had_else_its_packages_else_the_one_beside_it() -> None:
    class Own(ResponseTextDeltaEvent):
        """The program's own."""

    class Lonely(BaseModel):
        """An event of a package that has no others."""

        type: Literal["response.lonely"] = "response.lonely"

    like = ResponseOutputItemDoneEvent.construct(type="response.output_item.done")
    delta: Any = {"type": "response.output_text.delta", "delta": "x"}
    kinds = Kinds()
    assert type(kinds.object_of(delta, like)) is ResponseTextDeltaEvent
    kinds.learn(Own.construct(**delta))
    assert type(kinds.object_of(delta, like)) is Own
    assert type(Kinds().object_of({"type": "response.of.the.future"}, like)) is ResponseOutputItemDoneEvent
    assert type(Kinds().object_of({"type": "response.other"}, Lonely())) is Lonely
    assert Kinds().object_of(delta, {"type": "a dictionary"}) is delta


def test_kinds_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sdk._MAX_KINDS", 2)
    kinds = Kinds()
    for name in "abc":
        kinds.learn(Response.construct(type=name))
    kinds.learn({"type": "d"})
    like = ResponseTextDeltaEvent.construct(type="x")
    assert [type(kinds.object_of({"type": name}, like)) for name in "abc"] == [
        Response,
        Response,
        ResponseTextDeltaEvent,
    ]


def test_arguments_that_are_not_given_are_known_by_what_sdks_call_them() -> None:
    from openai._types import NOT_GIVEN, omit

    assert is_absent(NOT_GIVEN)
    assert is_absent(omit)
    assert not is_absent(None)
