"""A request of the Responses API as one of Chat Completions, for providers that have only that.

What the other form cannot say is left out where the answer can do without it (tools that the provider would run
itself, reasoning of other turns, settings of storage), and refused where leaving it out would change what was asked.
Pure, and an allow-list: a key that is not written here does not get through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.errors import Refused
from gateway.wire.frame import Json

Item = dict[str, Json]

_SAME: Final = ("temperature", "top_p", "user")
"""Settings with the same name and meaning in both forms."""
_ROLES: Final = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_CHOICES: Final = frozenset({"auto", "none", "required"})
_ELSEWHERE: Final = ("conversation", "prompt", "previous_response_id")
"""Names of what a provider of the Responses API keeps."""
_FORGOTTEN: Final = frozenset({"reasoning", "compaction", "compaction_summary"})
"""Items that only the provider which made them can read."""
_TEXTS: Final = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


def chat_request(request: Item) -> Item:
    """The messages and settings of a request, without a model: the caller adds that, and how to stream.

    Raises:
        Refused: the request needs something that Chat Completions does not have.

    """
    for key in _ELSEWHERE:
        if request.get(key) is not None:
            raise _cannot(key)
    chat: Item = {"messages": list(_messages(request))}
    chat |= {key: request[key] for key in _SAME if request.get(key) is not None}
    if request.get("max_output_tokens") is not None:
        chat["max_tokens"] = request["max_output_tokens"]
    tools = [tool for one in _list(request.get("tools")) if (tool := _tool(one)) is not None]
    if tools:
        chat["tools"] = list(tools)
        if isinstance(request.get("parallel_tool_calls"), bool):
            chat["parallel_tool_calls"] = request["parallel_tool_calls"]
    choice = _choice(request.get("tool_choice"), tools)
    if choice is not None:
        chat["tool_choice"] = choice
    reasoning = request.get("reasoning")
    if isinstance(reasoning, dict) and isinstance(reasoning.get("effort"), str):
        chat["reasoning_effort"] = reasoning["effort"]
    form = _format(request.get("text"))
    if form is not None:
        chat["response_format"] = form
    return chat


def _messages(request: Item) -> list[Json]:
    messages: list[Item] = []
    instructions = request.get("instructions")
    if isinstance(instructions, str) and instructions:
        messages.append({"role": "system", "content": instructions})
    given = request.get("input")
    if isinstance(given, str):
        messages.append({"role": "user", "content": given})
    for item in _list(given):
        if not isinstance(item, dict):
            raise _cannot("input")
        kind = str(item.get("type", "message"))
        if kind in _FORGOTTEN:
            continue
        add = _ITEMS.get(kind)
        if add is None:
            raise _cannot("input")
        add(messages, item)
    return list(messages)


def _message(messages: list[Item], item: Item) -> None:
    role, content = _ROLES.get(str(item.get("role"))), item.get("content")
    if role is None:
        raise _cannot("input")
    if role == "user" and isinstance(content, list):
        parts: list[Json] = [_part(part) for part in content]
        messages.append({"role": role, "content": parts})
    else:
        messages.append({"role": role, "content": _text(content)})


def _call(messages: list[Item], item: Item) -> None:
    """A call belongs to the message of the assistant before it, and calls at the same time to one message."""
    function: Item = {key: _said(item, key) for key in ("name", "arguments")}
    call: Item = {"id": _said(item, "call_id"), "type": "function", "function": function}
    if not messages or messages[-1].get("role") != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1]["tool_calls"] = [*_list(messages[-1].get("tool_calls")), call]


def _output(messages: list[Item], item: Item) -> None:
    messages.append({"role": "tool", "tool_call_id": _said(item, "call_id"), "content": _text(item.get("output"))})


_ITEMS: Final[dict[str, Callable[[list[Item], Item], None]]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
}


def _said(item: Item, key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise _cannot("input")
    return value


def _text(content: Json) -> str:
    """What may only be text: its parts put together."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in _list(content):
        text = part.get(_TEXTS.get(str(part.get("type")), "")) if isinstance(part, dict) else None
        if not isinstance(text, str):
            raise _cannot("input")
        texts.append(text)
    return "".join(texts)


def _part(part: Json) -> Item:
    """A part of a user's message. A link is refused: whoever turned it into data would fetch it from this machine."""
    if not isinstance(part, dict):
        raise _cannot("input")
    match part:
        case {"type": "input_text" | "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url)} if url[:5].lower() == "data:":
            return {"type": "image_url", "image_url": {"url": url, **_kept(part, "detail")}}
        case {"type": "input_file", "file_data": str(data)} if data[:5].lower() == "data:":
            return {"type": "file", "file": {"file_data": data, **_kept(part, "filename")}}
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(form)}}:
            return {"type": "input_audio", "input_audio": {"data": data, "format": form}}
    raise _cannot("input")


def _tool(tool: Json) -> Item | None:
    """A function; None for what the provider would have to run itself."""
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return None
    return {"type": "function", "function": _kept(tool, "name", "description", "parameters", "strict")}


def _choice(choice: Json, tools: list[Item]) -> Json:
    """Which tool is to be called. With no tools there is nothing to choose, and nothing to insist on."""
    if choice is None or (isinstance(choice, str) and choice in _CHOICES):
        if choice == "required" and not tools:
            raise _cannot("tool_choice")
        return choice if tools else None
    if isinstance(choice, dict) and choice.get("type") == "function":
        names = [function.get("name") for tool in tools if isinstance(function := tool["function"], dict)]
        if choice.get("name") in names:
            return {"type": "function", "function": {"name": choice.get("name")}}
    raise _cannot("tool_choice")


def _format(text: Json) -> Item | None:
    """The form that the answer has to have; None for free text."""
    form = text.get("format") if isinstance(text, dict) else None
    if form is None:
        return None
    match form.get("type") if isinstance(form, dict) else None:
        case "text":
            return None
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            return {"type": "json_schema", "json_schema": _kept(form, "name", "description", "schema", "strict")}
    raise _cannot("text")


def _kept(value: Json, *keys: str) -> Item:
    return {key: value[key] for key in keys if value.get(key) is not None} if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _cannot(key: str) -> Refused:
    return Refused(f"This provider cannot do what {key} asks for.", param=key)
