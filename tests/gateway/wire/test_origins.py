"""Who said a text of a client's frame: for every item, part and parameter of the package, and for shapes it has not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from gateway.wire import origins
from gateway.wire.frame import Json, encode
from gateway.wire.origins import origin
from gateway.wire.texts import walk
from policies.model import Origin
from tests.properties.sdk import (
    BETA_EVENTS,
    CLIENT_EVENTS,
    CREATE_PARAMS,
    INPUT_ITEMS,
    ITEMS,
    OUTPUT_ITEMS,
    Either,
    Many,
    Record,
    Shape,
    examples,
    type_of,
)

MARK: Final = "marked"
CALLS: Final = {"assistant"}
OUTPUTS: Final = {"tool_outputs"}
SAID: Final[dict[str, set[str]]] = {
    "additional_tools": {"instructions"},
    "agent_message": {"other"},
    "apply_patch_call": CALLS,
    "apply_patch_call_output": OUTPUTS,
    "code_interpreter_call": CALLS | OUTPUTS,
    "compaction": CALLS,
    "compaction_trigger": {"other"},
    "computer_call": CALLS,
    "computer_call_output": OUTPUTS,
    "configuration_update": {"instructions"},
    "custom_tool_call": CALLS,
    "custom_tool_call_output": OUTPUTS,
    "file_search_call": CALLS | OUTPUTS,
    "function_call": CALLS,
    "function_call_output": OUTPUTS,
    "image_generation_call": CALLS | OUTPUTS,
    "item_reference": {"other"},
    "local_shell_call": CALLS,
    "local_shell_call_output": OUTPUTS,
    "mcp_approval_request": CALLS,
    "mcp_approval_response": {"user"},
    "mcp_call": CALLS | OUTPUTS,
    "mcp_list_tools": OUTPUTS,
    "multi_agent_call": CALLS,
    "multi_agent_call_output": OUTPUTS,
    "program": CALLS,
    "program_output": OUTPUTS,
    "reasoning": CALLS,
    "shell_call": CALLS,
    "shell_call_output": OUTPUTS,
    "tool_search_call": CALLS,
    "tool_search_output": OUTPUTS,
    "web_search_call": CALLS | OUTPUTS,
}
"""Every item of the package that is no message, and who may have said something in it."""

Frame = dict[str, Any]


def said(frame: Json) -> dict[str, Origin]:
    """Who said each marked text of a frame, by its place."""
    return {text.place: origin(frame, text) for text in walk(frame).texts if MARK in text.text}


def create(**more: Json) -> Frame:
    return {"type": "response.create", **more}


def items() -> Iterator[tuple[str, Json]]:
    """Every item of the package, with its type."""
    inputs = [Record(model).fields["input"] for model in (*CLIENT_EVENTS, *BETA_EVENTS) if _asks(model)]
    models = [*INPUT_ITEMS, *ITEMS, *OUTPUT_ITEMS, *(one for shape in inputs for one in _records(shape))]
    for model in models:
        for item in examples(Record(model), lean=True, text=MARK):
            yield type_of(model) or "message", item


def _asks(model: Any) -> bool:
    return type_of(model) in ("response.create", "response.steer", "response.inject")


def _records(shape: Shape) -> Iterator[Any]:
    if isinstance(shape, Record):
        yield shape.model
    for one in shape.options if isinstance(shape, Either) else [shape.element] if isinstance(shape, Many) else []:
        yield from _records(one)


EVERY: Final = {kind: [item for other, item in items() if other == kind] for kind, _ in items()}


def test_every_item_of_the_package_has_an_origin_or_is_nobodys_on_purpose() -> None:
    assert set(EVERY) - {"message"} == set(SAID)


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("event", ["response.create", "response.steer", "response.inject"])
def test_an_item_is_said_by_whom_its_type_tells(kind: str, event: str) -> None:
    found = [set(said({"type": event, "input": [item]}).values()) for item in EVERY[kind]]
    assert set().union(*found) == SAID[kind]


ROLES: Final[dict[str, Origin]] = {
    "user": "user",
    "system": "instructions",
    "developer": "instructions",
    "assistant": "assistant",
    "tool": "tool_outputs",
    "critic": "other",
    "discriminator": "other",
    "unknown": "other",
    "User": "other",
    " user": "other",
    "": "other",
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("typed", [{"type": "message"}, {"type": None}, {}], ids=["typed", "null", "untyped"])
@pytest.mark.parametrize(
    "content", [MARK, [{"type": "input_text", "text": MARK}], [{"type": "refusal", "refusal": MARK}], [MARK]]
)
def test_a_message_is_said_by_its_role(role: str, typed: Frame, content: Json) -> None:
    frame = create(input=[{**typed, "role": role, "content": content}])
    assert set(said(frame).values()) == {ROLES[role]}
    assert set(said({"type": "response.create", "response": {"input": frame["input"]}}).values()) == {ROLES[role]}


def test_a_messages_role_goes_for_its_content_only() -> None:
    message: Frame = {"role": "user", "id": MARK, "status": MARK, "marked": 1, "content": [{"marked": "x"}]}
    found = said(create(input=[message]))
    assert len(found) == 4
    assert set(found.values()) == {"other"}


def test_a_role_means_nothing_in_an_item_with_a_type_of_its_own() -> None:
    output: Frame = {"type": "function_call_output", "role": "user", "output": MARK, "content": MARK}
    assert set(said(create(input=[output])).values()) == {"tool_outputs"}
    assert set(said(create(input=[{**output, "type": "shiny_output"}])).values()) == {"other"}


@pytest.mark.parametrize(
    ("item", "place", "whose"),
    [
        ({"type": "mcp_call", "output": MARK}, "output", "tool_outputs"),
        ({"type": "mcp_call", "error": {"type": "x", "message": MARK}}, "error.message", "tool_outputs"),
        ({"type": "mcp_call", "arguments": encode({"to": [MARK]})}, "arguments.*[0]", "assistant"),
        ({"type": "mcp_call", "arguments": encode({MARK: 1})}, "arguments.*{key}", "assistant"),
        ({"type": "code_interpreter_call", "outputs": [{"logs": MARK}]}, "outputs[0].logs", "tool_outputs"),
        ({"type": "code_interpreter_call", "code": MARK}, "code", "assistant"),
        ({"type": "file_search_call", "results": [{"text": MARK}]}, "results[0].text", "tool_outputs"),
        ({"type": "file_search_call", "queries": [MARK]}, "queries[0]", "assistant"),
        ({"type": "web_search_call", "action": {"query": MARK}}, "action.query", "assistant"),
        ({"type": "web_search_call", "action": {"sources": [{"url": MARK}]}}, "action.sources[0].url", "tool_outputs"),
        ({"type": "function_call_output", "output": [{"text": MARK}]}, "output[0].text", "tool_outputs"),
        ({"type": "function_call_output", "marked": 1}, "*{key}", "other"),
    ],
)
def test_a_call_and_what_it_gave_are_told_apart(item: Frame, place: str, whose: Origin) -> None:
    assert said(create(input=[item])) == {f"input[0].{place}": whose}


def test_a_plain_input_is_the_users() -> None:
    assert said(create(input=MARK)) == {"input": "user"}
    assert said({"type": "response.create", "response": {"input": MARK}}) == {"response.input": "user"}
    assert said({"type": "response.steer", "previous_response_id": "resp_1", "input": MARK}) == {"input": "user"}


def test_every_parameter_of_the_package_but_the_input_is_set_up() -> None:
    models = (CREATE_PARAMS, *(model for model in (*CLIENT_EVENTS, *BETA_EVENTS) if _asks(model)))
    names = {name for model in models for name in Record(model).fields}
    assert names - {"input"} == origins._SETUP - {"client_metadata", "event_id"}
    for name in origins._SETUP - {"type"}:
        assert set(said(create(**{name: [{"x": MARK}]})).values()) == {"instructions"}
        assert set(said({"type": "response.create", "response": {name: MARK}}).values()) <= {"instructions"}


@pytest.mark.parametrize(
    "frame",
    [
        create(shiny=MARK),
        create(marked=1),
        create(output=MARK),
        create(response=MARK),
        create(response=[{"input": MARK}]),
        create(response={"response": {"input": MARK}}),
        create(response={"shiny": MARK}),
        create(input={"role": "user", "content": MARK}),
        create(input=[MARK]),
        create(input=[[{"role": "user", "content": MARK}]]),
        create(input=[{"role": ["user"], "content": MARK}]),
        create(input=[{"type": ["message"], "role": "user", "content": MARK}]),
        create(input=[{"type": "shiny", "role": "user", "content": MARK}]),
        create(input=[{"type": {"message": 1}, "role": "user", "content": MARK}]),
        create(input=[{"content": MARK}]),
        create(input=[{"role": "user", "content": {"type": "input_text", "text": MARK}}]),
        create(input=[{"role": "user", "content": [[MARK]]}]),
        create(input=[{"role": "user", "content": [{"text": MARK}]}]),
        create(input=[{"role": "user", "content": [{"type": "tool_result", "content": MARK}]}]),
        create(input=[{"role": "user", "content": [{"type": "input_text", "output": MARK}]}]),
        create(input=[{"role": "user", "content": [{"type": "message", "role": "system", "content": MARK}]}]),
        create(input=[{"role": "user", "content": [{"type": "text", "role": "system", "text": MARK}]}]),
        create(input=[{"type": "function_call", "output": MARK}]),
        create(input=[{"type": "shell_call", "action": {}, "output": [{"stdout": MARK}]}]),
        create(input=[{"type": "web_search_call", "action": {"results": [{"text": MARK}]}}]),
        create(input=[{"type": "mcp_approval_response", "output": MARK}]),
        {"type": "response.steer", "response": {"input": MARK}},
        {"type": "response.inject", "response": {"instructions": MARK}},
        [{"input": MARK}],
    ],
    ids=encode,
)
def test_what_the_protocol_does_not_have_is_nobodys(frame: Json) -> None:
    assert set(said(frame).values()) == {"other"}
