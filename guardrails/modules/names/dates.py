"""Dates and ages: what is written as a date, and numbers of years that are somebody's age.

A month or a weekday alone is none, and neither is a version such as 1.2.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_YEAR = r"(?:1[89]|20)\d{2}"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NUMBER = r"(?:0?[1-9]|1[0-2])"
_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?: ?[AaPp]\.?[Mm]\b\.?)?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})\b)?"
_TIME = rf"(?:(?:,? (?:at )?|T){_CLOCK}{_ZONE})?"
_DATE: Final = re.compile(
    r"(?:"
    rf"{_YEAR}([-/.]){_NUMBER}\1{_DAY}"
    rf"|{_DAY}([-/.]){_NUMBER}\2{_YEAR}|{_NUMBER}([-/.]){_DAY}\3{_YEAR}"
    rf"|{_DAY}([-/]){_NUMBER}\4\d{{2}}|{_NUMBER}([-/]){_DAY}\5\d{{2}}"
    rf"|{_DAY}(?:st|nd|rd|th)?[ -](?:of )?{_MONTH}\.?,?[ -]{_YEAR}"
    rf"|{_DAY}(?:st|nd|rd|th)? (?:of )?{_MONTH}"
    rf")(?![A-SU-Za-z_\d]|[-/.]\d){_TIME}",
)
_BY_MONTH: Final = re.compile(
    rf"(?<!\w){_MONTH}\.?[ -](?:{_DAY}(?:st|nd|rd|th)?(?:,? {_YEAR})?|{_YEAR})(?![\w:]|[-/.]\d){_TIME}",
    re.IGNORECASE,
)
_MONTHS: Final = re.compile(r"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec", re.IGNORECASE)
_WITH_YEAR: Final = re.compile(rf"{_YEAR}\b")
_DIGITS: Final = re.compile(r"[0-9]+")
_ISO: Final = re.compile(rf"(?<!\d){_YEAR}(?:0[1-9]|1[0-2]){_DAY}T(?:[01]\d|2[0-3])[0-5]\d[0-5]\dZ?(?!\w)")
_FIGURE = r"(?:1[01]\d|[1-9]?\d)"
_AGE: Final = re.compile(
    rf"(?<![\w.,$\u20ac\u00a3-])({_FIGURE})"
    r"(?=(?:[ -]?(?:years?|yrs?\.?)[ -](?:old|of age)\b|[ -]?y(?:/|\.)?o\b)|[ -]?year-old)"
    r"|\b(?:[Aa]ged?|AGE|[Aa]ge (?:of|is)|[Tt]urn(?:ed|s|ing)|[Aa]t the age of)[\"']?[:=]? ?[\"']?"
    rf"({_FIGURE})(?!\w|[.,:/-]\d|%)",
)
_OLD: Final = re.compile(
    rf"\b(?:I am|I['\u2019]m|[Hh]e is|[Ss]he is|[Hh]e['\u2019]s|[Ss]he['\u2019]s) ({_FIGURE})"
    r"(?= years\b|[.!;]?\s*\Z|[.!;]\s)"
)


def dates(text: str) -> Iterator[tuple[int, int]]:
    """The places of dates, with their time of day."""
    for digits in _DIGITS.finditer(text):
        start = digits.start()
        if start == 0 or not (text[start - 1].isalnum() or text[start - 1] in "_./:-"):
            found = _DATE.match(text, start) or _ISO.match(text, start)
            if found:
                yield found.span()
    for month in _MONTHS.finditer(text):
        found = _BY_MONTH.match(text, month.start())
        # "may 5" is a date only where it has a capital or a year.
        if found and (month.group()[0].isupper() or _WITH_YEAR.search(found.group())):
            yield found.span()


def ages(text: str) -> Iterator[tuple[int, int]]:
    """The places of ages: the number alone."""
    for pattern in (_AGE, _OLD):
        for match in pattern.finditer(text):
            yield match.span(match.lastindex or 0)
