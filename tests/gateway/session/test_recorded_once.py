"""However a response ends, there is one row that says so, and the lane is free for the next."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.errors import UpstreamError
from gateway.wire.frame import Json
from policies.model import Policy
from tests.kit import CARD, EMAIL, REPLAY, RESTORE, Wire, policy

BLOCKING = policy("output: {mask: new, delivery: replay}\nactions: {CREDIT_CARD: {output: block}}\n")
ITEM: dict[str, Json] = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}


def ends(name: str, text: str = "Done.", **more: Json) -> Callable[[Wire], object]:
    item: Json = {**ITEM, "content": [{"type": "output_text", "text": text, "annotations": []}]}
    whole: Json = {"id": "resp_1", "status": name, "output": [item], **more}
    return lambda wire: wire.provider({"type": f"response.{name}", "response": whole})


def twice(wire: Wire) -> None:
    """Some providers say that a response failed after an error said so."""
    wire.provider({"type": "error", "status": 500, "error": {"code": "server_error", "message": "no"}})
    ends("failed")(wire)


def late(wire: Wire) -> None:
    """Its end comes after its time is over."""
    wire.ring()
    ends("completed")(wire)


def left(wire: Wire) -> None:
    wire.rows += wire.session.client_left(1.0)


ENDS: dict[str, Callable[[Wire], object]] = {
    "completed": ends("completed"),
    "failed": ends("failed", error={"code": "server_error", "message": "no"}),
    "incomplete": ends("incomplete", incomplete_details={"reason": "max_output_tokens"}),
    "an error": lambda wire: wire.provider({"type": "error", "status": 400, "error": {"code": "x", "message": "no"}}),
    "an error and a failure": twice,
    "it takes too long": lambda wire: wire.ring(),
    "it takes too long and ends": late,
    "it takes too long and the client leaves": lambda wire: (wire.ring(), left(wire)),
    "the provider leaves": lambda wire: wire.leave(),
    "the provider leaves and the client, too": lambda wire: (wire.leave(), left(wire)),
    "what is no event": lambda wire: wire.provider("[]"),
    "the client leaves": left,
    "the client leaves after the end": lambda wire: (ends("completed")(wire), left(wire)),
}


@pytest.mark.parametrize("begun", [True, False], ids=["begun", "not begun"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("of", [RESTORE, REPLAY], ids=["restore", "replay"])
def test_each_way_to_end_is_recorded_once(of: Policy, end: Callable[[Wire], object], begun: bool) -> None:
    wire = Wire(of)
    wire.create(f"write to {EMAIL}")
    if begun:
        wire.begin()
    end(wire)
    assert [row.direction for row in wire.rows] == ["input", "output"]
    assert EMAIL not in str(wire.rows)


def test_a_blocked_answer_is_recorded_once() -> None:
    wire = Wire(BLOCKING)
    wire.create()
    wire.begin()
    item: Json = {**ITEM, "content": [{"type": "output_text", "text": f"card {CARD}", "annotations": []}]}
    wire.provider({"type": "response.output_item.done", "output_index": 0, "item": item})
    ends("completed", f"card {CARD}")(wire)
    assert [row.decision for row in wire.rows] == ["forwarded", "blocked"]


def test_an_answer_that_cannot_be_examined_is_recorded_once() -> None:
    wire = Wire(REPLAY, hold=True)
    wire.create()
    wire.answer()
    wire.begin()
    ends("completed")(wire)
    while wire.questions:
        wire.fail()
    left(wire)
    assert [row.decision for row in wire.rows] == ["forwarded", "failed"]


def test_a_response_that_takes_too_long_is_not_waited_for() -> None:
    """The provider would go on with it, and over HTTP the next frame of its lane would wait."""
    wire = Wire()
    wire.create()
    wire.begin()
    assert [event["type"] for event in wire.ring()] == ["error"]
    assert (wire.disconnected, wire.session.idle, wire.timers) == (1, True, {})
    assert wire.create("the next one")
    assert wire.dialled == ["only", "only"]


def test_one_that_takes_too_long_does_not_end_what_others_are_told() -> None:
    wire = Wire()
    wire.create(stream_id="a")
    wire.begin("resp_a", stream_id="a")
    (timer,) = wire.timers
    wire.create(stream_id="b")
    wire.begin("resp_b", stream_id="b")
    wire.timers.pop(timer)
    wire.perform(wire.session.timer(timer, 0.0))
    assert wire.disconnected == 0
    told = wire.provider({"type": "response.output_text.delta", "delta": "go on", "stream_id": "b"})
    assert told[0]["delta"] == "go on"
    wire.perform(wire.session.upstream_closed(UpstreamError("The provider left."), 0.0))
    assert [row.direction for row in wire.rows] == ["input", "input", "output", "output"]
