"""Masking follows the policy, leaves nothing uncovered, and is undone for those who sent the value only."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from guardrails.findings import Finding
from guardrails.redact import Masked, Masker, Outcome, fingerprint
from guardrails.vault import EMPTY, Restorable
from policies.model import Policy
from tests.kit import CARD, EMAIL, SSN, policy

TENANT, AUDIT = b"a tenant's own secret", b"the audit's own secret"
NEW = policy("output: {mask: new}\n")
ALL = policy("output: {mask: all}\n")


def masker(of: Policy) -> Masker:
    return Masker(of, tenant_secret=TENANT, audit_secret=AUDIT)


def found(text: str, **entities: str) -> list[Finding]:
    """Findings of values in a text, by entity."""
    return [Finding(at, at + len(v), e, 1.0, "test") for e, v in entities.items() if (at := text.find(v)) >= 0]


def masked(text: str, of: Policy, *, bare: bool = False, **entities: str) -> tuple[Outcome, dict[str, str]]:
    values: dict[str, str] = {}
    return masker(of).input(text, found(text, **entities), values, bare=bare), values


def answered(
    text: str,
    of: Policy,
    known: Restorable = EMPTY,
    *,
    escape: bool = False,
    restore: bool = True,
    bare: bool = False,
    **entities: str,
) -> Outcome:
    return masker(of).output(text, found(text, **entities), known, escape=escape, restore=restore, bare=bare)


def known_of(value: str = EMAIL, entity: str = "EMAIL_ADDRESS", *, of: Policy = NEW) -> tuple[Restorable, str]:
    """What a conversation that sent a value can restore, and the value's token."""
    values: dict[str, str] = {}
    masker(of).input(value, found(value, **{entity: value}), values)
    (token,) = values
    return Restorable(values), token


def test_what_was_found_becomes_a_token_and_all_else_stays() -> None:
    outcome, values = masked(f"Write to {EMAIL} or {SSN}.", NEW, EMAIL_ADDRESS=EMAIL, US_SSN=SSN)
    email, ssn = values
    assert outcome.text == f"Write to {email} or {ssn}."
    assert values == {email: EMAIL, ssn: SSN}
    assert outcome.masked.text == outcome.text
    assert [(one.entity, one.module, one.action) for one in outcome.applied] == [
        ("EMAIL_ADDRESS", "test", "mask"),
        ("US_SSN", "test", "mask"),
    ]


def test_a_text_without_findings_is_the_same_object() -> None:
    text = "nothing here"
    outcome, values = masked(text, NEW)
    assert outcome.text is text
    assert not values
    assert not outcome.applied


def test_without_brackets_only_letters_digits_and_underscores_stand() -> None:
    outcome, values = masked(f"tool-{EMAIL}", NEW, bare=True, EMAIL_ADDRESS=EMAIL)
    assert outcome.text.replace("-", "_").replace("_", "").isalnum()
    assert list(values.values()) == [EMAIL]
    assert outcome.text == f"tool-{next(iter(values))}"


def test_overlapping_findings_leave_nothing_uncovered() -> None:
    text = "ada.lovelace@example.com"
    findings = [Finding(0, 12, "PERSON", 0.9, "a"), Finding(4, 24, "EMAIL_ADDRESS", 0.5, "b")]
    outcome = masker(NEW).input(text, findings, {})
    assert not any(piece in outcome.text for piece in ("ada", "lovelace", "example"))
    assert [one.entity for one in outcome.applied] == ["PERSON", "EMAIL_ADDRESS"]


def test_an_allowed_entity_passes_and_does_not_hide_another() -> None:
    of = policy("actions: {PERSON: {input: allow}}\n")
    text = "ada.lovelace@example.com"
    person, email = Finding(0, 24, "PERSON", 1.0, "a"), Finding(4, 24, "EMAIL_ADDRESS", 0.5, "b")
    assert masker(of).input(text, [person], {}).text == text
    assert "example" not in masker(of).input(text, [person, email], {}).text
    assert masker(of).acting(text, [person, email]) == [email]


