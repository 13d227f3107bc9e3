"""Requests in which somebody has said a value, and a provider that repeats what it was sent, in every way there is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from gateway.session.effects import Effect, Remember
from gateway.wire.frame import Json, encode
from policies.model import Policy
from tests.kit import Wire, policy

SWITCHES: Final = ("user", "instructions", "tool_outputs", "assistant")
OTHER_EMAIL: Final = "grace.hopper@example.com"
TOKEN: Final = re.compile(r"<[A-Z_]+_[a-z2-7]{8,16}>")
DELIVERIES: Final = {
    "off": "",
    "replay": "mask: new, delivery: replay, ",
    "suppress": "mask: new, delivery: suppress, ",
    "live": "mask: new, delivery: live, ",
}

Frame = dict[str, Any]


def message(role: str, text: Json) -> Frame:
    """A message."""
    return {"type": "message", "role": role, "content": text}


def output(text: Json, kind: str = "function_call_output") -> Frame:
    """What a tool gave."""
    return {"type": kind, "call_id": "call_1", "output": text}


def places(value: str) -> dict[str, dict[str, Frame]]:
    """What a request has where somebody has said a value, by who that was."""
    arguments = encode({"to": [value]})
    return {
        "user": {
            "plain": {"input": f"mail {value}"},
            "nested": {"response": {"input": f"mail {value}"}},
            "a message": {"input": [message("user", value)]},
            "a part": {"input": [message("user", [{"type": "input_text", "text": f"mail {value}"}])]},
            "an untyped message": {"input": [{"role": "user", "content": value}]},
            "an approval": {"input": [{"type": "mcp_approval_response", "approve": False, "reason": value}]},
        },
        "instructions": {
            "instructions": {"instructions": f"You write for {value}."},
            "nested": {"response": {"instructions": f"You write for {value}."}},
            "system": {"input": [message("system", value), message("user", "who?")]},
            "developer": {"input": [message("developer", [{"type": "input_text", "text": value}])]},
            "a prompt's variable": {"prompt": {"id": "pmpt_1", "variables": {"owner": value}}},
            "a tool": {"tools": [{"type": "function", "name": "f", "description": f"of {value}", "parameters": {}}]},
            "an additional tool": {
                "input": [{"type": "additional_tools", "tools": [{"type": "mcp", "server_description": value}]}]
            },
            "metadata": {"metadata": {"owner": value}},
        },
        "tool_outputs": {
            "of a function": {"input": [output(f"owner: {value}")]},
            "in parts": {"input": [output([{"type": "input_text", "text": value}])]},
            "as JSON": {"input": [output(encode({"row": [{"mail": value}]}))]},
            "of a custom tool": {"input": [output(value, "custom_tool_call_output")]},
            "of a shell": {"input": [output([{"stdout": value, "stderr": ""}], "shell_call_output")]},
            "of a computer": {"input": [output({"type": "computer_text", "text": value}, "computer_call_output")]},
            "of an MCP server": {"input": [{"type": "mcp_call", "arguments": "{}", "output": value, "name": "f"}]},
            "of a search": {"input": [{"type": "file_search_call", "queries": [], "results": [{"text": value}]}]},
            "a tool's message": {"input": [message("tool", value)]},
        },
        "assistant": {
            "a message": {"input": [message("assistant", [{"type": "output_text", "text": f"I wrote {value}"}])]},
            "a call": {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}]},
            "a call of a server": {"input": [{"type": "mcp_call", "arguments": arguments, "output": "", "name": "f"}]},
            "reasoning": {"input": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": value}]}]},
        },
        "other": {
            "an agent": {"input": [{"type": "agent_message", "author": "a", "recipient": "b", "content": value}]},
            "an unknown item": {"input": [{"type": "shiny", "role": "user", "content": value}]},
            "an unknown role": {"input": [message("narrator", value)]},
            "a tool's result in a message": {"input": [message("user", [{"type": "tool_result", "content": value}])]},
            "a message in a message": {"input": [message("user", [message("system", value)])]},
            "a call with its output": {"input": [output(value, "function_call")]},
            "a critic": {"input": [message("critic", value)]},
            "an unknown parameter": {"shiny": value},
            "no item": {"input": [value]},
        },
    }


def restoring_from(*origins: str, more: str = "", rest: str = "") -> Policy:
    """A policy that restores from these only."""
    where = ", ".join(f"{one}: {str(one in origins).lower()}" for one in SWITCHES)
    return policy(f"output: {{{more}restore_from: {{{where}}}}}\n{rest}")


def without(*origins: str, more: str = "") -> Policy:
    """A policy that restores from all but these."""
    return restoring_from(*(one for one in SWITCHES if one not in origins), more=more)


class Kept(Wire):
    """A wire that notes every value that is put into the vault."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.remembered: set[str] = set()

    def _one(self, effect: Effect) -> list[Effect]:
        if isinstance(effect, Remember):
            self.remembered |= set(effect.values.values.values())
        return super()._one(effect)


def answer(wire: Wire, text: str, name: str = "resp_1", *, asked: Json = None) -> str:
    """The provider says a text in every way there is, and repeats what it was asked; all that the client got for it."""
    before = len(wire.raw_down)
    at: Frame = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part: Frame = {"type": "output_text", "text": text, "annotations": []}
    said: Frame = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    arguments = json.dumps({"to": text})
    call: Frame = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": arguments}
    call_at: Frame = {"item_id": "fc_1", "output_index": 1}
    empty: Frame = {"id": name, "output": [], "instructions": text, "metadata": {"owner": text}, "asked": asked}
    for event in (
        {"type": "response.created", "response": empty},
        {"type": "response.output_item.added", "output_index": 0, "item": {**said, "content": []}},
        {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
        *({"type": "response.output_text.delta", **at, "delta": one} for one in cut(text)),
        {"type": "response.output_text.done", **at, "text": text},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": said},
        {"type": "response.output_item.added", "output_index": 1, "item": {**call, "arguments": ""}},
        *({"type": "response.function_call_arguments.delta", **call_at, "delta": one} for one in cut(arguments)),
        {"type": "response.function_call_arguments.done", **call_at, "arguments": arguments},
        {"type": "response.output_item.done", "output_index": 1, "item": call},
        {"type": "response.steer.failed", "steer": {"input": text}, "error": {"code": "x", "message": text}},
        {"type": "response.shiny.new", "payload": [text]},
        {"type": "response.completed", "response": {**empty, "output": [said, call]}},
        {"type": "error", "status": 400, "error": {"type": "x", "code": "y", "message": f"in {text}", "param": None}},
    ):
        wire.provider(event)
    return "".join(wire.raw_down[before:])


def cut(text: str) -> Sequence[str]:
    """Pieces of a text."""
    return [text[at : at + 5] for at in range(0, len(text), 5)]
