"""What is known of words before any text is read: lists of names and places, capitals, frequency, clusters.

The file is made by `make model`: words in lower case, then what is known of each, between tabs: letters for the lists
it is in, a digit for how often it is written with a capital, one for how common it is, and the clusters of the word as
`word`, `Word` and `WORD`: paths in a tree, in hexadecimal, the first step lowest. Words that behave alike are in one
cluster, or in near ones.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

FILE: Final = "lexicon.txt.gz"
JOBS: Final = "jobs.txt.gz"
LONGEST: Final = 6
"""Words of the longest name that is known as a whole."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one word."""

    lists: str = ""
    """g given name, s and t surname (frequent, rare), p and q place (large, small), a part of a place's name,
    c country or state, n a nation's or religion's word, l street, o organisation, h title, m month or day."""
    capital: str = ""
    """0 hardly ever to 4 nearly always written with a capital; empty if nothing is known."""
    common: str = ""
    """0 rare to 3 very common; empty if nothing is known."""
    clusters: tuple[str, str, str] = ("", "", "")
    """Paths in a tree of clusters, of the word in lower case, with a capital, in capitals."""


NOTHING: Final = Entry()


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words, and names of several words."""

    words: dict[str, str]
    phrases: dict[str, list[tuple[str, ...]]]
    """By its first word: the rest of each name of several words, the longest first, and last its kind: P or O."""

    def marks(self, texts: list[str], at: int) -> list[str]:
        """The marks of the words of the longest name that begins at one of some words: b and its kind, then i."""
        known = self.phrases.get(texts[at].lower())
        if known is None:
            return []
        following = [text.lower() for text in texts[at + 1 : at + LONGEST]]
        for *rest, kind in known:
            if following[: len(rest)] == rest:
                return [f"b{kind}", *([f"i{kind}"] * len(rest))]
        return []

    def entry(self, word: str) -> Entry:
        """What is known of a word in lower case."""
        line = self.words.get(word)
        if line is None:
            return NOTHING
        lists, capital, common, *clusters = line.split("\t")
        lower, title, upper = (bin(int(cluster, 16))[:1:-1] if cluster else "" for cluster in clusters)
        return Entry(lists, capital, common, (lower, title, upper))


def parse(text: str) -> Lexicon:
    """Read a lexicon: its words, what is known of each, and names of several words, each a line."""
    words, known, names = text.split("\0")
    phrases: dict[str, list[tuple[str, ...]]] = {}
    for line in names.split("\n"):
        kind, _, phrase = line.partition(" ")
        first, *more = phrase.split(" ")
        phrases.setdefault(first, []).append((*more, kind))
    for endings in phrases.values():
        endings.sort(key=lambda ending: (-len(ending), ending))
    return Lexicon(dict(zip(words.split("\n"), known.split("\n"), strict=True)), phrases)


@cache
def shipped() -> Lexicon:
    """The lexicon of this package; takes a tenth of a second, once."""
    return parse(gzip.decompress((files(__package__) / FILE).read_bytes()).decode())


@cache
def jobs() -> frozenset[str]:
    """Occupations, in lower case and with single spaces between words and punctuation."""
    text = gzip.decompress((files(__package__) / JOBS).read_bytes()).decode()
    return frozenset(text.split("\n"))
