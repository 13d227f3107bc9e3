"""Makes the lexicon: one line for each word, and the names of several words."""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import cast

import orjson

from guardrails.modules.names.words import Cutter
from training import sources, words

RAREST = -17.5
"""The natural logarithm of the frequency from which on a word's cluster is known."""
PLAIN = -14.0
"""The same for words that texts without names are made of."""
COMMON = (-14.0, -12.0, -10.0)
CAPITAL = (0.1, 0.4, 0.7, 0.93)
FREQUENT_SURNAMES, ALL_SURNAMES = 8_000, 60_000
LARGE = 100_000
SINGLE_FROM, SEVERAL_FROM = 2_000, 5_000
"""Inhabitants of places whose name is one word, and several."""

_WORD = re.compile(r"[^\W\d_]+(?:['.-][^\W\d_]+)*\.?")
_SOURCE = "spacy_lookups_data"


def _table(name: str) -> dict[str, float]:
    raw = (files(_SOURCE) / "data" / name).read_bytes()
    return cast("dict[str, float]", orjson.loads(gzip.decompress(raw)))


def _flagged() -> Iterator[tuple[str, str]]:
    """The lists' letters and the words on them."""
    first, last = sources.census_names()
    given = (*sources.given_names().values(), first)
    yield from (("g", part) for names in given for name in names for part in name.split(" "))
    surnames = sources.surnames().values()
    yield from (("s", part) for names in surnames for name in names for part in name.split(" "))
    yield from (("s" if rank < FREQUENT_SURNAMES else "t", name) for rank, name in enumerate(last[:ALL_SURNAMES]))
    for name, people in (*((city[0], city[1]) for city in sources.cities()), *sources.other_names()):
        yield from _place(name, people)
    yield from (("c", name) for name in (*sources.countries(), *sources.states()) if " " not in name)
    yield from ((flag, name) for flag, names in words.LISTS.items() for name in names)
    yield from (("l", name) for name in sources.street_words())


def _place(name: str, people: int) -> Iterator[tuple[str, str]]:
    if " " not in name and people >= SINGLE_FROM:
        yield ("p" if people >= LARGE else "q"), name
    elif people >= SEVERAL_FROM * 4:
        yield from (("a", part) for part in name.split(" ") if part[:1].isupper())


def _listed() -> dict[str, set[str]]:
    """The lists each word is on."""
    found: dict[str, set[str]] = {}
    for flag, word in _flagged():
        if len(word) > 1:
            found.setdefault(word.lower(), set()).add(flag)
    for flags in found.values():
        # The frequent surname, the large place.
        flags -= {"t"} if "s" in flags else set()
        flags -= {"q"} if "p" in flags else set()
    return found


def _phrases() -> list[str]:
    places = {name for name, people, *_ in sources.cities() if people >= SEVERAL_FROM}
    places.update(name for name, people in sources.other_names() if people >= LARGE * 5)
    places.update((*sources.countries(), *sources.states(), *words.PLACES))
    organisations = {*sources.companies(), *words.ORGANISATIONS}
    found = {f"P {name.lower()}" for name in places if 2 <= len(name.split(" ")) <= 5}
    found |= {f"O {name.lower()}" for name in organisations if 2 <= len(name.split(" ")) <= 6}
    return sorted(found)


def make() -> str:
    """The text of the lexicon."""
    clusters, frequencies = _table("en_lexeme_cluster.json.gz"), _table("en_lexeme_prob.json.gz")
    listed = _listed()
    known = {w.lower() for w, c in clusters.items() if c and frequencies.get(w, -99) > RAREST and _WORD.fullmatch(w)}
    keys, known_of = [], []
    for word in sorted(known | set(listed)):
        forms = (word, word[:1].upper() + word[1:], word.upper())
        often = [math.exp(frequencies[form]) if form in frequencies else 0.0 for form in forms]
        lists = listed.get(word, set())
        total = sum(often)
        capital = common = ""
        if total:
            capital = str(sum((often[1] + often[2]) / total >= least for least in CAPITAL))
            common = str(sum(math.log(total) >= least for least in COMMON))
        paths = [f"{int(clusters.get(form, 0)):x}" if word in known and clusters.get(form) else "" for form in forms]
        if len(word) == 1:
            paths[2] = paths[1]
        keys.append(word)
        known_of.append("\t".join(("".join(sorted(lists)), capital, common, *paths)))
    return "\0".join("\n".join(lines) for lines in (keys, known_of, _phrases()))


def pack(content: str | bytes) -> bytes:
    """The same content always as the same bytes."""
    data = content.encode() if isinstance(content, str) else content
    return gzip.compress(data, 9, mtime=0)


def jobs() -> str:
    """The occupations, as the module's words joined by spaces."""
    cutter = Cutter()
    found: set[str] = set()
    for job in (*sources.jobs(), *words.JOBS):
        parts = [part.strip() for part in job.split(",")]
        forms = {job, parts[0], " ".join(reversed(parts)) if len(parts) == 2 else job}
        for form in forms:
            for alternative in (form, *form.split("/")):
                found.add(" ".join(cutter.words(alternative.lower()).texts))
    return "\n".join(sorted(form for form in found if len(form) > 2))


def plain_words() -> list[str]:
    """Common words that are in no list, the most common first."""
    frequencies, listed = _table("en_lexeme_prob.json.gz"), _listed()
    words_ = [
        w for w in frequencies if w.isascii() and w.isalpha() and w.islower() and 2 < len(w) < 13 and w not in listed
    ]
    plain = [w for w in words_ if frequencies[w] > PLAIN and frequencies[w] > frequencies.get(w.title(), -99) + 1]
    return sorted(plain, key=lambda word: (-frequencies[word], word))
