"""Regular expressions of a policy's own."""

from __future__ import annotations

import pytest

from guardrails.errors import DetectionError, GuardrailError
from guardrails.modules import patterns


def found(text: str, threshold: float = 0.0, **pattern: object) -> list[tuple[str, str, float]]:
    entry = {"entity": "EMPLOYEE_ID", "regex": r"EMP-\d{6}", **pattern}
    module = patterns.build({"patterns": [entry], "threshold": threshold}, "en")
    return [(f.entity, text[f.start : f.end], round(f.score, 2)) for f in module.find(text)]


def test_every_match_is_reported_with_its_entity_and_score() -> None:
    assert found("EMP-123456 and EMP-654321", score=0.9) == [
        ("EMPLOYEE_ID", "EMP-123456", 0.9),
        ("EMPLOYEE_ID", "EMP-654321", 0.9),
    ]


@pytest.mark.parametrize(("score", "raised"), [(0.5, 0.85), (0.01, 0.4), (0.9, 1.0), (1.0, 1.0)])
def test_a_context_word_near_a_match_raises_its_score_as_presidio_does(score: float, raised: float) -> None:
    assert found("Employee EMP-123456", score=score, context=["employee"])[0][2] == raised
    assert found("EMP-123456 is the Employee", score=score, context=["EMPLOYEE"])[0][2] == raised


def test_without_a_context_word_near_it_a_match_keeps_its_score() -> None:
    assert found("EMP-123456", score=0.5, context=["employee"])[0][2] == 0.5
    assert found("employee" + " " * 200 + "EMP-123456", score=0.5, context=["employee"])[0][2] == 0.5


def test_matches_under_the_threshold_are_not_reported() -> None:
    assert found("EMP-123456", threshold=0.6, score=0.5) == []
    assert len(found("employee EMP-123456", threshold=0.6, score=0.5, context=["employee"])) == 1


def test_case_counts_unless_it_is_told_not_to() -> None:
    assert found("emp-123456") == []
    assert len(found("emp-123456", ignore_case=True)) == 1


def test_an_empty_match_is_not_reported() -> None:
    assert [value for _, value, _ in found("a b", regex="b*")] == ["b"]


def test_an_expression_that_runs_wild_ends_in_a_detection_error_without_the_text() -> None:
    module = patterns.build({"patterns": [{"entity": "X", "regex": r"(a|aa)+b"}]}, "en")
    module.seconds = 0.05
    with pytest.raises(DetectionError) as caught:
        module.find("a" * 100)
    assert "aaa" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "patterns"),
        ({"patterns": []}, "patterns"),
        ({"patterns": ["x"]}, "patterns"),
        ({"patterns": [{"entity": "X", "regex": "x"}], "treshold": 0.4}, "threshold"),
        ({"patterns": [{"entity": "X", "regex": "x"}], "threshold": 2}, "threshold"),
        ({"patterns": [{"entity": "lower", "regex": "x"}]}, "entity"),
        ({"patterns": [{"regex": "x"}]}, "entity"),
        ({"patterns": [{"entity": "X"}]}, "regex"),
        ({"patterns": [{"entity": "X", "regex": "("}]}, "regex"),
        ({"patterns": [{"entity": "X", "regex": "x", "scor": 1}]}, "score"),
        ({"patterns": [{"entity": "X", "regex": "x", "score": "high"}]}, "score"),
        ({"patterns": [{"entity": "X", "regex": "x", "context": "word"}]}, "context"),
        ({"patterns": [{"entity": "X", "regex": "x", "ignore_case": 1}]}, "ignore_case"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, object], named: str) -> None:
    with pytest.raises(GuardrailError, match=named):
        patterns.build(options, "en")
