"""Islands hold every match of the patterns they are for, at the places of the text."""

from __future__ import annotations

import pytest
import regex

from guardrails.modules.islands import Text
from guardrails.modules.reach import reach


def test_islands_are_words_with_digits_and_one_character_on_either_side() -> None:
    text = Text("Call on 3 days or at x12y, (a1) 123456 but 12345 not; a::b")
    assert text.words.contents.text == " x12y,\n(a1)\n 123456 \n a::b"


def test_a_place_in_an_island_is_that_of_the_text() -> None:
    text = Text("é some a1, then b22 ſ123")
    within = text.words.contents.text
    for match in regex.finditer(r"\w+\d+", within):
        start = text.words.place(match.start())
        assert text.text[start : start + len(match.group())] == match.group()


def test_a_number_is_a_run_of_nine_digits_with_blanks_hyphens_and_dots() -> None:
    assert (
        Text("a 12345678 b-536-22-1234-c 1 2 3 4 5 6 7 8 9 ").numbers.contents.text
        == "b-536-22-1234-c\nc 1 2 3 4 5 6 7 8 9 "
    )


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        (r"\b\d{9}\b", "number"),
        (r"\b\d{8}\b", "word"),
        (r"\b\d{5}\b", ""),
        (r"\b[A-Z]\d\b", "word"),
        (r"\b[A-Z]?\d\b", ""),
        (r"\b\d{5}[ ]\d{4}\b", "number"),
        (r"\b[A-Z]{9} \d{9}\b", ""),
        (r"\b\w\d{9}\b", ""),
        (r"\d{9}(?!\d)", "number"),
        (r"\d{9}(?!x\d)", "word"),
        (r"\d{9}(?!,\d)", ""),
        (r"(?<!x)\d{9}", "number"),
        (r"(?<!\dx)\d{9}", "word"),
        (r"(?<!x\d)\d{9}", "number"),
        (r"(?<!xy)\d{9}", "word"),
        (r"(?<!\d,)\d{9}", ""),
        (r"^\d{9}", ""),
        (r"([:-])\w\1", ""),
        (r"([:-])a\1", "word"),
        (r"(?:é\d{9})", ""),
        (r"\p{L}\d{9}", ""),
    ],
)
def test_a_pattern_is_looked_for_where_all_its_matches_are(pattern: str, place: str) -> None:
    read = reach(pattern)
    assert ("number" if read.is_number() else "word" if read.is_word() else "") == place
