"""A full date after what says that it is one of birth is found; other dates are not."""

from __future__ import annotations

import pytest

from guardrails.modules import births
from guardrails.modules.contents import Contents


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in births.spans(Contents(text))]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("dob: 1980-04-12", "1980-04-12"),
        ("DOB 04/12/1980", "04/12/1980"),
        ("D.O.B. 12.4.80", "12.4.80"),
        ('{"dateOfBirth": "1980-04-12"}', "1980-04-12"),
        ("date_of_birth=19800412", "19800412"),
        ("patient_dob: 1980/04/12", "1980/04/12"),
        ("I was born on 12 April 1980 in Springfield", "12 April 1980"),
        ("She was born April 12, 1980.", "April 12, 1980"),
        ("born on the 12th of April, 1980", "12th of April, 1980"),
        ("My birthday is 12-Apr-1980", "12-Apr-1980"),
        ("birthdate: Apr. 12 1980", "Apr. 12 1980"),
        ('{"field": "birth_date", "value": "1980-04-12"}', "1980-04-12"),
    ],
)
def test_a_date_of_birth_is_found(text: str, date: str) -> None:
    assert found(text) == [date]


@pytest.mark.parametrize(
    "text",
    [
        "1980-04-12",
        "Einstein was born on 14 March 1879 in Ulm",
        "stubborn 1980-04-12",
        "date_of_birth DATE NOT NULL, created 2024-01-15",
        "My birthday is on 12 April",
        "A star was born. On 2024-01-15 it set.",
        "dob: 1970-01-01",
        "born\n2024-01-15",
        "dob: 1980-04-123",
        "born 10 days before 2024-01-15",
    ],
)
def test_another_date_is_not(text: str) -> None:
    assert found(text) == []
