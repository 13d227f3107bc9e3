"""A text reduced to one byte for each character, so that C code can look for the places worth a closer look.

Digits become `0`, letters lower case, other ASCII stays. What is not ASCII and yet may be part of a match keeps its
role: digits of any script become `0`, the four characters that ignoring case makes equal to ASCII letters become
those, what a phone number may contain becomes `~`. The rest becomes NUL, which is part of nothing looked for here.
Whatever a pattern could match in the text, its coarser reading matches in the shadow at the same place.
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex

OTHER = "\0"
PUNCTUATION = "~"

_TABLE = bytes.maketrans(b"123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"000000000abcdefghijklmnopqrstuvwxyz")
_FOREIGN = re.compile("[^\0-\x7f]+")
# `regex` and `re` know different versions of Unicode, hence different digits; phonenumbers uses `re`.
_DIGIT, _OTHER_DIGIT = regex.compile(r"\d"), re.compile(r"\d")
# What `regex` takes for an ASCII letter when it ignores case: dotted and dotless i, long s, the Kelvin sign.
_LETTERS = {"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"}
# Punctuation and labels of extensions that `phonenumbers` accepts in a number; lead signs included.
_PHONE = frozenset(
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\uff0d\u3000\u00a0\u00ad\u200b\u2060\uff08\uff09\uff3b\uff3d\uff0e\uff0f"
    "\u2053\u223c\uff5e\uff03\uff0b\uff45\uff58\uff54\uff4e\uff49\u0434\u043e\u0431\u0414\u041e\u0411\uff25\uff38\uff34\uff2e\uff29\u1c81\u1c82"
)


def shadow(text: str) -> bytes:
    """The shadow of a text: as many bytes as it has characters."""
    if not text.isascii():
        text = _FOREIGN.sub(lambda match: "".join(map(_role, match.group())), text)
    return text.encode("ascii").translate(_TABLE)


@lru_cache(maxsize=4096)
def _role(character: str) -> str:
    if character in _LETTERS:
        return _LETTERS[character]
    if _DIGIT.match(character) or _OTHER_DIGIT.match(character):
        return "0"
    return PUNCTUATION if character in _PHONE else OTHER
