"""The JSON Schema of a policy file, for editors. `python -m policies.schema` writes it anew."""

from __future__ import annotations

from pathlib import Path

from pydantic_core import to_json

from policies.model import Policy

FILE = Path(__file__).with_name("schema.json")


def schema() -> bytes:
    """Return the JSON Schema of a policy file as it stands in schema.json."""
    described = Policy.model_json_schema(mode="validation")
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return to_json(dialect | described, indent=2) + b"\n"


if __name__ == "__main__":
    FILE.write_bytes(schema())
