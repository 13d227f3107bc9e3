"""Card numbers of today's ranges are found however they are grouped; look-alikes are not."""

from __future__ import annotations

import random

import pytest

from guardrails.modules import cards
from guardrails.modules.contents import Contents

BRANDS = {
    "Visa": "4111111111111111",
    "Visa of 19 digits": "4000000000000000006",
    "Mastercard": "5555555555554444",
    "Mastercard 2-series": "2223003122003222",
    "the last of Mastercard's 2-series": "2720999999999996",
    "American Express": "378282246310005",
    "Discover": "6011111111111117",
    "Discover 65": "6500000000000002",
    "UnionPay": "6200000000000005",
    "UnionPay of 19 digits": "6205500000000000004",
    "Diners Club": "30569309025904",
    "JCB": "3530111333300000",
    "JCB 2131": "213112345678907",
    "JCB 1800": "180012345678902",
    "Maestro of 12 digits": "501800000009",
    "Maestro": "6759649826438453",
    "Mir": "2200000000000004",
}


def checked(number: str) -> str:
    """The number with the check digit that makes it valid."""
    return next(number[:-1] + digit for digit in "0123456789" if cards._checks(number[:-1] + digit))


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in cards.spans(Contents(text))]


@pytest.mark.parametrize("number", BRANDS.values(), ids=BRANDS)
def test_a_number_of_each_brand_is_found(number: str) -> None:
    number = checked(number)
    assert found(f"card: {number}.") == [number]


@pytest.mark.parametrize("separator", ["\u00a0", ".", "  ", "\u2013", " - ", "-", " ", "\u2011", "\u202f", " \u2013 "])
def test_groups_with_any_separator_are_found(separator: str) -> None:
    for groups in (("4111", "1111", "1111", "1111"), ("3782", "822463", "10005"), ("3056", "930902", "5904")):
        number = separator.join(groups)
        assert found(f"It is {number}, thanks") == [number]


def test_a_number_of_nineteen_digits_in_groups_is_found() -> None:
    assert found("4000 0000 0000 0000 006") == ["4000 0000 0000 0000 006"]


@pytest.mark.parametrize("around", ["card{}", "user_{}", "{}_copy", "CC{}x", "pan:{}"])
def test_a_number_that_sticks_to_a_word_is_found(around: str) -> None:
    assert found(around.format("4111111111111111")) == ["4111111111111111"]


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",
        "41111111111111111111111",
        "1.4111111111111111",
        "4111111111111111.5",
        "0f3a4111111111111111be77",
        "2024 2025 2026 2027",
        "4111 1111-1111 1111",
        "4111.1111.1111.1111.2",
        "1700000000000",
        "356938035643809",
    ],
    ids=str,
)
def test_what_is_no_card_is_not_found(text: str) -> None:
    assert found(text) == []


def test_few_random_numbers_are_taken_for_cards() -> None:
    numbers = random.Random(7)
    texts = [str(numbers.randrange(10**15, 10**16)) for _ in range(2000)]
    assert sum(bool(found(text)) for text in texts) < 100
