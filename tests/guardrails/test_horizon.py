"""The bounds of a policy come from the modules that it names."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from guardrails.findings import Finding
from guardrails.horizon import BEFORE, horizon
from guardrails.modules import Bound
from guardrails.modules.context import LOOK_BACK
from guardrails.normalise import CONTEXT
from policies.load import load, load_text

DETECT = "version: 1\nname: t\ndetect:\n  fold: false\n  decode: []\n  modules:\n"


class Near:
    """A module of somebody's own that has a bound."""

    bound = Bound(9, before=10, after=120)

    def find(self, text: str) -> Iterable[Finding]:
        """Find nothing."""
        del text
        return ()


class Anywhere:
    """One that has none."""

    def find(self, text: str) -> Iterable[Finding]:
        """Find nothing."""
        del text
        return ()


@pytest.mark.parametrize("name", ["default", "strict"])
def test_the_built_in_policies_are_decided_word_by_word(name: str) -> None:
    bounds = horizon(load(name))
    assert not bounds.sentences
    assert bounds.after == CONTEXT + 2
    assert bounds.far == LOOK_BACK + CONTEXT
    assert 2 <= bounds.words <= 12
    assert bounds.keys


def test_patterns_say_how_many_words_must_follow() -> None:
    bounds = horizon(load_text(DETECT + r"    - {use: patterns, patterns: [{entity: A, regex: 'a(?: b){8}'}]}"))
    assert (bounds.words, bounds.after, bounds.before, bounds.sentences) == (9, 0, BEFORE, False)


def test_context_words_of_a_pattern_are_looked_for_on_both_sides() -> None:
    pattern = "{entity: A, regex: 'ab', context: [x]}"
    assert horizon(load_text(DETECT + f"    - {{use: patterns, patterns: [{pattern}]}}")).after == 80


def test_the_words_of_a_text_that_is_always_found_count() -> None:
    text = DETECT + "    - {use: secrets}\n  deny: [{entity: P, text: 'a project of so very many words in all'}]"
    assert horizon(load_text(text)).words == 9


@pytest.mark.parametrize(
    "module",
    [
        "{use: patterns, patterns: [{entity: A, regex: 'a.*b'}]}",
        "{use: presidio, model: en_core_web_lg, entities: [PERSON]}",
        "{use: 'tests.guardrails.test_horizon:Anywhere'}",
        "{use: 'nobody.knows:This'}",
    ],
)
def test_a_module_without_a_bound_is_decided_by_sentences(module: str) -> None:
    assert horizon(load_text(DETECT + f"    - {module}")).sentences


def test_a_module_of_ones_own_may_have_a_bound() -> None:
    bounds = horizon(load_text(DETECT + "    - {use: 'tests.guardrails.test_horizon:Near'}"))
    assert (bounds.words, bounds.after, bounds.sentences) == (10, 120, False)
