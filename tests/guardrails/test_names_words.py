"""Texts are cut into words, and what is no prose stays whole."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.modules.names.words import OPAQUE, Cutter


def cut(text: str) -> list[str]:
    words = Cutter().words(text)
    return [text[start:end] for start, end in zip(words.starts, words.ends, strict=True)]


def opaque(text: str) -> list[str]:
    words = Cutter().words(text)
    places = zip(words.texts, words.starts, words.ends, strict=True)
    return [text[start:end] for word, start, end in places if word == OPAQUE]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, Mr. O'Brien!", ["Hello", ",", "Mr.", "O'Brien", "!"]),
        ("Jean-Luc's dog", ["Jean-Luc", "'s", "dog"]),
        ("Jean-Luc’s dog", ["Jean-Luc", "’s", "dog"]),
        ("the U.S. and St. Louis.", ["the", "U.S.", "and", "St.", "Louis", "."]),
        ("J.K. Rowling", ["J.K.", "Rowling"]),
        ('{"name":"John Smith"}', ["{", '"', "name", '"', ":", '"', "John", "Smith", '"', "}"]),
        ("Anna/Bob", ["Anna", "/", "Bob"]),
        ("McDonald LeBron", ["McDonald", "LeBron"]),
        ("#Berlin", ["#", "Berlin"]),
    ],
)
def test_prose_is_cut_into_words_and_signs(text: str, words: list[str]) -> None:
    assert cut(text) == words
    assert opaque(text) == []


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("see https://example.com/john/smith?q=John,Smith.", ["https://example.com/john/smith?q=John,Smith"]),
        ("mail john.smith@example.com!", ["john.smith@example.com"]),
        ("call get_john_smith(id)", ["get_john_smith"]),
        ("JohnSmithService johnSmith", ["JohnSmithService", "johnSmith"]),
        ("self.john.smith", ["self.john.smith"]),
        ("@johnsmith", ["@johnsmith"]),
        ("/home/john/smith ~/john ./smith", ["/home/john/smith", "~/john", "./smith"]),
        ("C:\\Users\\John", ["C:\\Users\\John"]),
        ('{"url":"https://example.com/john","x":1}', ["https://example.com/john"]),
        ("Smith(1)", ["Smith"]),
        ("Foo::Smith", ["Foo::Smith"]),
    ],
)
def test_what_is_no_prose_stays_whole(text: str, whole: list[str]) -> None:
    assert opaque(text) == whole


@given(
    st.lists(
        st.sampled_from(
            ["John", "O'", "’s", ".", "..", "@", "://", "_", "/", "\\", "Mc", "D", "\n", " ", "é", "9", "#", '"', ","]
        )
    )
)
def test_words_are_in_order_and_cover_all_that_is_no_space(pieces: list[str]) -> None:
    text = "".join(pieces)
    words = Cutter().words(text)
    covered: set[int] = set()
    done = 0
    for word, start, end in zip(words.texts, words.starts, words.ends, strict=True):
        assert done <= start < end
        assert word in (OPAQUE, text[start:end])
        covered.update(range(start, end))
        done = end
    assert {at for at, character in enumerate(text) if not character.isspace()} <= covered
    assert len(words.gaps) == len(words.modes) == len(words.texts)


def test_a_text_is_cut_the_same_whether_or_not_its_chunks_were_seen_before() -> None:
    cutter, text = Cutter(), "John's e-mail: john@example.com; see https://example.com/a_b."
    assert cutter.words(text) == cutter.words(text) == Cutter().words(text)


@pytest.mark.parametrize(
    "piece", ["a.b-", "John", "J.", "'", "@", "a:/", "://", "\\", "Aa", "#", "…", "a_", "9,", "x" * 50 + " "]
)
def test_cutting_takes_time_in_proportion_to_the_text(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    start = time.process_time()
    Cutter().words(text)
    assert time.process_time() - start < 2
