"""Card numbers of every brand in use, however their digits are grouped.

Presidio knows the prefixes of ten years ago and groups with one space or hyphen. This knows the ranges of ISO/IEC 7812
that are issued today, solid or in groups with the same separator throughout (spaces, no-break spaces, dots, dashes),
and numbers that stick to a word (`card4111111111111111`, `user_4111111111111111_x`). All must have a valid check digit,
which one number in ten has; so no brand is looked for by its first digit alone where its prefixes are narrower.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from guardrails.modules.contents import Contents

FEWEST_DIGITS = 12
LONGEST_HEX = 24
"""Letters and digits in a row, all of them hexadecimal, from which on digits in it are chance."""


@dataclass(frozen=True, slots=True)
class _Range:
    """Numbers of one brand: the first digits from…to, and how long they may be. `common` may stick to letters."""

    low: str
    high: str
    lengths: frozenset[int]
    common: bool = False


def _range(prefixes: str, *lengths: int, common: bool = False) -> _Range:
    low, _, high = prefixes.partition("-")
    return _Range(low, high or low, frozenset(lengths), common)


_RANGES = (
    _range("4", 16, 19, common=True),  # Visa
    _range("51-55", 16, common=True),  # Mastercard
    _range("2221-2720", 16, common=True),
    _range("34", 15, common=True),  # American Express
    _range("37", 15, common=True),
    _range("300-305", 14, 16, 19),  # Diners Club
    _range("3095", 14, 16, 19),
    _range("36", 14, 16, 19),
    _range("38-39", 14, 16, 19),
    _range("3528-3589", 16, 17, 18, 19),  # JCB
    _range("2131", 15),
    _range("1800", 15),
    _range("6011", 16, 17, 18, 19, common=True),  # Discover
    _range("644-649", 16, 17, 18, 19),
    _range("65", 16, 17, 18, 19),
    _range("62", 16, 17, 18, 19),  # UnionPay
    _range("8100-8171", 16, 17, 18, 19),
    *(_range(prefix, *range(12, 20)) for prefix in ("5018", "5020", "5038", "5893", "6304", "6759")),  # Maestro
    _range("6761-6763", *range(12, 20)),
    _range("2200-2204", 16, 17, 18, 19),  # Mir
    _range("60", 16),  # RuPay
    _range("508", 16),
    _range("5019", 16),  # Dankort
    _range("9792", 16),  # Troy
)

_SOLID = re.compile(r"(?<![0-9])(?<![0-9][.,])[0-9]{12,19}(?![0-9]|[.,][0-9])")
_SEPARATOR = "[ \u00a0\u2007\u202f]{0,2}(?:[ \u00a0\u2007\u202f]|[-.\u00b7\u2010-\u2015\u2212])[ \u00a0\u2007\u202f]?"
_GROUPED = re.compile(
    rf"(?<![0-9])(?<![0-9][.,])[0-9]{{4}}({_SEPARATOR})"
    r"(?:[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,3})?|[0-9]{6}\1[0-9]{4,5})(?![0-9]|[.,][0-9])"
)
# What a text's shadow must hold for either: to look for these is many times faster.
_TWELVE = b"0" * FEWEST_DIGITS
_GROUPS = re.compile(rb"0000[^0]{1,4}0000(?:00|[^0]{1,4}0000)")
_HEX_BEFORE, _HEX_AFTER = re.compile(r"[0-9a-f]*\Z", re.IGNORECASE), re.compile(r"[0-9a-f]*", re.IGNORECASE)
_DOUBLED = str.maketrans("0123456789", "0246813579")


def spans(contents: Contents) -> Iterator[tuple[int, int]]:
    """Yield where card numbers stand."""
    if contents.digits < FEWEST_DIGITS:
        return
    text = contents.text
    for match in _SOLID.finditer(text) if _TWELVE in contents.shadow else ():
        brand = _brand(match.group())
        if brand is not None and (not _sticks(text, *match.span()) or (brand.common and not _in_hex(text, match))):
            yield match.span()
    for match in _GROUPED.finditer(text) if _GROUPS.search(contents.shadow) else ():
        if _brand("".join(c for c in match.group() if c in "0123456789")) is not None:
            yield match.span()


def _brand(digits: str) -> _Range | None:
    """The range a number belongs to, if its check digit is right."""
    if not _checks(digits):
        return None
    for one in _RANGES:
        if len(digits) in one.lengths and one.low <= digits[: len(one.low)] <= one.high:
            return one
    return None


def _checks(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (Luhn, ISO/IEC 7812-1 annex B)."""
    return sum(map(int, digits[-1::-2] + digits[-2::-2].translate(_DOUBLED))) % 10 == 0


def _sticks(text: str, start: int, end: int) -> bool:
    return text[max(start - 1, 0) : start].isalpha() or text[end : end + 1].isalpha()


def _in_hex(text: str, match: re.Match[str]) -> bool:
    start, end = match.span()
    before = _HEX_BEFORE.search(text, max(start - LONGEST_HEX, 0), start)
    after = _HEX_AFTER.match(text, end, end + LONGEST_HEX)
    around = sum(len(found.group()) for found in (before, after) if found is not None)
    return around + end - start >= LONGEST_HEX
