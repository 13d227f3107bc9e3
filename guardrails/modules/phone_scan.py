"""The matches of Presidio's phone recogniser, found once instead of once for each of its regions.

`phonenumbers.PhoneNumberMatcher` looks for candidates (digits with punctuation between them), parses each, and if that
fails parses parts of it. Here

* candidates are looked for only where there are digits enough for a number (`_zones`);
* candidates and their parts are the same for every region, so they are cut out once (`_attempts`);
* a part without letters is read by its digits alone: whether they are a number is asked once for a text, and of
  `phonenumbers` only if they may be one (numbering.py). Other parts are parsed as they are, for each region.

One difference is left, on purpose: the matcher gives up on a text after 65,535 failed candidates, and lets what
follows through; here nothing is given up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import phonenumbers
from phonenumbers import phonenumbermatcher as matcher
from phonenumbers import phonenumberutil
from phonenumbers.phonemetadata import PhoneMetadata

from guardrails.modules.numbering import VALID, Numbering, numbering, valid, valid_abroad

LONGEST_LEAD = 10
"""Characters a candidate has at most before its first digit: twice a sign and four of punctuation."""
MOST_CANDIDATES = 2_000
"""Candidates remembered in one text: enough for a text that repeats itself."""
WINDOW = 256
"""Characters that are compared to see that a text repeats itself; most candidates are shorter."""
LOOK_AHEAD = 3
"""Characters after a candidate that are looked at."""
SHORTEST_AFTER_PLUS = 6
"""Country code and number of the shortest valid number of any country."""
NO_LIMIT_MET = 19
"""A candidate of so many characters cannot have met the pattern's limits, 20 digits in a row and 21 groups."""

_ENDS = frozenset("0123456789/.()[]")
"""What stands after a candidate only because a candidate has an end; no extension begins with it."""
_PLAIN = re.compile(r"[(\[./ -]*\+?[0-9./() \[\]-]*")
_NOT_DIGITS = str.maketrans("", "", "+-./()[] ")
# As `_extract_possible_number` and the patterns for extensions do nothing to a plain part, its digits say it all.
_BETWEEN = rb"[-x ()\[\]./~]{0,4}"
# After fewer digits than a number has, a candidate matters only if it takes digits that follow as an extension.
_EXTENSION = rb"(?:[ \t,~]*(?:;ext=|e?xt|anexo|[x#~]|int)|[- ]+0{1,6}#)"


def fewest_digits(region: str) -> int:
    """The number of digits below which no text is a valid number when read in `region`."""
    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None:
        return 0
    general = metadata.general_desc
    lengths = [] if general is None else [n for n in general.possible_length if n > 0]
    # A transform rule writes the number anew and may put in digits of its own.
    added = len(metadata.national_prefix_transform_rule or "")
    return max(min(lengths, default=0) - added, 0)


_Outcome: TypeAlias = tuple[int, int, int, int]
"""What came of a candidate: the regions that go on from a place, the place, and the number they saw before it, if any.
Places count from where the candidate begins."""

_Seen: TypeAlias = tuple[int, int, Sequence[_Outcome]]
"""Where a candidate begins and ends, and what came of it."""


@dataclass(slots=True)
class _Search:
    """The search in one text: where each region has got to, and which digits were found to be a number where."""

    text: str
    promising: Callable[[int, int], bool] | None
    places: dict[int, int]
    """Place to go on at -> the regions, as a bit mask, that are there."""
    found: set[tuple[int, int]] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)
    """Digits -> the regions in which they are a number."""
    asked: dict[str, int] = field(default_factory=dict)
    """Digits -> the regions that were asked."""
    candidates: dict[tuple[str, str, str, int], list[_Outcome]] = field(default_factory=dict)
    """Candidate, the characters beside it and regions -> what came of it, for texts that repeat themselves."""
    windows: dict[tuple[str, int], _Seen] = field(default_factory=dict)
    """All that a search may look at, and regions -> the candidate, whose places count from where the search began."""


