"""Dates of birth: a full date right after what says that it is one.

A date alone is nobody's; `dob: 1980-04-12` and `born on 12 April 1980` are. Birthdays without a year stay, and so do
births of more than a century ago: those are history.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrails.modules.contents import Contents

FEWEST_DIGITS = 4
YEARS = range(1920, 2100)
BETWEEN = 24
"""Characters between the word and the date: `", "value": "`, ` was registered as `."""
LONGEST_DATE = 26

WORDS = ("birth", "born", "dob", "d.o.b", "bday")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_CALLED = re.compile(
    r"(?<![a-z])(?:born|d\.?o\.?b\.?|date[ _-]?of[ _-]?birth|birth[ _-]?da(?:te|y)|bday)(?![a-z])", re.IGNORECASE
)
_DATE = re.compile(
    r"\d{4}(?P<s>[-/.])\d{1,2}(?P=s)\d{1,2}(?!\d)"
    r"|\d{1,2}(?P<t>[-/.])\d{1,2}(?P=t)(?:\d{4}|\d{2})(?!\d)"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?(?: of)?[ .-]{{1,2}}{_MONTH},?[ -]\d{{4}}(?!\d)"
    rf"|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}(?!\d)"
    r"|\b(?:19[2-9]\d|20\d\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)",
    re.IGNORECASE | re.ASCII,
)
_OUTLINE = re.compile(rb"0(?:000|0?[-/.]00?[-/.]00)")
"""What a text's shadow must hold for any of those: a year of four digits, or numbers between signs."""
_OTHER = re.compile(r"[\d\n]|[.;!?]\s|,\s*[a-zA-Z]")
"""What does not stand between a word and its date: another number, the end of a sentence or of a line."""
_YEAR = re.compile(r"\d{4}")
_NOBODYS = frozenset({"1970-01-01", "01/01/1970", "1/1/1970"})
"""What programs write where they know no date."""


def dated(contents: Contents) -> bool:
    """Whether a date may stand in a text."""
    return contents.digits >= FEWEST_DIGITS and contents.outlined(_OUTLINE)


def spans(contents: Contents) -> Iterator[tuple[int, int]]:
    """Yield where dates of birth stand."""
    if not dated(contents) or not any(map(contents.has, WORDS)):
        return
    text = contents.text
    for called in _CALLED.finditer(text):
        at = called.end()
        date = _DATE.search(text, at, at + BETWEEN + LONGEST_DATE)
        if date is None or date.start() > at + BETWEEN or _OTHER.search(text, at, date.start()):
            continue
        year = _YEAR.search(date.group())
        if (year is None or int(year.group()) in YEARS) and date.group() not in _NOBODYS:
            yield date.span()
