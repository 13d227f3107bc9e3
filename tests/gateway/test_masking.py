"""`mask` shows what a policy does to a text, without a gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.masking import mask_lines, mask_text
from policies.load import PolicyError
from tests.gateway.loopback import POLICY
from tests.kit import CARD, EMAIL, SSN


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY + "actions: {US_SSN: {input: block}, CREDIT_CARD: {input: allow}}\n", "utf-8")
    return str(path)


def lines(policy: str, *texts: object) -> list[dict[str, object]]:
    given = [json.dumps(text).encode() + b"\n" for text in texts]
    return [json.loads(line) for line in mask_lines(policy, given)]


def test_a_result_has_the_masked_text_and_findings_at_code_points_of_the_input(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"😀 ä {EMAIL}"
    mask_text(policy, text, as_json=True)
    output = capsys.readouterr().out
    assert output.endswith("}\n")
    result = json.loads(output)
    assert set(result) == {"masked", "findings"}
    (found,) = result["findings"]
    assert found == {
        "entity": "EMAIL_ADDRESS",
        "start": 4,
        "end": 4 + len(EMAIL),
        "score": 1.0,
        "module": found["module"],
    }
    assert text[found["start"] : found["end"]] == EMAIL
    assert result["masked"].startswith("😀 ä <EMAIL_ADDRESS_")


def test_for_people_the_text_comes_as_it_is_masked_with_a_table(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f":+1: [bold]\x07 {EMAIL} {'x' * 200}"
    mask_text(policy, text, as_json=False)
    first, *table = capsys.readouterr().out.splitlines()
    before, after = first.split("<EMAIL_ADDRESS_")
    assert before == ":+1: [bold]\x07 "
    assert after.endswith("x" * 200)
    assert "EMAIL_ADDRESS" in "\n".join(table)
    assert EMAIL not in first


def test_a_text_without_findings_says_so(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    mask_text(policy, "hello", as_json=False)
    assert capsys.readouterr().out.splitlines() == ["hello", "nothing found"]


def test_what_the_policy_blocks_is_said_and_what_it_allows_is_no_finding(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mask_text(policy, f"{SSN} {CARD}", as_json=False)
    output = capsys.readouterr().out
    assert "would refuse" in output
    assert "US_SSN" in output
    assert CARD in output
    assert SSN not in output
    (result,) = lines(policy, CARD)
    assert result == {"masked": CARD, "findings": []}


def test_lines_come_one_for_one_and_as_they_are_read(policy: str) -> None:
    assert [result["masked"] for result in lines(policy, "a", "", "b\nc")] == ["a", "", "b\nc"]
    read: list[int] = []

    def slowly() -> object:
        for number in range(3):
            read.append(number)
            yield b'"x"\n'

    results = mask_lines(policy, slowly())  # type: ignore[arg-type]
    next(results)
    assert read == [0], "the next line is not waited for"


def test_the_same_value_has_the_same_token_in_every_run(policy: str) -> None:
    first, second = lines(policy, EMAIL), lines(policy, f"to {EMAIL}")
    assert second[0]["masked"] == f"to {first[0]['masked']}"


@pytest.mark.parametrize("line", [EMAIL.encode(), b"", b"5", b'{"a": 1}', b'["a"]', b'"\\ud800"', b'"\xff"', b"null"])
def test_a_line_that_is_no_json_string_is_named_by_its_number_only(policy: str, line: bytes) -> None:
    results = mask_lines(policy, [b'"fine"\n', line + b"\n"])
    next(results)
    with pytest.raises(GatewayError) as caught:
        next(results)
    assert str(caught.value) == "line 2: not a JSON string"


def test_a_name_that_is_no_policys_is_said_so() -> None:
    with pytest.raises(PolicyError, match="no such policy"):
        mask_text("no-such-policy", "x", as_json=True)


def test_of_a_policy_that_only_observes_it_says_that_nothing_changes(capsys: pytest.CaptureFixture[str]) -> None:
    for policy, said in (("observe", True), ("default", False)):
        mask_text(policy, f"mail {EMAIL}", as_json=False)
        assert ("the gateway sends the text as it is" in capsys.readouterr().out) is said
