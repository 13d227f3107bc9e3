"""What is split over the parts, items and arrays of a frame is masked in each of them, and comes back as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit import CARD, REPLAY, SSN, SUPPRESS, Wire, noted


def parts(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "input_text", "text": text} for text in texts]


def message(*texts: str, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": parts(*texts)}


def call(arguments: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": "c", "name": "f", "arguments": json.dumps(arguments)}


HALVES = ("536-22", "-1234")
FRAMES: dict[str, dict[str, Any]] = {
    "parts of a message": {"input": [message("My number is 536-22", "-1234, thanks")]},
    "messages": {"input": [message("My number is 536-22"), message("-1234, thanks")]},
    "a string and a part": {"input": [{"role": "user", "content": "536-22"}, message("-1234")]},
    "turns": {"input": [message("536-22"), message("Go on.", role="assistant"), message("-1234")]},
    "an array of metadata": {"metadata": {"ids": list(HALVES)}},
    "an array nobody listed": {"x": {"y": list(HALVES)}},
    "arguments of a call": {"input": [call({"argv": list(HALVES)})]},
    "outputs": {"input": [{"type": "function_call_output", "call_id": h[-1:], "output": h} for h in HALVES]},
    "parts of an output": {"input": [{"type": "function_call_output", "call_id": "c", "output": parts(*HALVES)}]},
    "a steered message": {"type": "response.steer", "response_id": "resp_1", "input": [message("536-22", "-1234")]},
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_number_in_two_pieces_does_not_reach_the_provider(frame: dict[str, Any]) -> None:
    wire = Wire()
    wire.create()
    wire.begin()
    [sent] = wire.client({"type": "response.create", "model": "gpt-5.1", **frame})
    text = json.dumps(sent)
    assert all(half not in text for half in ("536-22", "-1234"))
    assert text.count("US_SSN_") == 2


def test_a_card_in_four_parts_is_masked_in_each_and_each_comes_back_as_it_was() -> None:
    wire = Wire()
    [sent] = wire.create([message(*CARD.split())])
    tokens = [part["text"] for part in sent["input"][0]["content"]]  # type: ignore[index,call-overload,union-attr]
    assert all(token.startswith("<CREDIT_CARD_") for token in tokens)
    wire.begin()
    delta = {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0}
    [event] = wire.provider({**delta, "delta": " | ".join(tokens)})
    assert event["delta"] == "4111 | 1111 | 1111 | 1111"


def test_the_row_names_every_piece_and_its_place() -> None:
    wire = Wire()
    wire.create([message(*HALVES)])
    assert [(one.entity, place) for one, place in noted(wire.rows[-1])] == [
        ("US_SSN", "input[0].content[0].text"),
        ("US_SSN", "input[0].content[1].text"),
    ]


def test_a_message_without_neighbours_asks_for_nothing_more() -> None:
    wire = Wire(hold=True)
    wire.create("hello", instructions="Be kind.", metadata={"a": "b"})
    assert "hello" in wire.questions[0].texts
    assert sorted(wire.questions[0].texts) == sorted({*wire.questions[0].texts})
    assert not any("hello" in text and text != "hello" for text in wire.questions[0].texts)


def answered(*texts: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts]
    return {"type": "message", "id": "item", "role": "assistant", "status": "completed", "content": content}


def ended(*items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": list(items)}}


def test_a_number_over_the_parts_of_an_answer_is_masked_in_the_item_and_at_the_end_alike() -> None:
    wire = Wire(REPLAY)
    wire.create()
    wire.begin()
    item = answered("It is 536-22", "-1234.")
    done = wire.provider({"type": "response.output_item.done", "output_index": 0, "item": item})[-1]
    last = wire.provider(ended(item))[-1]
    assert "536-22" not in json.dumps(done)
    assert "-1234" not in json.dumps(done)
    assert done["item"] == last["response"]["output"][0]  # type: ignore[index,call-overload]


def test_a_number_over_two_items_is_masked_where_only_the_end_is_sent() -> None:
    wire = Wire(SUPPRESS)
    wire.create()
    wire.begin()
    last = wire.provider(ended(answered("536-22"), answered("-1234")))[-1]
    assert SSN[:6] not in json.dumps(last)
    assert SSN[6:] not in json.dumps(last)
