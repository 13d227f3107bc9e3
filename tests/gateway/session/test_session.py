"""The session puts both sides together: it connects when it must, and every method's answer is a list of effects."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import UpstreamError
from gateway.session.effects import Connect, Effect, ToUpstream
from policies.model import Policy
from tests.kit import EMAIL, Wire, policy

POLICIES = pytest.mark.parametrize("of", [policy(), policy("output: {mask: new}\n")], ids=["restoring", "masking"])


class Slow(Wire):
    """The provider is dialled, and answers when the test says so."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dialled: list[str] = []

    def _one(self, effect: Effect) -> list[Effect]:
        if isinstance(effect, Connect):
            self.dialled.append(effect.model)
            return []
        return super()._one(effect)

    def connect(self, model: str = "gpt-5.1", name: str | None = None) -> None:
        self.perform(self.session.connected(model, name or model, self.now))

    def cannot(self) -> None:
        self.perform(self.session.connect_failed(UpstreamError("The provider cannot be reached."), self.now))


def test_a_frame_waits_for_the_provider_and_one_dial_is_enough_for_all() -> None:
    wire = Slow()
    wire.create("a")
    wire.create("b", stream_id="lane-1")
    wire.create("c")
    assert wire.dialled == ["gpt-5.1"]
    assert not wire.sent_up
    assert not wire.rows, "what is not sent is not recorded as sent"
    wire.connect()
    assert sorted(str(frame["input"]) for frame in wire.sent_up) == ["a", "b", "c"]
    assert [frame["input"] for frame in wire.sent_up if "stream_id" not in frame] == ["a", "c"]
    wire.create("d")
    assert wire.dialled == ["gpt-5.1"]


def test_a_provider_that_was_dialled_ahead_is_used() -> None:
    wire = Slow(asked="gpt-5.1")
    wire.connect()
    assert wire.create("a")
    assert not wire.dialled


def test_another_model_than_the_one_dialled_ahead_is_dialled_for() -> None:
    wire = Slow()
    wire.connect("gpt-5.1")
    wire.create("a", model="gpt-5.1-mini")
    assert wire.dialled == ["gpt-5.1-mini"]
    assert not wire.sent_up
    wire.connect("gpt-5.1-mini", "azure-mini")
    assert [frame["model"] for frame in wire.sent_up] == ["azure-mini"]


@POLICIES
def test_when_the_provider_cannot_be_reached_what_waits_is_refused_and_the_next_frame_dials_again(of: Policy) -> None:
    wire = Slow(policy=of, hold=True)
    wire.create("a", stream_id="lane-1")
    wire.create("b")
    wire.create("still being examined", stream_id="lane-2")
    wire.answer()
    wire.answer()
    wire.cannot()
    assert [frame["stream_id"] for frame in wire.sent_down if "stream_id" in frame] == ["lane-1"]
    assert [(frame["type"], frame["status"]) for frame in wire.sent_down] == [("error", 400)] * 2
    assert {frame["error"]["message"] for frame in wire.sent_down} == {"The provider cannot be reached."}  # type: ignore[index, call-overload]
    assert len(wire.rows) == 2
    assert not wire.timers
    wire.answer()
    assert wire.dialled == ["gpt-5.1", "gpt-5.1"]
    wire.connect()
    assert [frame["input"] for frame in wire.sent_up] == ["still being examined"]


def test_a_refused_frame_is_answered_without_any_provider() -> None:
    wire = Slow(policy=policy("actions: {EMAIL_ADDRESS: {input: block}}\n"))
    wire.client("not json")
    wire.create("x", stream_id="not a name")
    assert not wire.dialled
    assert [frame["type"] for frame in wire.sent_down] == ["error"] * 2


