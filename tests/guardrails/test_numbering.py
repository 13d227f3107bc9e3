"""Digits are a number where `phonenumbers` says so."""

from __future__ import annotations

import random
from functools import cache

import pytest
from presidio_analyzer.predefined_recognizers import PhoneRecognizer

from guardrails.modules.numbering import numbering, valid, valid_abroad
from guardrails.modules.phone_scan import WINDOW, PhoneScan
from guardrails.modules.presidio import outermost
from guardrails.modules.shadow import shadow

REGIONS = PhoneRecognizer.DEFAULT_SUPPORTED_REGIONS
PREFIXES = ["", "", "0", "1", "44", "49", "33", "972", "91", "55", "20", "212", "1212", "0207", "030", "01", "0800"]
PREFIXES += ["90", "9015", "180020", "000800", "310", "268", "876"]
PIECES = ["(212) 555-0199", "+1 212 555 0199", "020 7946 0958", "030/901820", "0011 44 20 7946 0958", "1/2/2024", "12"]
PIECES += ["2024-05-12 10", ":30", "12(3): 211-227 (2003)", "3", "0", "9876543210", "+999 123 456 789", "++", "+(", "x"]
PIECES += [
    " ext. ",
    ";ext=",
    " - 503#",
    "int ",
    "~",
    *" -./()[]\n%€a",
    " / ",
    " - ",
    "\u00a0",
    "\u2013",
    "     ",
    "１٢",
]


@pytest.mark.parametrize("seed", range(8))
def test_a_number_is_valid_in_the_regions_in_which_phonenumbers_takes_it(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(60):
        digits = dice.choice(PREFIXES) + "".join(dice.choices("0123456789", k=dice.randint(2, 12)))
        for region in REGIONS:
            if numbering(region).abroad(digits) is None:
                assert numbering(region).valid(digits) == valid(digits, region), (digits, region)
        everywhere = valid_abroad(digits)
        assert everywhere is None or all(valid("+" + digits, region) == everywhere for region in REGIONS), digits


@cache
def scans(leniency: int) -> tuple[PhoneRecognizer, PhoneScan]:
    return PhoneRecognizer(leniency=leniency), PhoneScan(REGIONS, leniency)


def agreed(text: str, leniency: int = 1) -> bool:
    """Whether the numbers in a text are those that Presidio finds."""
    stock, ours = scans(leniency)
    expected = {(result.start, result.end) for result in stock.analyze(text, ["PHONE_NUMBER"])}
    found = outermost((start, end, 0.4) for start, end in ours.spans(text, shadow(text)))
    return {(start, end) for start, end, _ in found} == expected


@pytest.mark.parametrize("seed", range(8))
def test_numbers_are_found_where_presidio_finds_them(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(25):
        text = "".join(dice.choice(PIECES) for _ in range(dice.randint(1, 10)))
        assert agreed(text), ascii(text)


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_found_in_texts_that_repeat_themselves(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(6):
        piece = "".join(dice.choice(PIECES) for _ in range(dice.randint(1, 4)))
        text = "1" + piece * (dice.randint(WINDOW, 3 * WINDOW) // len(piece)) + dice.choice(PIECES)
        assert agreed(text), ascii(text)


@pytest.mark.parametrize("blanks", [1, 200, 245, 260, 400])
@pytest.mark.parametrize("ending", ["ext 57", "x57", "57#", ", extension: 57", "zzz"])
def test_what_follows_after_many_blanks_is_not_taken_from_where_the_same_stood(blanks: int, ending: str) -> None:
    number = "a" + "1/2/" * 75 + " 0151 12345678"
    assert agreed(f"{number}{' ' * blanks}zzz, and then {number}{' ' * blanks}{ending}")


@pytest.mark.parametrize("leniency", [0, 2, 3])
def test_other_leniencies_are_those_of_presidio(leniency: int) -> None:
    assert agreed("(212) 555-0199, 21255501 99 or 536-22-1234; +44 20 7946 0958", leniency)
