"""Frames are read strictly, and what is written is what was read."""

from __future__ import annotations

import json
import random
from typing import Any

import orjson
import pytest

from gateway.errors import FrameError
from gateway.wire.frame import DEFAULT_DEPTH, MAX_VALUES, decode, encode, encode_row, escape, loads, number_text, pretty

CANARY = "ada.lovelace@example.com"

GOOD = {
    "an object": ('{"a":1}', {"a": 1}),
    "spaces that JSON allows": (' \t\r\n{ "a" : [ 1 , 2 ] } ', {"a": [1, 2]}),
    "an escaped key": (r'{"\u0061":1}', {"a": 1}),
    "a surrogate pair": (r'"\ud83d\ude00"', "😀"),
    "the largest integer": ("18446744073709551615", 2**64 - 1),
    "the smallest integer": ("-9223372036854775808", -(2**63)),
    "long digits in a string": ('{"a": "99999999999999999999999"}', {"a": "99999999999999999999999"}),
    "long digits after an escaped quote": (r'{"a": "\"99999999999999999999999"}', {"a": '"99999999999999999999999'}),
    "a long fraction": ("[0.1000000000000000055511151231257827]", [0.1]),
    "a colon after a string that is no key": (r'{"a": "b\":", "c": "\\"}', {"a": 'b":', "c": "\\"}),
    "the same key in two objects": ('[{"a": 1}, {"a": {"a": 2}}]', [{"a": 1}, {"a": {"a": 2}}]),
    "an empty key": ('{"": null}', {"": None}),
}

BAD = {
    "a repeated key": '{"a": 1, "a": 2}',
    "a repeated key, escaped": r'{"model": 1, "mod\u0065l": 2}',
    "a repeated key, deep": '{"x": [{"a": 1, "b": 2, "a": 1}]}',
    "a repeated key before a loose colon": '{"a" :1,"a":2}',
    "a repeated key among loose ones": '{"a": ", ", "b" : ": ", "b": 1}',
    "a repeated key with the same value": '{"a":1,"a":1}',
    "NaN": '{"a": NaN}',
    "Infinity": "[Infinity]",
    "minus Infinity": "[-Infinity]",
    "a number that is infinite": "[1e400]",
    "an integer of 65 bits": "[18446744073709551616]",
    "a negative integer of 65 bits": "[-9223372036854775809]",
    "an integer of 5,000 digits": "[" + "9" * 5000 + "]",
    "an integer of 65 bits between strings": '{"a": "x", "b": 99999999999999999999, "c": "y"}',
    "an escaped lone surrogate": r'"\ud800"',
    "an escaped lone low surrogate": r'"\udc00 x"',
    "a lone surrogate in a str": '"\ud800"',
    "a byte order mark": '\ufeff{"a": 1}',
    "text after the value": '{"a": 1} x',
    "a second value": '{"a": 1}{"a": 2}',
    "a NUL after the value": '{"a": 1}\x00',
    "nothing": "",
    "spaces only": "  ",
    "a trailing comma": '{"a": 1,}',
    "a comment": '{"a": 1 /* x */}',
    "single quotes": "{'a': 1}",
    "an open object": '{"a": 1',
    "an open string": '{"a": "b',
    "a raw line end in a string": '{"a": "b\nc"}',
    "a leading zero": "[01]",
    "a plus sign": "[+1]",
    "a bare word": "hello",
    "a non-breaking space around": "\u00a0{}",
}


@pytest.mark.parametrize(("data", "value"), GOOD.values(), ids=GOOD)
def test_a_strict_frame_is_read_the_same_from_text_and_bytes(data: str, value: Any) -> None:
    assert decode(data) == decode(data.encode()) == value


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_two_readers_could_read_differently_is_refused(data: str) -> None:
    with pytest.raises(FrameError):
        decode(data)


@pytest.mark.parametrize(
    "data",
    ['{"a": 1}'.encode("utf-16"), '{"a": 1}'.encode("utf-16-le"), b'{"a": "\xff"}', b'"\xed\xa0\x80"', b'"\xc0\xaf"'],
    ids=["UTF-16", "UTF-16 without a mark", "a stray byte", "a surrogate in UTF-8", "an overlong form"],
)
def test_bytes_that_are_not_utf_8_are_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode(data)


@pytest.mark.parametrize("data", [f'{{"{CANARY}": NaN}}', f'{{"a": "{CANARY}', f'["{CANARY}", tru]', CANARY])
def test_the_message_of_an_error_holds_nothing_of_the_input(data: str) -> None:
    with pytest.raises(FrameError) as caught:
        decode(data)
    assert not any(piece in str(caught.value) for piece in ("ada", "lovelace", "example"))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "the exception of the JSON library keeps the whole document"