def test_while_the_provider_is_dialled_a_lane_keeps_its_order() -> None:
    wire = Slow(hold=True)
    wire.create("a")
    wire.create("b")
    wire.answer(1)
    assert not wire.dialled, "the first one of the lane is not ready"
    wire.answer()
    assert wire.dialled == ["gpt-5.1"]
    wire.connect()
    assert [frame["input"] for frame in wire.sent_up] == ["a", "b"]


def test_a_frame_that_could_not_be_sent_is_refused_and_the_next_one_works() -> None:
    class Broken(Wire):
        broken = True

        def _one(self, effect: Effect) -> list[Effect]:
            if isinstance(effect, ToUpstream) and self.broken:
                raise UpstreamError("The connection to the provider was lost.")
            return super()._one(effect)

    wire = Broken()
    wire.create(f"mail {EMAIL}", stream_id="lane-1")
    (error,) = wire.sent_down
    assert (error["status"], error["stream_id"]) == (400, "lane-1")
    assert not wire.timers
    assert wire.session.idle
    wire.broken = False
    wire.perform(wire.session.upstream_closed(UpstreamError("gone"), 0.0))
    assert len(wire.sent_down) == 1, "nothing else was under way"
    assert wire.create("again", stream_id="lane-1")


def test_a_failure_refuses_only_what_it_is_about() -> None:
    class Picky(Wire):
        def _one(self, effect: Effect) -> list[Effect]:
            if isinstance(effect, ToUpstream) and "lane-1" in effect.data:
                raise UpstreamError("no")
            return super()._one(effect)

    wire = Picky(hold=True)
    for lane in ("lane-0", "lane-1", "lane-2"):
        wire.create("x", stream_id=lane)
    while wire.questions:
        wire.answer()
    assert [frame["stream_id"] for frame in wire.sent_up] == ["lane-0", "lane-2"]
    assert [frame["stream_id"] for frame in wire.sent_down] == ["lane-1"]


def test_a_session_is_idle_only_while_nothing_is_asked_for_or_under_way() -> None:
    wire = Wire(policy=policy("output: {mask: new}\n"), hold=True)
    assert wire.session.idle
    wire.create("x")
    assert not wire.session.idle, "it is being examined"
    wire.answer()
    assert not wire.session.idle, "it is asked for"
    wire.hold = False
    wire.begin()
    assert not wire.session.idle, "it is under way"
    wire.hold = True
    wire.provider({"type": "response.completed", "response": {"id": "resp_1", "user": "u"}})
    assert not wire.session.idle, "its end is being examined"
    wire.answer()
    assert wire.session.idle


def test_steering_alone_keeps_a_session_from_being_idle() -> None:
    wire = Wire(hold=True)
    wire.client({"type": "response.steer", "previous_response_id": "resp_1", "input": "x"})
    assert not wire.session.idle
    wire.answer()
    assert wire.session.idle


def test_nobody_else_restores_what_a_conversation_sent() -> None:
    """The same value, sent by two tenants, has two tokens, and neither reads the other's."""
    ours, theirs = Wire(), Wire(secret=b"another tenant's secret")
    (a,) = ours.create(f"mail {EMAIL}")
    (b,) = theirs.create(f"mail {EMAIL}")
    assert a["input"] != b["input"]
    theirs.begin()
    delta: Any = {"type": "response.output_text.delta", "output_index": 0, "delta": f"{a['input']} "}
    assert theirs.provider(delta)[0]["delta"] == f"{a['input']} "


def test_the_session_says_nothing_for_things_that_are_over() -> None:
    wire = Wire()
    session = wire.session
    error = UpstreamError("x")
    assert session.detected(99, [], 0.0, 0.0) == []
    assert session.detection_failed(99, error, 0.0) == []
    assert session.recalled(99, None, 0.0) == []
    assert session.recall_failed(99, error, 0.0) == []
    assert session.timer(99, 0.0) == []
    assert session.client_left(0.0) == []
    assert session.upstream_closed(error, 0.0) == []
    assert session.connect_failed(error, 0.0) == []
