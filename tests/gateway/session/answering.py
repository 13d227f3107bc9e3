"""Events of a response as a provider sends them, and the policies under which they are tried."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit import policy

MASKING = policy("output: {mask: new}\n")
POLICIES = pytest.mark.parametrize("of", [policy(), MASKING], ids=["restoring", "masking"])


def delta(text: str, **more: Any) -> dict[str, Any]:
    at = {"item_id": "msg", "output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", **at, "delta": text, **more}


def message(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [part]}


def ended(how: str, response_id: str = "resp_1", text: str | None = None, **response: Any) -> dict[str, Any]:
    output = [] if text is None else [message(text)]
    return {"type": f"response.{how}", "response": {"id": response_id, "output": output, **response}}


def kinds(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]
