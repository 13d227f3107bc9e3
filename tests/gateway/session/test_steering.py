"""What a provider does not take of steering comes back in the client's words: by the response that was named."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.session.steering import Steering
from guardrails.vault import EMPTY, Restorable
from tests.kit import CARD, EMAIL, LIVE, REPLAY, RESTORE, SSN, Wire

EVERY = pytest.mark.parametrize("of", [RESTORE, REPLAY, LIVE], ids=["restore", "replay", "live"])


def failed(kind: str, target: str, given: Any) -> dict[str, Any]:
    """The event that returns a frame's input, without a lane."""
    if kind == "response.steer":
        return {"type": f"{kind}.failed", "steer": {"previous_response_id": target, "input": given}, "error": {}}
    return {"type": f"{kind}.failed", "response_id": target, "input": given, "error": {}}


@EVERY
@pytest.mark.parametrize("kind", ["response.steer", "response.inject"])
@pytest.mark.parametrize("target", ["resp_1", "resp_2", "resp_nobodys"])
def test_it_comes_back_whatever_has_become_of_the_response(of: Any, kind: str, target: str) -> None:
    wire = Wire(of)
    key = "previous_response_id" if kind == "response.steer" else "response_id"
    for number in (1, 2, 3):
        wire.create(f"mail {EMAIL}", stream_id="a")
        wire.begin(f"resp_{number}", stream_id="a")
        if number < 3:
            over = {"id": f"resp_{number}", "output": []}
            wire.provider({"type": "response.completed", "response": over, "stream_id": "a"})
    wire.client({"type": kind, key: target, "input": f"card {CARD}"})
    sent = wire.sent_up[-1]["input"]
    assert CARD not in str(sent)
    (echo,) = wire.provider(failed(kind, target, sent))
    assert echo == failed(kind, target, f"card {CARD}")


@EVERY
def test_no_other_event_gets_what_steering_of_another_response_brought(of: Any) -> None:
    wire = Wire(of)
    for lane in ("a", "b"):
        wire.create("hello", stream_id=lane)
        wire.begin(f"resp_{lane}", stream_id=lane)
    wire.client({"type": "response.steer", "previous_response_id": "resp_a", "input": SSN})
    sent = wire.sent_up[-1]["input"]
    for event in (failed("response.steer", "resp_b", sent), {"type": "response.steer.odd", "steer": {"input": sent}}):
        (got,) = wire.provider({**event, "stream_id": "b"})
        assert SSN not in str(got)


def test_what_is_no_such_event_says_nothing() -> None:
    steering = Steering()
    steering.brought(None, EMPTY)
    for event in ({}, {"type": "response.steer.accepted", "steer": {}}, {"type": "response.inject.created"}):
        assert steering.echo(event) is None
    for steer in ({}, {"previous_response_id": 5}, "x", None, []):
        assert steering.echo({"type": "response.steer.failed", "steer": steer}) is EMPTY


def test_the_latest_are_remembered_and_those_of_one_response_together() -> None:
    steering = Steering()
    steering.brought("first", Restorable({"<A_1>": "a"}))
    for number in range(63):
        steering.brought(f"resp_{number}", EMPTY)
    steering.brought("first", Restorable({"<B_1>": "b"}))
    echo = steering.echo(failed("response.inject", "first", ""))
    assert echo is not None
    assert dict(echo.values) == {"<A_1>": "a", "<B_1>": "b"}
    steering.brought("one more", EMPTY)
    assert steering.echo(failed("response.inject", "resp_0", "")) is None
    assert steering.echo(failed("response.inject", "first", "")) is not None
