"""How many words a match of a pattern can run over: read off the pattern itself.

A text that is examined as it comes is cut at white space (decision 0022). A match that lies over a cut is seen whole
once as many words have come after the cut as the pattern can match white spaces. What is not understood, or may match
any amount of text with white space in it, has no such number.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from typing import Final, cast

from guardrails.modules.gates import FOREIGN

SPACES: Final = " \t\n\r"
"""Where texts are cut. Any other white space is part of a word."""
MOST: Final = 64
"""White spaces beyond which a pattern counts as matching any amount of text."""


def spaces(pattern: str) -> int | None:
    """At most so many runs of white space are in a match of `pattern` and what it looks at around; None: any number."""
    if FOREIGN.search(pattern):
        return None
    try:
        parsed = importlib.import_module("re._parser").parse(pattern)
        most = _Counter().sequence(parsed)
    except (ImportError, AttributeError, re.error, RecursionError, OverflowError, TypeError, ValueError, KeyError):
        return None
    except _Any:
        return None
    return most if most <= MOST else None


class _Any(Exception):  # not an error: it ends the reading
    """The pattern may match any amount of white space."""


class _Counter:
    """Reads a parsed pattern; remembers groups for references back to them."""

    def __init__(self) -> None:
        self._groups: dict[int, int] = {}

    def sequence(self, items: object) -> int:
        return sum(self._item(str(operation), argument) for operation, argument in _pairs(items))

    def _item(self, operation: str, argument: object) -> int:
        if operation in _CHARACTERS:
            return int(_may_be_space(operation, argument))
        if operation in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            return self._repeat(*cast("tuple[int, object, object]", argument))
        if operation == "SUBPATTERN":
            number, _, _, body = cast("tuple[int | None, object, object, object]", argument)
            inside = self.sequence(body)
            if number is not None:
                self._groups[number] = inside
            return inside
        if operation == "BRANCH":
            _, branches = cast("tuple[object, list[object]]", argument)
            return max(map(self.sequence, branches))
        if operation in {"ASSERT", "ASSERT_NOT"}:
            return self.sequence(cast("tuple[object, object]", argument)[1])
        if operation == "ATOMIC_GROUP":
            return self.sequence(argument)
        if operation == "GROUPREF":
            return self._groups[cast("int", argument)]
        if operation in {"AT", "FAILURE"}:
            return 0
        raise _Any

    def _repeat(self, _least: int, most: object, body: object) -> int:
        inside = self.sequence(body)
        if inside == 0 or _only_space(body):
            return min(inside, 1)  # white spaces in a row are one
        if not isinstance(most, int) or most > MOST:
            raise _Any
        return inside * most


_CHARACTERS: Final = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "ANY_ALL", "IN", "CATEGORY", "RANGE"})


def _may_be_space(operation: str, argument: object) -> bool:
    return any(_matches(operation, argument, space) for space in SPACES)


def _matches(operation: str, argument: object, character: str) -> bool:
    if operation == "LITERAL":
        return ord(character) == argument
    if operation == "NOT_LITERAL":
        return ord(character) != argument
    if operation == "RANGE":
        low, high = cast("tuple[int, int]", argument)
        return low <= ord(character) <= high
    if operation == "CATEGORY":
        return str(argument) in {"CATEGORY_SPACE", "CATEGORY_NOT_DIGIT", "CATEGORY_NOT_WORD"}
    if operation == "IN":
        members = _pairs(argument)
        negated = str(members[0][0]) == "NEGATE"
        listed = any(_matches(str(kind), value, character) for kind, value in members[int(negated) :])
        return listed != negated
    return True  # any character


def _only_space(body: object) -> bool:
    """Whether a part of a pattern is one character, and that white space."""
    items = _pairs(body)
    if len(items) != 1:
        return False
    operation, argument = str(items[0][0]), items[0][1]
    if operation == "LITERAL":
        return chr(cast("int", argument)) in SPACES
    if operation == "IN":
        members = [(str(kind), value) for kind, value in _pairs(argument)]
        return all(
            (kind == "LITERAL" and chr(cast("int", value)) in SPACES)
            or (kind == "CATEGORY" and str(value) == "CATEGORY_SPACE")
            for kind, value in members
        )
    return False


def _pairs(items: object) -> list[tuple[object, object]]:
    return list(cast("Iterable[tuple[object, object]]", items))
