"""Chunks of Chat Completions become events that every client of the Responses API accepts, and that agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter

from gateway.errors import FrameError
from gateway.upstream.stateless import empty_response
from gateway.wire.chat_answer import ChatAnswer

SDK: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 5, "cache_creation_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def answer(most: int = 1000) -> ChatAnswer:
    numbers = count()
    return ChatAnswer(empty_response({"model": "m"}, "resp_1"), lambda prefix: f"{prefix}{next(numbers)}", most=most)


def chunk(reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def call(index: int, arguments: str = "", **more: Any) -> dict[str, Any]:
    function = {"name": more.pop("name"), "arguments": arguments} if "name" in more else {"arguments": arguments}
    return chunk(tool_calls=[{"index": index, "function": function, **more}])


def events(*chunks: Any) -> list[dict[str, Any]]:
    made = answer()
    return [*made.begin(), *(event for one in chunks for event in made.feed(one)), *made.end()]


def kinds(of: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in of]


def consistent(got: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Check what holds for every answer; gives its items."""
    for event in got:
        SDK.validate_python(event)
    assert [event["sequence_number"] for event in got] == list(range(len(got)))
    items: list[dict[str, Any]] = got[-1]["response"]["output"]
    assert [event["item"] for event in got if event["type"] == "response.output_item.done"] == items
    added = [event for event in got if event["type"] == "response.output_item.added"]
    assert [event["output_index"] for event in added] == list(range(len(items)))
    assert [event["item"]["id"] for event in added] == [item["id"] for item in items]
    for index, item in enumerate(items):
        deltas = [e for e in got if e["type"].endswith(".delta") and e["output_index"] == index]
        assert {event["item_id"] for event in deltas} <= {item["id"]}
        assert "".join(event["delta"] for event in deltas) == text_of(item)
    return items


def text_of(item: dict[str, Any]) -> str:
    parts = item.get("content") or item.get("summary") or ()
    return str(item["arguments"]) if "arguments" in item else "".join(p.get("text", p.get("refusal")) for p in parts)


def test_a_text_streams_and_ends() -> None:
    got = events(chunk(role="assistant", content=""), chunk(content="He"), chunk(content="llo"), chunk("stop"))
    assert kinds(got) == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    (item,) = consistent(got)
    assert (item["content"][0]["text"], item["status"]) == ("Hello", "completed")


def test_reasoning_a_text_a_refusal_and_calls_are_items_in_their_order() -> None:
    got = events(
        chunk(reasoning_content="so"),
        chunk(content="I"),
        chunk(refusal="no"),
        call(0, id="c1", name="send"),
        call(1, '{"b"', id="c2", name="find"),
        call(0, "{}"),
        call(1, ":1}"),
        chunk("tool_calls"),
        {"choices": [], "usage": USAGE},
    )
    items = consistent(got)
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "function_call"]
    assert [text_of(item) for item in items] == ["so", "Ino", "{}", '{"b":1}']
    assert [item.get("call_id") for item in items[2:]] == ["c1", "c2"]
    assert got[-1]["response"]["usage"] == {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 18,
    }


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_the_reason_of_the_end_is_the_status_of_response_and_last_item(reason: str, status: str, details: Any) -> None:
    got = events(call(0, "{}", id="c", name="f"), chunk(content="He"), chunk(reason))
    first, last = consistent(got)
    assert got[-1]["type"] == f"response.{status}"
    assert (got[-1]["response"]["status"], got[-1]["response"]["incomplete_details"]) == (status, details)
    assert (first["status"], last["status"]) == ("completed", status)


def test_a_number_that_comes_again_with_another_id_is_another_call() -> None:
    got = events(call(0, "{}", id="c1", name="f"), call(0, "[]", id="c2", name="g"), call(0, " "), chunk("tool_calls"))
    assert [(item["call_id"], item["arguments"]) for item in consistent(got)] == [("c1", "{}"), ("c2", "[] ")]


def test_a_call_without_an_id_gets_one() -> None:
    (item,) = consistent(events(call(0, "{}", name="f"), chunk("tool_calls")))
    assert item["call_id"].startswith("call_")


def test_it_knows_whether_the_provider_gave_a_reason_to_end() -> None:
    made = answer()
    list(made.feed(chunk(content="He")))
    assert not made.finished
    list(made.feed(chunk("stop")))
    assert made.finished


WRONG = {
    "no object": ["chunk"],
    "a call that is none": [chunk(tool_calls=["call"])],
    "a call without a number": [chunk(tool_calls=[{"function": {"name": "f"}}])],
    "a call without a function": [chunk(tool_calls=[{"index": 0}])],
    "a call without a name": [call(0, "{}", id="c")],
    "a piece of a call that has ended": [call(0, "{", id="c", name="f"), chunk(content="a"), call(0, "}")],
}


@pytest.mark.parametrize("chunks", WRONG.values(), ids=WRONG)
def test_what_is_no_chunk_is_refused(chunks: list[Any]) -> None:
    with pytest.raises(FrameError, match="not a chunk"):
        events(*chunks)


def test_what_is_not_known_is_ignored() -> None:
    got = events({}, {"choices": "a"}, {"choices": ["b"]}, chunk(content=7, audio={"data": "x"}), chunk("stop"))
    assert kinds(got) == ["created", "in_progress", "completed"]


def test_an_answer_is_bounded_in_characters_and_items() -> None:
    made = answer(most=10)
    with pytest.raises(FrameError, match="larger than 10 bytes"):
        list(made.feed(call(0, "1" * 11, id="c", name="f")))
    with pytest.raises(FrameError, match="larger than 10 bytes"):
        list(answer(most=10).feed(chunk(content="1" * 11)))
    with pytest.raises(FrameError, match="too many parts"):
        events(*(call(number, id=f"c{number}", name="f") for number in range(1025)))


_PIECE = st.sampled_from(["", "<EMAIL_", "ADDRESS_k7x2", "m9qa>", "{", '"a":', "\\u003c", "}", " ", "é"])
_DELTA = st.one_of(
    st.builds(lambda text: chunk(content=text), _PIECE),
    st.builds(lambda text: chunk(refusal=text), _PIECE),
    st.builds(lambda text: chunk(reasoning_content=text), _PIECE),
    st.builds(lambda number, text: call(number, text, id=f"c{number}", name="f"), st.integers(0, 2), _PIECE),
)


@given(st.lists(_DELTA, max_size=12))
def test_whatever_comes_in_whatever_order_deltas_done_and_completed_agree(chunks: list[Any]) -> None:
    try:
        got = events(*chunks, chunk("stop"))
    except FrameError:  # a call that has ended goes on
        return
    said = "".join(str(text) for one in chunks for text in _said(one["choices"][0]["delta"]))
    items = consistent(got)
    assert sorted(said) == sorted("".join(map(text_of, items)))


def _said(delta: dict[str, Any]) -> list[str]:
    calls = [one["function"]["arguments"] for one in delta.get("tool_calls", ())]
    return [*calls, *(text for key, text in delta.items() if key != "tool_calls")]
