"""US social security numbers that stick to a word, which Presidio's word boundaries do not see.

`user_536-22-1234` and `SSN536221234`. Without its hyphens a number counts only right after what it is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrails.modules.contents import Contents

FEWEST_DIGITS = 9

_STUCK = re.compile(
    r"(?<![0-9-])(?:(?<=[^\W\d])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9-])|[0-9]{3}-[0-9]{2}-[0-9]{4}(?=[^\W\d]))"
)
_CALLED = re.compile(
    r"(?:(?<![a-z])ssn|(?<=[a-z])(?-i:SSN)|social[ _-]?security(?:[ _-]?(?:number|num|no|nr))?)(?![a-z])"
    r"(?: is |[^\w\n]{0,4}|_)([0-9]{3}([- .]?)[0-9]{2}\2[0-9]{4})(?![0-9])",
    re.IGNORECASE,
)
_OUTLINE = re.compile(rb"000[- .]?00[- .]?0000")
"""What a text's shadow must hold for either."""
_SAMPLES = frozenset({"123456789", "987654320", "078051120", "219099999"})
"""Numbers of advertisements and handbooks; nobody has them."""


def spans(contents: Contents) -> Iterator[tuple[int, int]]:
    """Yield where social security numbers stand."""
    if contents.digits < FEWEST_DIGITS:
        return
    if not contents.outlined(_OUTLINE):
        return
    text = contents.text
    if "-" in text:
        for match in _STUCK.finditer(text):
            if _valid(match.group()):
                yield match.span()
    if contents.has("ssn") or contents.has("social"):
        for match in _CALLED.finditer(text):
            if _valid(match.group(1)):
                yield match.span(1)


def _valid(number: str) -> bool:
    digits = "".join(c for c in number if c in "0123456789")
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in {"000", "666"} or area[0] == "9" or group == "00" or serial == "0000":
        return False
    return digits not in _SAMPLES and len(set(digits)) > 1
