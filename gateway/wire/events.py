"""Every server event of the Responses API as one table.

The table says of each event what it does to a text: a `DELTA` brings a piece of one, a `DONE` repeats it whole, and so
on. An event that is not here is treated as text from end to end (decision 0002); the tests hold the table against the
unions of the installed `openai` package.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple


class Class(Enum):
    """What an event is to the text of a response."""

    RESPONSE = auto()
    """Carries a whole response that goes on: created, in_progress, queued."""
    TERMINAL = auto()
    """Carries a whole response and ends it."""
    ITEM_ADDED = auto()
    ITEM_DONE = auto()
    PART = auto()
    """A part added or done."""
    DELTA = auto()
    """Brings a piece of a text."""
    DONE = auto()
    """Repeats a text whole."""
    ANNOTATION = auto()
    BLOB = auto()
    """Brings a piece of a sound or a picture."""
    LIFECYCLE = auto()
    """Says how far an item is; holds no text."""
    ERROR = auto()
    NOTICE = auto()
    """About the connection, the account or a steering; read like any unknown event, but expected."""


class Event(NamedTuple):
    """One row: the class; for a DELTA the key of the piece, whether it is JSON, and whether a tool will run it."""

    cls: Class
    text: str = "delta"
    json: bool = False
    tool: bool = False


_TEXT: Final = Event(Class.DELTA)
_TOOL: Final = Event(Class.DELTA, tool=True)
_ARGUMENTS: Final = Event(Class.DELTA, json=True, tool=True)


EVENTS: Final[dict[str, Event]] = {
    "response.created": Event(Class.RESPONSE),
    "response.in_progress": Event(Class.RESPONSE),
    "response.queued": Event(Class.RESPONSE),
    "response.completed": Event(Class.TERMINAL),
    "response.incomplete": Event(Class.TERMINAL),
    "response.failed": Event(Class.TERMINAL),
    "response.output_item.added": Event(Class.ITEM_ADDED),
    "response.output_item.done": Event(Class.ITEM_DONE),
    "response.content_part.added": Event(Class.PART),
    "response.content_part.done": Event(Class.PART),
    "response.reasoning_summary_part.added": Event(Class.PART),
    "response.reasoning_summary_part.done": Event(Class.PART),
    "response.output_text.delta": _TEXT,
    "response.output_text.done": Event(Class.DONE),
    "response.refusal.delta": _TEXT,
    "response.refusal.done": Event(Class.DONE),
    "response.reasoning_summary_text.delta": _TEXT,
    "response.reasoning_summary_text.done": Event(Class.DONE),
    "response.reasoning_text.delta": _TEXT,
    "response.reasoning_text.done": Event(Class.DONE),
    "response.function_call_arguments.delta": _ARGUMENTS,
    "response.function_call_arguments.done": Event(Class.DONE),
    "response.mcp_call_arguments.delta": _ARGUMENTS,
    "response.mcp_call_arguments.done": Event(Class.DONE),
    "response.custom_tool_call_input.delta": _TOOL,
    "response.custom_tool_call_input.done": Event(Class.DONE),
    "response.code_interpreter_call_code.delta": _TOOL,
    "response.code_interpreter_call_code.done": Event(Class.DONE),
    "response.shell_call_command.added": Event(Class.DELTA, "command", tool=True),
    "response.shell_call_command.delta": _TOOL,
    "response.shell_call_command.done": Event(Class.DONE),
    "response.shell_call_output_content.delta": _TEXT,
    "response.shell_call_output_content.done": Event(Class.DONE),
    "response.audio.transcript.delta": _TEXT,
    "response.audio.transcript.done": Event(Class.DONE),
    "response.output_text.annotation.added": Event(Class.ANNOTATION),
    "response.audio.delta": Event(Class.BLOB),
    "response.audio.done": Event(Class.BLOB),
    "response.image_generation_call.partial_image": Event(Class.BLOB),
    "error": Event(Class.ERROR),
    "response.error": Event(Class.ERROR),
    "response.steer.accepted": Event(Class.NOTICE),
    "response.steer.pending": Event(Class.NOTICE),
    "response.steer.failed": Event(Class.NOTICE),
    "response.inject.created": Event(Class.NOTICE),
    "response.inject.failed": Event(Class.NOTICE),
    "response.metadata": Event(Class.NOTICE),
    "codex.response.metadata": Event(Class.NOTICE),
    "codex.rate_limits": Event(Class.NOTICE),
    "responsesapi.websocket_timing": Event(Class.NOTICE),
    "keepalive": Event(Class.NOTICE),
} | dict.fromkeys(
    (
        "response.code_interpreter_call.completed",
        "response.code_interpreter_call.in_progress",
        "response.code_interpreter_call.interpreting",
        "response.compaction.compacting",
        "response.file_search_call.completed",
        "response.file_search_call.in_progress",
        "response.file_search_call.searching",
        "response.image_generation_call.completed",
        "response.image_generation_call.generating",
        "response.image_generation_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call.in_progress",
        "response.mcp_list_tools.completed",
        "response.mcp_list_tools.failed",
        "response.mcp_list_tools.in_progress",
        "response.web_search_call.completed",
        "response.web_search_call.in_progress",
        "response.web_search_call.searching",
    ),
    Event(Class.LIFECYCLE),
)

UNLISTED: Final = Event(Class.NOTICE)

POSITION: Final = ("item_id", "output_index", "content_index", "summary_index", "command_index")
"""The keys that say, together with the lane, to which text a piece belongs."""

CLIENT_EVENTS: Final = frozenset({"response.create", "response.steer", "response.inject"})
"""What a client may send. Anything else is refused."""

EVENT_NAMES: Final = frozenset(EVENTS) | CLIENT_EVENTS


def event(name: str) -> Event:
    """The row of an event; an unlisted `*.delta` is a piece of text like those listed, anything else a notice."""
    row = EVENTS.get(name)
    if row is not None:
        return row
    return _TEXT if name.endswith(".delta") else UNLISTED
