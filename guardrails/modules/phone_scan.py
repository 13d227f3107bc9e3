"""The matches of Presidio's phone recogniser, looking for candidates once instead of once for each of eight regions.

`PhoneNumberMatcher` first finds a candidate (digits with punctuation between them) and then parses it for its region.
The first step does not depend on the region; the second is skipped where the candidate has fewer digits than any valid
number of the region. One difference is left, on purpose: the matcher gives up on a text after 65,535 failed
candidates, and a candidate skipped here is not counted, so here nothing is given up earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import phonenumbers
from phonenumbers import phonenumbermatcher, phonenumberutil
from phonenumbers.phonemetadata import PhoneMetadata

_PLUS_SIGNS = "+\uff0b"
SHORTEST_AFTER_PLUS = 6
"""Country code and number of the shortest valid number of any country."""
SHORTEST_AFTER_PREFIX = 8
"""The same after an international dialling prefix, which has two digits or more."""
NO_LIMIT_MET = 20
"""A candidate of so many characters cannot have met the pattern's limit of 21 groups of digits."""
_SECOND_NUMBER = phonenumberutil._SECOND_NUMBER_START_PATTERN  # noqa: SLF001


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


@dataclass(slots=True)
class _Candidate:
    """Digits and punctuation that may be a number, in any region."""

    start: int
    words: str
    digits: int
    plus: bool
    whole: bool
    """Nothing was trimmed off and no limit of the pattern ended it, so a search from inside it ends where it does."""
    wanted: bool
    """False if nothing in it can score enough, or a region saw a number in all of it: others could see only parts."""


class PhoneScan:
    """Finds phone numbers of several regions, as `phonenumbers.PhoneNumberMatcher` does of one region at a time."""

    def __init__(self, regions: Sequence[str], leniency: int) -> None:
        """Take the regions in Presidio's order and the leniency (0 to 3)."""
        self._regions = [(region, fewest_digits(region)) for region in regions]
        self._leniency = leniency
        self.fewest = max(min((min(n, SHORTEST_AFTER_PLUS) for _, n in self._regions), default=0), 1)

    def spans(self, text: str, promising: Callable[[int, int], bool] | None = None) -> set[tuple[int, int]]:
        """Where any of the regions sees a number; not necessarily those in candidates that `promising` denies."""
        candidates: dict[int, _Candidate | None] = {}
        found: set[tuple[int, int]] = set()
        for region, fewest in self._regions:
            matcher = phonenumbers.PhoneNumberMatcher(text, region, leniency=self._leniency)
            index = 0
            while True:
                if index not in candidates:
                    candidates[index] = _candidate(matcher, text, index, promising)
                candidate = candidates[index]
                if candidate is None:
                    break
                match = _match(matcher, candidate, fewest)
                index = candidate.start + len(candidate.words) if match is None else match[1]
                if match is not None:
                    found.add(match)
        return found


def _match(matcher: phonenumbers.PhoneNumberMatcher, candidate: _Candidate, fewest: int) -> tuple[int, int] | None:
    if not candidate.wanted:
        return None
    if candidate.digits < min(fewest, SHORTEST_AFTER_PLUS if candidate.plus else SHORTEST_AFTER_PREFIX):
        return None
    match = matcher._extract_match(candidate.words, candidate.start)  # noqa: SLF001 - see the module's docstring
    if match is None:
        return None
    if candidate.whole and len(match.raw_string) == len(candidate.words):
        candidate.wanted = False
    return match.start, match.end


def _candidate(
    matcher: phonenumbers.PhoneNumberMatcher, text: str, index: int, promising: Callable[[int, int], bool] | None
) -> _Candidate | None:
    match = phonenumbermatcher._PATTERN.search(text, index)  # noqa: SLF001
    if match is None:
        return None
    words: str = matcher._trim_after_first_match(_SECOND_NUMBER, match.group())  # noqa: SLF001
    start, digits = match.start(), sum(map(str.isdecimal, words))
    whole = len(words) == len(match.group()) <= NO_LIMIT_MET
    wanted = not whole or promising is None or promising(start, start + len(words))
    return _Candidate(start, words, digits, any(sign in words for sign in _PLUS_SIGNS), whole, wanted)
