"""Answers under output masking: items of every kind with values in them, and the events that bring them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies.model import Policy
from tests.kit import EMAIL, REPLAY, SSN, Wire

GRACE = "grace.hopper@example.com"
RAW = f"Ask {GRACE} or {SSN}."
NEW = (GRACE, SSN, "grace", "hopper", "536-22")


def part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


ITEMS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "message": (
        {"type": "message", "id": "item", "role": "assistant", "status": "completed", "content": [part(RAW)]},
        ["output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done"],
    ),
    "reasoning": (
        {
            "type": "reasoning",
            "id": "item",
            "summary": [{"type": "summary_text", "text": RAW}],
            "content": [{"type": "reasoning_text", "text": RAW}],
            "encrypted_content": "gAAAAABk" * 8,
        },
        [
            "output_item.added",
            *("reasoning_summary_part.added", "reasoning_summary_text.delta"),
            *("reasoning_summary_text.done", "reasoning_summary_part.done"),
            *("content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done"),
        ],
    ),
    "function_call": (
        {
            "type": "function_call",
            "id": "item",
            "call_id": "call_1",
            "name": "send",
            "arguments": json.dumps({"to": RAW, "n": 1}),
            "status": "completed",
        },
        ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done"],
    ),
    "custom_tool_call": (
        {"type": "custom_tool_call", "id": "item", "call_id": "call_1", "name": "shell", "input": RAW},
        ["output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done"],
    ),
    "mcp_call": (
        {
            "type": "mcp_call",
            "id": "item",
            "name": "find",
            "server_label": "crm",
            "arguments": json.dumps({"who": RAW}),
            "output": RAW,
        },
        ["output_item.added", "mcp_call_arguments.delta", "mcp_call_arguments.done"],
    ),
    "code_interpreter_call": (
        {
            "type": "code_interpreter_call",
            "id": "item",
            "code": f"print({RAW!r})",
            "container_id": "cntr_1",
            "outputs": [{"type": "logs", "logs": RAW}],
            "status": "completed",
        },
        ["output_item.added", "code_interpreter_call_code.delta", "code_interpreter_call_code.done"],
    ),
    "web_search_call": (
        {
            "type": "web_search_call",
            "id": "item",
            "status": "completed",
            "action": {"type": "search", "query": RAW, "queries": [RAW]},
        },
        ["output_item.added"],
    ),
}
EVERY_ITEM = pytest.mark.parametrize(("item", "expected"), ITEMS.values(), ids=ITEMS)


def begun(of: Policy = REPLAY, text: str = f"mail {EMAIL}", **more: Any) -> Any:
    wire = Wire(policy=of)
    wire.create(text, **more)
    wire.begin(**({"stream_id": more["stream_id"]} if "stream_id" in more else {}))
    return wire


def done(item: Any, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item, "sequence_number": 7, **more}


def completed(*output: Any, how: str = "completed", **more: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "output": list(output), "status": how}
    return {"type": f"response.{how}", "sequence_number": 9, "response": response, **more}


def names(events: list[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def clean(events: Any) -> bool:
    return not any(piece in json.dumps(events) for piece in NEW)
