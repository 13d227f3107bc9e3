"""Keys of one object stay distinct whatever they are called anew, in a whole object and in one that comes in pieces."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.keys import Keys, renamed
from gateway.wire.values import Values

NAMES = {"a@x": "<E>", "b@x": "<E>", "c@x": "<E>_2", "d@x": "e"}
PLAIN = ["<E>", "<E>_2", "<E>_3", "e", "z", ""]


def read(text: str) -> tuple[list[str], str]:
    """What may be sent after each character of JSON source whose keys are called anew, and what at its end."""
    values, keys = Values(), Keys()
    given = []
    for character in text:
        of = values.feed(character)
        given.append(
            "".join(keys.key(v, NAMES.get(v.text or "", v.text or "")) if v.key else keys.other(v.raw) for v in of)
        )
    rest = "".join(keys.other(value.raw) for value in values.flush())
    assert not keys.waiting
    return given, rest


@given(st.lists(st.sampled_from([*NAMES, *PLAIN]), unique=True))
def test_other_keys_keep_their_names_and_none_is_there_twice(keys: list[str]) -> None:
    new = renamed(keys, NAMES)
    assert len(set(new)) == len(new) == len(keys)
    assert all(new[at] == key for at, key in enumerate(keys) if key not in NAMES)
    assert all(new[at].startswith(NAMES[key]) for at, key in enumerate(keys) if key in NAMES)


@given(st.lists(st.sampled_from([*NAMES, *PLAIN]), unique=True), st.sampled_from(["", "c@x"]))
def test_in_pieces_they_get_the_names_that_they_get_as_a_whole(keys: list[str], outer: str) -> None:
    inner = dict.fromkeys(keys, 1)
    given, rest = read(json.dumps({outer: inner, "a@x": inner}))
    new = dict.fromkeys(renamed(keys, NAMES), 1)
    first, second = renamed([outer, "a@x"], NAMES)
    assert json.loads("".join(given) + rest) == {first: new, second: new}


@pytest.mark.parametrize(
    ("text", "at_once"),
    [
        ('{"z": 1, "a@x": 2, "y": 3', '{"z": 1, '),
        ('{"z": {"a@x": 1}, "y": ', '{"z": {"<E>": 1}, "y": '),
        ('{"a@x": {"y": 1}, "y": ', "{"),
    ],
)
def test_only_an_object_with_a_new_name_waits_from_there_on(text: str, at_once: str) -> None:
    values, keys = Values(), Keys()
    of = values.feed(text)
    given = "".join(keys.key(v, NAMES.get(v.text or "", v.text or "")) if v.key else keys.other(v.raw) for v in of)
    assert given == at_once
    assert keys.waiting is (at_once != '{"z": {"<E>": 1}, "y": ')


def test_many_keys_of_one_name_cost_no_more_than_their_number() -> None:
    start = time.perf_counter()
    keys = [f"{number}@x" for number in range(50_000)]
    assert len(set(renamed(keys, dict.fromkeys(keys, "<E>")))) == len(keys)
    assert time.perf_counter() - start < 5
