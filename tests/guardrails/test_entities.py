"""Rules about entities that nothing reports are mistakes."""

from __future__ import annotations

import pytest

from guardrails.detector import build
from guardrails.entities import reported
from guardrails.errors import GuardrailError
from policies.load import load, load_text

HEAD = """
version: 1
name: test
detect:
  modules:
    - {use: presidio, entities: [US_SSN, EMAIL_ADDRESS]}
    - {use: secrets, entities: [API_KEY]}
    - use: patterns
      patterns: [{entity: EMPLOYEE_ID, regex: 'EMP-[0-9]{6}', score: 0.9}]
  deny: [{entity: PROJECT, text: Project Falcon}]
"""


def test_a_policy_reports_what_its_modules_and_deny_entries_name() -> None:
    assert reported(load_text(HEAD)) == {"US_SSN", "EMAIL_ADDRESS", "API_KEY", "EMPLOYEE_ID", "PROJECT"}


@pytest.mark.parametrize("where", ["actions: {NAME: {input: block}}", "operators: {NAME: {use: redact}}"])
def test_a_rule_for_an_entity_that_nobody_reports_is_refused_with_the_nearest_one(where: str) -> None:
    policy = load_text(HEAD + where.replace("NAME", "US_SSSN"))
    with pytest.raises(GuardrailError, match=r"US_SSSN: no module reports such an entity; did you mean US_SSN\?"):
        build(policy)


@pytest.mark.parametrize("name", ["default", "US_SSN", "EMPLOYEE_ID", "PROJECT", "IBAN_CODE", "PERSON", "JWT"])
def test_a_rule_for_an_entity_that_exists_is_fine_whether_or_not_it_is_asked_for(name: str) -> None:
    build(load_text(HEAD + f"actions: {{{name}: {{input: mask}}}}"))


def test_a_module_of_ones_own_may_report_anything() -> None:
    text = HEAD.replace("deny:", "deny: []\n  allow: [] #").replace(
        "use: secrets, entities: [API_KEY]", "use: acme:Own"
    )
    assert reported(load_text(text)) is None


@pytest.mark.parametrize("name", ["default", "strict", "observe"])
def test_the_built_in_policies_name_only_what_exists(name: str) -> None:
    build(load(name))


def test_a_value_in_the_costume_of_a_token_is_found() -> None:
    text = "<AKIAIOSFODNN7EXAMPLE_abcdefgh> and <US_SSN_k7x2m5qa>"
    found = build(load("default")).detect([text])[0]
    assert [text[one.start : one.end] for one in found] == ["AKIAIOSFODNN7EXAMPLE"]
