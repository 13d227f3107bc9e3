"""The sequence model at run time: the weights of every key of a word added up, and the best path through the labels.

A conditional random field gives each label of each word a weight, and each pair of labels of two words another. Most
words of a text outweigh every transition with O, "no name": their label is certain whatever their neighbours have, and
the path is looked for only through the words between them. So the answer is exact, the cost linear, and the farthest
that a word's label depends on is the next certain word.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from guardrails.modules.names.attributes import DISTANCES, EDGE, Around, around, describe
from guardrails.modules.names.lexicon import Lexicon
from guardrails.modules.names.words import Mode, Words

FILE: Final = "model.gz"
UNIT: Final = 64
"""Weights are kept as whole numbers of this part of one."""
REMEMBERED: Final = 60_000
"""Keys whose weights are kept; over it all are forgotten before the next text."""
LABELS: Final = ("O", "B-P", "I-P", "B-L", "I-L", "B-O", "I-O")

EDGES: Final = 20.0
"""More than two transitions weigh."""

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """A trained model: the rows of attributes and their numbers, and what going from a label to a label weighs.

    A row of `here` has a weight for each label; a row of `near` one for each label at each of `DISTANCES`.
    """

    here: Mapping[str, int]
    near: Mapping[str, int]
    here_rows: Floats
    near_rows: Floats
    transitions: Floats


@dataclass(frozen=True, slots=True)
class Named:
    """Words `first` to `last` (not included) that the model takes for a name."""

    first: int
    last: int
    kind: str
    odds: float
    """How much the name outweighs the same words without one, as a logarithm."""


def parse(data: bytes) -> Weights:
    """Read a model's file: the names of attributes, one a line, then whole numbers of two bytes."""
    here_names, near_names, numbers = data.split(b"\0\0\0", 2)
    here, near_ = here_names.decode().split("\n"), near_names.decode().split("\n")
    count, width = len(LABELS), len(LABELS) * len(DISTANCES)
    values: Floats = np.frombuffer(numbers, "<i2").astype(np.float32) / np.float32(UNIT)
    cuts = (count * count, count * count + len(here) * count)
    return Weights(
        dict(zip(here, range(len(here)), strict=True)),
        dict(zip(near_, range(len(near_)), strict=True)),
        values[cuts[0] : cuts[1]].reshape(-1, count),
        values[cuts[1] :].reshape(-1, width),
        values[: cuts[0]].reshape(count, count),
    )


@cache
def shipped() -> Weights:
    """The model of this package."""
    return parse(gzip.decompress((files(__package__) / FILE).read_bytes()))


class _Table:
    """Rows of numbers that grow as new keys are met."""

    def __init__(self, width: int) -> None:
        self.rows = np.zeros((1024, width), np.float32)
        self.used = 0

    def add(self, row: Floats) -> int:
        if self.used == len(self.rows):
            self.rows = np.concatenate((self.rows, np.zeros_like(self.rows)))
        self.rows[self.used] = row
        self.used += 1
        return self.used - 1


