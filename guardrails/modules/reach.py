"""What a pattern can match at all, read off the pattern: its alphabet, its least digits, how far it looks around.

By this islands.py decides where a pattern has to be run. What is not understood is taken to match anything.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from guardrails.modules.contents import MARKS
from guardrails.modules.gates import FOREIGN
from guardrails.modules.islands import LEAST_BARE, LEAST_DIGITS, LEAST_SEPARATORS, NUMBER, SEPARATORS, WORD

_DIGITS = frozenset("0123456789")
_NO_LETTERS = _DIGITS | SEPARATORS | frozenset(MARKS)
_ANYTHING = frozenset(map(chr, range(129)))
"""More than ASCII, so that no alphabet holds it."""
_NEVER = 1 << 20


@dataclass(frozen=True, slots=True)
class Reach:
    """What every match of a part of a pattern has in common."""

    alphabet: frozenset[str] = frozenset()
    digits: int = 0
    """At least so many digits."""
    bare: int = 0
    """At least so many characters, if all are digits."""
    separators: int = 0
    """At least so many of `SEPARATORS`."""
    others: int = 0
    """At least so many characters that are no digits, separators or marks."""
    assertions: tuple[tuple[Reach, ...], ...] = ()
    """The parts of each assertion that have to match before its last one does."""

    def within(self, alphabet: frozenset[str]) -> bool:
        """Whether matches stay in the alphabet, and assertions look no farther than one character beyond."""
        # Each part but the last matches in the alphabet only, so it fails on the first character outside.
        return self.alphabet <= alphabet and all(
            part.within(alphabet) for assertion in self.assertions for part in assertion
        )

    def is_word(self) -> bool:
        """Whether every match is in one of `islands.words`."""
        enough = self.digits > 0 and self.bare >= LEAST_BARE
        return (enough or self.separators >= LEAST_SEPARATORS) and self.within(WORD)

    def is_number(self) -> bool:
        """Whether every match is in one of `islands.numbers`."""
        return self.digits >= LEAST_DIGITS and self.within(NUMBER)


_UNKNOWN = Reach(_ANYTHING)


def reach(pattern: str) -> Reach:
    """What matches of `pattern` have in common, ignoring case or not."""
    if FOREIGN.search(pattern):
        return _UNKNOWN
    try:
        parsed = importlib.import_module("re._parser").parse(pattern)
        return _Reader().sequence(parsed)
    except (ImportError, AttributeError, re.error, RecursionError, OverflowError, TypeError, ValueError, KeyError):
        return _UNKNOWN


class _Reader:
    """Reads a parsed pattern; remembers groups for references back to them."""

    def __init__(self) -> None:
        self._groups: dict[int, Reach] = {}

    def sequence(self, items: object) -> Reach:
        joined = Reach()
        for operation, argument in _pairs(items):
            joined = _then(joined, self._item(str(operation), argument))
        return joined

    def _item(self, operation: str, argument: object) -> Reach:
        if operation in {"LITERAL", "IN", "CATEGORY", "NOT_LITERAL", "ANY"}:
            return _character(operation, argument)
        if operation in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            least, _, body = cast("tuple[int, int, object]", argument)
            return _times(self.sequence(body), int(least))
        if operation == "SUBPATTERN":
            return self._group(cast("tuple[object, ...]", argument))
        if operation == "BRANCH":
            _, branches = cast("tuple[object, list[object]]", argument)
            return _either([self.sequence(branch) for branch in branches])
        if operation == "GROUPREF":
            return self._groups[cast("int", argument)]
        if operation in {"ASSERT", "ASSERT_NOT"}:
            direction, body = cast("tuple[int, object]", argument)
            return Reach(assertions=self._assertion(direction, body))
        # Of places, only word boundaries look at nothing but the neighbours.
        return Reach() if operation == "AT" and str(argument) == "AT_BOUNDARY" else _UNKNOWN

    def _group(self, argument: tuple[object, ...]) -> Reach:
        number, added, removed, body = argument
        if added or removed:
            return _UNKNOWN
        inner = self.sequence(body)
        if isinstance(number, int):
            self._groups[number] = inner
        return inner

    def _assertion(self, direction: int, body: object) -> tuple[tuple[Reach, ...], ...]:
        items = _pairs(body)
        if len(items) == 1 and str(items[0][0]) == "SUBPATTERN":
            return self._assertion(direction, cast("tuple[object, ...]", items[0][1])[-1])
        if len(items) == 1 and str(items[0][0]) == "BRANCH":
            _, branches = cast("tuple[object, list[object]]", items[0][1])
            return tuple(one for branch in branches for one in self._assertion(direction, branch))
        parts = [self._item(str(operation), argument) for operation, argument in items]
        if not parts:
            return ()
        last = parts.pop() if direction > 0 else parts.pop(0)
        if str(items[-1 if direction > 0 else 0][0]) in {"LITERAL", "IN", "CATEGORY", "NOT_LITERAL", "ANY"}:
            return (tuple(parts),)
        return ((*parts, last),)


def _character(operation: str, argument: object) -> Reach:
    alphabet = _alphabet(operation, argument)
    return Reach(
        alphabet,
        int(alphabet <= _DIGITS),
        1 if alphabet & _DIGITS else _NEVER,
        int(alphabet <= SEPARATORS),
        int(not alphabet & _NO_LETTERS),
    )


def _alphabet(operation: str, argument: object) -> frozenset[str]:
    if operation == "LITERAL":
        return _cases(cast("int", argument), cast("int", argument))
    if operation == "RANGE":
        return _cases(*cast("tuple[int, int]", argument))
    if operation == "CATEGORY" and str(argument) == "CATEGORY_DIGIT":
        return _DIGITS
    if operation == "IN":
        members = [_alphabet(str(member), value) for member, value in _pairs(argument)]
        return frozenset().union(*members)
    return _ANYTHING


def _cases(low: int, high: int) -> frozenset[str]:
    if high > 127:
        return _ANYTHING
    characters = "".join(map(chr, range(low, high + 1)))
    return frozenset(characters + characters.lower() + characters.upper())


def _then(one: Reach, other: Reach) -> Reach:
    return Reach(
        one.alphabet | other.alphabet,
        one.digits + other.digits,
        min(one.bare + other.bare, _NEVER),
        one.separators + other.separators,
        one.others + other.others,
        one.assertions + other.assertions,
    )


def _times(one: Reach, n: int) -> Reach:
    n = min(n, 1000)
    # Without repetition, whatever the body consists of may be missing.
    return Reach(
        one.alphabet, one.digits * n, min(one.bare * n, _NEVER), one.separators * n, one.others * n, one.assertions
    )


def _either(branches: Sequence[Reach]) -> Reach:
    return Reach(
        frozenset().union(*(branch.alphabet for branch in branches)),
        min(branch.digits for branch in branches),
        min(branch.bare for branch in branches),
        min(branch.separators for branch in branches),
        min(branch.others for branch in branches),
        tuple(one for branch in branches for one in branch.assertions),
    )


def _pairs(items: object) -> list[tuple[object, object]]:
    return list(cast("Iterable[tuple[object, object]]", items))