def test_a_frame_as_deep_as_allowed_is_read_and_one_level_more_is_not() -> None:
    def nested(depth: int) -> str:
        return '{"a":[' * (depth // 2) + "1" + "]}" * (depth // 2)

    assert decode(nested(DEFAULT_DEPTH)) is not None
    with pytest.raises(FrameError, match="nested too deeply"):
        decode(nested(DEFAULT_DEPTH + 2))
    assert decode("[[[1]]]", depth=3) == [[[1]]]
    with pytest.raises(FrameError, match="nested too deeply"):
        decode("[[[[]]]]", depth=3)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_a_hundred_thousand_open_brackets_are_refused(opening: str) -> None:
    with pytest.raises(FrameError):
        decode(opening * 100_000)
    closing = {"[": "]", '{"a":': "}", '[{"a":': "}]"}[opening]
    with pytest.raises(FrameError):
        decode(opening * 5_000 + "1" + closing * 5_000)


def test_the_limit_counts_bytes_and_is_inclusive() -> None:
    data = '"ää"'
    assert decode(data, limit=6) == "ää"
    with pytest.raises(FrameError, match="larger than 5 bytes"):
        decode(data, limit=5)


def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(FrameError, match="larger than"):
        decode("not json at all", limit=3)


@pytest.mark.parametrize("value", [1, -1, 0, 1.5, 1e300, 2**64 - 1, True, None, "ä\u2028\x00", [], {}, {"ä": [1.0]}])
def test_what_is_written_reads_back_the_same(value: Any) -> None:
    assert decode(encode(value)) == value
    assert json.loads(encode(value)) == value


def test_writing_is_compact_and_keeps_the_order_of_keys() -> None:
    assert encode({"b": 1, "a": [1, "ä"]}) == '{"b":1,"a":[1,"ä"]}'


def test_a_value_with_a_lone_surrogate_cannot_be_written() -> None:
    with pytest.raises(FrameError) as caught:
        encode({"a": f"{CANARY}\ud800"})
    assert CANARY not in str(caught.value)


def test_loads_accepts_what_only_a_guarded_side_refuses() -> None:
    assert loads('{"a": 1, "a": 2}') == {"a": 2}
    with pytest.raises(FrameError):
        loads("{")


@pytest.mark.parametrize("text", ["plain", 'a "b" \\ c', "line\nend\ttab", "\x00\x1f", "ä😀"])
def test_an_escaped_text_stands_in_the_quotes_of_a_json_string(text: str) -> None:
    assert json.loads(f'"{escape(text)}"') == text


@pytest.mark.parametrize(
    ("number", "text"), [(5, "5"), (-5, "-5"), (1.5, "1.5"), (4111111111111111, "4111111111111111")]
)
def test_a_number_is_scanned_as_it_stands_in_a_frame(number: float, text: str) -> None:
    assert number_text(number) == text
    assert encode(number) == text


def test_a_row_is_one_line_with_its_end() -> None:
    assert encode_row({"a": "x\ny", "b": None}) == b'{"a":"x\\ny","b":null}\n'


def test_pretty_is_the_same_value_on_several_lines() -> None:
    assert "\n" in pretty({"a": [1, 2]})
    assert orjson.loads(pretty({"a": [1, 2]})) == {"a": [1, 2]}


def test_a_message_of_too_many_values_is_refused_before_it_is_read() -> None:
    assert len(decode("[" + "1," * MAX_VALUES + "1]")) == MAX_VALUES + 1  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="too many values"):
        decode("[" + "1," * (MAX_VALUES + 1) + "1]")
    with pytest.raises(FrameError, match="too many values"):
        loads("[" + "1," * (MAX_VALUES + 1) + "1]")


def test_commas_in_strings_are_no_values() -> None:
    text = "," * (MAX_VALUES + 5) + '\\" , \\\\'
    assert decode(f'["{text}"]') == ["," * (MAX_VALUES + 5) + '" , \\']


def test_a_providers_message_may_have_a_bound_of_its_own() -> None:
    assert loads("[[1]]", depth=2) == [[1]]
    with pytest.raises(FrameError, match="nested too deeply"):
        loads("[[[1]]]", depth=2)


def test_a_repeated_key_is_refused_however_the_message_is_spaced() -> None:
    dice = random.Random(20261123)
    texts = ["a", "b", "a: b", ", ", ": ", ',"', '":', "\\", 'x": 1, "y']
    refused = 0
    for _ in range(20_000):
        pairs = [(dice.choice(texts), dice.choice([1, 0.5, *texts])) for _ in range(dice.randint(1, 4))]
        colons, commas = ((":", ": ", " : ", " :"), (",", ", ", " ,", ",  "))
        few = dice.random() < 0.5
        data = "{"
        for number, (key, value) in enumerate(pairs):
            comma, colon = (commas[1], colons[1]) if few else (dice.choice(commas), dice.choice(colons))
            data += (comma if number else "") + json.dumps(key) + colon + json.dumps(value)
        data += "}"
        if len(dict(pairs)) == len(pairs):
            assert decode(data) == dict(pairs), data
        else:
            refused += 1
            with pytest.raises(FrameError, match="repeats a key"):
                decode(data)
    assert refused > 2_000
