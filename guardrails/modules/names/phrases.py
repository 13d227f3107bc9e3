"""What rules find besides names: nationalities and faiths, titles and occupations, postal codes that are called so."""

# ruff: noqa: SIM905 - hundreds of quotes would not read better
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from guardrails.modules.names.lexicon import Lexicon
from guardrails.modules.names.spans import Mention
from guardrails.modules.names.words import Words

SCORE: Final = 0.6
MOST_WORDS: Final = 10
"""Of an occupation."""
_ENDS = ',;.:()<>{}[]|"@'

# A language, or a thing that is called after it, is nobody's nationality.
_BEFORE_LANGUAGE = frozenset("""
in into to speak speaks speaking spoke learn learning learned teach translate translated write written read fluent
understand understands standard modern plain simple proper business non
""".split())  # fmt: skip
_AFTER_LANGUAGE = frozenset("""
language languages text texts version versions translation translations word words grammar lesson lessons keyboard
locale alphabet dictionary speaker speakers speaking spelling subtitles letters characters literature wikipedia sentence
sentences vocabulary class classes course courses accent cuisine food fries toast press bread salad dressing roast
shepherd coffee muffin only
""".split())  # fmt: skip
_LANGUAGES = frozenset("""
english french german spanish italian portuguese dutch russian japanese chinese korean arabic hebrew hindi turkish
polish greek swedish danish norwegian finnish czech hungarian romanian thai vietnamese latin persian catalan basque
indonesian malay ukrainian bulgarian croatian serbian slovak slovene estonian latvian lithuanian icelandic irish welsh
georgian armenian tamil maltese
""".split())  # fmt: skip
_WHO = frozenset("""
is was are were am he she they i my a an the born ethnic fellow who being her his and or by of from many most young old
several some two three s
""".split())  # fmt: skip
# In small letters these mean something else.
_WITH_CAPITAL = frozenset(
    "pole turk roma dane finn lao jain scot thai cuban orthodox republican democrat communist".split()
)
_HONORIFIC = re.compile(
    r"(?:mrs?|ms|miss|mx|dr|prof|professor|doctor|sir|dame|madam|rev|reverend|capt|captain|sgt|sergeant|lt|lieutenant|col"
    r"|colonel|herr|frau|mme|monsieur|madame|se\u00f1ora?|signora?)\.?",
    re.IGNORECASE,
)
_POSTCODE = re.compile(
    r"(?i:\b(?:zip|zip ?code|post ?code|postal code|plz)\b[\"']?(?: is| was|:|=|,)?:? ?[\"']?#?)"
    r"(\d{5}-\d{4}|\d{4,6}|\d{2}-\d{3}|\d{3} \d{2,3}|\d{4} ?[A-Z]{2}|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
    r"|[A-Z]\d[A-Z] ?\d[A-Z]\d)(?![\w-])"
)
_STREET = re.compile(
    r"(?<![\w.,-])\d{1,5}[A-Za-z]? (?:(?:[NSEW]{1,2}\.?|North|South|East|West) )?(?:[A-Z][\w'\u2019-]{0,30}\.? ){1,3}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Terrace|Square|Highway|Hwy|Parkway|Pkwy"
    r"|Crescent)\b\.?"
)
_UK = re.compile(r"(?<![\w-])[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}(?![\w-])")


def nations(words: Words, lexicon: Lexicon) -> Iterator[Mention]:
    """Nationalities, faiths and parties, but not languages."""
    for at, text in enumerate(words.texts):
        lower = text.lower()
        if "n" not in lexicon.words.get(lower, "").partition("\t")[0]:
            continue
        capital = text[0].isupper() or (words.modes[at] != "n" and lower not in _WITH_CAPITAL)
        if capital and not (lower in _LANGUAGES and _is_language(words.texts, at)):
            yield Mention(at, at + 1, "NRP", SCORE)


def _is_language(texts: Sequence[str], at: int) -> bool:
    before = texts[at - 1].lower() if at else ""
    after = texts[at + 1].lower() if at + 1 < len(texts) else ""
    if before in _BEFORE_LANGUAGE or after in _AFTER_LANGUAGE:
        return True
    return before not in _WHO and not after.isalpha()


def titles(words: Words, found: Sequence[Mention], jobs: frozenset[str]) -> Iterator[Mention]:
    """What persons are called before their name, and the occupation that stands after it or on the line below."""
    texts = words.texts
    for person in found:
        if person.entity != "PERSON":
            continue
        at = person.first - 1
        if at >= 0 and words.gaps[person.first] < 2 and _HONORIFIC.fullmatch(texts[at]):
            yield Mention(at, at + 1, "TITLE", SCORE)
        if person.last < len(texts):
            yield from _occupation(words, person.last, jobs)


def _occupation(words: Words, at: int, jobs: frozenset[str]) -> Iterator[Mention]:
    texts, below = words.texts, words.gaps[at] == 2
    if not below:
        if texts[at] not in ",(":
            return
        at += 1
        if texts[at : at + 1] and texts[at].lower() in ("the", "a", "an"):
            at += 1
    last, closed = _clause(words, at, commas=below)
    for end in range(last, at, -1):
        if " ".join(texts[at:end]).lower() in jobs:
            yield Mention(at, end, "TITLE", SCORE)
            return
    if closed and last > at + 1 and texts[last - 1].lower() in _heads(jobs) and texts[at].isalpha():
        yield Mention(at, last, "TITLE", SCORE)


def _clause(words: Words, at: int, *, commas: bool) -> tuple[int, bool]:
    """Where the line or clause that begins at a word ends, or is too long for an occupation, and whether it ends."""
    stop = min(at + MOST_WORDS, len(words.texts))
    for end in range(at, stop):
        # A comma ends an occupation in a sentence; on a line of its own it is a part of it.
        if (end > at and words.gaps[end] >= 2) or (
            words.texts[end] in _ENDS and not (commas and words.texts[end] == ",")
        ):
            return end, True
    return stop, stop == len(words.texts)


@cache
def _heads(jobs: frozenset[str]) -> frozenset[str]:
    """The last words of occupations of several words: engineer, officer."""
    return frozenset(job.rpartition(" ")[2] for job in jobs if " " in job and "," not in job)


def postcodes(text: str) -> Iterator[tuple[int, int]]:
    """Postal codes that are called so, and those of the United Kingdom."""
    for match in _POSTCODE.finditer(text):
        yield match.span(1)
    for match in _UK.finditer(text):
        yield match.span()


def streets(text: str) -> Iterator[tuple[int, int]]:
    """The number and name of a street as English ones are written: "42 Maple Street"."""
    for match in _STREET.finditer(text):
        yield match.span()
