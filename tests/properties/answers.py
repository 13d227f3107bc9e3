"""A provider's answers under output masking: every event of the package, one at a time, and what the client got of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import openai.types.responses as responses

from gateway.wire.frame import Json
from policies.model import Policy
from tests.kit import LIVE, LIVE_ALL, REPLAY, REPLAY_ALL, SUPPRESS, Wire, policy
from tests.properties.planting import EMAIL, Place, everywhere, leaked, plantings
from tests.properties.sdk import LANE, OUTPUT_ITEMS, SERVER_EVENTS, TOOLS, Record, examples, type_of

Frame = dict[str, Any]

SUPPRESS_ALL: Final = policy("output: {mask: all, delivery: suppress}\n")
OPEN: Final = policy("output: {mask: new, delivery: replay}\ninput: {attachments: allow}\n")
POLICIES: Final = {
    "new": REPLAY,
    "all": REPLAY_ALL,
    "suppress": SUPPRESS,
    "suppress all": SUPPRESS_ALL,
    "open": OPEN,
    "live": LIVE,
    "live all": LIVE_ALL,
}
MODELS: Final = {type_of(model): model for model in reversed(SERVER_EVENTS)}


def _response() -> Frame:
    (first, *_) = examples(Record(responses.Response), lean=True)
    assert isinstance(first, dict)
    return {**first, "output": [], "tools": [], "stream_id": LANE}


RESPONSE: Final = _response()


def run(
    event: Json, of: Policy = REPLAY, *, until_end: bool = True, on_event: Callable[[Any], object] | None = None
) -> Wire:
    """A provider sends one event in the middle of a response, then whatever brings out what was kept."""
    wire = Wire(of, asked="gpt-5.1", on_event=on_event)
    wire.create(stream_id=LANE)
    wire.provider({"type": "response.created", "sequence_number": 0, "response": RESPONSE, "stream_id": LANE})
    wire.provider(event)
    if until_end:
        item: Frame = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": []}
        done: Frame = {"type": "response.output_item.done", "sequence_number": 8, "output_index": 7, "item": item}
        wire.provider({**done, "stream_id": LANE})
        wire.ring()
        over: Frame = {"type": "response.completed", "sequence_number": 9, "response": RESPONSE}
        wire.provider({**over, "stream_id": LANE})
    return wire


def done(item: Json) -> Frame:
    return {"type": "response.output_item.done", "sequence_number": 7, "output_index": 7, "item": item}


def events(text: str, response: Frame) -> Iterator[tuple[str, Frame]]:
    """Every server event and output item of the package, filled, with a name; tools as a response repeats them."""
    for model in OUTPUT_ITEMS:
        for item in examples(Record(model), lean=True, text=text):
            yield f"item-{type_of(model)}", done(item)
    for model in TOOLS:
        for tool in examples(Record(model), lean=True, text=text):
            whole = {"type": "response.in_progress", "sequence_number": 7, "response": {**response, "tools": [tool]}}
            yield f"tool-{type_of(model)}", {**whole, "stream_id": LANE}
    for name, model in MODELS.items():
        for event in examples(Record(model), lean=True, text=text):
            assert isinstance(event, dict)
            yield name, {**event, "stream_id": LANE}


def _cases(text: str, response: Frame) -> dict[str, list[Frame]]:
    cases: dict[str, list[Frame]] = {}
    for name, event in events(text, response):
        cases.setdefault(name, []).append(event)
    return cases


CASES: Final = _cases("some text", {"id": "resp_1", "output": []})
ONE_IS_ENOUGH: Final = (
    "response.created",
    "response.in_progress",
    "response.queued",
    "response.incomplete",
    "response.failed",
)
"""Each of these carries a whole response and is treated like `completed`."""
EACH: Final = [name for name in CASES if name not in ONE_IS_ENOUGH]


def check_one_at_a_time(name: str, of: Policy) -> int:
    """The property: a canary in one place leaks nowhere. Gives the number of places."""
    seen: set[Place] = set()
    for event in CASES[name]:
        for place, planted in plantings(event, seen):
            assert leaked(run(planted, of)) == [], place
    return len(seen)


def check_all_at_once(name: str, of: Policy) -> None:
    """The property: canaries in all places leak nowhere."""
    for event in CASES[name]:
        for keep in (frozenset({"type", "output_index"}), frozenset({"stream_id"})):
            planted = everywhere(event, keep=keep)
            assert isinstance(planted, dict)
            assert leaked(run({**planted, "type": event["type"]}, of)) == []


FILLED: Final = _cases(f"x {EMAIL} y", RESPONSE)
