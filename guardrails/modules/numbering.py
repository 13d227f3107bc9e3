"""Which strings of digits are valid phone numbers, read in a region.

`phonenumbers` answers that in some 100 µs, and a text has many more strings of digits than phone numbers. Here the
answer is mostly no, in some 2 µs, by conditions that every valid number meets:

* What is left of a number is what it ends with: country code and national prefixes are cut off its front, and nothing
  is put in, unless the region has a rule that writes the number anew; such a region is asked outright, except where
  that rule as well only drops what is in front (Brazil's `\\2`).
* What is left must match a pattern of one of the types of one of the regions of the country code, of a length it has.
* A number without the country code must begin with the national prefix if the way it is formatted asks for it.

What meets them is put to `phonenumbers` itself: to its `is_valid_number` if the digits are the number as they stand
(they begin with nothing that could be cut off), else to its parser as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import phonenumbers
from phonenumbers import phonenumbermatcher, phonenumberutil
from phonenumbers.phonemetadata import NumberFormat, PhoneMetadata, PhoneNumberDesc

LONGEST = 17
"""Digits a number has at most without its country code; `phonenumbers` parses no longer one."""
VALID = 1
"""The leniency of Presidio, phonenumbers' `Leniency.VALID`."""
_TYPES = (
    "premium_rate toll_free shared_cost voip personal_number pager uan voicemail fixed_line mobile".split()  # noqa: SIM905
)


class Numbering:
    """The numbers of one region, written without a plus sign."""

    def __init__(self, region: str) -> None:
        """Take a region that phonenumbers knows."""
        metadata = PhoneMetadata.metadata_for_region(region, None)
        if metadata is None or metadata.country_code is None:
            raise ValueError("unknown region")
        code = str(metadata.country_code)
        regions = [
            known
            for name in phonenumberutil.COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]
            if (known := PhoneMetadata.metadata_for_region(name, None)) is not None
        ]
        main = PhoneMetadata.metadata_for_region(
            phonenumberutil.region_code_for_country_code(metadata.country_code), None
        )
        self.region = region
        # Those two alone are asked what to cut off; the other regions of the code only for patterns.
        cutting = [known for known in (metadata, main) if known is not None]
        self._rewrites = any(map(_rewrites, cutting))
        self._abroad = re.compile(metadata.international_prefix or "(?!)")
        national = "|".join(dict.fromkeys(f"(?:{_stripped(known)})" for known in cutting))
        numbers = _numbers(regions)
        self._whole = re.compile(numbers)
        self._shape = re.compile(f"(?:{code})?(?:{national}){{0,2}}{numbers}")
        self._code = code
        self._prefixes = [re.compile(known.national_prefix_for_parsing or "(?!)") for known in cutting]
        self._formats = [_Format(rule) for rule in main.number_format] if main is not None else []

    def valid(self, digits: str) -> bool:
        """Whether `digits` are a valid number in this region."""
        if self._rewrites:
            return valid(digits, self.region)
        if self._shape.fullmatch(digits) is None:
            return False
        if digits.startswith(self._code) or digits[0] == "0" or any(p.match(digits) for p in self._prefixes):
            return valid(digits, self.region)
        # Nothing can have been cut off: the digits themselves are the number.
        if self._whole.fullmatch(digits) is None or self._wants_prefix(digits):
            return False
        return _valid_whole(int(self._code), digits)

    def abroad(self, digits: str) -> str | None:
        """What is left behind an international dialling prefix, as `phonenumbers` strips it; None without one."""
        match = self._abroad.match(digits)
        rest = digits[match.end() :] if match is not None else None
        # No country code begins with 0, so there the prefix was none.
        return None if rest is None or rest.startswith("0") else rest

    def _wants_prefix(self, digits: str) -> bool:
        for rule in self._formats:
            if rule.fits(digits):
                return rule.wants_prefix
        return False


