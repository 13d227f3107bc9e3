"""How many white spaces a match of a pattern can hold is read off the pattern."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.cuts import GAP
from guardrails.modules.spacing import spaces


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        (r"EMP-\d{6}", 0),
        (r"\d{4}(?:[ -]?\d{4}){3}", 3),
        (r"a\s+b\s*c", 2),
        (r"[^@\s]+@\w+", 0),
        (r"\w+ {0,9}\w+", 1),
        (r"(a|b c)(\1)", 2),
        (r"(?<=id )\d+", 1),
        (r"x.{0,5}y", 5),
        (r"\bone two\b", 1),
        (r"(?>a b)c", 1),
    ],
)
def test_the_white_spaces_of_a_bounded_pattern_are_counted(pattern: str, most: int) -> None:
    assert spaces(pattern) == most


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?s)BEGIN.*?END",
        r"foo(?:\s+\w+)*",
        r"[^a]+",
        r"\D+",
        r".{0,90}",
        r"\p{L} x",
        r"(",
        r"a(?=.*b)",
        r"(a)?(?(1)b|c)",
    ],
)
def test_what_may_match_any_amount_or_is_not_understood_has_no_number(pattern: str) -> None:
    assert spaces(pattern) is None


@settings(deadline=None)
@given(st.sampled_from([r"\d{4}(?:[ -]?\d{4}){3}", r"a\s+b\s*c", r"x.{0,5}y", r"(a|b c)(\1)"]), st.data())
def test_no_match_has_more(pattern: str, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(pattern, fullmatch=True))
    most = spaces(pattern)
    assert most is not None
    assert len(GAP.findall(text)) <= most
