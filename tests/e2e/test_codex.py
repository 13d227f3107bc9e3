"""Codex over WebSocket through the gateway: it executes commands with real values, and the provider sees none."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.standin import leaked
from tests.e2e.flaky import network

EMAIL, CARD = "ada.lovelace@example.com", "4111 1111 1111 1111"
PROMPT = f"I am Ada, mail {EMAIL}, card {CARD}"

pytestmark = pytest.mark.usefixtures("codex_program")  # first, so that no gateway starts for tests that skip

CONFIG = """\
model = "{model}"
model_provider = "gateway"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.gateway]
name = "gateway"
base_url = "{url}"
env_key = "GATEWAY_KEY"
wire_api = "responses"
supports_websockets = {sockets}
request_max_retries = 0
stream_max_retries = 0
"""


class Codex:
    """Codex in a home and a working folder of its own."""

    def __init__(self, program: Path, folder: Path, *, url: str, key: str, model: str, sockets: bool = True) -> None:
        self._program = program
        self._folder = folder
        (folder / "home").mkdir()
        (folder / "work").mkdir()
        (folder / "home" / "config.toml").write_text(CONFIG.format(url=url, model=model, sockets=str(sockets).lower()))
        homes = {"CODEX_HOME": str(folder / "home"), "HOME": str(folder / "home")}
        self._env = {**os.environ, **homes, "GATEWAY_KEY": key, "NO_PROXY": "127.0.0.1"}

    def execute(self, *arguments: str, falls_back: bool = False) -> tuple[str, list[dict[str, Any]]]:
        """Run `codex exec`; its last message, and the items it completed."""
        last = self._folder / "last.txt"
        last.unlink(missing_ok=True)
        # The stand-in only ever asks for a printf; Codex's own sandbox does not start in every container.
        options = ["--skip-git-repo-check", "-s", "danger-full-access", "--json", "-o", str(last)]
        done = subprocess.run(
            [self._program, "exec", *options, *arguments],
            cwd=self._folder / "work",
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
        assert ("falling back" in (done.stdout + done.stderr).lower()) == falls_back
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return last.read_text(encoding="utf-8"), [
            event["item"] for event in events if event["type"] == "item.completed"
        ]


@pytest.fixture
def codex(gateway: Any, codex_program: Path, tmp_path: Path, policy: str, chunk: int) -> Codex:
    """Codex set up for one policy and one size of delta."""
    key, model = gateway.keys[policy], gateway.model(chunk)
    return Codex(codex_program, tmp_path, url=gateway.url, key=key, model=model)


def texts(items: list[dict[str, Any]], kind: str, key: str) -> list[str]:
    return [item[key] for item in items if item["type"] == kind]


@pytest.mark.parametrize("chunk", [1, 3, 7, 50])
@pytest.mark.parametrize("policy", ["default", "replay-new", "live-new"])
def test_codex_reasons_runs_a_command_and_recalls_with_real_values(gateway: Any, codex: Codex, chunk: int) -> None:
    """Reasoning, preamble, executed command, answer and a resumed turn are exact; the provider saw no value."""
    prompt = f"TOOL REASON {PROMPT}"
    last, items = codex.execute(prompt)
    assert texts(items, "reasoning", "text")[0].endswith(f"The user wrote: {prompt}")
    assert texts(items, "agent_message", "text")[0] == f"I will call a tool for: {prompt}"
    assert texts(items, "command_execution", "aggregated_output") == [f"tool-ran: {prompt}\n"]
    assert last.startswith("Tool said: ")
    assert last.endswith(f"tool-ran: {prompt}\n")
    last, _ = codex.execute("resume", "--last", "RECALL everything")
    assert last.startswith("Echo: ")
    assert last.endswith(f"{prompt} | RECALL everything")
    gateway.check_provider(chunk)


@pytest.mark.parametrize("policy", ["default", "replay-new", "live-new"])
@pytest.mark.parametrize(("sockets", "via"), [(False, "ws"), (True, "http"), (False, "http")])
def test_codex_does_the_same_over_http(
    gateway: Any, codex_program: Path, tmp_path: Path, policy: str, sockets: bool, via: str
) -> None:
    """Without WebSockets on the one side or the other: the same answers, commands and second turn."""
    key, model = gateway.keys[policy], gateway.model(3, via)
    codex = Codex(codex_program, tmp_path, url=gateway.url, key=key, model=model, sockets=sockets)
    prompt = f"TOOL REASON {PROMPT}"
    last, items = codex.execute(prompt)
    assert texts(items, "command_execution", "aggregated_output") == [f"tool-ran: {prompt}\n"]
    assert last.endswith(f"tool-ran: {prompt}\n")
    last, _ = codex.execute("resume", "--last", "RECALL everything")
    assert last.endswith(f"{prompt} | RECALL everything")
    gateway.check_provider(3, via=via)


@pytest.mark.parametrize("policy", ["default", "replay-new", "live-new"])
@pytest.mark.parametrize("via", ["ws", "http"])
def test_codex_that_loses_its_websocket_goes_on_over_http_with_the_same_tokens(
    gateway: Any, codex_program: Path, tmp_path: Path, policy: str, via: str
) -> None:
    """The connection is cut after the call of a tool, and no other is let in: the tool's output goes over HTTP."""
    key, model = gateway.keys[policy], gateway.model(3, via)
    with network(gateway.url) as (between, url):
        codex = Codex(codex_program, tmp_path, url=url, key=key, model=model)
        prompt = f"TOOL REASON {PROMPT}"
        last, items = codex.execute(prompt, falls_back=True)
    assert (between.cut, between.posts) == (True, 1)
    assert texts(items, "command_execution", "aggregated_output") == [f"tool-ran: {prompt}\n"]
    assert last.endswith(f"tool-ran: {prompt}\n")
    news = gateway.providers[3].news()
    received = [seen["raw"] for seen in news if seen["kind"] in ("ws", "post")]
    assert leaked([EMAIL, CARD], received) == []
    tokens = [set(re.findall("<EMAIL_ADDRESS_[a-z0-9]{8}>", raw)) for raw in received if "TOOL REASON" in raw]
    assert len(tokens) >= 2
    assert len(set.union(*tokens)) == 1, "the same value has the same token on both ways"


@pytest.mark.parametrize("chunk", [1, 7, 50])
@pytest.mark.parametrize("policy", ["replay-all", "live-all"])
def test_codex_works_on_when_everything_is_masked(gateway: Any, codex: Codex, chunk: int) -> None:
    """Under output.mask all Codex still runs the command and answers, with no value in any of it."""
    last, items = codex.execute(f"TOOL REASON {PROMPT}")
    assert texts(items, "command_execution", "aggregated_output")[0].startswith("tool-ran: TOOL REASON I am Ada")
    assert last.startswith("Tool said: ")
    assert leaked([EMAIL, CARD], [last, json.dumps(items)]) == []
    gateway.check_provider(chunk)


@pytest.mark.parametrize("chunk", [3])
@pytest.mark.parametrize("policy", ["default"])
def test_codex_gets_a_plain_answer(gateway: Any, codex: Codex, chunk: int) -> None:
    """A turn of text alone comes back exact."""
    assert codex.execute(PROMPT)[0] == f"Echo: {PROMPT}"
    gateway.check_provider(chunk)
