"""A whole item becomes the events that would have brought it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter

from gateway.wire.synth import emptied, item_events

SDK: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)

MESSAGE: dict[str, Any] = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [
        {"type": "output_text", "text": "Hello, Ada.", "annotations": [], "logprobs": []},
        {"type": "refusal", "refusal": "No."},
        {"type": "output_text", "text": "", "annotations": []},
    ],
}
REASONING: dict[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
    "content": [{"type": "reasoning_text", "text": "Thinking."}],
    "encrypted_content": "gAAAA",
    "status": "completed",
}
CALL: dict[str, Any] = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "send",
    "arguments": '{"a":1}',
    "status": "completed",
}
CUSTOM: dict[str, Any] = {
    "type": "custom_tool_call",
    "id": "ctc_1",
    "call_id": "call_1",
    "name": "shell",
    "input": "ls -l",
}
MCP: dict[str, Any] = {
    "type": "mcp_call",
    "id": "mcp_1",
    "name": "find",
    "server_label": "crm",
    "arguments": "{}",
    "output": "found",
}
CODE: dict[str, Any] = {
    "type": "code_interpreter_call",
    "id": "ci_1",
    "code": "print(1)",
    "container_id": "cntr_1",
    "outputs": [],
    "status": "completed",
}
SEARCH: dict[str, Any] = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "weather"},
}
SHELL: dict[str, Any] = {
    "type": "shell_call",
    "id": "sh_1",
    "call_id": "call_1",
    "status": "completed",
    "action": {"commands": ["ls -l", ""], "max_output_length": 100, "timeout_ms": 1000},
    "environment": None,
}
PRINTED: dict[str, Any] = {
    "type": "shell_call_output",
    "id": "sho_1",
    "call_id": "call_1",
    "status": "completed",
    "max_output_length": 100,
    "output": [{"stdout": "a", "stderr": "b", "outcome": {"type": "exit", "exit_code": 0}}],
}
ITEMS: dict[str, dict[str, Any]] = {
    item["type"]: item for item in (MESSAGE, REASONING, CALL, CUSTOM, MCP, CODE, SEARCH, SHELL, PRINTED)
}


def names(item: Any, index: int = 0) -> list[str]:
    return [str(event["type"]).removeprefix("response.") for event in item_events(item, index)]


def events(item: Any, index: int = 0) -> list[dict[str, Any]]:
    return list(item_events(item, index))


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_the_sdk_accepts_every_event_of_every_item(item: dict[str, Any]) -> None:
    for event in events(item, 3):
        parsed = SDK.validate_python({**event, "sequence_number": 1})
        assert parsed.to_dict() == {**event, "sequence_number": 1}, "nothing is missing or of another type"


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_an_item_is_announced_first_and_comes_whole_at_the_end(item: dict[str, Any]) -> None:
    first, *_, last = events(item, 3)
    assert (first["type"], first["output_index"]) == ("response.output_item.added", 3)
    assert last == {"type": "response.output_item.done", "output_index": 3, "item": item}


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_every_event_between_names_the_item_and_its_index(item: dict[str, Any]) -> None:
    between = events(item, 3)[1:-1]
    assert all((event["output_index"], event["item_id"]) == (3, item["id"]) for event in between)


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_making_events_leaves_the_item_as_it_is(item: dict[str, Any]) -> None:
    before = copy.deepcopy(item)
    events(item)
    assert item == before


def test_a_message_comes_part_by_part_each_with_its_own_index() -> None:
    assert names(MESSAGE) == [
        "output_item.added",
        *("content_part.added", "output_text.delta", "output_text.done", "content_part.done"),
        *("content_part.added", "refusal.delta", "refusal.done", "content_part.done"),
        *("content_part.added", "output_text.done", "content_part.done"),
        "output_item.done",
    ]
    assert [e["content_index"] for e in events(MESSAGE)[1:-1]] == [0] * 4 + [1] * 4 + [2] * 3


def test_the_deltas_of_a_part_joined_are_its_text() -> None:
    deltas = [e["delta"] for e in events(MESSAGE) if e["type"].endswith("text.delta")]
    assert deltas == ["Hello, Ada."], "an empty text has no delta"
    assert [e["text"] for e in events(MESSAGE) if e["type"].endswith("text.done")] == ["Hello, Ada.", ""]


def test_a_part_is_announced_without_its_text_and_annotations() -> None:
    part = {"type": "output_text", "text": "x", "annotations": [{"type": "url_citation", "url": "https://a.example"}]}
    added, *_, done = events({**MESSAGE, "content": [part]})[1:-1]
    assert added["part"] == {"type": "output_text", "text": "", "annotations": []}
    assert done["part"] == part


def test_reasoning_brings_its_summary_and_then_its_content() -> None:
    summary = ["added", "delta", "done", "done"]
    kinds = names(REASONING)[1:-1]
    assert [kind.rsplit(".", 1)[1] for kind in kinds[:8]] == summary * 2
    assert all(kind.startswith("reasoning_summary_") for kind in kinds[:8])
    assert kinds[8:] == ["content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done"]
    assert [e["summary_index"] for e in events(REASONING)[1:9]] == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("item", "name", "field"),
    [
        (CALL, "function_call_arguments", "arguments"),
        (MCP, "mcp_call_arguments", "arguments"),
        (CUSTOM, "custom_tool_call_input", "input"),
        (CODE, "code_interpreter_call_code", "code"),
    ],
    ids=["function_call", "mcp_call", "custom_tool_call", "code_interpreter_call"],
)
def test_what_a_tool_will_run_comes_in_one_piece_and_once_whole(item: Any, name: str, field: str) -> None:
    assert names(item) == ["output_item.added", f"{name}.delta", f"{name}.done", "output_item.done"]
    added, delta, done, _ = events(item)
    assert added["item"][field] == ""
    assert delta["delta"] == done[field] == item[field]


def test_an_item_without_streamed_text_is_announced_and_done() -> None:
    assert names(SEARCH) == ["output_item.added", "output_item.done"]
    assert names({"type": "haiku", "id": "x", "verses": ["a"]}) == ["output_item.added", "output_item.done"]
    assert names({}) == ["output_item.added", "output_item.done"]


def test_an_announced_item_keeps_its_schema_without_its_text() -> None:
    assert emptied(MESSAGE) == {**MESSAGE, "content": [], "status": "in_progress"}
    assert emptied(REASONING) == {**REASONING, "content": [], "summary": [], "status": "in_progress"}
    assert emptied(CALL) == {**CALL, "arguments": "", "status": "in_progress"}
    assert "status" not in emptied(CUSTOM)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "id": 5, "content": "text"},
        {"type": "message", "id": "m", "content": ["text", None, {"type": "output_text"}, {"type": "output_text", "text": 5}]},
        {"type": "reasoning", "summary": ["text", {"type": "summary_text"}], "content": {}},
        {"type": "function_call", "arguments": {"a": 1}},
        {"type": ["message"], "content": [{"type": ["output_text"], "text": "x"}]},
    ],
)  # fmt: skip
def test_an_item_of_another_shape_still_comes_whole(item: Any) -> None:
    *_, last = events(item)
    assert last["item"] == item


def test_an_item_without_an_id_has_events_without_one() -> None:
    assert all("item_id" not in event for event in events({**CALL, "id": None}))


def test_the_commands_of_a_shell_call_come_one_by_one() -> None:
    assert names(SHELL)[1:-1] == [
        *("shell_call_command.added", "shell_call_command.delta", "shell_call_command.done"),
        *("shell_call_command.added", "shell_call_command.done"),
    ]
    assert [(e["command_index"], e.get("command", e.get("delta"))) for e in events(SHELL)[1:-1]] == [
        *((0, ""), (0, "ls -l"), (0, "ls -l")),
        *((1, ""), (1, "")),
    ]


def test_what_commands_printed_comes_one_by_one() -> None:
    delta, done = events(PRINTED)[1:-1]
    assert (delta["command_index"], delta["delta"]) == (0, {"stdout": "a", "stderr": "b"})
    assert done["output"] == PRINTED["output"]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "shell_call", "action": {"commands": "ls"}},
        {"type": "shell_call", "action": {"commands": [5, None]}},
        {"type": "shell_call", "action": None},
        {"type": "shell_call_output", "output": "text"},
        {"type": "shell_call_output", "output": ["text", None]},
    ],
)
def test_a_shell_call_of_another_shape_still_comes_whole(item: dict[str, Any]) -> None:
    assert names(item) == ["output_item.added", "output_item.done"]
