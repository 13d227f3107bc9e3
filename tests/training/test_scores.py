"""How findings are measured against annotations."""

from __future__ import annotations

from collections import Counter

import pytest

from training.corpus import Row, Span
from training.scores import Score

ROW = Row("Ada Lovelace of New York", (Span(0, 12, "PERSON"), Span(16, 24, "LOCATION")))


def counted(found: list[Span], share: float = 0.5, entities: tuple[str, ...] | None = None) -> dict[str, Counter[str]]:
    score = Score(share, entities)
    score.add(ROW, found)
    return score.counts


@pytest.mark.parametrize(
    ("found", "share", "hit", "masked"),
    [
        ([Span(0, 12, "PERSON")], 0.9, 1, 1),
        ([Span(0, 3, "PERSON"), Span(4, 12, "PERSON")], 0.9, 1, 1),  # together, and white space does not count
        ([Span(4, 12, "PERSON")], 0.5, 1, 0),
        ([Span(4, 12, "PERSON")], 0.9, 0, 0),
        ([Span(0, 12, "ORGANIZATION")], 0.5, 0, 1),
        ([], 0.5, 0, 0),
    ],
)
def test_a_span_is_found_by_its_entity_and_masked_by_any(
    found: list[Span], share: float, hit: int, masked: int
) -> None:
    person = counted(found, share)["PERSON"]
    assert (person["gold"], person["found"], person["masked"]) == (1, hit, masked)


def test_findings_count_as_right_only_where_they_hit() -> None:
    counts = counted([Span(0, 12, "PERSON"), Span(13, 15, "PERSON"), Span(16, 24, "AGE")])
    assert (counts["PERSON"]["reported"], counts["PERSON"]["right"]) == (2, 1)
    assert (counts["AGE"]["reported"], counts["AGE"]["gold"]) == (1, 0)


def test_entities_that_are_not_measured_only_mask() -> None:
    counts = counted([Span(16, 24, "AGE")], entities=("LOCATION",))
    assert set(counts) == {"LOCATION"}
    assert counts["LOCATION"]["masked"] == 1


def test_the_table_has_all_together_last() -> None:
    score = Score(0.5, None)
    score.add(ROW, [Span(0, 12, "PERSON")])
    assert score.table().splitlines()[-1].split() == ["all", "2", "1", "1.000", "0.500", "0.667", "0.556", "0.500"]