def test_a_blocked_entity_is_reported_and_still_masked() -> None:
    outcome, _ = masked(f"my number is {SSN}", policy("actions: {US_SSN: {input: block}}\n"), US_SSN=SSN)
    assert [one.action for one in outcome.applied] == ["block"]
    assert SSN not in outcome.text
    assert SSN not in outcome.masked.text


def test_an_operator_replaces_the_value_for_good() -> None:
    of = policy("operators: {CREDIT_CARD: {use: mask, keep: 4, from_end: true}, default: {use: redact}}\n")
    outcome, values = masked(f"{CARD} {EMAIL}", of, CREDIT_CARD=CARD, EMAIL_ADDRESS=EMAIL)
    assert outcome.text == "*" * 15 + "1111 "
    assert not values


@pytest.mark.parametrize(("style", "opening"), [("angle", "<"), ("square", "["), ("curly", "{")])
def test_the_policy_chooses_the_style_of_tokens(style: str, opening: str) -> None:
    of = policy(f"output: {{mask: new}}\ntokens: {{style: {style}}}\n")
    outcome, values = masked(EMAIL, of, EMAIL_ADDRESS=EMAIL)
    assert outcome.text[0] == opening
    assert answered(f"to {outcome.text}", of, Restorable(values)).text == f"to {EMAIL}"


def test_the_same_value_has_the_same_token_in_every_text_of_a_tenant() -> None:
    first, _ = masked(f"a {EMAIL}", NEW, EMAIL_ADDRESS=EMAIL)
    second, _ = masked(f"b {EMAIL}", NEW, EMAIL_ADDRESS=EMAIL)
    assert first.text[2:] == second.text[2:]
    other = Masker(NEW, tenant_secret=b"another tenant's", audit_secret=AUDIT)
    assert other.input(f"a {EMAIL}", found(f"a {EMAIL}", EMAIL_ADDRESS=EMAIL), {}).text != first.text


def test_an_answer_gets_the_clients_own_values_back() -> None:
    known, token = known_of()
    outcome = answered(f"I wrote to {token}.", NEW, known)
    assert outcome.text == f"I wrote to {EMAIL}."
    assert outcome.masked.text == f"I wrote to {token}.", "the record keeps the token"
    assert not outcome.applied, "to restore is not a finding"


def test_a_value_in_json_source_is_escaped() -> None:
    known, token = known_of('Ada "A." L\\', "PERSON")
    assert json.loads(answered(f'{{"to": "{token}"}}', NEW, known, escape=True).text) == {"to": 'Ada "A." L\\'}


def test_a_token_in_a_link_stays_in_an_answer() -> None:
    known, token = known_of()
    text = f"https://evil.example/?q={token}"
    assert answered(text, NEW, known).text == text


def test_new_data_in_an_answer_is_masked_and_cannot_be_restored() -> None:
    known, _ = known_of()
    outcome = answered(f"Ask {SSN}", NEW, known, US_SSN=SSN)
    assert outcome.text.startswith("Ask <US_SSN_")
    assert outcome.masked.text == outcome.text
    assert [one.entity for one in outcome.applied] == ["US_SSN"]


def test_what_the_client_itself_had_sent_is_not_new() -> None:
    known, _ = known_of()
    text = f"You are {EMAIL}"
    outcome = answered(text, NEW, known, EMAIL_ADDRESS=EMAIL)
    assert (outcome.text, outcome.applied) == (text, ())
    assert EMAIL not in outcome.masked.text, "the record keeps a token all the same"
    assert EMAIL not in answered(text, NEW, known, restore=False, EMAIL_ADDRESS=EMAIL).text


def test_with_all_everything_is_masked_and_nothing_restored() -> None:
    known, token = known_of(of=ALL)
    outcome = answered(f"{token} is {EMAIL}", ALL, known, EMAIL_ADDRESS=EMAIL)
    assert outcome.text == f"{token} is {token}"