class _Format:
    """A way to format numbers, reduced to what decides whether the national prefix must be there."""

    __slots__ = ("_leading", "_pattern", "wants_prefix")

    def __init__(self, rule: NumberFormat) -> None:
        self._leading = re.compile(rule.leading_digits_pattern[-1] if rule.leading_digits_pattern else "")
        self._pattern = re.compile(rule.pattern or "(?!)")
        written = rule.national_prefix_formatting_rule
        self.wants_prefix = bool(
            written
            and not rule.national_prefix_optional_when_formatting
            and not phonenumberutil._formatting_rule_has_first_group_only(written)  # noqa: SLF001
        )

    def fits(self, digits: str) -> bool:
        return self._leading.match(digits) is not None and self._pattern.fullmatch(digits) is not None


@lru_cache(maxsize=512)
def numbering(region: str) -> Numbering:
    """The numbers of a region, prepared once."""
    return Numbering(region)


def valid(number: str, region: str) -> bool:
    """Whether `number`, only digits and perhaps a plus sign before them, is valid when read in `region`."""
    try:
        parsed = phonenumbers.parse(number, region, keep_raw_input=True)
        matcher = phonenumbers.PhoneNumberMatcher(number, region)  # only asked how digits are grouped, if at all
        return bool(phonenumbermatcher._verify(VALID, parsed, number, matcher))  # noqa: SLF001
    except phonenumbers.NumberParseException:
        return False


def valid_abroad(digits: str) -> bool | None:
    """Whether `digits` after a plus sign are valid in every region; None if that depends on the region."""
    code, rest = phonenumberutil._extract_country_code(digits)  # noqa: SLF001
    if code == 0:
        return None
    main = _national_prefix(code)
    if main is None or main.match(rest) or not 0 < len(rest) <= LONGEST or rest[0] == "0":
        return valid("+" + digits, "ZZ")
    return _valid_whole(code, rest)


@lru_cache(maxsize=512)
def _national_prefix(code: int) -> re.Pattern[str] | None:
    region = phonenumberutil.region_code_for_country_code(code)
    metadata = PhoneMetadata.metadata_for_region(region, None)
    return None if metadata is None else re.compile(metadata.national_prefix_for_parsing or "(?!)")


def _valid_whole(code: int, digits: str) -> bool:
    """Whether the digits, which do not begin with 0 or any prefix, are valid behind the country code."""
    return len(digits) <= LONGEST and phonenumbers.is_valid_number(
        phonenumbers.PhoneNumber(country_code=code, national_number=int(digits))
    )


def _rewrites(metadata: PhoneMetadata) -> bool:
    rule = metadata.national_prefix_transform_rule
    if not rule:
        return False
    # The last group, if the pattern ends with it, followed by what the pattern left: the end of the number.
    prefix = metadata.national_prefix_for_parsing or ""
    groups = re.compile(prefix).groups
    return not (rule == f"\\{groups}" and re.search(r"\)\)\?\Z", prefix))


def _stripped(metadata: PhoneMetadata) -> str:
    """A pattern for what may be cut off as a national prefix."""
    prefix = metadata.national_prefix_for_parsing
    if not prefix:
        return ""
    return prefix if re.compile(prefix).groups == 0 else r"\d*"


def _numbers(regions: Sequence[PhoneMetadata]) -> str:
    """A pattern for the numbers of all regions: of a region's general form, and of one of its types."""
    general = "|".join(_unique(r.general_desc.national_number_pattern for r in regions if r.general_desc is not None))
    by_length: dict[str, list[str]] = {}
    for metadata in regions:
        for length, pattern in _patterns(metadata):
            by_length.setdefault(length, []).append(pattern)
    kinds = "|".join(f"{length}(?:{'|'.join(_unique(patterns))})" for length, patterns in by_length.items())
    return f"(?=(?:{general})\\Z)(?:{kinds})"


def _patterns(metadata: PhoneMetadata) -> Iterator[tuple[str, str]]:
    for name in _TYPES:
        kind: PhoneNumberDesc | None = getattr(metadata, name)
        if kind is not None and kind.national_number_pattern:
            lengths = [n for n in kind.possible_length if n > 0]
            limit = "" if not lengths else f"(?=\\d{{{min(lengths)},{max(lengths)}}}\\Z)"
            yield limit, f"(?:{kind.national_number_pattern})"


def _unique(patterns: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(f"(?:{pattern})" for pattern in patterns if pattern)) or ["(?!)"]
