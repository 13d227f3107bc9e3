"""What a text must at least contain before a regular expression can match in it.

Most texts hold no card number, and to learn that it is enough to count their digits. `gate()` reads such a condition
off the pattern itself, so it stays true when a new version of Presidio changes the pattern: how many digits, how many
of them together, how often which punctuation, and how long a run without white space. Anything it does not understand
demands nothing, so a gate can be useless but never wrong. No letter itself is demanded: under IGNORECASE the Kelvin
sign is a `k`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from guardrails.modules.contents import Contents

_SPACES = frozenset(c for c in map(chr, range(0x3001)) if c.isspace())
_UNBOUNDED = 1 << 20
"""A repeat count beyond this adds nothing to a gate, and keeps the numbers small."""

# What `regex` reads differently from `re`, whose parser is used here: POSIX classes, fuzzy matching, set operations.
FOREIGN = re.compile(r"\[\[:|\\p|\\P|\\X|\\[mMRGKL]|\{[^0-9,}]|&&|\|\||~~|\(\?[|&RV+0-9]|\(\*")


@dataclass(frozen=True, slots=True)
class Gate:
    """A necessary condition for a match: at least so many digits, of each character, in a row without a space."""

    digits: int = 0
    run: int = 0
    characters: tuple[tuple[str, int], ...] = ()
    separators: int = 0
    others: bool = False
    """Something that is no digit, separator or mark: a letter, mostly."""
    together: int = 0
    """So many digits in a row."""
    letters: int = 0
    """So many ASCII letters or digits in a row, or what ignoring case makes equal to them."""
    outline: re.Pattern[bytes] | None = None
    """What the text's shadow must hold."""

    def open(self, contents: Contents) -> bool:
        """Whether a match is possible at all in the text."""
        if self.digits > 0 and contents.digits < self.digits:
            return False
        for character, least in self.characters:
            if contents.count(character) < least:
                return False
        if self.others and not contents.others:
            return False
        if self.separators and contents.separators < self.separators:
            return False
        if (self.together > 1 or self.letters > 1) and not contents.together(self.together, self.letters):
            return False
        if self.run > 1 and contents.run < self.run:
            return False
        return self.outline is None or contents.outlined(self.outline)


OPEN = Gate()


def gate(pattern: str) -> Gate:
    """The strongest condition that can be read off `pattern`; `OPEN` when it is not understood."""
    if FOREIGN.search(pattern):
        return OPEN
    parse: Callable[[str], Iterable[tuple[object, object]]]
    try:
        # Private in CPython, and all of this is only ever a saving: without it every gate is open.
        parser = importlib.import_module("re._parser")
        parse = parser.parse
        need = _sequence(parse(pattern))
    except (ImportError, AttributeError, re.error, RecursionError, OverflowError, TypeError, ValueError):
        return OPEN
    return need.gate()


