"""The model's labels are the best ones there are, and what is shipped can be read."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from guardrails.modules.names import lexicon, tagger
from guardrails.modules.names.tagger import LABELS, UNIT, Tagger, parse
from guardrails.modules.names.words import Cutter, Words
from training.corpus import Row, Span, sequences
from training.fit import Weights, attributes, pack, train

GIVEN = ("Ada", "Grace", "Alan", "Mary", "mark", "Will")
SURNAMES = ("Lovelace", "Hopper", "Turing", "Shelley")
PLACES = ("London", "New York", "Paris")
SENTENCES = (
    "{} {} lives in {}",
    "I met {} {}",
    "{1} went to {2} , he said",
    "the {} of nothing",
    "{2} is large",
    "will you mark it",
)
LEXICON = lexicon.parse(
    "ada\ngrace\nlondon\nmark\nnew\0g\t4\t1\t\ta\tb\ng\t\t\t\t\t\np\t4\t2\tff\t\t\ngs\t2\t2\t1\t2\t3\n\t1\t3\t\t\t\0P new york"
)


def rows(seed: int, count: int) -> list[Row]:
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        given, surname, place = draw.choice(GIVEN), draw.choice(SURNAMES), draw.choice(PLACES)
        text = draw.choice(SENTENCES).format(given, surname, place)
        person = f"{given} {surname}" if f"{given} {surname}" in text else surname
        values = ((person, "PERSON"), (place, "LOCATION"))
        spans = [Span(text.find(v), text.find(v) + len(v), kind) for v, kind in values if v in text]
        made.append(Row(text, tuple(spans)))
    return made


@pytest.fixture(scope="module")
def weights() -> tuple[Weights, Weights]:
    return train(sequences(rows(1, 200)), LEXICON, max_iterations=30, **{"feature.minfreq": 0})


def labels(tag: Tagger, words: Words) -> list[int]:
    found = [0] * len(words.texts)
    for path, first, _ in tag._paths(words):
        found[first : first + len(path)] = path
    return found


def emissions(words: Words, states: Weights) -> list[list[float]]:
    """What each label of each word weighs, added up anew, in the file's whole numbers."""
    return [
        [sum(round(states.get((name, label), 0.0) * UNIT) for name in names) / UNIT for label in LABELS]
        for names in attributes(words, LEXICON, {})
    ]


def best(words: Words, states: Weights, transitions: Weights, bias: float) -> float:
    """The weight of the best path, over all words and labels, with nothing left out."""
    moved = [[round(transitions.get((a, b), 0.0) * UNIT) / UNIT for b in LABELS] for a in LABELS]
    scores: list[float] | None = None
    for row in emissions(words, states):
        row[0] += bias
        scores = (
            row
            if scores is None
            else [max(s + moved[a][b] for a, s in enumerate(scores)) + row[b] for b in range(len(LABELS))]
        )
    return max(scores or [0.0])


def weight(path: list[int], words: Words, states: Weights, transitions: Weights, bias: float) -> float:
    total = sum(
        row[label] + (bias if label == 0 else 0) for row, label in zip(emissions(words, states), path, strict=True)
    )
    return total + sum(round(transitions.get((LABELS[a], LABELS[b]), 0.0) * UNIT) / UNIT for a, b in pairwise(path))


@pytest.mark.parametrize("bias", [0.0, -2.0, 3.0])
def test_no_path_weighs_more_than_the_one_that_is_reported(weights: tuple[Weights, Weights], bias: float) -> None:
    states, transitions = weights
    tag = Tagger(parse(pack(states, transitions)), LEXICON, bias)
    some = 0
    for row in rows(2, 150):
        words = Cutter().words(f"{row.text}\n\n{row.text.lower()} mark , {row.text}")
        path = labels(tag, words)
        assert weight(path, words, states, transitions, bias) == pytest.approx(
            best(words, states, transitions, bias), abs=1e-3
        )
        some += sum(label > 0 for label in path)
    assert some > 100


def test_words_that_are_certainly_no_names_are_skipped(weights: tuple[Weights, Weights]) -> None:
    tag = Tagger(parse(pack(*weights)), LEXICON)
    words = Cutter().words("nothing , he said " * 50 + "Ada Lovelace" + " nothing , he said" * 50)
    assert 0 < sum(len(path) for path, _, _ in tag._paths(words)) < 40


def test_names_are_the_runs_of_labels_with_how_much_they_outweigh_none(weights: tuple[Weights, Weights]) -> None:
    tag = Tagger(parse(pack(*weights)), LEXICON)
    words = Cutter().words("I met Ada Lovelace\nNew York is large")
    named = tag.names(words)
    assert [(words.texts[n.first : n.last], n.kind) for n in named] == [
        (["Ada", "Lovelace"], "P"),
        (["New", "York"], "L"),
    ]
    assert all(n.odds > 0 for n in named)


def test_the_same_weights_make_the_same_bytes(weights: tuple[Weights, Weights]) -> None:
    states, transitions = weights
    assert pack(dict(reversed(states.items())), dict(reversed(transitions.items()))) == pack(states, transitions)


def test_what_is_remembered_is_bounded_and_forgetting_changes_nothing(
    weights: tuple[Weights, Weights], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [Cutter().words(row.text) for row in rows(3, 20)]
    tag = Tagger(parse(pack(*weights)), LEXICON)
    remembered = [tag.names(one) for one in words]
    monkeypatch.setattr(tagger, "REMEMBERED", 0)
    assert [tag.names(one) for one in words] == remembered


def test_the_shipped_files_can_be_read_and_know_common_names() -> None:
    shipped = lexicon.shipped()
    assert len(shipped.words) > 100_000
    assert "g" in shipped.entry("maria").lists
    assert "p" in shipped.entry("lisbon").lists
    assert shipped.entry("the").capital in ("0", "1")
    assert shipped.marks(["New", "Zealand"], 0) == ["bP", "iP"]
    assert tagger.shipped().transitions.shape == (len(LABELS), len(LABELS))
    assert "software engineer" in lexicon.jobs()