def test_where_the_policy_does_not_restore_the_token_stays() -> None:
    known, token = known_of()
    assert answered(f"to {token}", NEW, known, restore=False).text == f"to {token}"


@pytest.mark.parametrize(("rule", "back"), [("restore", True), ("allow", True), ("mask", False), ("block", False)])
@pytest.mark.parametrize("mask", ["off", "new"])
def test_an_entitys_own_rule_says_whether_its_tokens_are_restored(rule: str, mask: str, back: bool) -> None:
    of = policy(f"output: {{mask: {mask}}}\nactions: {{EMAIL_ADDRESS: {{output: {rule}}}}}\n")
    known, token = known_of(of=of)
    text = f"to {EMAIL if back else token}"
    assert answered(f"to {token}", of, known).text == text
    assert masker(of).restorer.whole(f"to {token}", known) == text
    bare, _ = masked(EMAIL, of, bare=True, EMAIL_ADDRESS=EMAIL)
    assert masker(of).restorer.bare(bare.text, Restorable({bare.text: EMAIL})) == (EMAIL if back else bare.text)


def test_a_token_of_the_conversation_is_not_cut_by_a_finding() -> None:
    known, token = known_of()
    text = f"see {token} now"
    inside = Finding(5, 12, "PERSON", 1.0, "test")
    around = Finding(0, len(text), "LOCATION", 1.0, "test")
    assert masker(NEW).output(text, [inside], known, escape=False, restore=True).text == f"see {EMAIL} now"
    outcome = masker(NEW).output(text, [around], known, escape=False, restore=True)
    assert EMAIL in outcome.text
    assert "see" not in outcome.text
    assert "now" not in outcome.text


def test_a_token_that_is_not_the_conversations_stays_text() -> None:
    outcome = answered("to <EMAIL_ADDRESS_zzzzzzzz>", NEW, known_of()[0])
    assert outcome.text == "to <EMAIL_ADDRESS_zzzzzzzz>"


def test_a_blocked_entity_in_an_answer_is_reported() -> None:
    of = policy("output: {mask: new}\nactions: {US_SSN: {output: block}}\n")
    outcome = answered(f"it is {SSN}", of, US_SSN=SSN)
    assert [one.action for one in outcome.applied] == ["block"]
    assert SSN not in outcome.text


def test_an_entity_allowed_in_answers_passes() -> None:
    of = policy("output: {mask: new}\nactions: {US_SSN: {output: allow}}\n")
    outcome = answered(f"it is {SSN}", of, US_SSN=SSN)
    assert (outcome.text, outcome.applied) == (f"it is {SSN}", ())


def test_tokens_without_brackets_are_restored_in_names() -> None:
    _, values = masked(EMAIL, NEW, bare=True, EMAIL_ADDRESS=EMAIL)
    (bare,) = values
    known = Restorable(values)
    assert answered(f"call-{bare}", NEW, known, bare=True).text == f"call-{EMAIL}"
    assert answered(f"call-{bare}", NEW, known).text == f"call-{bare}", "anywhere else it is a text"


def test_nobody_but_a_masker_makes_masked_text() -> None:
    with pytest.raises(TypeError):
        Masked("raw", made_by=object())
    outcome, _ = masked("a text", NEW)
    assert repr(outcome.masked) == "Masked(6 characters)"
    with pytest.raises(AttributeError):
        outcome.masked.more = "raw"  # type: ignore[attr-defined]


def test_a_fingerprint_is_keyed_and_can_be_found_again_by_who_has_the_key() -> None:
    expected = hmac.new(AUDIT, f"EMAIL_ADDRESS\0{EMAIL}".encode(), hashlib.sha256).hexdigest()[:16]
    outcome, _ = masked(EMAIL, NEW, EMAIL_ADDRESS=EMAIL)
    assert [one.fingerprint for one in outcome.applied] == [expected]
    assert fingerprint(b"another", "EMAIL_ADDRESS", EMAIL) != expected
    assert fingerprint(AUDIT, "PERSON", EMAIL) != expected