class PhoneScan:
    """Finds phone numbers of several regions, as `phonenumbers.PhoneNumberMatcher` does of one region at a time."""

    def __init__(self, regions: Sequence[str], leniency: int) -> None:
        """Take the regions in Presidio's order and the leniency (0 to 3)."""
        self._regions = tuple(dict.fromkeys(regions))
        self._all = (1 << len(self._regions)) - 1
        self._leniency = leniency
        known = all(PhoneMetadata.metadata_for_region(region, None) is not None for region in self._regions)
        self._numberings = [numbering(region) for region in self._regions] if leniency == VALID and known else None
        fewest = min(map(fewest_digits, self._regions), default=0)
        self.fewest = max(min(fewest, SHORTEST_AFTER_PLUS), 2)
        least = self.fewest - 1
        fewer = rb"(?:%b0){0,%d}(?=%b)" % (_BETWEEN, max(least - 1, 0), _EXTENSION)
        self._zones = re.compile(rb"0(?:(?:%b0){%d,}|%b)" % (_BETWEEN, least, fewer))
        self.outline = re.compile(rb"0(?:(?:%b0){%d}|%b)" % (_BETWEEN, least, fewer))
        """What a text's shadow must hold for there to be a number in it."""

    def spans(
        self, text: str, shadow: bytes, promising: Callable[[int, int], bool] | None = None
    ) -> set[tuple[int, int]]:
        """Where any of the regions sees a number; not necessarily those in candidates that `promising` denies."""
        search = _Search(text, promising, {0: self._all})
        for zone in self._zones.finditer(shadow):
            self._zone(search, shadow, *zone.span())
        return search.found

    def _zone(self, search: _Search, shadow: bytes, start: int, end: int) -> None:
        """Follow every region through one zone: outside of zones no candidate can be a number."""
        places = search.places
        repeats = end - start > WINDOW and search.promising is None
        while True:
            index = min(places)
            digit = shadow.find(b"0", max(index, start), end)
            if digit < 0:
                return
            regions = places.pop(index)
            begin = max(index, digit - LONGEST_LEAD)
            at, _, outcomes = (self._repeated if repeats and begin > 0 else self._next)(search, begin, regions)
            for there, place, first, last in outcomes:
                places[at + place] = places.get(at + place, 0) | there
                if first < last:
                    search.found.add((at + first, at + last))

    def _repeated(self, search: _Search, begin: int, regions: int) -> _Seen:
        """As `_next`, for a text that repeats itself: what was seen where the same stood is what is seen here."""
        key = (search.text[begin - 1 : begin + WINDOW], regions)
        known = search.windows.get(key)
        if known is None:
            at, end, outcomes = self._next(search, begin, regions)
            # After an extension, or what may lead to one, any amount of blanks is looked at.
            ends = search.text[end : end + 1] in _ENDS and end + LOOK_AHEAD <= begin + WINDOW
            if ends and len(search.windows) < MOST_CANDIDATES:
                search.windows[key] = at - begin, end - begin, outcomes
            return at, end, outcomes
        at, end, outcomes = known
        return begin + at, begin + end, outcomes

    def _next(self, search: _Search, begin: int, regions: int) -> _Seen:
        """The next candidate from a place on."""
        match = matcher._PATTERN.search(search.text, begin)  # noqa: SLF001
        if match is None:
            return len(search.text), len(search.text), [(regions, 0, 0, 0)]
        start, end = match.span()
        return start, end, self._outcomes(search, start, match.group(), regions)

    def _outcomes(self, search: _Search, start: int, words: str, regions: int) -> Sequence[_Outcome]:
        if search.promising is not None:
            return list(self._candidate(search, start, words, regions))
        # All that is looked at: the character before the candidate and, for the rest of a time of day, three after it.
        after = start + len(words)
        key = (words, search.text[max(start - 1, 0) : start], search.text[after : after + LOOK_AHEAD], regions)
        known = search.candidates.get(key)
        if known is None:
            known = list(self._candidate(search, start, words, regions))
            if len(search.candidates) < MOST_CANDIDATES:
                search.candidates[key] = known
        return known

    def _candidate(self, search: _Search, start: int, words: str, regions: int) -> Iterator[_Outcome]:
        """Look for a number in one candidate."""
        trimmed = phonenumberutil._SECOND_NUMBER_START_PATTERN.search(words)  # noqa: SLF001
        whole = trimmed is None and len(words) <= NO_LIMIT_MET and _PLAIN.fullmatch(words) is not None
        if trimmed is not None:
            words = words[: trimmed.start()]
        if whole and search.promising is not None and not search.promising(start, start + len(words)):
            yield regions, len(words), 0, 0
            return
        for offset, part in _attempts(search.text, words, start):
            alone = whole and len(part) == len(words)
            seen = self._seen(search, part, offset, regions, only_one=alone)
            if seen:
                # What others see in a candidate that is all of a number is inside of this number, and so is no result.
                regions, there = (0, regions) if alone else (regions & ~seen, seen)
                end = offset - start + len(part)
                yield there, end, offset - start, end
                if not regions:
                    return
        yield regions, len(words), 0, 0

    def _seen(self, search: _Search, part: str, offset: int, regions: int, *, only_one: bool) -> int:
        """Which of the regions see a number in all of the part; if `only_one`, one of them will do."""
        if self._numberings is None or _PLAIN.fullmatch(part) is None:
            return self._parsed(search.text, part, offset, regions)
        digits = part.translate(_NOT_DIGITS)
        if len(digits) < self.fewest or not _surroundings_allow(search.text, part, offset):
            return 0
        if "+" in part:
            return self._abroad(search, "+" + digits) & regions
        for bit, region in enumerate(self._numberings):
            if regions >> bit & 1 and not search.asked.get(digits, 0) >> bit & 1:
                if only_one and search.numbers.get(digits, 0) & regions:
                    break
                search.asked[digits] = search.asked.get(digits, 0) | 1 << bit
                if self._national(search, digits, region) >> bit & 1:
                    search.numbers[digits] = search.numbers.get(digits, 0) | 1 << bit
        return search.numbers.get(digits, 0) & regions

    def _national(self, search: _Search, digits: str, region: Numbering) -> int:
        """The regions in which the digits are a number, of which only `region` is asked."""
        rest = region.abroad(digits)
        if rest is not None:
            # Only a plus sign may be ignored where no country code follows.
            return 0 if valid_abroad(rest) is None else self._abroad(search, "+" + rest)
        return -1 if region.valid(digits) else 0

    def _abroad(self, search: _Search, digits: str) -> int:
        known = search.numbers.get(digits)
        if known is None:
            everywhere = valid_abroad(digits[1:])
            if everywhere is not None:
                known = self._all if everywhere else 0
            else:
                known = sum(1 << bit for bit, region in enumerate(self._regions) if valid(digits, region))
            search.numbers[digits] = known
        return known

    def _parsed(self, text: str, part: str, offset: int, regions: int) -> int:
        seen = 0
        for bit, region in enumerate(self._regions):
            if regions >> bit & 1:
                one = phonenumbers.PhoneNumberMatcher(text, region, leniency=self._leniency)
                seen |= (one._parse_and_verify(part, offset) is not None) << bit  # noqa: SLF001
        return seen


