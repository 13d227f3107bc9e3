"""What the sequence model is told about a word and its neighbours.

An attribute is a short text; the model has a weight for each attribute and label. There are three kinds:

* `own`: of the word itself, that is its spelling, how it is written, its cluster, the lists it is in;
* `near`: of a word as its neighbours see it, up to two words away; the model has weights for each distance;
* `around`: how the words before and after are written, what stands between, and whether the word is part of a name of
  several words that the lexicon has.

All attributes of one kind depend on one key, so what they weigh together is worked out once for each key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from guardrails.modules.names.lexicon import Entry, Lexicon
from guardrails.modules.names.words import OPAQUE, Mode

DISTANCES: Final = (-2, -1, 1, 2)
"""Of the neighbours that a word sees."""
EDGE: Final = "\x02"
"""Stands for the word before the first and after the last."""

Around: TypeAlias = tuple[str, str, str, int, int, str]
"""The shapes of the word before, of the word and of the one after; the gaps before and after; its mark."""

_DIGIT = re.compile(r"\d")


def shape(word: str, mode: Mode) -> str:
    """How a word is written: X capital, x small letters, d digits, and whether it is short."""
    if word in (OPAQUE, EDGE):
        return "@" if word == OPAQUE else word
    if not word[0].isalnum():
        return word[0] if len(word) == 1 else "'s" if word[1:] in "sS" else "."
    if word.isdigit():
        return f"d{min(len(word), 6)}"
    if word[0].isdigit():
        return "d." if not any(map(str.isalpha, word)) else "dx"
    end = "." if word[-1] == "." else ""
    letters = word.rstrip(".")
    if mode == "n":
        if letters.isupper():
            return ("X" if len(letters) == 1 else "XX") + end
        if letters[:1].isupper():
            return ("X-X" if "-" in letters else "Xx") + end
        return ("x" if len(letters) > 1 else "1") + end
    # Nothing is told by the letters of a line that has only small ones, or only capitals.
    return mode + ("1" if len(letters) == 1 else "x") + end


def _clusters(word: str, entry: Entry, mode: Mode) -> str:
    lower, title, upper = entry.clusters
    if mode != "n":
        return title or lower or upper
    if word.islower():
        return lower or title
    if word.isupper() and len(word) > 1:
        return upper or title or lower
    return title or lower or upper


def entry_of(word: str, lexicon: Lexicon) -> Entry:
    """What the lexicon knows of a word, or of its parts."""
    lower = word.lower()
    entry = lexicon.entry(lower)
    if entry.lists or entry.common or ("-" not in lower and "\u2019" not in lower):
        return entry
    lower = lower.replace("\u2019", "'")
    parts = [lexicon.entry(part) for part in (lower, *lower.split("-"))]
    return Entry("".join(sorted(set("".join(part.lists for part in parts)))), "", "", parts[-1].clusters)


@dataclass(frozen=True, slots=True)
class Described:
    """A word's shape, and its attributes for itself and for its neighbours."""

    shape: str
    own: list[str]
    near: list[str]


def describe(word: str, mode: Mode, lexicon: Lexicon) -> Described:
    """What the model is told about a word, wherever it stands."""
    looks = shape(word, mode)
    if word == EDGE:
        return Described(looks, [], ["edge"])
    if word == OPAQUE or not word[0].isalnum():
        return Described(looks, ["b", f"h={looks}", f"w={word}"], [f"h={looks}", f"w={word}"])
    lower = _DIGIT.sub("0", word.lower())
    if not word[0].isalpha():
        return Described(looks, ["b", f"h={looks}", f"w={lower}"], [f"h={looks}", f"w={lower}"])
    entry = entry_of(word, lexicon)
    path = _clusters(word, entry, mode)
    # A capital, no capital, or a line whose letters tell nothing.
    capital = "A" if looks[0] == "X" else looks[0] if looks[0] in "lu" else "a"
    return Described(looks, _own(lower, looks, capital, entry, path), _near(lower, looks[0], entry, path))


def _own(lower: str, looks: str, capital: str, entry: Entry, path: str) -> list[str]:
    lists, common = entry.lists, entry.common + entry.capital
    found = ["b", f"h={looks}", f"w={lower}", f"w={lower}/{capital}", f"L={lists}/{capital}"]
    found += (f"s2={lower[-2:]}/{capital}", f"p2={lower[:2]}/{capital}", f"n={min(len(lower), 12)}/{capital}")
    if len(lower) > 3:
        found += (f"s3={lower[-3:]}/{capital}", f"p3={lower[:3]}/{capital}", f"s4={lower[-4:]}/{capital}")
    if path:
        found += (f"c4={path[:4]}", f"c6={path[:6]}", f"c8={path[:8]}", f"c10={path[:10]}", f"c={path}/{capital}")
    else:
        found.append(f"c0/{capital}")
    found += (f"k={common}/{capital}", f"k={entry.capital}/{looks}")
    for flag in lists:
        found += (f"l={flag}/{capital}", f"l={flag}{common}/{capital}")
    return found


def _near(lower: str, letter: str, entry: Entry, path: str) -> list[str]:
    found = [f"h={letter}", f"w={lower}", f"L={entry.lists}/{letter}"]
    if path:
        found += (f"c6={path[:6]}", f"c10={path[:10]}", f"c={path}")
    found += [f"l={flag}/{letter}" for flag in entry.lists]
    return found


def around(key: Around) -> list[str]:
    """The attributes of what a word stands among."""
    before, here, after, gap, then, mark = key
    found = [f"S{before} {here} {after}", f"S{before} {here}", f"S{here} {after}"]
    found += [f"G{gap} {here}", f"G{here} {then}", f"G{gap} {here} {then}"]
    if mark:
        found += [f"P{mark}/{here[0]}", f"P{mark}/{here[0]}/{before[0]}"]
    return found
