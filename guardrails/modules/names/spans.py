"""From the names the model sees to the places reported: parts of addresses, bounds of names, other mentions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from guardrails.modules.names.lexicon import Lexicon
from guardrails.modules.names.tagger import Named
from guardrails.modules.names.words import OPAQUE, Words

ENTITIES: Final = {"P": "PERSON", "L": "LOCATION", "O": "ORGANIZATION"}
HIGHEST: Final = 0.7
"""The score of a name that is certain: less than a pattern gives a number it checks, so numbers keep their kind."""
MOST_WORDS: Final = 40
"""Of a name or an address; what is longer is none."""
LONGEST_WORD: Final = 30
"""Letters; what is longer is a sequence of another kind."""
MONTHS: Final = 0.68
"""The least score of a name that is also a month's."""
ROW_OF_NAMES: Final = 4
"""Words from which on a name is more likely several."""
NEAR: Final = 4
"""Words and signs between the parts of an address on lines of their own."""
MOST_ALIKE: Final = 16
"""Names that begin with the same word and are looked for in the rest of the text."""
SURE: Final = 0.6
"""From this score on a name is looked for in the rest of the text."""

# What separates two names in what the model took for one; the full stop of "J." is part of a word.
_MARKS: Final = {"L": ",;", "P": '.;:!?()/"'}
# A year has four digits.
_LONG_NUMBER = re.compile(r"[0-9]{5,6}")
_SHORT_NUMBER = re.compile(r"[0-9]{1,4}")
_COMPANY = re.compile(r"(?:inc|ltd|llc|llp|plc|gmbh|ag|corp|co|s\.a|b\.v|pty|kg)\.?", re.IGNORECASE)
_DEGREE = re.compile(r"m\.?d\.?|ph\.?d\.?|d\.?d\.?s\.?|dvm|esq\.?|jr\.?|sr\.?|ii|iii|iv", re.IGNORECASE)
_POSTCODE = re.compile(r"\d{4,6}")
_NUMBER = re.compile(r"[\d\W_]+")


@dataclass(frozen=True, slots=True)
class Mention:
    """Words `first` to `last` (not included), what they name and how sure that is."""

    first: int
    last: int
    entity: str
    score: float


def score(odds: float) -> float:
    """The score of a name that outweighs no name by `odds`."""
    return round(HIGHEST / (1 + math.exp(-max(min(odds, 30.0), -30.0))), 3)


def mentions(words: Words, named: Sequence[Named], lexicon: Lexicon) -> Iterator[Mention]:
    """What to report of the names the model sees."""
    for at, name in enumerate(named):
        if name.last - name.first > MOST_WORDS or not (_says(words, name) or _beside_a_place(words, named, at)):
            continue
        entity, sure = ENTITIES[name.kind], score(name.odds)
        for first, last in _parts(words, name):
            if first == last or _plain(words, first, last, lexicon) or _month(words, first, last, sure, lexicon):
                continue
            cuts = _persons(words, first, last, lexicon) if name.kind == "P" else ()
            for begin, end in pairwise((first, *cuts, last)):
                yield from _reported(words, Mention(begin, end, entity, sure))


def _persons(words: Words, first: int, last: int, lexicon: Lexicon) -> Iterator[int]:
    """Where another person begins in a row of names with nothing between them: two names, and then a given one."""
    start = first
    for at in range(first + 2, last if last - first >= ROW_OF_NAMES else 0):
        text, before = words.texts[at], words.texts[at - 1]
        given = text.isalpha() and "g" in lexicon.entry(text.lower()).lists
        if at - start >= 2 and given and not {"s", "t"}.isdisjoint(lexicon.entry(before.lower()).lists):
            yield at
            start = at


def _plain(words: Words, first: int, last: int, lexicon: Lexicon) -> bool:
    """Whether these are words in small letters that hardly anybody writes otherwise: `len`, `gateway`."""
    return all(text.islower() and lexicon.entry(text).capital in ("0", "1") for text in words.texts[first:last])


def _month(words: Words, first: int, last: int, sure: float, lexicon: Lexicon) -> bool:
    """Whether this is but the name of a month or a day; some are given names, too."""
    return last - first == 1 and "m" in lexicon.entry(words.texts[first].lower()).lists and sure < MONTHS


