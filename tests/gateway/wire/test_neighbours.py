"""Which texts of a frame are neighbours, and which are not."""

from __future__ import annotations

import pytest

from gateway.wire.frame import Json, encode
from gateway.wire.neighbours import neighbours
from gateway.wire.texts import walk


def groups(frame: Json, *, items_apart: bool = False) -> list[list[str]]:
    texts = [text for text in walk(frame).texts if text.text.startswith("t")]
    return [[texts[index].text for index in group] for group in neighbours(frame, texts, items_apart=items_apart)]


def message(role: str, *texts: str) -> Json:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text} for text in texts]}


def test_the_parts_of_a_message_are_neighbours() -> None:
    assert groups({"input": [message("user", "t1", "t2", "t3")]}) == [["t1", "t2", "t3"]]


def test_messages_that_follow_each_other_are_neighbours() -> None:
    assert groups({"input": [message("user", "t1", "t2"), message("user", "t3")]}) == [["t1", "t2", "t3"]]


def test_a_message_with_a_string_and_one_with_parts_are_neighbours() -> None:
    assert groups({"input": [{"role": "user", "content": "t1"}, message("user", "t2")]}) == [["t1", "t2"]]


def test_messages_of_one_role_are_neighbours_with_others_between_them() -> None:
    frame: Json = {"input": [message("user", "t1"), message("assistant", "t2"), message("user", "t3")]}
    assert groups(frame) == [["t1", "t3"]]


def test_a_message_and_the_instructions_are_no_neighbours() -> None:
    assert groups({"instructions": "t1", "input": [message("user", "t2")]}) == []


def test_the_outputs_of_tools_are_neighbours() -> None:
    outputs: list[Json] = [{"type": "function_call_output", "call_id": "c", "output": text} for text in ("t1", "t2")]
    assert groups({"input": outputs}) == [["t1", "t2"]]


@pytest.mark.parametrize("key", ["metadata", "something", "input"])
def test_the_strings_of_one_array_are_neighbours(key: str) -> None:
    assert groups({key: ["t1", "t2", "t3"]}) == [["t1", "t2", "t3"]]


def test_the_strings_of_an_array_in_the_arguments_of_a_call_are_neighbours_of_each_other_only() -> None:
    calls: list[Json] = [
        {"type": "function_call", "name": "run", "arguments": encode({"argv": [f"t{n}a", f"t{n}b"], "cwd": f"t{n}c"})}
        for n in (1, 2)
    ]
    assert groups({"input": calls}) == [["t1a", "t1b"], ["t2a", "t2b"]]


def test_columns_of_a_table_are_no_neighbours() -> None:
    assert groups({"x": [{"a": "t1", "b": "t2"}, {"a": "t3", "b": "t4"}]}) == []
    assert groups({"x": [["t1", "t2"], ["t3", "t4"]]}) == [["t1", "t2"], ["t3", "t4"]]


def test_parts_below_a_key_nobody_listed_are_neighbours() -> None:
    assert groups({"x": [{"text": "t1"}, {"text": "t2"}]}) == [["t1", "t2"]]


def test_tools_are_no_neighbours() -> None:
    tools: list[Json] = [{"type": "function", "name": f"f{n}", "description": f"t{n}"} for n in (1, 2)]
    assert groups({"tools": tools}) == []


def test_keys_ids_and_numbers_are_nobodys_neighbours() -> None:
    frame: Json = {"input": [{"type": "function_call_output", "call_id": f"t{n}", "output": f"{n}"} for n in (1, 2)]}
    assert groups(frame) == []
    texts = walk({"x": [4111, 1111, 1111, 1111]}).texts
    assert neighbours({"x": [4111, 1111, 1111, 1111]}, texts) == []


@pytest.mark.parametrize(("items_apart", "expected"), [(False, [["t1", "t2", "t3"]]), (True, [["t1", "t2"]])])
def test_the_items_of_a_response_are_neighbours_unless_they_went_out_by_themselves(
    items_apart: bool, expected: list[list[str]]
) -> None:
    frame: Json = {"response": {"output": [message("assistant", "t1", "t2"), message("assistant", "t3")]}}
    assert groups(frame, items_apart=items_apart) == expected
