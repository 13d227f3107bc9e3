"""The values of one array come together, all others by themselves, and the source stays what it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.arrays import Array, Arrays
from gateway.wire.values import Value, Values
from tests.gateway.wire.test_values import JSON


def read(text: str, size: int = 7) -> list[Value | Array]:
    values, arrays = Values(), Arrays(attachments=True)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    got = [one for piece in pieces for value in values.feed(piece) for one in arrays.feed(value)]
    return [*got, *(one for value in values.flush() for one in arrays.feed(value)), *arrays.flush()]


def written(got: list[Value | Array]) -> str:
    return "".join(one.raw if isinstance(one, Value) else one.written(lambda text: text.text) for one in got)


@settings(deadline=None)
@given(JSON, st.sampled_from([None, 1]), st.integers(1, 20))
def test_nothing_is_lost_or_added(value: object, indent: int | None, size: int) -> None:
    text = json.dumps(value, indent=indent)
    got = read(text, size)
    assert written(got) == text
    assert not any("[" in one.raw for one in got if isinstance(one, Value) and one.text is None)


@pytest.mark.parametrize("text", ['["a", ["b"', '[["a"}]', '["a"]]', '["a", x', "]", '[{"a": 1, "a": 2}]'])
def test_what_is_no_array_comes_value_by_value(text: str) -> None:
    assert written(read(text)) == text


def test_an_array_has_all_its_texts_and_says_which_are_neighbours() -> None:
    found = read('{"say": ["a", ["b", 5], {"k": "c"}, true], "to": "d"}', 100)
    (array,) = (one for one in found if isinstance(one, Array))
    around = [one.raw for one in found if not isinstance(one, Array)]
    assert "".join(around) == '{"say": , "to": "d"}'
    assert isinstance(array, Array)
    assert [text.text for text in array.texts] == ["a", "b", "5", "k", "c"]
    assert array.groups == []
    (array,) = read('["a", "b", {"text": "c"}, {"text": "d"}]')
    assert isinstance(array, Array)
    assert array.groups == [[0, 1], [2, 3]]


def test_an_array_is_written_with_what_has_become_of_its_texts() -> None:
    (array,) = read('[ "a", 5 , "c"]')
    assert isinstance(array, Array)
    assert array.written(lambda text: {"a": '"', "5": "<N_1>"}.get(text.text, text.text)) == '["\\"","<N_1>","c"]'


@pytest.mark.parametrize("attachments", [True, False])
def test_a_picture_in_an_array_is_no_text_and_passes_or_not(attachments: bool) -> None:
    picture = "data:image/png;base64," + "iVBORw0KGgo" * 30
    array = Array(json.dumps([picture, "a", "b"]), "say", attachments=attachments)
    assert [text.text for text in array.texts] == ["a", "b"]
    assert array.groups == [[0, 1]]
    assert json.loads(array.written(lambda text: text.text)) == [picture if attachments else "", "a", "b"]