def either(gates: Sequence[Gate]) -> Gate:
    """The condition under which at least one of several gates may be open."""
    if not gates:
        return OPEN
    common = dict(gates[0].characters)
    for other in gates[1:]:
        theirs = dict(other.characters)
        common = {c: min(n, theirs[c]) for c, n in common.items() if c in theirs}
    return Gate(
        min(g.digits for g in gates),
        min(g.run for g in gates),
        tuple(sorted(common.items())),
        min(g.separators for g in gates),
        all(g.others for g in gates),
        min(g.together for g in gates),
        min(g.letters for g in gates),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """Characters of one class in a row: so many at the beginning of any match, at its end, and anywhere in it.

    `solid`: a match is of nothing else.
    """

    first: int = 0
    last: int = 0
    longest: int = 0
    solid: bool = True

    def then(self, other: _Run) -> _Run:
        return _Run(
            self.first + (other.first if self.solid else 0),
            other.last + (self.last if other.solid else 0),
            max(self.longest, other.longest, self.last + other.first),
            self.solid and other.solid,
        )

    def times(self, n: int) -> _Run:
        if n == 0:
            return _Run(solid=self.solid)
        if self.solid:
            return _Run(self.first * n, self.last * n, self.longest * n)
        return self.then(self) if n > 1 else self

    def otherwise(self, other: _Run) -> _Run:
        return _Run(
            min(self.first, other.first),
            min(self.last, other.last),
            min(self.longest, other.longest),
            self.solid and other.solid,
        )


_NONE = _Run(solid=False)
_ONE = _Run(1, 1, 1)


@dataclass(slots=True)
class _Need:
    """The least that any match of a part of a pattern contains."""

    width: int = 0
    digits: int = 0
    spaceless: bool = True
    characters: dict[str, int] = field(default_factory=dict)
    together: _Run = _Run()
    letters: _Run = _Run()

    def gate(self) -> Gate:
        return Gate(
            self.digits,
            self.width if self.spaceless else 0,
            tuple(sorted(self.characters.items())),
            together=self.together.longest if self.together.longest > 1 else 0,
            letters=self.letters.longest if self.letters.longest > 1 else 0,
        )

    def then(self, other: _Need) -> _Need:
        joined = dict(self.characters)
        for character, n in other.characters.items():
            joined[character] = joined.get(character, 0) + n
        return _Need(
            self.width + other.width,
            self.digits + other.digits,
            self.spaceless and other.spaceless,
            joined,
            self.together.then(other.together),
            self.letters.then(other.letters),
        )

    def times(self, n: int) -> _Need:
        n = min(n, _UNBOUNDED)
        return _Need(
            self.width * n,
            self.digits * n,
            self.spaceless,
            {c: k * n for c, k in self.characters.items() if n},
            self.together.times(n),
            self.letters.times(n),
        )

    def otherwise(self, other: _Need) -> _Need:
        common = {c: min(n, other.characters[c]) for c, n in self.characters.items() if c in other.characters}
        return _Need(
            min(self.width, other.width),
            min(self.digits, other.digits),
            self.spaceless and other.spaceless,
            common,
            self.together.otherwise(other.together),
            self.letters.otherwise(other.letters),
        )


def _sequence(items: Iterable[tuple[object, object]]) -> _Need:
    need = _Need()
    for operation, argument in items:
        need = need.then(_item(str(operation), argument))
    return need


def _item(operation: str, argument: object) -> _Need:
    handler = _HANDLERS.get(operation)
    # An unknown operation may match anything, nothing included.
    return handler(argument) if handler is not None else _Need(spaceless=False, together=_NONE, letters=_NONE)


def _literal(argument: object) -> _Need:
    character = chr(_int(argument))
    if character.isdecimal():
        return _Need(1, 1, together=_ONE, letters=_ONE)
    plain = character.isascii() and not character.isalnum() and not character.isspace()
    letters = _ONE if _is_letter(character) else _NONE
    return _Need(1, 0, character not in _SPACES, {character: 1} if plain else {}, _NONE, letters)


def _set(argument: object) -> _Need:
    members = _pairs(argument)
    if len(members) == 1 and str(members[0][0]) == "LITERAL":
        return _literal(members[0][1])
    digits = all(map(_only_digits, members))
    letters = all(_only_digits(member) or _only_letters(member) for member in members)
    return _Need(
        1,
        int(digits),
        all(map(_no_space, members)),
        together=_ONE if digits else _NONE,
        letters=_ONE if letters else _NONE,
    )


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _only_letters(member: tuple[object, object]) -> bool:
    operation, argument = str(member[0]), member[1]
    if operation == "LITERAL":
        return _is_letter(chr(_int(argument)))
    if operation == "RANGE":
        low, high = _range(argument)
        return high < 128 and all(_is_letter(chr(code)) for code in range(low, high + 1))
    return False


def _only_digits(member: tuple[object, object]) -> bool:
    operation, argument = str(member[0]), member[1]
    if operation == "LITERAL":
        return chr(_int(argument)).isdecimal()
    if operation == "RANGE":
        low, high = _range(argument)
        return ord("0") <= low <= high <= ord("9")
    return operation == "CATEGORY" and str(argument) == "CATEGORY_DIGIT"


def _no_space(member: tuple[object, object]) -> bool:
    operation, argument = str(member[0]), member[1]
    if operation == "LITERAL":
        return chr(_int(argument)) not in _SPACES
    if operation == "RANGE":
        low, high = _range(argument)
        return not any(low <= ord(c) <= high for c in _SPACES)
    return operation == "CATEGORY" and str(argument) in {"CATEGORY_DIGIT", "CATEGORY_WORD"}


def _repeat(argument: object) -> _Need:
    least, _, body = _triple(argument)
    return _sequence(_pairs(body)).times(_int(least))


def _group(argument: object) -> _Need:
    if not isinstance(argument, tuple):
        raise TypeError("group")
    return _sequence(_pairs(argument[-1]))


def _atomic(argument: object) -> _Need:
    return _sequence(_pairs(argument))


def _branch(argument: object) -> _Need:
    if not isinstance(argument, tuple):
        raise TypeError("branch")
    needs = [_sequence(_pairs(alternative)) for alternative in argument[1]]
    joined = needs[0]
    for need in needs[1:]:
        joined = joined.otherwise(need)
    return joined


def _nothing(_argument: object) -> _Need:
    return _Need()


_HANDLERS: Mapping[str, Callable[[object], _Need]] = {
    "LITERAL": _literal,
    "IN": _set,
    "CATEGORY": lambda argument: _set([("CATEGORY", argument)]),
    "MAX_REPEAT": _repeat,
    "MIN_REPEAT": _repeat,
    "POSSESSIVE_REPEAT": _repeat,
    "SUBPATTERN": _group,
    "ATOMIC_GROUP": _atomic,
    "BRANCH": _branch,
    "AT": _nothing,
    "ASSERT": _nothing,
    "ASSERT_NOT": _nothing,
}


def _int(argument: object) -> int:
    if not isinstance(argument, int):
        raise TypeError("number")
    return argument


def _range(argument: object) -> tuple[int, int]:
    if not isinstance(argument, tuple):
        raise TypeError("range")
    return _int(argument[0]), _int(argument[1])


def _triple(argument: object) -> tuple[object, object, object]:
    if not isinstance(argument, tuple) or len(argument) != 3:
        raise TypeError("repeat")
    return argument


def _pairs(argument: object) -> list[tuple[object, object]]:
    # A SubPattern of the parser has `__getitem__` but is no Iterable; anything else raises the TypeError caught above.
    return list(cast("Sequence[tuple[object, object]]", argument))