class _Vocabulary:
    """The words met so far: what each weighs for itself and for its neighbours, and what else is asked of it."""

    def __init__(self, weights: Weights, lexicon: Lexicon) -> None:
        self._weights, self._lexicon = weights, lexicon
        self._ids: dict[Mode, dict[str, int]] = {"n": {}, "l": {}, "u": {}}
        self._table = _Table(len(LABELS) * (1 + len(DISTANCES)))
        self._around: dict[Around, int] = {}
        self._surroundings = _Table(len(LABELS))
        self.looks: list[str] = []
        self.begins: list[bool] = []
        self.edge = self._add(EDGE, "n")

    @property
    def full(self) -> bool:
        return self._table.used + self._surroundings.used > REMEMBERED

    def ids(self, words: Words) -> list[int]:
        known = self._ids
        found: list[int] = []
        for text, mode in zip(words.texts, words.modes, strict=True):
            number = known[mode].get(text)
            found.append(self._add(text, mode) if number is None else number)
        return found

    def _add(self, text: str, mode: Mode) -> int:
        known, described = self._weights, describe(text, mode, self._lexicon)
        here = [number for name in described.own if (number := known.here.get(name)) is not None]
        beside = [number for name in described.near if (number := known.near.get(name)) is not None]
        row = np.concatenate((known.here_rows[here].sum(axis=0), known.near_rows[beside].sum(axis=0)))
        self.looks.append(described.shape)
        self.begins.append(text.lower() in self._lexicon.phrases)
        number = self._ids[mode][text] = self._table.add(row)
        return number

    def words(self, ids: Sequence[int]) -> Floats:
        """The rows of words, with two edges on either side."""
        edges = [self.edge, self.edge]
        rows: Floats = self._table.rows[[*edges, *ids, *edges]]
        return rows

    def surroundings(self, keys: Iterable[Around]) -> Floats:
        """The rows of what words stand among."""
        known = self._around
        at = [known[key] if key in known else self._surrounding(key) for key in keys]
        rows: Floats = self._surroundings.rows[at]
        return rows

    def _surrounding(self, key: Around) -> int:
        known = self._weights
        here = [row for name in around(key) if (row := known.here.get(name)) is not None]
        number = self._around[key] = self._surroundings.add(known.here_rows[here].sum(axis=0))
        return number


def surroundings(words: Words, looks: Sequence[str], marks: Mapping[int, str]) -> Iterator[Around]:
    """For each word what it stands among."""
    before, gaps, last = EDGE, words.gaps, len(looks) - 1
    for at, look in enumerate(looks):
        after, then = (looks[at + 1], gaps[at + 1]) if at < last else (EDGE, 3)
        yield before, look, after, gaps[at], then, marks.get(at, "")
        before = look


def marks(words: Words, begins: Iterable[int], lexicon: Lexicon) -> dict[int, str]:
    """The marks of words that are part of a name of several words; `begins` are the places where one may begin."""
    found: dict[int, str] = {}
    for at in begins:
        if at not in found:
            new = lexicon.marks(words.texts, at)
            if new and all(gap < 2 for gap in words.gaps[at + 1 : at + len(new)]):
                found.update(zip(range(at, at + len(new)), new, strict=True))
    return found


