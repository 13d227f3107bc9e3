"""The tokens that stand for masked values, and the grammar that recognises them.

A token's id is a truncated HMAC of the entity and the value under the tenant's secret (decision 0006): the same value
gets the same token in the next text, turn, connection and replica, with nothing shared but the secret, and nobody
without the secret can test a guess at the value. An invented or mistyped token matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from guardrails.keyed import Keyed

Style: TypeAlias = Literal["angle", "square", "curly"]

_BRACKETS: Final[dict[Style, tuple[str, str]]] = {"angle": ("<", ">"), "square": ("[", "]"), "curly": ("{", "}")}
ID_LENGTH: Final = 8
"""40 bits. Two values that meet in one conversation get longer ids, so that no two ever share a token."""
MAX_ID_LENGTH: Final = 16
MARK_LENGTH: Final = 4
"""Letters that tell a part of a name from the whole name, whose id goes before them."""
MAX_ENTITY: Final = 64
REMEMBERED: Final = 20_000
"""Values of a connection whose tokens and fingerprints are kept for its next turn: an agent sends all of it again."""

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_BODY: Final = rf"[A-Z][A-Z0-9_]{{0,{MAX_ENTITY - 1}}}_[a-z2-7]{{{ID_LENGTH},{MAX_ID_LENGTH}}}"
_ID: Final = rf"([a-z2-7]{{{ID_LENGTH},{MAX_ID_LENGTH}}})(?![A-Za-z0-9])"
SPACED_ID: Final = re.compile("[_* ]" + _ID)
"""What could be the id of a token. (That it begins with a sign makes it fast.)"""
BARE: Final = re.compile(rf"(?<![A-Za-z0-9_]){_BODY}(?![A-Za-z0-9])")
"""A token without its brackets, as it stands where only [A-Za-z0-9_-] may (names of tools, ids)."""
IN_NAME: Final = re.compile(rf"(?<![A-Za-z0-9]){_BODY}(?![A-Za-z0-9])")
"""The same where more of a name may stand before it: `call_US_SSN_k7x2m9qa`."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """How the tokens of one style look: what opens and closes them, and the pattern of a whole one.

    In JSON source the brackets may stand as escapes (`\\u003c`), as many encoders write them: `in_json` matches both,
    with the token's body as its group, and `opening_in_json` what opens one.
    """

    opening: str
    closing: str
    pattern: re.Pattern[str]
    in_json: re.Pattern[str]
    opening_in_json: re.Pattern[str]
    longest: int


def grammar(style: Style) -> Grammar:
    """The grammar of a style."""
    opening, closing = _BRACKETS[style]
    pattern = re.compile(re.escape(opening) + _BODY + re.escape(closing))
    in_json = re.compile(f"{_in_json(opening)}({_BODY}){_in_json(closing)}")
    return Grammar(opening, closing, pattern, in_json, re.compile(_in_json(opening)), MAX_ENTITY + MAX_ID_LENGTH + 3)


def _in_json(bracket: str) -> str:
    """The expression for a bracket in JSON source, as it is or escaped."""
    code = f"{ord(bracket):02x}"
    return rf"(?:{re.escape(bracket)}|\\u00{code[0]}[{code[1]}{code[1].upper()}])"


def entity_of(token: str) -> str:
    """The entity a token names, with or without brackets."""
    return token.strip("<>[]{}").rpartition("_")[0]


_PAIRS: Final = [left + right for left in _ALPHABET for right in _ALPHABET]
"""Two letters for each ten bits."""


def _letters(five: bytes) -> str:
    """Five bytes in eight letters (RFC 4648, 6, in lower case)."""
    bits = int.from_bytes(five)
    return _PAIRS[bits >> 30] + _PAIRS[bits >> 20 & 1023] + _PAIRS[bits >> 10 & 1023] + _PAIRS[bits & 1023]


class Tokens:
    """Makes the tokens of one tenant."""

    __slots__ = ("_brackets", "_keyed")

    def __init__(self, secret: bytes, style: Style) -> None:
        """`secret` is the tenant's own; whoever knows it can test guesses at masked values."""
        self._keyed = Keyed(secret)
        self._brackets = _BRACKETS[style]

    def shortest(self, entity: str, value: str) -> str:
        """The token for a value with the shortest id; what `make` gives where no other value has it (see `free`)."""
        opening, closing = self._brackets
        return f"{opening}{entity}_{_letters(self._keyed.of(entity, value)[: ID_LENGTH * 5 // 8])}{closing}"

    def make(self, entity: str, value: str, taken: Mapping[str, str]) -> str:
        """The token for a value, with its brackets.

        `taken` maps the conversation's tokens to their values; the caller adds the new pair to it.
        """
        opening, closing = self._brackets
        digest = self._keyed.of(entity, value)
        letters = _letters(digest[: ID_LENGTH * 5 // 8]) + _letters(digest[ID_LENGTH * 5 // 8 : MAX_ID_LENGTH * 5 // 8])
        for length in range(ID_LENGTH, MAX_ID_LENGTH + 1):
            body = f"{entity}_{letters[:length]}"
            token = f"{opening}{body}{closing}"
            if free(token, value, taken):
                return token
        raise AssertionError("80 bits of HMAC met twice in one conversation")

    def related(self, entity: str, value: str, whole: str, taken: Mapping[str, str]) -> str:
        """The token for a part of a name, such as "Smith" of the whole "John Smith": the whole's id, with more letters.

        It stands for the part alone, so that restoring is exact. Otherwise as `make`.
        """
        head = _letters(self._keyed.of(entity, whole)[: ID_LENGTH * 5 // 8])
        tail = _letters(self._keyed.of(entity, f"{whole}\x00{value}")[: ID_LENGTH * 5 // 8])
        opening, closing = self._brackets
        for length in range(MARK_LENGTH, MAX_ID_LENGTH - ID_LENGTH + 1):
            body = f"{entity}_{head}{tail[:length]}"
            token = f"{opening}{body}{closing}"
            if free(token, value, taken):
                return token
        return self.make(entity, value, taken)


def free(token: str, value: str, taken: Mapping[str, str]) -> bool:
    """Whether a token, or its body where only [A-Za-z0-9_-] may stand, is no other value's in a conversation."""
    return taken.get(token, value) == value == taken.get(token[1:-1], value)
