"""What a response has used and costs: once, at its end; in its row, and for clients whose key says so in the event."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.audit.record import Usage
from tests.kit import CARD, EMAIL, REPLAY, REPLAY_ALL, RESTORE, SUPPRESS, Wire, policy, token

OBSERVE = policy("mode: observe\noutput: {mask: new}\n")
POLICIES = pytest.mark.parametrize(
    "of", [RESTORE, REPLAY, REPLAY_ALL, SUPPRESS, OBSERVE], ids=["restore", "replay", "all", "suppress", "observe"]
)
COUNTED: dict[str, Any] = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 400, "cache_write_tokens": 7},
    "output_tokens": 200,
    "output_tokens_details": {"reasoning_tokens": 50},
    "total_tokens": 1200,
}
USAGE = Usage(1000, 200, 1200, 400, 7, 50)
EVENT: Any = TypeAdapter(ResponseStreamEvent)


class Till:
    """Prices that keep what they were asked."""

    def __init__(self, cost: str | None = "0.0028") -> None:
        self.asked: list[Any] = []
        self._cost = None if cost is None else Decimal(cost)

    def __call__(self, *asked: Any) -> Decimal | None:
        self.asked.append(asked)
        return self._cost


def whole(text: str = "hello", **more: Any) -> dict[str, Any]:
    """A response that validates as the SDK's."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item = {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [part]}
    given = {"id": "resp_1", "object": "response", "created_at": 1_763_000_000, "model": "gpt-5.1", "output": [item]}
    given |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": COUNTED}
    return {**given, **more}


def end(how: str = "completed", **more: Any) -> dict[str, Any]:
    """The last event of a response."""
    return {"type": f"response.{how}", "sequence_number": 9, "response": whole(**more)}


def played(wire: Wire, last: dict[str, Any]) -> dict[str, Any]:
    """One turn; the event that ended it, as the client gets it."""
    wire.create(f"mail {EMAIL}")
    wire.begin()
    wire.provider(last)
    return wire.sent_down[-1]


def rows(wire: Wire) -> list[Any]:
    return [row for row in wire.rows if row.direction == "output"]


@POLICIES
@pytest.mark.parametrize("how", ["completed", "incomplete", "failed"])
def test_a_row_has_the_tokens_and_what_they_cost_asked_for_once(of: Any, how: str) -> None:
    till = Till()
    wire = Wire(policy=of, cost=till)
    last = played(wire, end(how, service_tier="flex"))
    (row,) = rows(wire)
    assert (row.usage, row.cost) == (USAGE, Decimal("0.0028"))
    assert row.as_json()["cost"] == 0.0028
    assert till.asked == [("gpt-5.1", "only", USAGE, "flex")]
    assert last["response"]["usage"] == COUNTED, "nothing is told unless the key says so"


@POLICIES
def test_the_client_reads_the_cost_where_its_key_says_so_and_the_event_stays_valid(of: Any) -> None:
    wire = Wire(policy=of, cost=Till(), tells_cost=True)
    wire.create(f"mail {EMAIL}")
    wire.begin()
    text = f"to {EMAIL if of is OBSERVE else token(wire, EMAIL)}"
    wire.provider(end(text=text))
    last = wire.sent_down[-1]
    assert last["response"]["usage"] == {**COUNTED, "cost": 0.0028}
    event = EVENT.validate_python(last)
    assert event.response.usage.cost == 0.0028
    assert event.response.output_text == (text if of is REPLAY_ALL else f"to {EMAIL}")
    assert [one for one in wire.sent_down if one["type"] == "response.completed"] == [last]
    assert len(rows(wire)) == 1


@POLICIES
@pytest.mark.parametrize("usage", [None, {}, "many", {"input_tokens": 5}, {"input_tokens": CARD, "output_tokens": 1}])
def test_without_both_counts_nothing_is_added(of: Any, usage: Any) -> None:
    def honest(model: Any, deployment: Any, used: Usage, tier: Any) -> Decimal | None:
        return Decimal(1) if used.complete else None

    wire = Wire(policy=of, cost=honest, tells_cost=True)
    last = played(wire, end(usage=usage))
    assert rows(wire)[-1].cost is None
    assert "cost" not in str(last["response"]["usage"])


@POLICIES
def test_an_unknown_price_is_no_price(of: Any) -> None:
    wire = Wire(policy=of, cost=Till(None), tells_cost=True)
    last = played(wire, end())
    (row,) = rows(wire)
    assert (row.cost, row.as_json()["cost"], row.as_json()["usage"]["cached_tokens"]) == (None, None, 400)
    assert last["response"]["usage"] == COUNTED


@POLICIES
@pytest.mark.parametrize("tier", [5, ["flex"], {"a": 1}, True])
def test_a_service_tier_that_is_no_word_gives_no_price(of: Any, tier: Any) -> None:
    till = Till()
    wire = Wire(policy=of, cost=till)
    played(wire, end(service_tier=tier))
    assert (rows(wire)[-1].usage, rows(wire)[-1].cost, till.asked) == (USAGE, None, [])


def test_what_nobody_asked_for_here_was_counted_when_it_was_made() -> None:
    till = Till()
    wire = Wire(cost=till)
    wire.begin("resp_old")
    wire.provider(end(id="resp_old"))
    (row,) = rows(wire)
    assert (row.turn, row.usage, row.cost, till.asked) == (0, None, None, [])


def test_an_error_has_neither_usage_nor_cost() -> None:
    till = Till()
    wire = Wire(cost=till, tells_cost=True)
    played(wire, {"type": "error", "status": 400, "error": {"code": "x", "message": "no"}, "response": whole()})
    assert len(rows(wire)) == 1
    assert wire.sent_down[-1]["type"] == "error"


@POLICIES
def test_a_row_says_how_long_the_first_event_took(of: Any) -> None:
    wire = Wire(policy=of)
    wire.now = 10.0
    wire.create("hi")
    wire.now = 10.5
    wire.begin()
    wire.now = 12.0
    wire.provider(end())
    (row,) = rows(wire)
    assert (row.first, row.duration, row.outcome, row.code) == (0.5, 2.0, "completed", None)


@POLICIES
def test_a_response_that_the_provider_does_not_end_is_recorded_when_the_next_begins(of: Any) -> None:
    wire = Wire(policy=of)
    wire.create("a")
    wire.begin("resp_1")
    wire.create("b")
    wire.begin("resp_2")
    wire.provider(end(id="resp_2"))
    assert [(row.turn, row.decision, row.outcome) for row in rows(wire)] == [
        (1, "failed", "lost"),
        (2, "forwarded", "completed"),
    ]
    assert wire.session.client_left(0.0) == []


def test_a_response_whose_end_is_still_examined_when_the_next_begins_is_recorded_with_its_end() -> None:
    wire = Wire(policy=REPLAY)
    wire.create("a")
    wire.begin("resp_1")
    wire.create("b")
    wire.hold = True
    wire.provider(end())
    wire.begin("resp_2")
    while wire.questions:
        wire.answer()
    wire.hold = False
    wire.provider(end(id="resp_2"))
    assert [(row.turn, row.outcome) for row in rows(wire)] == [(1, "completed"), (2, "completed")]


@POLICIES
def test_deltas_are_never_priced(of: Any) -> None:
    till = Till()
    wire = Wire(policy=of, cost=till, tells_cost=True)
    wire.create("hi")
    wire.begin()
    for _ in range(5):
        at = {"item_id": "msg", "output_index": 0, "content_index": 0}
        wire.provider({"type": "response.output_text.delta", **at, "delta": "x", "usage": COUNTED})
    assert not till.asked
