"""JSON source in pieces comes out value by value, the same however it is cut."""

from __future__ import annotations

import json
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.frame import number_text
from gateway.wire.values import Value, Values

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet='ab"\\\n é😀 {}[],:', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='ab"\\é', max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
BROKEN = st.sampled_from(["", "x", '"', "\\", "1", "tru", "-", "nullx"])
PUNCTUATION = re.compile(r"(?:[ \t\r\n\[\]{},:]|true|false|null)+")


def read(text: str, cuts: list[int]) -> list[Value]:
    values = Values()
    edges = [0, *sorted(cuts), len(text)]
    found = [value for start, end in pairwise(edges) for value in values.feed(text[start:end])]
    return [*found, *values.flush()]


@settings(deadline=None)
@given(JSON, st.booleans(), st.sampled_from([None, 1]), st.data())
def test_every_string_and_number_is_given_whole(
    value: object, ascii_: bool, indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_, indent=indent)
    given_ = read(text, data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    assert "".join(one.raw for one in given_) == text
    texts = [one.text for one in given_ if one.text is not None]
    assert sorted(map(str, texts)) == sorted(map(str, leaves(value)))


def leaves(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [leaf for key, child in value.items() for leaf in (key, *leaves(child))]
    if isinstance(value, list):
        return [leaf for child in value for leaf in leaves(child)]
    return [] if value is None or isinstance(value, bool) else [number_text(value)]  # type: ignore[arg-type]


@settings(deadline=None)
@given(JSON, BROKEN, st.data())
def test_whatever_is_broken_nothing_but_punctuation_goes_unread(
    value: object, broken: str, data: st.DataObject
) -> None:
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + broken + text[at:]
    given_ = read(text, data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    assert "".join(one.raw for one in given_) == text
    assert all(one.text is not None or PUNCTUATION.fullmatch(one.raw) for one in given_)
    assert [one for one in given_ if one.text is not None] == [one for one in read(text, []) if one.text is not None]


@pytest.mark.parametrize("text", ['{"a": ' + "1" * 500, "nonsense", '{"a" "b', "'x'", '"\\ud800"', "[" * 65])
def test_from_what_is_no_json_on_all_is_one_text(text: str) -> None:
    assert read(text, [])[-1].plain


@pytest.mark.parametrize(
    ("begins", "rest"),
    [
        ('{"card": ', "4111 1111 1111 1111}"),
        ('{"mac":', " 00:11:22:33:44:55}"),
        ('{"a": 536,', "22,1234}"),
        ("[", "01]"),
        ("[1,", "]"),
        ("[1,", "5 true]"),
        ("{", "12: 13}"),
        ("", "4111 1111"),
        ('{"a": ', '"4111" "1111"}'),
        ("{}", "4111"),
        ('{"a":{"b":', "1"),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 50])
def test_a_value_that_cannot_stand_where_it_does_begins_what_is_no_json(begins: str, rest: str, step: int) -> None:
    """The numbers of a card one by one say nothing."""
    text = begins + rest
    found = read(text, list(range(step, len(text), step)))
    assert (found[-1].raw.strip(), found[-1].plain) == (rest.strip(), True)
    assert not any(one.plain for one in found[:-1])


def test_a_number_says_what_it_reads_as() -> None:
    assert [one.text for one in read("[4.111111111111111e15]", []) if one.text] == ["4111111111111111.0"]


def test_a_long_string_costs_its_length() -> None:
    values = Values()
    assert list(values.feed('{"a": "')) != []
    start = time.perf_counter()
    for _ in range(20_000):
        assert list(values.feed("some \\\\ text, ")) == []
    assert len([value for value in values.feed('"}') if value.text]) == 1
    assert time.perf_counter() - start < 2
