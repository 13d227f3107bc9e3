"""A row has no field that a raw text fits into."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any

import pytest

from gateway.audit.record import Found, Identifier, Row, Usage, Who
from guardrails.findings import Finding
from guardrails.redact import Applied, Masker
from tests.kit import EMAIL, RESTORE

WHO = Who("c0ffee", "team-a", "default", "1bdd09e6c13eabb6")
MASKED = Masker(RESTORE, tenant_secret=b"a", audit_secret=b"b").input(
    f"to {EMAIL}", [Finding(3, 3 + len(EMAIL), "EMAIL_ADDRESS", 1.0, "test")], {}
)


def test_a_row_is_written_as_plain_values_with_times_in_milliseconds() -> None:
    applied = Applied("EMAIL_ADDRESS", "presidio", "mask", "99b895ee66c7c0c0")
    row = Row(
        WHO,
        3,
        "input",
        "response.create",
        "masked",
        lane=Identifier("lane-1"),
        response=Identifier("resp_0"),
        model_asked="gpt-5.1",
        model_used="gpt-5.1-mini",
        deployment="openai-eu",
        findings=[Found((applied,), "input[0].content[0].text")],
        attachments=2,
        outcome="completed",
        code="invalid_prompt",
        detection=0.0012345,
        first=0.02,
        duration=1.5,
        usage=Usage(1, 2, 3, 4, 5, 6),
        cost=Decimal("0.00280"),
        content={"input": [MASKED.masked]},
    )
    assert row.as_json() == {
        "connection": "c0ffee",
        "key": "team-a",
        "turn": 3,
        "direction": "input",
        "event": "response.create",
        "decision": "masked",
        "outcome": "completed",
        "reason": None,
        "code": "invalid_prompt",
        "policy": "default",
        "policy_digest": "1bdd09e6c13eabb6",
        "lane": "lane-1",
        "response": "resp_0",
        "model_asked": "gpt-5.1",
        "model_used": "gpt-5.1-mini",
        "deployment": "openai-eu",
        "findings": [
            {
                "entity": "EMAIL_ADDRESS",
                "module": "presidio",
                "place": "input[0].content[0].text",
                "action": "mask",
                "fingerprint": "99b895ee66c7c0c0",
            }
        ],
        "attachments": 2,
        "detection_ms": 1.234,
        "first_event_ms": 20.0,
        "duration_ms": 1500.0,
        "usage": {
            "input_tokens": 1,
            "output_tokens": 2,
            "total_tokens": 3,
            "cached_tokens": 4,
            "cache_write_tokens": 5,
            "reasoning_tokens": 6,
        },
        "cost": 0.0028,
        "content": {"input": [MASKED.masked.text]},
    }
    assert EMAIL not in json.dumps(row.as_json())


def test_what_a_row_does_not_have_is_null_or_absent() -> None:
    written = Row(WHO, 1, "output", "response", "forwarded").as_json()
    assert written["lane"] is written["response"] is written["reason"] is None
    assert "usage" not in written
    assert "content" not in written


def test_a_row_cannot_be_changed() -> None:
    row = Row(WHO, 1, "output", "response", "forwarded")
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.reason = EMAIL  # type: ignore[misc]


@pytest.mark.parametrize(
    "text", ["resp_68f1c2d9a4b87e10", "lane-1", "a", "A.b:c_D-9", "x" * 128, "a1b2c3d4e5f6", "2026-11"]
)
def test_what_looks_like_an_id_is_recorded(text: str) -> None:
    assert Identifier(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        EMAIL,
        "Ada Lovelace",
        "536-22-1234",
        "user_536-22-1234",
        "4111111111111111",
        "4111.1111.1111.1111",
        "call_4111111111111111_x",
        "+12125550199",
        "a\nb",
        "x" * 129,
        "<EMAIL_ADDRESS_k7x2m5qa>",
        "ä",
    ],
)
def test_what_may_be_more_than_an_id_is_recorded_as_its_length(text: str) -> None:
    assert Identifier(text).text == f"({len(text)} characters)"


def test_the_repr_of_an_id_is_as_safe_as_the_id() -> None:
    assert repr(Identifier("lane-1")) == "Identifier('lane-1')"
    assert EMAIL not in repr(Identifier(EMAIL))


def test_no_field_of_a_row_takes_a_text_of_a_user_by_its_type() -> None:
    """Free strings in a row are names out of the configuration and sentences out of this program."""
    free = {field.name for field in dataclasses.fields(Row) if str(field.type) in ("str", "str | None")}
    assert free == {"model_asked", "model_used", "deployment", "reason"}
    free = {field.name for field in dataclasses.fields(Found) if str(field.type) == "str"}
    assert free == {"place"}


def test_a_repr_of_a_row_holds_no_raw_value() -> None:
    row: Any = Row(WHO, 1, "input", "response.create", "masked", content={"input": [MASKED.masked]})
    assert EMAIL not in repr(row)
