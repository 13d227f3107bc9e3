"""The JSON Schema for editors is the one of the model as it is now."""

from __future__ import annotations

import json

from policies.model import Policy
from policies.schema import FILE, schema


def test_schema_json_is_current() -> None:
    assert FILE.read_bytes() == schema(), "run: python -m policies.schema"


def test_the_schema_knows_every_key_and_allows_no_other() -> None:
    described = json.loads(schema())
    assert set(described["properties"]) == set(Policy.model_fields)
    assert described["additionalProperties"] is False
    assert set(described["required"]) == {"version", "detect"}


def test_every_key_is_described_for_editors() -> None:
    described = json.loads(schema())
    for name, definition in described["$defs"].items():
        for key, field in definition["properties"].items():
            # Where a key is described like the type it has, the type's description is the one shown.
            assert field.get("description") or "$ref" in field, f"{name}.{key}"


def test_modules_and_operators_are_described_one_by_one() -> None:
    definitions = json.loads(schema())["$defs"]
    assert set(definitions["PresidioModule"]["properties"]) == {
        "use",
        "entities",
        "threshold",
        "thresholds",
        "regions",
        "model",
    }
    assert definitions["MaskOperator"]["additionalProperties"] is False
    assert definitions["OtherModule"]["additionalProperties"] is True
