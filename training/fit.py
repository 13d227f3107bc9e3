"""Trains the sequence model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pycrfsuite

from guardrails.modules.names.attributes import DISTANCES, EDGE, Described, around, describe
from guardrails.modules.names.lexicon import Lexicon
from guardrails.modules.names.tagger import LABELS, UNIT, marks, surroundings
from guardrails.modules.names.words import Mode, Words

Weights: TypeAlias = Mapping[tuple[str, str], float]

PARAMETERS = {"c1": 0.15, "c2": 0.02, "max_iterations": 80, "feature.minfreq": 2.0}


def attributes(words: Words, lexicon: Lexicon, known: dict[tuple[str, Mode], Described]) -> list[list[str]]:
    """The attributes of each word, those of its neighbours with their distance before them; `known` is filled."""
    edges: list[tuple[str, Mode]] = [(EDGE, "n")] * max(DISTANCES)
    padded = [*edges, *zip(words.texts, words.modes, strict=True), *edges]
    for text, mode in padded:
        if (text, mode) not in known:
            known[text, mode] = describe(text, mode, lexicon)
    described = [known[key] for key in padded]
    looks = [one.shape for one in described[len(edges) : -len(edges)]]
    found = []
    for at, key in enumerate(surroundings(words, looks, marks(words, range(len(looks)), lexicon)), len(edges)):
        here = [*(f"0{name}" for name in described[at].own), *around(key)]
        for distance in DISTANCES:
            here += [f"{distance}n{name}" for name in described[at + distance].near]
        found.append(here)
    return found


def train(sequences: Iterable[tuple[Words, list[str]]], lexicon: Lexicon, **changed: float) -> tuple[Weights, Weights]:
    """The weights of attributes and of transitions."""
    trainer = pycrfsuite.Trainer(verbose=False)
    trainer.select("lbfgs")
    trainer.set_params({**PARAMETERS, **changed})
    known: dict[tuple[str, Mode], Described] = {}
    for words, labels in sequences:
        trainer.append(attributes(words, lexicon, known), labels)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model")
        trainer.train(path)
        tagger = pycrfsuite.Tagger()
        tagger.open(path)
        info = tagger.info()
        return dict(info.state_features), dict(info.transitions)


def pack(states: Weights, transitions: Weights) -> bytes:
    """The model's file, before it is compressed: what rounds to nothing is left out."""
    count = len(LABELS)
    slots = {str(distance): number for number, distance in enumerate(DISTANCES)}
    here: dict[str, list[int]] = {}
    beside: dict[str, list[int]] = {}
    for (attribute, label), weight in sorted(states.items()):
        whole = round(weight * UNIT)
        if not whole:
            continue
        slot, _, name = attribute.partition("n")
        if slot in slots:
            row = beside.setdefault(name, [0] * (count * len(DISTANCES)))
            row[LABELS.index(label) + slots[slot] * count] = whole
        else:
            here.setdefault(attribute.removeprefix("0"), [0] * count)[LABELS.index(label)] = whole
    numbers = [round(transitions.get((a, b), 0.0) * UNIT) for a in LABELS for b in LABELS]
    for rows in (here, beside):
        numbers += [weight for name in sorted(rows) for weight in rows[name]]
    names = ("\n".join(sorted(rows)).encode() for rows in (here, beside))
    return b"\0\0\0".join((*names, np.array(numbers, "<i2").tobytes()))