class Tagger:
    """Finds names among words. Not safe for several threads."""

    def __init__(self, weights: Weights, lexicon: Lexicon, bias: float = 0.0) -> None:
        """`bias` is added to whatever is no name: below zero more is found."""
        self._weights, self._lexicon, self._bias = weights, lexicon, bias
        self._vocabulary = _Vocabulary(weights, lexicon)
        self._transitions = weights.transitions
        self._steps: list[list[float]] = weights.transitions.T.tolist()
        self._most = _most(weights.transitions)

    def names(self, words: Words) -> list[Named]:
        """The names among the words, in order."""
        return [named for path, first, emissions in self._paths(words) for named in self._spans(path, first, emissions)]

    def _paths(self, words: Words) -> Iterator[tuple[list[int], int, Floats]]:
        """The labels of each run of words that may be part of a name, the place of its first, and all emissions."""
        if not words.texts:
            return
        if self._vocabulary.full:
            self._vocabulary = _Vocabulary(self._weights, self._lexicon)
        emissions = self._emissions(words)
        for first, last in self._open(emissions):
            path = self._path(emissions[first:last].tolist(), begins=first == 0, ends=last == len(words.texts))
            yield path, first, emissions

    def _open(self, emissions: Floats) -> Iterator[tuple[int, int]]:
        """The runs of words that may be part of a name; all others have the label O, whatever their neighbours have.

        A name has to outweigh O as a whole, so each of its words lies in a run whose words together may gain by not
        being O: the largest sum of a run through each word, from the sums of all words up to it.
        """
        gains = (emissions[:, 1:] - emissions[:, :1] + self._most).max(axis=1).astype(np.float64)
        # Nothing goes before the first word and after the last, which can cost nothing then.
        gains[0] += EDGES
        gains[-1] += EDGES
        sums = np.cumsum(gains)
        before = np.minimum.accumulate(np.concatenate(([0.0], sums[:-1])))
        after = np.maximum.accumulate(sums[::-1])[::-1]
        places = np.flatnonzero(after - before >= 0)
        if len(places):
            breaks = np.flatnonzero(np.diff(places) > 1)
            firsts = [int(places[0]), *(int(places[at + 1]) for at in breaks)]
            lasts = [*(int(places[at]) for at in breaks), int(places[-1])]
            yield from ((first, last + 1) for first, last in zip(firsts, lasts, strict=True))

    def _emissions(self, words: Words) -> Floats:
        vocabulary, width = self._vocabulary, len(LABELS)
        ids = vocabulary.ids(words)
        rows = vocabulary.words(ids)
        count, edges = len(ids), max(DISTANCES)
        emissions = rows[edges : edges + count, :width].copy()
        for slot, distance in enumerate(DISTANCES, 1):
            begin = edges + distance
            emissions += rows[begin : begin + count, slot * width : (slot + 1) * width]
        looks = [vocabulary.looks[number] for number in ids]
        begins = (at for at, number in enumerate(ids) if vocabulary.begins[number])
        found = marks(words, begins, self._lexicon)
        emissions += vocabulary.surroundings(surroundings(words, looks, found))
        emissions[:, 0] += self._bias
        return emissions

    def _path(self, emissions: list[list[float]], *, begins: bool, ends: bool) -> list[int]:
        """The best labels for a run of words between two whose label is O."""
        steps = self._steps
        scores = emissions[0] if begins else [e + step[0] for e, step in zip(emissions[0], steps, strict=True)]
        back: list[list[int]] = []
        for row in emissions[1:]:
            froms: list[int] = []
            new: list[float] = []
            for weight, step in zip(row, steps, strict=True):
                sums = [score + moved for score, moved in zip(scores, step, strict=True)]
                best = max(sums)
                froms.append(sums.index(best))
                new.append(best + weight)
            back.append(froms)
            scores = new
        if not ends:
            scores = [score + moved for score, moved in zip(scores, steps[0], strict=True)]
        path = [scores.index(max(scores))]
        for froms in reversed(back):
            path.append(froms[path[-1]])
        return path[::-1]

    def _spans(self, path: list[int], offset: int, emissions: Floats) -> list[Named]:
        found: list[Named] = []
        at = 0
        while at < len(path):
            label = path[at]
            if not label:
                at += 1
                continue
            kind = (label + 1) // 2
            last = at + 1
            while last < len(path) and path[last] == 2 * kind:
                last += 1
            found.append(
                Named(offset + at, offset + last, LABELS[label][-1], self._odds(path, at, last, offset, emissions))
            )
            at = last
        return found

    def _odds(self, path: list[int], first: int, last: int, offset: int, emissions: Floats) -> float:
        chosen = [0, *path[first:last], 0]
        gain = sum(float(self._transitions[a, b]) for a, b in pairwise(chosen))
        gain -= float(self._transitions[0, 0]) * (len(chosen) - 1)
        for at in range(first, last):
            gain += float(emissions[offset + at, path[at]] - emissions[offset + at, 0])
        return gain


def _most(transitions: Floats) -> Floats:
    """What going into and out of each label but O gains at most against staying in O.

    Every transition is shared out between the two words it joins: what a label has for going out is what it costs to go
    to O from it, what it has for coming in is what is left of the dearest transition into it.
    """
    gains = transitions - transitions[0, 0]
    out = gains[1:, 0]
    into = np.maximum(gains[0, 1:], (gains[1:, 1:] - out[:, None]).max(axis=0))
    most: Floats = (into + out).astype(np.float32)
    return most
