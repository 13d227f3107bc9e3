"""The provenance rule from end to end: over every way a client and a provider may talk, in stored responses, in Redis and
in a program's own process.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.standin import leaked
from gateway.standin.server import StandIn, serve
from guardrails import Guard
from tests.gateway.guards import answered, sdk
from tests.gateway.loopback import KEY, Gateway, configuration, gateway, run
from tests.gateway.test_transports import CLIENTS, EMAIL, NATIVE, PROVIDERS, REPLAY, ask, play
from tests.kit import policy
from tests.redis_server import RedisServer

OWNER: Final = "owner@example.com"
ROW: Final = "grace.hopper@example.com"
FROM: Final = "restore_from: {instructions: false, tool_outputs: false}"
RULE: Final = f"\noutput: {{{FROM}}}\n"
MASKED: Final = RULE.replace("{restore", "{mask: new, delivery: replay, restore")
CALL: Final = {"type": "function_call", "call_id": "call_1", "name": "send", "arguments": "{}"}
INPUT: Final[list[Any]] = [
    {"role": "system", "content": f"You work for {OWNER}."},
    {"role": "user", "content": f"I am {EMAIL}. Whose row is it?"},
    CALL,
    {"type": "function_call_output", "call_id": "call_1", "output": f"{ROW} wrote to {EMAIL} and {OWNER}"},
]


def said(text: str) -> list[str]:
    """The words of a text."""
    return text.removesuffix(".").split()


def text_of(response: dict[str, Any]) -> str:
    assert "output" in response, response
    return str(response["output"][0]["content"][0]["text"])


@pytest.mark.parametrize("rest", [RULE, MASKED], ids=["off", "replay"])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_over_every_way_only_what_the_user_said_comes_back(
    tmp_path: Path, client: str, provider: str, rest: str
) -> None:
    async def script(made: Gateway, providers: list[Any]) -> None:
        first = await ask(made, client, provider, "", input=INPUT, instructions=f"Ask {OWNER}.")
        words = said(text_of(first))
        assert words[:2] == ["Tool", "said:"]
        assert words[4:6] == ["to", EMAIL]
        assert words[2].startswith("<EMAIL_ADDRESS_")
        assert words[7].startswith("<EMAIL_ADDRESS_")
        assert leaked([OWNER, ROW], [json.dumps(first)]) == []
        later = await ask(made, client, provider, f"RECALL {words[2]} {words[7]}", previous_response_id=first["id"])
        assert EMAIL in text_of(later)
        assert leaked([OWNER, ROW], [json.dumps(later)]) == []
        assert leaked([EMAIL, OWNER, ROW], [seen.raw for one in providers for seen in one.seen]) == []

    play(tmp_path, script, rest)


@pytest.mark.parametrize("provider", NATIVE)
def test_stored_responses_and_their_input_go_by_the_rule(tmp_path: Path, provider: str) -> None:
    async def script(made: Gateway, providers: list[Any]) -> None:
        first = await ask(made, "json", provider, "", input=INPUT)
        for path in (first["id"], f"{first['id']}/input_items"):
            headers = {"Authorization": f"Bearer {KEY}"}
            status, _, body = await made.http("GET", f"/v1/responses/{path}", headers=headers)
            assert status == 200
            assert EMAIL in body.decode()
            assert leaked([OWNER, ROW], [body.decode()]) == []

    play(tmp_path, script, RULE)


def test_another_gateway_that_shares_the_vault_knows_no_more(tmp_path: Path, redis: RedisServer) -> None:
    """What may not come back is not kept: the other gateway's policy would restore it."""

    async def main() -> None:
        provider = StandIn(chunk=3)
        async with serve(provider) as url:
            config = configuration(url.replace("http", "ws") + "/responses")
            config["vault"] |= {"store": redis.url}
            for name in ("one", "two"):
                (tmp_path / name).mkdir()
            async with gateway(tmp_path / "one", config, RULE) as one, gateway(tmp_path / "two", config) as other:
                first = await ask(one, "websocket", "gpt-5.1", "", input=INPUT)
                row = said(text_of(first))[2]
                for made in (one, other):
                    text = f"RECALL {row}"
                    later = await ask(made, "json", "gpt-5.1", text, previous_response_id=first["id"])
                    assert text_of(later) == f"Echo: I am {EMAIL}. Whose row is it? | RECALL {row}"

    run(main())


@pytest.mark.parametrize("rest", [RULE, MASKED], ids=["off", "replay"])
def test_a_guard_in_a_program_goes_by_the_rule(rest: str) -> None:
    made = Guard(policy(rest), secret="a secret of some length")
    request = made.request(model="gpt-5.1", input=INPUT, instructions=f"Ask {OWNER}.", stream=True)
    assert leaked([EMAIL, OWNER, ROW], [json.dumps(request.body)]) == []
    events = list(request.events(sdk(answered(request.body))))
    words = said(events[-1].response.output_text)
    assert words[5] == EMAIL
    assert leaked([OWNER, ROW], [event.model_dump_json() for event in events]) == []


def test_without_a_rule_agents_get_what_tools_gave(tmp_path: Path) -> None:
    async def script(made: Gateway, providers: list[Any]) -> None:
        first = await ask(made, "websocket", "websocket", "", input=INPUT)
        assert text_of(first) == f"Tool said: {ROW} wrote to {EMAIL} and {OWNER}"

    play(tmp_path, script, REPLAY)
