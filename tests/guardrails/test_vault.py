"""What a response may restore."""

from __future__ import annotations

import pytest

from guardrails.errors import VaultError
from guardrails.vault import (
    EMPTY,
    MAX_SIZE,
    MAX_VALUES,
    Restorable,
    union,
)

A, B = "<EMAIL_ADDRESS_aaaaaaaa>", "<EMAIL_ADDRESS_aaaabbbb>"
EMAIL = "ada.lovelace@example.com"
KNOWN = Restorable({A: EMAIL})


def test_a_set_cannot_be_changed_from_outside() -> None:
    given = {A: EMAIL}
    known = Restorable(given)
    given[B] = "somebody"
    assert dict(known.values) == {A: EMAIL}
    with pytest.raises(TypeError):
        known.values[B] = "somebody"  # type: ignore[index]


def test_adding_values_makes_a_new_set_and_adding_nothing_new_does_not() -> None:
    more = KNOWN.with_values({B: "somebody"})
    assert dict(more.values) == {A: EMAIL, B: "somebody"}
    assert dict(KNOWN.values) == {A: EMAIL}
    assert KNOWN.with_values({}) is KNOWN
    assert KNOWN.with_values({A: EMAIL}) is KNOWN


def test_a_conversation_holds_a_bounded_number_of_values() -> None:
    full = EMPTY.with_values({f"<A_{number}>": "x" for number in range(MAX_VALUES)})
    assert len(full.values) == MAX_VALUES
    with pytest.raises(VaultError, match="too many"):
        full.with_values({A: EMAIL})
    assert full.with_values({"<A_0>": "x"}) is full


def test_a_conversation_holds_values_of_a_bounded_size() -> None:
    half = EMPTY.with_values({A: "x" * (MAX_SIZE // 2)})
    with pytest.raises(VaultError, match="too many"):
        half.with_values({B: "y" * (MAX_SIZE // 2)})


def test_a_text_may_begin_a_token_only_while_it_is_short_of_the_whole() -> None:
    known = Restorable({A: EMAIL, B: "somebody", "<CRYPTO_aaaaaaaa>": "x"})
    for token in known.values:
        for length in range(len(token)):
            assert known.may_begin(token[:length])
        assert not known.may_begin(token)
        assert not known.may_begin(token + "x")
    assert not known.may_begin("<EMAIL_ADDRESS_b")
    assert not known.may_begin("<Z")
    assert not EMPTY.may_begin("<")


def test_a_value_is_known_whatever_its_token() -> None:
    assert KNOWN.is_value(EMAIL)
    assert not KNOWN.is_value(EMAIL.upper())
    assert not KNOWN.is_value(A)


def test_tokens_without_brackets_are_noticed() -> None:
    assert not KNOWN.has_bare
    assert KNOWN.with_values({A[1:-1]: EMAIL}).has_bare


def test_a_set_shows_no_value() -> None:
    assert repr(KNOWN) == "Restorable(1 values)"
    assert bool(KNOWN)
    assert not EMPTY


def test_a_token_that_two_sets_have_for_different_values_stands_for_none() -> None:
    both = union(Restorable({A: EMAIL, B: "somebody"}), Restorable({A: "somebody else", B: "somebody"}))
    assert dict(both.values) == {B: "somebody"}
    assert union(KNOWN, EMPTY) is KNOWN
    assert union(EMPTY, KNOWN) is KNOWN
    assert union(KNOWN, Restorable({A: EMAIL})) is KNOWN
