"""`guardrail-gateway mask`: what a policy does to a text, without a gateway."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from gateway.errors import FrameError, GatewayError
from gateway.wire.frame import Json, decode, encode
from guardrails.again import again
from guardrails.detector import PolicyDetector, build
from guardrails.findings import Finding
from guardrails.redact import Masker
from policies.load import load
from policies.model import Policy

_SECRET: Final = b"guardrail-gateway mask"
"""Tokens of this command are the same from run to run, and not those of any gateway."""


class _Mask:
    """One policy, ready to mask texts."""

    def __init__(self, policy: Policy) -> None:
        self._detector: PolicyDetector = build(policy)
        self._masker = Masker(policy, tenant_secret=_SECRET, audit_secret=_SECRET)
        self.blocked: list[str] = []

    def __call__(self, text: str) -> tuple[str, list[Finding]]:
        found = again([text], self._detector.detect([text]), {}, self._masker.acts)[0]
        acted = self._masker.acting(text, found)
        outcome = self._masker.input(text, found, {})
        self.blocked = sorted({one.entity for one in outcome.applied if one.action == "block"})
        return outcome.text, acted


def mask_text(policy: str, text: str, *, as_json: bool) -> None:
    """Print the masked text and the findings of one text.

    Raises:
        PolicyError, GuardrailError: the policy cannot be loaded, or the text could not be examined.

    """
    loaded = load(_name(policy))
    mask = _Mask(loaded)
    masked, found = mask(text)
    if as_json:
        sys.stdout.write(encode(_result(masked, found)) + "\n")
        return
    console = Console(soft_wrap=True, highlight=False)
    sys.stdout.write(f"{masked}\n")  # rich would make an emoji of `:+1:`, and drop control characters
    table = Table("entity", "start", "end", "score", "module", "action")
    for one in found:
        action = "block" if one.entity in mask.blocked else "mask"
        table.add_row(one.entity, str(one.start), str(one.end), f"{one.score:.2f}", one.module, action)
    console.print(table if found else "nothing found")
    if loaded.mode == "observe" and found:
        console.print("With mode: observe the gateway sends the text as it is, and notes this in the audit.")
    elif mask.blocked:
        console.print(f"The gateway would refuse this message: the policy blocks {', '.join(mask.blocked)}.")


def mask_lines(policy: str, lines: Iterable[bytes]) -> Iterator[str]:
    """A result line for each line with a JSON string.

    Raises:
        GatewayError: a line is not a JSON string; the text gives its number only.

    """
    mask = _Mask(load(_name(policy)))
    for number, line in enumerate(lines, 1):
        try:
            text = decode(line.strip())
        except FrameError:
            text = None
        if not isinstance(text, str):
            raise GatewayError(f"line {number}: not a JSON string")
        masked, found = mask(text)
        yield encode(_result(masked, found)) + "\n"


def _result(masked: str, found: Iterable[Finding]) -> Json:
    return {
        "masked": masked,
        "findings": [
            {"entity": f.entity, "start": f.start, "end": f.end, "score": f.score, "module": f.module} for f in found
        ],
    }


def _name(policy: str) -> str | Path:
    return Path(policy) if "/" in policy or policy.endswith((".yaml", ".yml")) else policy
