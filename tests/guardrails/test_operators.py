"""What a masked value becomes with each operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from guardrails import operators
from guardrails.errors import GuardrailError

SECRET = b"tenant secret"
CARD = "4111 1111 1111 1111"


@dataclass(frozen=True)
class Spec:
    use: str
    options: Mapping[str, object] = field(default_factory=dict)


def apply(use: str, value: str = CARD, entity: str = "CREDIT_CARD", **options: object) -> str:
    return operators.apply(Spec(use, options), entity, value, SECRET)


def test_replace_writes_the_given_text_or_the_entity_in_angle_brackets() -> None:
    assert apply("replace", new_value="[card]") == "[card]"
    assert apply("replace") == "<CREDIT_CARD>"
    assert apply("replace", new_value="") == ""


def test_redact_leaves_nothing() -> None:
    assert apply("redact") == ""


@pytest.mark.parametrize(
    ("options", "masked"),
    [
        ({}, "*" * 19),
        ({"keep": 4, "from_end": True}, "***************1111"),
        ({"keep": 4}, "4111***************"),
        ({"keep": 4, "masking_char": "x", "from_end": True}, "xxxxxxxxxxxxxxx1111"),
        ({"keep": 19}, "*" * 19),
        ({"keep": 0}, "*" * 19),
        ({"chars_to_mask": 14}, "**************" + " 1111"),
        ({"chars_to_mask": 14, "from_end": True}, "4111 " + "*" * 14),
        ({"chars_to_mask": 99}, "*" * 19),
        ({"chars_to_mask": 0}, CARD),
    ],
)
def test_mask_keeps_or_hides_as_many_characters_as_it_says(options: dict[str, object], masked: str) -> None:
    assert operators.apply(Spec("mask", options), "CREDIT_CARD", CARD, SECRET) == masked


@pytest.mark.parametrize(("count", "from_end"), [(0, False), (3, False), (3, True), (30, True)])
def test_mask_with_chars_to_mask_does_what_presidios_does(count: int, from_end: bool) -> None:
    from presidio_anonymizer.operators import Mask

    presidio = Mask().operate(CARD, {"masking_char": "*", "chars_to_mask": count, "from_end": from_end})
    assert apply("mask", chars_to_mask=count, from_end=from_end) == presidio


def test_mask_shows_nothing_of_a_value_no_longer_than_what_is_kept() -> None:
    assert apply("mask", "1234", keep=4, from_end=True) == "****"


def test_hash_is_the_same_for_the_same_value_and_tenant_and_another_otherwise() -> None:
    assert apply("hash") == apply("hash")
    assert len(apply("hash")) == 64
    assert len(apply("hash", hash_type="sha512")) == 128
    assert apply("hash", "other") != apply("hash")
    assert apply("hash", entity="US_SSN") != apply("hash")
    assert operators.apply(Spec("hash"), "CREDIT_CARD", CARD, b"another tenant") != apply("hash")


def test_encrypt_is_read_back_by_presidios_decrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    from presidio_anonymizer.operators import Decrypt

    monkeypatch.setenv("CARD_KEY", "0123456789abcdef")
    encrypted = apply("encrypt", key_env="CARD_KEY")
    assert CARD not in encrypted
    assert Decrypt().operate(encrypted, {"key": b"0123456789abcdef"}) == CARD


def test_encrypt_without_a_key_of_its_own_uses_one_made_from_the_tenants_secret() -> None:
    assert CARD not in apply("encrypt")


@pytest.mark.parametrize(
    ("use", "options", "named"),
    [
        ("shred", {}, "shred"),
        ("replace", {"new_value": 3}, "new_value"),
        ("replace", {"newvalue": "x"}, "newvalue"),
        ("redact", {"keep": 1}, "keep"),
        ("mask", {"masking_char": "**"}, "masking_char"),
        ("mask", {"keep": -1}, "keep"),
        ("mask", {"keep": True}, "keep"),
        ("mask", {"keep": 4, "chars_to_mask": 4}, "keep"),
        ("mask", {"from_end": "yes"}, "from_end"),
        ("hash", {"hash_type": "md5"}, "hash_type"),
        ("encrypt", {"key_env": ""}, "key_env"),
        ("encrypt", {"key_env": "NO_SUCH_VARIABLE"}, "key_env"),
        ("token", {"style": "angle"}, "style"),
    ],
)
def test_check_refuses_what_cannot_work_and_names_it(use: str, options: dict[str, object], named: str) -> None:
    with pytest.raises(GuardrailError, match=named):
        operators.check(Spec(use, options))


@pytest.mark.parametrize("use", ["token", "replace", "redact", "mask", "hash", "encrypt"])
def test_check_accepts_every_operator_without_options(use: str) -> None:
    operators.check(Spec(use))


def test_no_error_of_an_operator_shows_the_value() -> None:
    with pytest.raises(GuardrailError) as caught:
        apply("shred")
    assert CARD not in str(caught.value)
