"""An answer is given again to the same request of the same key, and only if it may be."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.session.answers import Answers, Kept
from gateway.wire.frame import Json
from tests.kit import CARD, EMAIL, REPLAY, RESTORE, Wire

MESSAGE: dict[str, Json] = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Done.", "annotations": []}],
}


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def answers(**more: Any) -> Answers:
    return Answers(**{"ttl": 60.0, "max_bytes": 1 << 20, "clock": Clock(), **more})


def turn(wire: Wire, text: Json = "hello", output: Json = None, **more: Json) -> list[dict[str, Json]]:
    """One turn; what the client got. The provider answers if it was asked."""
    before = len(wire.sent_down)
    if wire.create(text, **more):
        wire.begin()
        items = [MESSAGE] if output is None else output
        whole = {"id": "resp_1", "object": "response", "status": "completed", "output": items, "usage": None}
        wire.provider({"type": "response.completed", "response": whole})
    return wire.sent_down[before:]


@pytest.mark.parametrize("of", [RESTORE, REPLAY], ids=["restore", "replay"])
def test_the_same_request_is_answered_from_memory_with_the_callers_own_values(of: Any) -> None:
    kept = answers()
    first = Wire(of, answers=kept)
    first.create(f"write to {EMAIL}")
    first.begin()
    part = {"type": "output_text", "text": f"I wrote to {token_of(first)}.", "annotations": []}
    whole: Json = {"id": "resp_1", "status": "completed", "output": [{**MESSAGE, "content": [part]}]}
    told = first.provider({"type": "response.completed", "response": whole})
    second = Wire(of, answers=kept, reachable=False)
    again = turn(second, f"write to {EMAIL}")
    assert second.sent_up == []
    assert second.dialled == [], "no provider is needed"
    assert again[-1]["response"]["output"] == told[-1]["response"]["output"]  # type: ignore[index, call-overload]
    assert f"I wrote to {EMAIL}." in str(again[-1])
    assert again[0]["type"] == "response.created"
    deltas = [event["delta"] for event in again if event["type"] == "response.output_text.delta"]
    assert deltas == [f"I wrote to {EMAIL}."]
    assert [(row.direction, row.cached, row.usage) for row in second.rows] == [
        ("input", True, None),
        ("output", True, None),
    ]
    assert not any(row.cached for row in first.rows)


def token_of(wire: Wire) -> str:
    return str(wire.raw_up[-1]).split("write to ")[1].split('"')[0]


def test_what_is_kept_holds_tokens_and_no_value() -> None:
    kept = answers()
    wire = Wire(answers=kept)
    wire.create(f"write to {EMAIL}")
    wire.begin()
    part = {"type": "output_text", "text": f"I wrote to {token_of(wire)}.", "annotations": []}
    wire.provider(
        {
            "type": "response.completed",
            "response": {"id": "r", "status": "completed", "output": [{**MESSAGE, "content": [part]}]},
        }
    )
    ((one, _),) = kept._kept.values()
    assert EMAIL not in one.response
    assert "<EMAIL_ADDRESS_" in one.response


@pytest.mark.parametrize("of", [RESTORE, REPLAY], ids=["restore", "replay"])
def test_an_answer_with_somebodys_data_is_not_kept(of: Any) -> None:
    kept = answers()
    part = {"type": "output_text", "text": f"The card is {CARD}.", "annotations": []}
    turn(Wire(of, answers=kept), output=[{**MESSAGE, "content": [part]}])
    assert len(kept) == 0


@pytest.mark.parametrize(
    "more",
    [{"input": "hello there"}, {"temperature": 0.5}, {"previous_response_id": "resp_0"}, {"instructions": "Be brief."}],
    ids=lambda more: next(iter(more)),
)
def test_another_request_is_asked(more: dict[str, Json]) -> None:
    kept = answers()
    turn(Wire(answers=kept))
    wire = Wire(answers=kept)
    assert wire.client({"type": "response.create", "model": "gpt-5.1", "input": "hello", **more})


@pytest.mark.parametrize("change", ["tenant", "policy", "model"])
def test_another_key_policy_or_model_is_asked(change: str) -> None:
    kept = answers()
    turn(Wire(answers=kept))
    other = {
        "tenant": lambda: Wire(answers=kept, tenant="team-b"),
        "policy": lambda: Wire(REPLAY, answers=kept),
        "model": lambda: Wire(answers=kept, asked="gpt-5.1-mini"),
    }[change]()
    assert other.create("hello")


def test_lanes_share_answers_and_keep_their_names() -> None:
    kept = answers()
    turn(Wire(answers=kept))
    told = turn(Wire(answers=kept, reachable=False), stream_id="a")
    assert {event["stream_id"] for event in told} == {"a"}


ENDED: dict[str, Json] = {"id": "resp_1", "status": "completed", "output": [MESSAGE]}


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("failed", {**ENDED, "status": "failed", "error": {"code": "server_error", "message": "no"}}),
        ("incomplete", {**ENDED, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}),
        ("completed", {**ENDED, "output": []}),
        ("completed", {**ENDED, "output": [MESSAGE, {"type": "web_search_call", "id": "ws_1", "status": "completed"}]}),
        ("completed", {**ENDED, "output": [{"type": "mcp_call", "id": "m", "name": "n", "arguments": "{}"}]}),
        ("completed", {**ENDED, "output": [{"type": "something_new", "id": "m"}]}),
        ("completed", {**ENDED, "incomplete_details": {"reason": "content_filter"}}),
    ],
    ids=["failed", "incomplete", "empty", "ran a search", "ran a tool", "an unknown item", "said to be incomplete"],
)
def test_what_failed_or_ran_something_is_not_kept(name: str, whole: dict[str, Json]) -> None:
    kept = answers()
    wire = Wire(answers=kept)
    wire.create()
    wire.begin()
    wire.provider({"type": f"response.{name}", "response": whole})
    assert len(kept) == 0


@pytest.mark.parametrize(
    "more", [{"generate": False}, {"store": False}, {"conversation": "conv_1"}, {"conversation": {"id": "conv_1"}}]
)
def test_warm_ups_and_conversations_are_always_asked(more: dict[str, Json]) -> None:
    kept = answers()
    turn(Wire(answers=kept), **more)
    assert Wire(answers=kept).create("hello", **more)


def test_an_answer_waits_for_nobody_but_its_own_lane() -> None:
    kept = answers()
    turn(Wire(answers=kept))
    wire = Wire(answers=kept)
    wire.create("something else")
    assert wire.create("hello"), "behind one that is under way the provider is asked, and the order is kept"
    assert turn(wire, stream_id="b")[-1]["type"] == "response.completed"
    assert len(wire.sent_up) == 2


def test_without_a_row_nothing_is_given() -> None:
    kept = answers()
    turn(Wire(answers=kept))
    wire = Wire(answers=kept, audit_works=False)
    assert [event["type"] for event in turn(wire)] == ["error"]
    assert wire.session.idle


def test_a_blocked_request_stays_blocked() -> None:
    kept = answers()
    turn(Wire(answers=kept))
    wire = Wire(answers=kept)
    told = wire.client({"type": "response.create", "model": 5, "input": "hello"})
    assert told == []
    assert wire.sent_down[-1]["type"] == "error"


def test_an_answer_split_over_two_parts_is_seen_whole() -> None:
    kept = answers()
    parts: list[Json] = [
        {"type": "output_text", "text": text, "annotations": []} for text in ("mail ada.lovelace", "@example.com now")
    ]
    turn(Wire(answers=kept), output=[{**MESSAGE, "content": parts}])
    assert len(kept) == 0


def test_a_deleted_answer_is_not_given_again() -> None:
    kept = answers()
    turn(Wire(answers=kept))
    assert len(kept) == 1
    kept.forget("resp_1")
    assert Wire(answers=kept).create("hello")


def test_answers_are_forgotten_after_their_time_and_over_their_bound() -> None:
    clock = Clock()
    first, second, third = (Kept(letter * 60, None) for letter in "xyz")
    kept = Answers(ttl=60.0, max_bytes=2 * first.size, clock=clock)
    kept.put(b"a", first)
    kept.put(b"b", second)
    assert kept.get(b"a") == first
    kept.put(b"c", third)
    assert (kept.get(b"b"), kept.get(b"c")) == (None, third)
    kept.put(b"d", Kept("\U0001f600" * 300, None))
    assert kept.get(b"d") is None, "it is larger than all of the store"
    clock.now = 60.0
    assert kept.get(b"a") is None
    kept.put(b"e", first)
    assert len(kept) == 1, "what is too old is gone"


def test_a_provider_s_name_for_the_model_does_not_reach_the_client() -> None:
    wire = Wire(provider_models={"gpt-5.1": "azure-1"})
    wire.create()
    told = wire.provider(
        {"type": "response.created", "response": {"id": "resp_1", "model": "azure-1-2026", "output": []}}
    )
    assert told[0]["response"]["model"] == "gpt-5.1"  # type: ignore[index, call-overload]
    same = Wire()
    same.create()
    told = same.provider(
        {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5.1-2026", "output": []}}
    )
    assert told[0]["response"]["model"] == "gpt-5.1-2026"  # type: ignore[index, call-overload]
