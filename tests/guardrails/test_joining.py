"""What was split over neighbouring texts is found in each of them, and nothing is made up by gluing."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.detector import PolicyDetector, build
from guardrails.findings import Finding, resolve
from guardrails.joining import Question
from guardrails.seams import LONGEST, WINDOW
from policies.load import load, load_text

EMAIL, CARD, SSN, IBAN = "ada.lovelace@example.com", "4111 1111 1111 1111", "536-22-1234", "DE89370400440532013000"
PHONE, KEY = "(212) 555-0199", "sk-proj-Zk3vQ9xT1mB7wL5nR2cY8dF4gH6jK0pS"


@pytest.fixture(scope="session")
def default() -> PolicyDetector:
    return build(load("default"))


def pieces(detector: PolicyDetector, texts: Sequence[str]) -> list[list[str]]:
    """What is masked in each text."""
    question = Question(texts, [range(len(texts))])
    found = question.answer(detector.detect(question.asked))
    return [[text[f.start : f.end] for f in resolve(one, text)] for text, one in zip(texts, found, strict=True)]


@pytest.mark.parametrize(
    "texts",
    [
        ["536-22", "-1234"],
        ["536", "-22-", "1234"],
        ["536", "22", "1234"],
        ["ada.love", "lace@example.com"],
        ["ada", ".lovelace@example.com"],
        ["ada.lovelace", "@example.com"],
        ["ada.lovelace@", "example.com"],
        ["ada.lovelace@example.c", "om"],
        ["4111", "1111", "1111", "1111"],
        ["4111 ", "1111 ", "1111 ", "1111"],
        ["41111111", "11111111"],
        ["4111-11", "11-1111-1111"],
        ["(212) 555", "-0199"],
        ["+44 20 7946", "0958"],
        ["DE8937040044", "0532013000"],
        ["GB82 WEST 1234", "5698 7654 32"],
        ["203.0.", "113.7"],
        ["sk-proj-Zk3vQ9xT1", "mB7wL5nR2cY8dF4gH6jK0pS"],
        ["bXkgZW1haWwgaXMgamFuZS5kb2", "VAZXhhbXBsZS5jb20="],
        ["jane%40exam", "ple.com"],
        ["536\u201122", "\u20111234"],
    ],
    ids="|".join,
)
def test_a_value_split_over_texts_is_found_in_each(texts: list[str], default: PolicyDetector) -> None:
    assert [[piece.strip() for piece in one] for one in pieces(default, texts)] == [[text.strip()] for text in texts]


@pytest.mark.parametrize(
    ("value", "first", "last"),
    [(EMAIL, 5, -2), (CARD, 1, -1), (SSN, 1, -1), (IBAN, 1, -1), (KEY, 1, -4), (PHONE, 2, -1)],
)
def test_a_value_is_covered_wherever_it_is_cut_in_two(
    value: str, first: int, last: int, default: PolicyDetector
) -> None:
    """Nearer to its ends than `first` and `last`, the rest is a value by itself, and what is left could be any word."""
    for at in range(first, len(value) + last + 1):
        before, after = pieces(default, [f"It is {value[:at]}", f"{value[at:]}, you know."])
        assert "".join(before + after) == value


def test_pieces_in_the_middle_of_sentences_are_found(default: PolicyDetector) -> None:
    assert pieces(default, ["My number is 536-22", "-1234, and that is all."]) == [["536-22"], ["-1234"]]


def test_an_empty_text_between_does_not_hide_a_value(default: PolicyDetector) -> None:
    assert pieces(default, ["536-22", "", "-1234"]) == [["536-22"], [], ["-1234"]]


def test_a_value_in_single_characters_is_found(default: PolicyDetector) -> None:
    assert pieces(default, list(SSN)) == [[c] if c.isdigit() else [] for c in SSN]


def test_a_value_at_the_ends_of_long_texts_is_found(default: PolicyDetector) -> None:
    prose = "The quick brown fox jumps over the lazy dog. " * 40
    assert pieces(default, [prose + "ada.love", "lace@example.com " + prose]) == [["ada.love"], ["lace@example.com"]]


def test_what_the_policy_denies_is_found_over_a_boundary() -> None:
    rest = "  deny: [{entity: PROJECT, text: Project Falcon}]\n"
    detector = build(load_text(f"version: 1\ndetect:\n  modules: [{{use: secrets}}]\n{rest}"))
    assert pieces(detector, ["Ask about Project", "Falcon today"]) == [["Project"], ["Falcon"]]
    assert pieces(detector, ["Ask about Pro", "ject Falcon today"]) == [["Pro"], ["ject Falcon"]]


@pytest.mark.parametrize(
    "texts",
    [
        ["hello", EMAIL],
        ["Thanks", EMAIL, "bye"],
        [EMAIL, "Bob"],
        [EMAIL, EMAIL],
        [SSN, "5 apples"],
        ["See Ada.", EMAIL],
        [KEY, "is my key"],
        [KEY, "2"],
        ["password=hunter2", "thanks"],
    ],
)
def test_a_complete_value_does_not_swallow_the_word_beside_it(texts: list[str], default: PolicyDetector) -> None:
    alone = [[text[f.start : f.end] for f in found] for text, found in zip(texts, default.detect(texts), strict=True)]
    assert pieces(default, texts) == alone


@pytest.mark.parametrize(
    "texts",
    [
        ["555", "0199"],
        ["212", "555", "0199"],
        ["3.11", "3.12", "3.13"],
        ["10.0.", "0.1"],
        ["1700000001", "1700000002", "1700000003"],
        ["a", "b", "c"],
        ["git", "commit", "-m", "fix: a@b"],
        ["src/app.py", "tests/test_app.py"],
        ["2024-01-15", "2024-01-16"],
        ["sk", "-proj", "ect"],
        [str(number) for number in range(4000, 7000, 7)],
        [f"{number:04x}" for number in range(0, 65536, 99)],
        ["4111", "1111", "1111", "1111", "2222", "3333"],
    ],
)
def test_ordinary_neighbours_stay_as_they_are(texts: list[str], default: PolicyDetector) -> None:
    assert pieces(default, texts) == [[] for _ in texts]


@pytest.mark.parametrize("seed", range(3))
def test_columns_of_random_numbers_stay_as_they_are(seed: int, default: PolicyDetector) -> None:
    numbers = random.Random(seed)
    texts = [str(numbers.randrange(10**4)) for _ in range(300)]
    assert pieces(default, texts) == [[] for _ in texts]


def test_texts_that_are_no_neighbours_are_not_joined(default: PolicyDetector) -> None:
    question = Question(["536-22", "-1234"])
    assert question.asked == ["536-22", "-1234"]
    assert question.answer(default.detect(question.asked)) == [[], []]


def test_what_is_found_in_a_text_alone_is_kept_as_it_is(default: PolicyDetector) -> None:
    texts = [f"Write to {EMAIL}.", f"Pay with {CARD}", "or nothing."]
    question = Question(texts, [[0, 1, 2]])
    assert question.answer(default.detect(question.asked)) == default.detect(texts)


@given(st.lists(st.text(max_size=300), max_size=30))
@settings(deadline=None)
def test_seams_are_bounded_by_their_texts_and_map_back_exactly(texts: list[str]) -> None:
    question = Question(texts, [range(len(texts))])
    seams = question.asked[len(texts) :]
    assert sum(map(len, seams)) <= 2 * (3 * sum(map(len, texts)) + 2 * len(texts))
    assert all(len(seam) <= 2 * (LONGEST + 4 * WINDOW) for seam in seams)
    everything = [[Finding(0, len(text), "X", 1.0, "deny")] if text else [] for text in question.asked]
    nothing = [[] for _ in texts]
    for text, found in zip(texts, question.answer([*nothing, *everything[len(texts) :]]), strict=True):
        assert all(0 <= f.start < f.end <= len(text) for f in found)


def test_seams_do_not_change_when_a_text_is_appended() -> None:
    texts = [f"Message {number}: " + "word " * (number * 7 % 60) for number in range(100)]
    before, after = Question(texts, [range(100)]), Question([*texts, "one more"], [range(101)])
    old, new = before.asked[100:], after.asked[101:]
    assert len(set(old) - set(new)) <= 2


def test_only_the_ends_of_a_long_text_are_looked_at_again() -> None:
    question = Question(["x " * 100_000, "y " * 100_000], [[0, 1]])
    assert sum(map(len, question.asked[2:])) <= 2 * 2 * WINDOW + 1