def _attempts(text: str, words: str, start: int) -> Iterator[tuple[int, str]]:
    """The parts of a candidate that the matcher tries, in its order (`_extract_match`, `_extract_inner_match`)."""
    if matcher._SLASH_SEPARATED_DATES.search(words):  # noqa: SLF001
        return
    if matcher._TIME_STAMPS.search(words) and matcher._TIME_STAMPS_SUFFIX.match(text, start + len(words)):  # noqa: SLF001
        return
    yield start, words
    for separator in matcher._INNER_MATCHES:  # noqa: SLF001
        match = separator.search(words)
        if match is not None:
            yield start, _without_end(words[: match.start()])
        while match is not None:
            yield start + match.start(1), _without_end(match.group(1))
            match = separator.search(words, match.start() + 1)


def _without_end(part: str) -> str:
    unwanted = phonenumberutil._UNWANTED_END_CHAR_PATTERN.search(part)  # noqa: SLF001
    return part if unwanted is None else part[: unwanted.start()]


def _surroundings_allow(text: str, part: str, offset: int) -> bool:
    """The conditions of `_parse_and_verify` that are not about the digits."""
    if not part or (any(b in part for b in "()[]") and not _brackets_allow(part)):
        return False
    if offset > 0 and not matcher._LEAD_PATTERN.match(part) and _forbidden(text[offset - 1]):  # noqa: SLF001
        return False
    end = offset + len(part)
    return end >= len(text) or not _forbidden(text[end])


def _brackets_allow(part: str) -> bool:
    return bool(matcher._MATCHING_BRACKETS.fullmatch(part) and not matcher._PUB_PAGES.search(part))  # noqa: SLF001


@lru_cache(maxsize=4096)
def _forbidden(character: str) -> bool:
    """Whether a number cannot stand next to the character: a Latin letter, a percent or currency sign."""
    match = matcher.PhoneNumberMatcher
    return match._is_invalid_punctuation_symbol(character) or match._is_latin_letter(character)  # noqa: SLF001
