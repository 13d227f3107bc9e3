"""What a provider says of a response after its end goes to nobody where answers are masked."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model import Policy
from tests.kit import LIVE, LIVE_ALL, REPLAY, RESTORE, SUPPRESS, Wire
from tests.properties.streams import Source, chunks, one, sequence

GRACE = "grace.hopper@example.com"
SOURCE = one("text", chunks(f"Write to {GRACE} about it, please, and then to us again; thank you.", 9))
MASKING = pytest.mark.parametrize("of", [LIVE, LIVE_ALL, REPLAY, SUPPRESS], ids=["live", "all", "replay", "suppress"])


def answered(of: Policy, source: Source = SOURCE, *, hold: bool = False) -> tuple[Wire, list[Any]]:
    """A response that is over, and the events that brought it."""
    wire = Wire(of)
    wire.create("hello")
    wire.begin("resp_main")
    wire.hold = hold
    events = sequence([source])
    for event in events:
        wire.provider(event)
    return wire, events


def other(event: dict[str, Any]) -> dict[str, Any]:
    """The same event of an item that was not there before."""
    return {**event, "output_index": 1}


@MASKING
@pytest.mark.parametrize("pending", [False, True], ids=["recorded", "being examined"])
@pytest.mark.parametrize("new", [False, True], ids=["the same item", "another item"])
def test_no_event_of_an_item_comes_after_the_end(of: Policy, pending: bool, new: bool) -> None:
    wire, events = answered(of, hold=pending)
    before = len(wire.sent_down)
    progress = {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "item_0"}
    begun = {"type": "response.in_progress", "response": {"id": "resp_main", "output": []}}
    for event in (*events[:-1], progress, begun):
        wire.provider(other(event) if new and "output_index" in event else event)
    while wire.questions:
        wire.answer()
    assert wire.sent_down[-1]["type"] == "response.completed"
    assert [event["type"] for event in wire.sent_down].count("response.completed") == 1
    assert pending or len(wire.sent_down) == before
    assert [row.direction for row in wire.rows] == ["input", "output"]
    assert wire.session.idle


@MASKING
def test_a_second_end_is_masked_and_brings_no_items(of: Policy) -> None:
    """Some providers say that a response failed after an error said so."""
    wire = Wire(of)
    wire.create("hello")
    wire.begin("resp_main")
    *events, end = sequence([SOURCE])
    for event in events[:6]:
        wire.provider(event)
    wire.provider({"type": "error", "status": 500, "error": {"code": "server_error", "message": "no"}})
    before = len(wire.sent_down)
    wire.provider({**end, "type": "response.failed"})
    assert [event["type"] for event in wire.sent_down[before:]] == ["response.failed"]
    assert GRACE not in str(wire.sent_down)
    assert [row.direction for row in wire.rows] == ["input", "output"]


@MASKING
def test_a_notice_still_comes_and_so_does_the_next_response(of: Policy) -> None:
    wire, events = answered(of)
    (notice,) = wire.provider({"type": "codex.rate_limits", "note": GRACE})
    assert GRACE not in str(notice)
    wire.create("again")
    wire.begin("resp_next")
    before = len(wire.sent_down)
    for event in events[:-1]:
        wire.provider(event)
    wire.provider({"type": "response.completed", "response": {**events[-1]["response"], "id": "resp_next"}})
    assert wire.sent_down[-1]["type"] == "response.completed"
    assert len(wire.sent_down) > before
    assert [row.direction for row in wire.rows] == ["input", "output", "input", "output"]


def test_where_nothing_is_masked_it_passes_restored() -> None:
    wire, events = answered(RESTORE)
    assert wire.provider(events[-2])[0]["type"] == "response.output_item.done"
