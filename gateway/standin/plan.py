"""What the stand-in will answer: a request and what is known before it, turned into a plan. Pure.

The words in the last user text choose the behaviour:

TOOL        call a tool with the user's text; the turn with its output is answered "Tool said: …"
REASON      a reasoning item with a summary comes first
RECALL      answer with every user text of the conversation
INVENT      answer with an e-mail address, a card and a social security number that nobody sent
REFUSE      a refusal part instead of text
FAILME      end in response.failed
INCOMPLETE  end in response.incomplete
ERRORME     an error frame instead of a response
CLOSEME     close the WebSocket (1008) before any event
DROPME      cut the connection in the middle of the deltas
HOLD        pause in the middle of the deltas until a response.steer or response.inject comes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from gateway.standin.tools import Call, Object, choose
from gateway.wire.frame import Json, encode

INVENTED: Final = ("invented.person@example.com", "5555 5555 5555 4444", "457-55-5462")
"""What an INVENT answer holds, and no client has any reason to send: e-mail address, card, social security number."""


@dataclass(frozen=True, slots=True)
class Say:
    """A message of the assistant."""

    text: str
    refusal: bool = False
    phase: str | None = None


@dataclass(frozen=True, slots=True)
class Think:
    """A reasoning item whose summary is `text`."""

    text: str


Item: TypeAlias = Say | Think | Call
Ending: TypeAlias = Literal["completed", "failed", "incomplete"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A response before it is written: its items in order, how it ends, and what happens in the middle of it."""

    items: tuple[Item, ...] = ()
    ending: Ending = "completed"
    interruption: Literal["none", "error", "close", "cut", "hold"] = "none"
    text: str = ""


def plan(request: Object, known: list[Json]) -> Plan:
    """Plan the answer to `request`, where `known` is the conversation with the request's own input at its end."""
    texts = user_texts(known)
    last = texts[-1] if texts else ""
    if request.get("generate") is False:
        return Plan()
    interruption: Literal["none", "error", "close", "cut", "hold"] = "none"
    for word, name in _INTERRUPTIONS:
        if word in last:
            interruption = name
    ending: Ending = "failed" if "FAILME" in last else "incomplete" if "INCOMPLETE" in last else "completed"
    return Plan(tuple(_items(request, known, texts)), ending, interruption, last)


_INTERRUPTIONS: Final[tuple[tuple[str, Literal["error", "close", "cut", "hold"]], ...]] = (
    ("HOLD", "hold"),
    ("DROPME", "cut"),
    ("CLOSEME", "close"),
    ("ERRORME", "error"),
)


def _items(request: Object, known: list[Json], texts: list[str]) -> list[Item]:
    last = texts[-1] if texts else ""
    reasons = "REASON" in last
    items: list[Item] = [Think(f"**Reading the request**\n\nThe user wrote: {last}")] if reasons else []
    output = _unanswered_output(known)
    if output is not None:
        return [*items, Say("Tool said: " + output)]
    call = choose(_offered(request, known), last) if "TOOL" in last else None
    if call is not None:
        # Reasoning models say what they are about to do before they call.
        preamble = [Say("I will call a tool for: " + last, phase="commentary")] if reasons else []
        return [*items, *preamble, call]
    if "REFUSE" in last:
        return [*items, Say("I cannot help with: " + last, refusal=True)]
    return [*items, Say(_answer(last, texts), phase="final_answer" if reasons else None)]


def _answer(last: str, texts: list[str]) -> str:
    if "INVENT" in last:
        email, card, number = INVENTED
        return f"Echo: {last} | Write to {email}, charge {card}; their social security number is {number}."
    return "Echo: " + (" | ".join(texts) if "RECALL" in last else last)


def _offered(request: Object, known: list[Json]) -> list[Json]:
    listed = request.get("tools")
    tools = list(listed) if isinstance(listed, list) else []
    # Codex offers its tools inside the input.
    for item in known:
        if isinstance(item, dict) and item.get("type") == "additional_tools":
            more = item.get("tools")
            tools += more if isinstance(more, list) else []
    return tools


def _unanswered_output(known: list[Json]) -> str | None:
    """The last output of a tool, if no user message came after it: agents may resend their whole history."""
    for item in reversed(as_items(known)):
        kind = item.get("type")
        if item.get("role") == "user":
            return None
        if isinstance(kind, str) and kind.endswith("call_output"):
            output = item.get("output")
            return output if isinstance(output, str) else encode(output)
    return None


def as_items(value: Json) -> list[Object]:
    """The input of a request as a list of items, a bare string being one user message."""
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": value}]}]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def user_texts(items: list[Json]) -> list[str]:
    """The text of every user message that has one, in order."""
    texts = (_item_text(item) for item in items if isinstance(item, dict) and item.get("role") == "user")
    return [text for text in texts if text]


def _item_text(item: Object) -> str:
    content = item.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))
