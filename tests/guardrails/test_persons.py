"""The same person has one token, or related ones, however much of the name a text gives."""

from __future__ import annotations

import re

import pytest

from guardrails.detector import build
from guardrails.persons import wholes
from guardrails.redact import Masker, Outcome
from guardrails.tokens import ID_LENGTH, MARK_LENGTH, Tokens, grammar
from guardrails.vault import Restorable
from policies.load import load_text
from policies.model import Policy

TEXT = "John Smith called. Smith's order is late, and John asked again. Jane Doe and John Smith agree; Doe's is fine."
PERSONS = re.compile(r"<PERSON_([a-z2-7]{8,16})>")


def policy(persons: str) -> Policy:
    names = "[John Smith, Jane Doe, Jane Smith, Smith, Doe, John, Jane]"
    deny = ", ".join(f"{{entity: PERSON, text: {name.strip()}}}" for name in names[1:-1].split(","))
    return load_text(
        f"version: 1\ndetect:\n  modules: [{{use: secrets}}]\n  deny: [{deny}]\ntokens: {{persons: {persons}}}\n"
    )


def masked(text: str, persons: str, values: dict[str, str]) -> tuple[Outcome, Masker]:
    made = policy(persons)
    masker = Masker(made, tenant_secret=b"t" * 32, audit_secret=b"a" * 32)
    return masker.input(text, build(made).detect([text])[0], values), masker


def restored(outcome: Outcome, masker: Masker, values: dict[str, str]) -> str:
    return masker.restorer.whole(outcome.text, Restorable(values))


@pytest.mark.parametrize(
    ("values", "clear"),
    [
        (["John Smith", "Smith", "John"], {"Smith": "John Smith", "John": "John Smith"}),
        (["John Smith", "Jane Smith", "Smith", "Jane"], {"Jane": "Jane Smith"}),
        (
            ["John Michael Smith", "Michael Smith", "Smith"],
            dict.fromkeys(("Smith", "Michael Smith"), "John Michael Smith"),
        ),
        (["Jan van der Voet", "van der Voet", "Voet"], dict.fromkeys(("van der Voet", "Voet"), "Jan van der Voet")),
        (["John Smith", "Michael"], {}),
        (["Smith"], {}),
        (["Smith", "Smith"], {}),
        ([], {}),
    ],
)
def test_a_part_of_exactly_one_name_is_that_name(values: list[str], clear: dict[str, str]) -> None:
    assert wholes(values) == clear


def test_apart_each_part_has_a_token_of_its_own_and_the_text_comes_back() -> None:
    values: dict[str, str] = {}
    outcome, masker = masked(TEXT, "apart", values)
    ids = PERSONS.findall(outcome.text)
    assert len({identity[:ID_LENGTH] for identity in ids}) == 5
    assert restored(outcome, masker, values) == TEXT


def test_related_parts_begin_as_the_whole_does_and_the_text_comes_back() -> None:
    values: dict[str, str] = {}
    outcome, masker = masked(TEXT, "related", values)
    ids = PERSONS.findall(outcome.text)
    assert len({identity[:ID_LENGTH] for identity in ids}) == 2
    assert {len(identity) for identity in ids} == {ID_LENGTH, ID_LENGTH + MARK_LENGTH}
    assert len(set(ids)) == 5
    assert "'s order" in outcome.text
    assert restored(outcome, masker, values) == TEXT


def test_same_gives_every_mention_the_token_of_the_whole_which_is_what_comes_back() -> None:
    values: dict[str, str] = {}
    outcome, masker = masked(TEXT, "same", values)
    ids = PERSONS.findall(outcome.text)
    assert len(ids) == 6
    assert len(set(ids)) == 2
    expected = "John Smith called. John Smith's order is late, and John Smith asked again. Jane Doe and John Smith agree; Jane Doe's is fine."
    assert restored(outcome, masker, values) == expected


@pytest.mark.parametrize("persons", ["related", "same"])
def test_where_two_fit_the_part_keeps_a_token_of_its_own(persons: str) -> None:
    values: dict[str, str] = {}
    text = "John Smith met Jane Smith. Smith spoke."
    outcome, masker = masked(text, persons, values)
    assert len({identity[:ID_LENGTH] for identity in PERSONS.findall(outcome.text)}) == 3
    assert restored(outcome, masker, values) == text


def test_the_same_text_is_masked_the_same_in_another_connection() -> None:
    assert masked(TEXT, "related", {})[0].text == masked(TEXT, "related", {})[0].text


def test_a_related_token_never_takes_one_that_stands_for_another_value() -> None:
    tokens = Tokens(b"t" * 32, "angle")
    first = tokens.related("PERSON", "Smith", "John Smith", {})
    second = tokens.related("PERSON", "Smith", "John Smith", {first: "somebody else"})
    assert second != first
    assert second.startswith(first[:-1])
    assert grammar("angle").pattern.fullmatch(second)
    assert tokens.related("PERSON", "Smith", "John Smith", {first: "Smith"}) == first


def test_a_related_token_falls_back_to_one_of_its_own() -> None:
    tokens = Tokens(b"t" * 32, "angle")
    taken: dict[str, str] = {}
    for _ in range(9):
        taken[tokens.related("PERSON", "Smith", "John Smith", taken)] = "somebody else"
    assert tokens.make("PERSON", "Smith", {}) in taken


def test_with_the_module_names_a_person_is_one_throughout_a_text_and_comes_back_exactly() -> None:
    made = load_text("version: 1\ndetect:\n  modules: [{use: names, entities: [PERSON]}]\ntokens: {persons: related}\n")
    text = "My name is Maria Gonzalez. Gonzalez's order is late; please call Maria.\n\nRegards, Maria Gonzalez"
    masker = Masker(made, tenant_secret=b"t" * 32, audit_secret=b"a" * 32)
    values: dict[str, str] = {}
    outcome = masker.input(text, build(made).detect([text])[0], values)
    assert len({identity[:ID_LENGTH] for identity in PERSONS.findall(outcome.text)}) == 1
    assert set(values.values()) == {"Maria Gonzalez", "Gonzalez", "Maria"}
    assert restored(outcome, masker, values) == text
