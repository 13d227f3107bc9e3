"""SSNs that stick to a word are found; other digits are not."""

from __future__ import annotations

import pytest

from guardrails.modules import socials
from guardrails.modules.contents import Contents


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in socials.spans(Contents(text))]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("user_536-22-1234", "536-22-1234"),
        ("id536-22-1234", "536-22-1234"),
        ("536-22-1234_scan.pdf", "536-22-1234"),
        ("SSN536221234", "536221234"),
        ("ssn_536221234", "536221234"),
        ("userSSN:536221234", "536221234"),
        ("social security number is 536 22 1234", "536 22 1234"),
        ("socialSecurityNumber=536221234", "536221234"),
        ("SSN#536.22.1234", "536.22.1234"),
    ],
)
def test_a_number_that_sticks_to_a_word_is_found(text: str, number: str) -> None:
    assert found(text) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "user_536221234",
        "part000-22-1234",
        "part666-22-1234",
        "part536-00-1234",
        "part536-22-0000",
        "ssn123456789",
        "x1536-22-1234",
        "a536-22-12345",
        "lessn536221234",
        "ssn: 5362212345",
        "session536221234",
    ],
)
def test_what_is_no_number_is_not_found(text: str) -> None:
    assert found(text) == []
