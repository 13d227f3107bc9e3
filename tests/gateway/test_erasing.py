"""`guardrail-gateway vault erase`: what an operator erases is gone from the next turn on, and the audit says so."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.erasing import Target, erase
from gateway.errors import GatewayError
from gateway.standin.server import StandIn
from guardrails.errors import VaultError
from tests.gateway.loopback import ENVIRONMENT, OTHER_KEY, POLICY, Gateway, configuration
from tests.gateway.test_shared_vault import OTHER_EMAIL, ask, play, text_of, tokens
from tests.kit import EMAIL
from tests.redis_server import RedisServer

URL = "ws://127.0.0.1:1/v1/responses"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def command(*arguments: str, given: str = "") -> Any:
    return CliRunner().invoke(app, ["vault", "erase", *arguments], input=given)


async def erased(made: Gateway, *arguments: str, given: str = "") -> dict[str, Any]:
    """Run the command beside a gateway that runs, as an operator does; gives its audit row."""
    before = len(made.rows())
    result = await asyncio.to_thread(command, "--config", str(made.folder / "gateway.yaml"), *arguments, given=given)
    assert result.exit_code == 0, result.output
    rows = made.rows()[before:]
    assert {(row["event"], row["decision"]) for row in rows} == {("vault.erase", "erased")}
    values, sets = (sum(row[name] for row in rows) for name in ("values", "sets"))
    assert result.output == f"erased {values} values from {sets} responses and conversations\n"
    return dict(rows[-1])


def test_a_conversation_is_erased_for_every_gateway_and_the_next_turn_restores_nothing(
    tmp_path: Path, redis: RedisServer
) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        first = await ask(one, f"I am {EMAIL}")
        second = await ask(other, "go on", previous_response_id=first["id"])
        apart = await ask(other, f"apart, {EMAIL}")
        row = await erased(one, "--key", "team-a", "--response", first["id"])
        assert (row["key"], row["scope"], row["sets"], row["values"]) == ("team-a", "response", 2, 1)
        assert row["findings"] == []
        [token] = tokens(provider)
        again = await ask(other, "RECALL", previous_response_id=second["id"])
        assert text_of(again) == f"Echo: I am {token}> | go on | RECALL"
        assert EMAIL in text_of(await ask(one, "RECALL", previous_response_id=apart["id"]))
        told = await ask(one, "RECALL", key=OTHER_KEY, previous_response_id=first["id"])
        assert told["error"]["code"] == "previous_response_not_found", "whose it is stays known"

    play(tmp_path, redis, script)


def test_a_providers_conversation_is_erased(tmp_path: Path, redis: RedisServer) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        await ask(one, f"I am {EMAIL}", conversation="conv_1")
        row = await erased(other, "--key", "team-a", "--conversation", "conv_1")
        assert (row["scope"], row["id"], row["sets"]) == ("conversation", "conv_1", 2)
        assert EMAIL not in text_of(await ask(one, "RECALL", conversation="conv_1"))

    play(tmp_path, redis, script)


@pytest.mark.parametrize("given", ["-", "argument"])
def test_a_person_is_erased_by_a_value_and_recorded_by_its_fingerprint(
    tmp_path: Path, redis: RedisServer, given: str
) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        first = await ask(one, f"I am {EMAIL}, write to {OTHER_EMAIL}")
        await ask(one, f"I am {EMAIL}", key=OTHER_KEY)
        found = [row["findings"][0]["fingerprint"] for row in one.rows() if row["findings"]]
        if given == "-":
            await erased(one, "--value", "-", given=f"{EMAIL}\n")
        else:
            row = await erased(one, "--value", EMAIL, "--key", "team-a")
            assert row["key"] == "team-a"
        rows = [row for row in one.rows() if row["event"] == "vault.erase"]
        assert {row["key"] for row in rows} == ({"team-a", "team-b"} if given == "-" else {"team-a"})
        for row in rows:
            [finding] = row["findings"]
            assert finding["entity"] == "EMAIL_ADDRESS"
            assert finding["fingerprint"] == found[0 if row["key"] == "team-a" else 1]
        assert EMAIL not in (one.folder / "audit.jsonl").read_text("utf-8")
        answer = text_of(await ask(other, "RECALL", previous_response_id=first["id"]))
        assert EMAIL not in answer and OTHER_EMAIL in answer

    play(tmp_path, redis, script)


def test_a_whole_key_is_erased(tmp_path: Path, redis: RedisServer) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        first = await ask(one, f"I am {EMAIL}")
        row = await erased(one, "--key", "team-a")
        assert (row["scope"], row["id"], row["sets"], row["values"]) == ("key", None, 1, 1)
        assert EMAIL not in text_of(await ask(other, "RECALL", previous_response_id=first["id"]))
        row = await erased(one, "--key", "team-b")
        assert (row["key"], row["sets"]) == ("team-b", 0), "that there was nothing is recorded, too"

    play(tmp_path, redis, script)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose Redis nobody runs."""
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    made = configuration(URL)
    made["vault"]["store"] = "redis://127.0.0.1:1/0"
    made["keys"].append({"id": "guests", "accept": "any", "models": ["own"], "policy": "./policy.yaml"})
    made["models"]["own"] = {"deployments": [{"name": "own", "url": URL, "auth": "forward"}]}
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps(made), "utf-8")
    return path


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (Target(), "Give --key"),
        (Target(response="resp_1"), "Give --key"),
        (Target("team-a", "resp_1", "conv_1"), "Give one of"),
        (Target("team-c"), "no such key"),
        (Target("team-a-0123"), "no such key"),
        (Target(value=" "), "empty"),
        (Target("team-a", " "), "empty"),
    ],
)
def test_what_is_no_target_is_told(config: Path, target: Target, told: str) -> None:
    with pytest.raises(GatewayError, match=told):
        erase(config, target)


@pytest.mark.parametrize("target", [Target("team-a"), Target("guests-0123456789abcdef"), Target(value=EMAIL)])
def test_a_redis_that_is_not_there_is_told_and_nothing_recorded(config: Path, target: Target) -> None:
    with pytest.raises(VaultError, match="cannot be reached"):
        erase(config, target)
    assert (config.parent / "audit.jsonl").read_text("utf-8") == ""


def test_a_vault_in_memory_cannot_be_reached_from_here_and_the_command_says_so(config: Path) -> None:
    made = json.loads(config.read_text("utf-8"))
    made["vault"] = {"secret_env": "VAULT_SECRET"}
    config.write_text(json.dumps(made), "utf-8")
    with pytest.raises(GatewayError, match="Restart the gateway"):
        erase(config, Target("team-a"))
