"""Which offered tool the stand-in calls, and with what.

A coding agent's shell tool gets one harmless command that prints the user's text, so that the agent really executes
it; any other function gets the text in every string its schema asks for.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from gateway.wire.frame import Json, encode

Object: TypeAlias = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call: `payload` is JSON text for a function and free text for a custom tool."""

    kind: Literal["function", "custom"]
    name: str
    payload: str
    namespace: str | None = None


# The shell tools of the coding agents (Codex by generation, Copilot CLI), each with the arguments it takes.
_SHELLS: Final[dict[str, Callable[[str], Object]]] = {
    "exec_command": lambda command: {"cmd": command},
    "shell_command": lambda command: {"command": command},
    "shell": lambda command: {"command": ["bash", "-lc", command]},
    "bash": lambda command: {"command": command, "description": "print a line"},
}
_BY_TYPE: Final[dict[str, Json]] = {
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
}


def choose(tools: Iterable[Json], text: str) -> Call | None:
    """Choose the call that shows `text` to a tool, or None where no tool can be called."""
    offered = list(_flatten(tools))
    return _shell_call(offered, text) or _function_call(offered, text) or _custom_call(offered, text)


def _flatten(tools: Iterable[Json], namespace: str | None = None) -> Iterator[tuple[Object, str | None]]:
    for tool in tools:
        if not isinstance(tool, dict):
            continue
        if tool.get("type") == "namespace":
            inner, name = tool.get("tools"), tool.get("name")
            yield from _flatten(inner if isinstance(inner, list) else [], name if isinstance(name, str) else None)
        else:
            yield tool, namespace


def _shell_call(offered: list[tuple[Object, str | None]], text: str) -> Call | None:
    command = "printf '%s\\n' " + shlex.quote("tool-ran: " + text.replace("\n", " "))
    for tool, namespace in offered:
        # Codex's "code mode": the input of the custom tool `exec` is JavaScript that calls the other tools.
        if tool.get("name") == "exec" and tool.get("type") == "custom":
            call = f"await tools.exec_command({encode({'cmd': command})})"
            script = f"const r = {call};\ntext(typeof r === 'string' ? r : (r.output ?? JSON.stringify(r)));"
            return Call("custom", "exec", script, namespace)
    for name, arguments in _SHELLS.items():
        for tool, namespace in offered:
            if tool.get("name") == name and tool.get("type") == "function":
                return Call("function", name, encode(arguments(command)), namespace)
    return None


def _function_call(offered: list[tuple[Object, str | None]], text: str) -> Call | None:
    for tool, namespace in offered:
        name, parameters = tool.get("name"), tool.get("parameters")
        if tool.get("type") == "function" and isinstance(name, str):
            properties = parameters.get("properties") if isinstance(parameters, dict) else None
            schema = properties if isinstance(properties, dict) else {}
            arguments: Object = {key: _argument(wanted, text) for key, wanted in schema.items()}
            return Call("function", name, encode(arguments), namespace)
    return None


def _argument(wanted: Json, text: str) -> Json:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    return _BY_TYPE.get(kind, text) if isinstance(kind, str) else text


def _custom_call(offered: list[tuple[Object, str | None]], text: str) -> Call | None:
    for tool, namespace in offered:
        name = tool.get("name")
        if tool.get("type") == "custom" and isinstance(name, str):
            return Call("custom", name, text, namespace)
    return None
