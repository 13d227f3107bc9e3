"""Tokens are keyed, the same for the same value, and told apart from everything else."""

from __future__ import annotations

import hmac
import re
from itertools import product

import pytest

from guardrails.detector import OWN_TOKEN
from guardrails.keyed import Keyed
from guardrails.tokens import BARE, ID_LENGTH, MAX_ENTITY, MAX_ID_LENGTH, Style, Tokens, entity_of, grammar

SECRET = b"a tenant's own secret"
EMAIL = "ada.lovelace@example.com"
STYLES: list[Style] = ["angle", "square", "curly"]


def make(value: str = EMAIL, entity: str = "EMAIL_ADDRESS", *, style: Style = "angle", secret: bytes = SECRET) -> str:
    return Tokens(secret, style).make(entity, value, {})


def test_the_same_value_has_the_same_token_in_every_process() -> None:
    # A fixed one: a change of how tokens are made would break every conversation that goes on.
    assert make() == "<EMAIL_ADDRESS_pkbdxjer>"


@pytest.mark.parametrize("length", [0, 1, 32, 63, 64, 65, 200])
def test_what_they_are_made_of_is_an_hmac(length: int) -> None:
    secret = bytes(range(length))
    assert Keyed(secret).of("PERSON", "Zoë") == hmac.digest(secret, "PERSON\0Zoë".encode(), "sha256")


def test_another_value_entity_or_secret_has_another_token() -> None:
    made = {make(v, e, secret=s) for v, e, s in product((EMAIL, EMAIL + "."), ("A", "B"), (SECRET, SECRET + b"."))}
    assert len(made) == 8


def test_entity_and_value_cannot_be_shifted_into_each_other() -> None:
    ids = {make(value, entity)[-9:-1] for entity, value in (("AB", "C"), ("A", "BC"), ("A", "B\x00C"))}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("style", "opening", "closing"), [("angle", "<", ">"), ("square", "[", "]"), ("curly", "{", "}")]
)
def test_a_token_has_the_brackets_of_its_style_and_is_recognised(style: Style, opening: str, closing: str) -> None:
    token = make(style=style)
    assert re.fullmatch(re.escape(opening) + rf"EMAIL_ADDRESS_[a-z2-7]{{{ID_LENGTH}}}" + re.escape(closing), token)
    assert grammar(style).pattern.fullmatch(token)
    assert OWN_TOKEN.fullmatch(token), "the detector leaves it alone"
    assert BARE.fullmatch(token[1:-1])


@pytest.mark.parametrize("style", STYLES)
def test_a_style_does_not_recognise_the_tokens_of_another(style: Style) -> None:
    others = [make(style=other) for other in STYLES if other != style]
    assert not any(grammar(style).pattern.search(token) for token in others)


def test_two_values_that_meet_get_tokens_of_their_own() -> None:
    short = make()
    taken = {short: "somebody@example.com"}
    longer = Tokens(SECRET, "angle").make("EMAIL_ADDRESS", EMAIL, taken)
    assert longer != short
    assert longer.startswith(short[:-1])
    taken[longer] = "another@example.com"
    assert len(Tokens(SECRET, "angle").make("EMAIL_ADDRESS", EMAIL, taken)) == len(short) + 2
    assert grammar("angle").pattern.fullmatch(longer)


def test_a_token_that_stands_for_this_value_already_is_used_again() -> None:
    assert Tokens(SECRET, "angle").make("EMAIL_ADDRESS", EMAIL, {make(): EMAIL}) == make()


def test_a_value_that_meets_another_ones_token_without_brackets_gets_a_longer_one() -> None:
    taken = {make()[1:-1]: "somebody@example.com"}
    assert Tokens(SECRET, "angle").make("EMAIL_ADDRESS", EMAIL, taken) != make()


def test_the_longest_token_is_within_the_grammars_bound() -> None:
    entity = "E" * MAX_ENTITY
    taken: dict[str, str] = {}
    tokens, token = Tokens(SECRET, "angle"), ""
    for number in range(MAX_ID_LENGTH - ID_LENGTH + 1):
        token = tokens.make(entity, EMAIL, taken)
        taken[token] = f"somebody {number}"
    assert len(token) == grammar("angle").longest
    assert grammar("angle").pattern.fullmatch(token)
    with pytest.raises(AssertionError):
        tokens.make(entity, EMAIL, taken)


@pytest.mark.parametrize(
    "text",
    [
        "<EMAIL_ADDRESS>",
        "<EMAIL_ADDRESS_k7x2m9qa>",  # 9 is no letter of base 32
        "<EMAIL_ADDRESS_k7x2m5q>",
        "<EMAIL_ADDRESS_k7x2m5qak7x2m5qaa>",
        "<EMAIL_ADDRESS_K7X2M5QA>",
        "<email_address_k7x2m5qa>",
        "<_EMAIL_k7x2m5qa>",
        "<EMAIL ADDRESS_k7x2m5qa>",
        "<EMAIL_ADDRESS_k7x2m5qa",
        "EMAIL_ADDRESS_k7x2m5qa>",
        f"<{'E' * 65}_k7x2m5qa>",
        "</EMAIL_ADDRESS_k7x2m5qa>",
    ],
)
def test_what_only_looks_like_a_token_is_none(text: str) -> None:
    assert grammar("angle").pattern.search(text) is None


def test_a_token_without_brackets_stands_by_itself() -> None:
    assert BARE.findall("see EMAIL_ADDRESS_k7x2m5qa-x") == ["EMAIL_ADDRESS_k7x2m5qa"]
    assert not BARE.findall("xEMAIL_ADDRESS_k7x2m5qa")
    assert not BARE.findall("EMAIL_ADDRESS_k7x2m5qaB")


def test_a_token_names_its_entity_with_or_without_brackets() -> None:
    for style in STYLES:
        token = make(style=style)
        assert entity_of(token) == entity_of(token[1:-1]) == "EMAIL_ADDRESS"
