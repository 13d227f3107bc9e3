"""Of neighbours what goes out as it comes is what masking them together gives, however they are cut (decision 0022).

Each property was shown failing: the mutants are at the end.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails import live_row
from guardrails.live import MaskStream
from guardrails.seams import LONGEST, SHORT, Chains
from tests.properties.living import Living, arriving, bound, check_row, hurting, parts_of, prose, strict

LIVING = strict()
SPLIT = (
    *(("grace.hopper@", "example.com"), ("grace.hopper@exam", "ple.com"), ("grace.hopper", "@example.com")),
    *(("4111 1111", "1111 1111"), ("4111 1111 ", "1111 1111"), ("4111 1", "111 1111 1111"), ("536-22", "-1234")),
    *(("536-2", "2-1234"), ("DE89 3704 0044", "0532 0130 00"), ("DE89 3704 0044 0532 01", "30 00")),
)
"""Where both pieces say enough to be told from words that happen to stand beside a value (decision 0016)."""


@pytest.mark.parametrize("mixed", [False, True])
@settings(max_examples=40, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_the_pieces_joined_are_the_neighbours_masked_together(mixed: bool, random: Random) -> None:
    """Also: nothing that was sent at any time has a part of a masked value in it."""
    texts = parts_of(random, hurting(random, 60))
    check_row(LIVING, texts, arriving(random, texts, mixed=mixed))


@pytest.mark.parametrize(("before", "after"), SPLIT)
@pytest.mark.parametrize("size", [0, 300])
def test_a_value_that_is_cut_in_two_is_masked_in_both_texts(before: str, after: str, size: int) -> None:
    random = Random(before)
    texts = [f"{prose(random)[:size]} ask {before}", f"{after} then {prose(random)[:size]}."]
    parts = check_row(LIVING, texts, arriving(random, texts))
    sent = ["".join(piece for number, piece in parts.pieces if number == text) for text in (0, 1)]
    assert "ask <" in sent[0]
    assert "> then" in sent[1]
    assert sent[1].startswith("<")


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_over_a_boundary_no_more_is_held_than_its_bound(random: Random) -> None:
    """The end of a text and the beginning of the next, each as much as one text may hold, and what a chain has."""
    texts = parts_of(random, prose(random, 250))
    events = arriving(random, texts)
    pieces = [0]
    for _, piece in events:
        pieces.append(pieces[-1] + len(piece or ""))
    one = bound(LIVING, "".join(texts), pieces[1:])
    assert max(LIVING.row(events).held) <= 2 * one + LONGEST + SHORT


def test_a_long_text_goes_on_while_its_end_waits() -> None:
    """The end alone is held: not what came with it in one piece."""
    text = prose(Random(1))
    parts = LIVING.row([(0, text), (0, None)])
    before_close = [piece for _, piece in parts.pieces][:-1]
    assert len("".join(before_close)) > len(text) / 2


# The mutants


def differs(living: Living, seeds: range = range(60)) -> bool:
    """Whether any of some neighbours do not come out as masked together."""
    for seed in seeds:
        random = Random(seed)
        texts = parts_of(random, hurting(random, 60))
        try:
            check_row(living, texts, arriving(random, texts))
        except AssertionError:
            return True
    return False


def test_without_joining_the_boundaries_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: what is found over a boundary does not matter."""
    monkeypatch.setattr(live_row, "crossings", lambda *_: ())
    assert differs(LIVING)


def test_an_end_that_does_not_wait_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: a text goes out to its end when it is complete."""
    monkeypatch.setattr(MaskStream, "joined_after", property(lambda _: True, lambda *_: None))
    assert differs(LIVING)


def test_a_beginning_that_does_not_wait_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: the next text goes out as if it were alone."""
    monkeypatch.setattr(MaskStream, "joined_before", property(lambda _: True, lambda *_: None))
    assert differs(LIVING)


def test_other_seams_than_those_of_the_whole_texts_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: a chain of short texts does not go on."""

    def alone(self: Chains, index: int, text: str) -> list[object]:
        self.tail(index, text)
        return []

    monkeypatch.setattr(live_row, "Chains", type("Chains", (Chains,), {"__slots__": (), "add": alone}))
    assert differs(LIVING)
