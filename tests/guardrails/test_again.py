"""What was found once is found wherever else it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails import again as module
from guardrails.again import again
from guardrails.errors import DetectionError
from guardrails.findings import Finding
from guardrails.vault import Restorable

PHONE, SECRET = "4155552671", "Zx91kQpLm2vRt7Yw"


def acts(entity: str) -> bool:
    return entity != "ALLOWED"


def found(text: str, value: str, entity: str) -> list[Finding]:
    start = text.index(value)
    return [Finding(start, start + len(value), entity, 0.9, "test")]


def elsewhere(value: str, entity: str, text: str) -> list[str]:
    """What is found of a value in a text, when it was found in another."""
    said = f"it is {value}"
    first, second = again([said, text], [found(said, value, entity), []], {}, acts)
    assert list(first) == found(said, value, entity)
    assert all((one.entity, one.module) == (entity, module.MODULE) for one in second)
    return [text[max(0, one.start - 1) : one.end + 1] for one in second]


@pytest.mark.parametrize(
    ("value", "entity", "text", "places"),
    [
        (PHONE, "PHONE_NUMBER", f"{PHONE}", [PHONE]),
        (PHONE, "PHONE_NUMBER", f"a {PHONE}, user_{PHONE}_{PHONE}", [f" {PHONE},", f"_{PHONE}_", f"_{PHONE}"]),
        (PHONE, "PHONE_NUMBER", f"1{PHONE} {PHONE}5 x{PHONE} {PHONE}x", []),
        (SECRET, "PASSWORD", f"mysql -u app -p{SECRET} shop", [f"p{SECRET} "]),
        ("passphrase", "PASSWORD", "passphrases, a passphrase", [" passphrase"]),
        ("Grace Hopper", "PERSON", "Grace Hopper's and Grace Hoppers", ["Grace Hopper'"]),
        ("Grace Hopper", "PERSON", "grace hopper", []),
        ("(415) 555-2671", "PHONE_NUMBER", "x(415) 555-2671", ["x(415) 555-2671"]),
        ("Ada", "PERSON", "Ada", []),
        ("-----", "PERSON", "------", []),
        ("ada@example.com", "EMAIL_ADDRESS", "ada@example.com", []),
    ],
)
def test_a_value_is_found_where_it_stands_by_itself(value: str, entity: str, text: str, places: list[str]) -> None:
    assert elsewhere(value, entity, text) == places


def test_values_of_the_conversation_are_looked_for_too() -> None:
    held = Restorable({"<PHONE_NUMBER_aaaaaaaa>": PHONE, "<EMAIL_ADDRESS_aaaaaaaa>": "ada@example.com", "A_b": "x"})
    assert held.looked_for == {PHONE: "PHONE_NUMBER"}
    (one,) = again([PHONE], [[]], held.looked_for, acts)[0]
    assert (one.start, one.end, one.entity) == (0, len(PHONE), "PHONE_NUMBER")


def test_what_is_covered_already_is_left_alone() -> None:
    text = f"my phone is {PHONE}"
    note = f"note: {text}"
    findings = [found(text, PHONE, "PHONE_NUMBER") + found(text, PHONE, "US_BANK_NUMBER"), found(note, note, "NOTE")]
    assert again([text, note], findings, {}, acts) == findings
    nothing: list[list[Finding]] = [[], []]
    assert again([text, note], nothing, {}, acts) is nothing


def test_what_the_policy_lets_through_hides_nothing() -> None:
    """The same value is one thing in one text and another in the next."""
    here, there = f"phone {PHONE}", f"account {PHONE}"
    allowed = found(there, PHONE, "ALLOWED")
    for texts, findings in (
        ([here, there], [found(here, PHONE, "PHONE_NUMBER"), allowed]),
        ([there, here], [allowed, found(here, PHONE, "PHONE_NUMBER")]),
    ):
        both = again(texts, findings, {}, acts)[texts.index(there)]
        assert [one.entity for one in both] in (["ALLOWED", "PHONE_NUMBER"], ["PHONE_NUMBER", "ALLOWED"])
    assert again([there, PHONE], [allowed, []], {}, acts) == [allowed, []], "nor is it looked for"


def test_one_place_that_two_modules_found_hides_no_other() -> None:
    text = f"phone {PHONE}"
    both = found(text, PHONE, "PHONE_NUMBER") + found(text, PHONE, "US_BANK_NUMBER")
    assert again([text, PHONE], [both, []], {}, acts)[1]


def test_too_many_keys_in_too_much_text_are_refused() -> None:
    held = {f"key{number}x": "API_KEY" for number in range(1_000)}
    with pytest.raises(DetectionError):
        again(["x" * 300_000], [[]], held, acts)


def test_many_values_are_found_as_few_are_and_in_proportion_to_the_text() -> None:
    numbers = [f"415-555-{number:04}" for number in range(5_000)]
    listed = dict.fromkeys(numbers, "PHONE_NUMBER")
    text = "".join(f"{number}, " for number in numbers) * 5 + f"1{numbers[0]} {numbers[1]}5"
    (found_all,) = again([text], [[]], listed, acts)
    assert len(found_all) == 5 * len(numbers)
    (few,) = again([text], [[]], dict.fromkeys(numbers[:20], "PHONE_NUMBER"), acts)
    assert few == [one for one in found_all if text[one.start : one.end] in numbers[:20]]


@given(
    words=st.lists(st.sampled_from([PHONE, "word", "7", "_", "é", ",", " ", "\n"]), max_size=30),
    cover=st.booleans(),
)
def test_no_place_where_it_stands_by_itself_is_left(words: list[str], cover: bool) -> None:
    text = "".join(words)
    here = found(text, PHONE, "PHONE_NUMBER") if cover and PHONE in text else []
    spans = [(one.start, one.end) for one in again([text], [here], {PHONE: "PHONE_NUMBER"}, acts)[0]]
    for start in range(len(text) - len(PHONE) + 1):
        end = start + len(PHONE)
        alone = not text[max(0, start - 1) : start].isalnum() and not text[end : end + 1].isalnum()
        if text[start:end] == PHONE and alone:
            assert (start, end) in spans
