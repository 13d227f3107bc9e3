"""Overlapping findings become one list that covers the same characters."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.findings import Finding, resolve


def finding(start: int, end: int, score: float = 0.5, entity: str = "A") -> Finding:
    return Finding(start, end, entity, score, "m")


def plain(findings: list[Finding]) -> list[tuple[int, int, str]]:
    return [(f.start, f.end, f.entity) for f in findings]


def test_findings_that_do_not_overlap_are_sorted_and_kept() -> None:
    assert plain(resolve([finding(5, 7), finding(0, 3), finding(3, 5)])) == [(0, 3, "A"), (3, 5, "A"), (5, 7, "A")]


def test_nothing_found_resolves_to_nothing() -> None:
    assert resolve([]) == []


def test_a_finding_of_no_characters_is_dropped() -> None:
    assert resolve([finding(3, 3)]) == []


def test_the_higher_score_keeps_its_whole_span_and_the_rest_stays_the_losers() -> None:
    low, high = finding(0, 10, 0.4, "LOW"), finding(4, 6, 0.9, "HIGH")
    assert plain(resolve([low, high])) == [(0, 4, "LOW"), (4, 6, "HIGH"), (6, 10, "LOW")]


def test_of_equal_scores_the_longer_wins() -> None:
    assert plain(resolve([finding(0, 5, entity="SHORT"), finding(3, 10, entity="LONG")])) == [
        (0, 3, "SHORT"),
        (3, 10, "LONG"),
    ]


def test_of_equal_scores_and_lengths_the_earlier_wins() -> None:
    assert plain(resolve([finding(3, 8, entity="B"), finding(0, 5, entity="A")])) == [(0, 5, "A"), (5, 8, "B")]


def test_of_the_same_span_the_entity_that_sorts_first_wins() -> None:
    assert plain(resolve([finding(0, 5, entity="B"), finding(0, 5, entity="A")])) == [(0, 5, "A")]


def test_neighbouring_findings_are_not_joined() -> None:
    assert len(resolve([finding(0, 7), finding(8, 15), finding(0, 7)])) == 2


def test_a_rest_without_letter_or_digit_is_dropped_when_the_text_is_known() -> None:
    found = [finding(0, 8, 0.4, "LOW"), finding(2, 6, 0.9, "HIGH")]
    assert plain(resolve(found, "<<abcd>>")) == [(2, 6, "HIGH")]
    assert plain(resolve(found, "<1abcd>>")) == [(0, 2, "LOW"), (2, 6, "HIGH")]


def test_a_whole_finding_without_letter_or_digit_stays() -> None:
    assert len(resolve([finding(0, 3), finding(2, 5, 0.9)], "*****")) == 1
    assert len(resolve([finding(0, 3)], "***")) == 1


SPANS = st.tuples(st.integers(0, 30), st.integers(1, 12), st.sampled_from([0.3, 0.5, 1.0]), st.sampled_from("ABC"))


@settings(max_examples=200, deadline=None)
@given(st.lists(SPANS, max_size=12))
def test_no_covered_character_becomes_uncovered_and_none_is_covered_twice(
    drawn: list[tuple[int, int, float, str]],
) -> None:
    found = [finding(start, start + length, score, entity) for start, length, score, entity in drawn]
    resolved = resolve(found)
    covered = [at for f in resolved for at in range(f.start, f.end)]
    assert covered == sorted(set(covered))
    assert set(covered) == {at for f in found for at in range(f.start, f.end)}


@settings(max_examples=200, deadline=None)
@given(st.lists(SPANS, max_size=12))
def test_every_character_belongs_to_the_highest_ranked_finding_over_it(
    drawn: list[tuple[int, int, float, str]],
) -> None:
    found = [finding(start, start + length, score, entity) for start, length, score, entity in drawn]
    for piece in resolve(found):
        over = [f for f in found if f.start <= piece.start and piece.end <= f.end]
        best = min(over, key=lambda f: (-f.score, f.start - f.end, f.start, f.entity))
        assert (piece.entity, piece.score) == (best.entity, best.score)


def test_ten_thousand_long_overlapping_findings_resolve_in_no_time() -> None:
    found = [finding(n, n + 50_000, 0.5 + n / 1e6) for n in range(10_000)]
    assert len(resolve(found)) == 10_000
