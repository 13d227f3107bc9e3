"""Values go into the arguments of the tools that the policy names, and of no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies.model import Policy
from tests.kit import EMAIL, PATTERNS, Wire, policy, token
from tests.properties.streams import Source, chunks, received, sequence

NAMED = {
    "arguments": ("function_call", "name", "arguments"),
    "mcp": ("mcp_call", "name", "arguments"),
    "custom": ("custom_tool_call", "name", "input"),
}


def of(rule: str, output: str = "mask: off") -> Policy:
    return policy(f"output: {{{output}, restore_in: {{tools: {{{rule}}}}}}}\n", modules=PATTERNS)


def call(kind: str, rule: str, output: str, name: str = "send") -> tuple[str, str]:
    """What the arguments of a call became, wherever the client reads them, and the token that was in them."""
    wire = Wire(of(rule, output))
    wire.create(f"mail {EMAIL}")
    wire.begin("resp_main")
    made = token(wire, EMAIL)
    text = f'{{"to": "{made}"}}' if kind != "custom" else f"to {made} now"
    source = Source(kind, (chunks(text, 5),))
    for event in sequence([source]):
        wire.provider(renamed(event, name))
    ((got,),) = received(wire.sent_down, [source])
    return got.agreed(), made


def renamed(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: name if key == "name" else renamed(child, name) for key, child in value.items()}
    return [renamed(child, name) for child in value] if isinstance(value, list) else value


OUTPUTS = ["mask: off", "mask: new", "mask: new, delivery: live"]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize(
    ("rule", "gets"),
    [
        ("allow: [send]", True),
        ("allow: ['s*']", True),
        ("allow: [other]", False),
        ("deny: [other]", True),
        ("deny: [send]", False),
        ("deny: ['*']", False),
        ("allow: [send], deny: [send]", False),
        ("allow: [Send]", False),
    ],
)
def test_a_tool_gets_values_as_the_policy_names_it(kind: str, rule: str, gets: bool, output: str) -> None:
    got, made = call(kind, rule, output)
    assert (EMAIL in got, made in got) == (gets, not gets)
    if kind != "custom":
        assert json.loads(got) == {"to": EMAIL if gets else made}


@pytest.mark.parametrize("output", OUTPUTS)
def test_texts_get_their_values_whatever_tools_do(output: str) -> None:
    wire = Wire(of("deny: ['*']", output))
    wire.create(f"mail {EMAIL}")
    wire.begin("resp_main")
    source = Source("text", (chunks(f"I wrote to {token(wire, EMAIL)} for you.", 5),))
    for event in sequence([source]):
        wire.provider(event)
    ((got,),) = received(wire.sent_down, [source])
    assert got.agreed() == f"I wrote to {EMAIL} for you."


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(("rule", "gets"), [("allow: [code_interpreter]", True), ("deny: [code_interpreter]", False)])
def test_a_tool_without_a_name_is_called_by_its_type(rule: str, gets: bool, output: str) -> None:
    wire = Wire(of(rule, output))
    wire.create(f"mail {EMAIL}")
    wire.begin("resp_main")
    source = Source("code", (chunks(f"send('{token(wire, EMAIL)}')", 5),))
    for event in sequence([source]):
        wire.provider(event)
    ((got,),) = received(wire.sent_down, [source])
    assert (EMAIL in got.agreed()) == gets


def test_pieces_of_a_call_that_nobody_announced_keep_their_tokens() -> None:
    """With the item itself the name comes; there the value is put in."""
    wire = Wire(of("deny: [other]"))
    wire.create(f"mail {EMAIL}")
    wire.begin("resp_main")
    made = token(wire, EMAIL)
    _, *events = sequence([Source("arguments", (chunks(f'{{"to": "{made}"}}', 50),))])
    (delta,) = wire.provider(events[0])
    assert made in str(delta)
    assert EMAIL not in str(delta)