def _reported(words: Words, part: Mention) -> Iterator[Mention]:
    """A part, with the degree or legal form that stands behind it, and the numbers that stand beside a place."""
    texts, first, last = words.texts, part.first, part.last
    number = _NUMBER.fullmatch("".join(texts[first:last]))
    after = texts[last] if last < len(texts) and words.gaps[last] == 1 else ""
    if (part.entity == "PERSON" and _DEGREE.fullmatch(after)) or (
        part.entity == "ORGANIZATION" and _COMPANY.fullmatch(after)
    ):
        part = replace(part, last=last + 1)
    if not number:
        yield part
    elif part.entity == "LOCATION":
        # The number of a house or a post office may as well be another one.
        yield replace(part, score=part.score / 2)
    if part.entity == "LOCATION" and not number:
        if _LONG_NUMBER.fullmatch(after):
            yield Mention(last, last + 1, part.entity, part.score / 2)
        numbered = any(map(str.isdigit, texts[first:last]))
        if numbered and first and words.gaps[first] == 1 and _SHORT_NUMBER.fullmatch(texts[first - 1]):
            yield Mention(first - 1, first, part.entity, part.score / 2)


def _says(words: Words, name: Named) -> bool:
    """Whether one of the words is more than a number, a code or a sign: no name is without one."""
    return any(map(_is_word, words.texts[name.first : name.last]))


def _is_word(text: str) -> bool:
    return (
        len(text) <= LONGEST_WORD
        and text[-2:-1].isalpha()
        and text.replace("-", "").replace("'", "").replace("\u2019", "").rstrip(".").isalpha()
    )


def _beside_a_place(words: Words, named: Sequence[Named], at: int) -> bool:
    """Whether numbers stand by a place, as a postal code does on a line of its own."""
    here = named[at]
    if here.kind != "L":
        return False
    before = at > 0 and named[at - 1].kind == "L" and here.first - named[at - 1].last <= NEAR
    after = at + 1 < len(named) and named[at + 1].kind == "L" and named[at + 1].first - here.last <= NEAR
    return (before and _says(words, named[at - 1])) or (after and _says(words, named[at + 1]))


def _parts(words: Words, name: Named) -> Iterator[tuple[int, int]]:
    """A name in the parts that line ends make, and an address also commas, and a person what ends a sentence."""
    texts, start = words.texts, name.first
    marks = _MARKS.get(name.kind, "")
    for at in range(name.first, name.last):
        mark = texts[at] in marks
        code = name.kind == "L" and at == name.last - 1 and _POSTCODE.fullmatch(texts[at]) is not None
        if mark or (at > start and (words.gaps[at] >= 2 or code)):
            yield _trimmed(words, start, at)
            start = at + 1 if mark else at
    yield _trimmed(words, start, name.last)


def _trimmed(words: Words, first: int, last: int) -> tuple[int, int]:
    """Without punctuation and possessives at either end, and a person without what he is called before his name."""
    texts = words.texts
    while first < last and not (texts[first][0].isalnum() or texts[first] == "#"):
        first += 1
    while last > first and (not texts[last - 1][0].isalnum() or texts[last - 1] == OPAQUE):
        last -= 1
    return first, last


def again(words: Words, found: Sequence[Mention], lexicon: Lexicon) -> Iterator[Mention]:
    """Other mentions of those that a text surely names: what is masked in one place is masked in every other."""
    known = _known(words, found, lexicon)
    if not known:
        return
    taken = bytearray(len(words.texts))
    for mention in found:
        taken[mention.first : mention.last] = b"\1" * (mention.last - mention.first)
    done = 0
    for at, text in enumerate(words.texts):
        if at < done or text not in known:
            continue
        for name, mention in known[text].items():
            last = at + len(name)
            if words.texts[at:last] == list(name) and not any(taken[at:last]):
                yield replace(mention, first=at, last=last)
                done = last
                break


def _known(words: Words, found: Sequence[Mention], lexicon: Lexicon) -> dict[str, dict[tuple[str, ...], Mention]]:
    """By its first word: the names that a text surely has, the longest first, and who or what each is."""
    names: dict[tuple[str, ...], Mention] = {}
    for mention in found:
        if mention.score >= SURE and words.modes[mention.first] == "n":
            parts = tuple(words.texts[mention.first : mention.last])
            for name in (parts, *((part,) for part in parts if mention.entity == "PERSON")):
                if _telling(name, lexicon):
                    names.setdefault(name, mention)
    known: dict[str, dict[tuple[str, ...], Mention]] = {}
    for name in sorted(names, key=lambda name: (-len(name), name)):
        alike = known.setdefault(name[0], {})
        # A lone word is always kept: it is what is found of any longer name that begins with it.
        if len(alike) < MOST_ALIKE or len(name) == 1:
            alike[name] = names[name]
    return known


def _telling(name: tuple[str, ...], lexicon: Lexicon) -> bool:
    """Whether the words can hardly mean anything else."""
    if len(name) > 1:
        return all(len(part) > 1 or not part.isalpha() for part in name) and name[0][0].isupper()
    word = name[0]
    if len(word) < 3 or not word[0].isupper() or not word.isalpha():
        return False
    return lexicon.entry(word.lower()).capital not in ("0", "1", "2")
