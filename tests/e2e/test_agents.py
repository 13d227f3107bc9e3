"""openai-agents over WebSocket through the gateway: runs, streamed runs and function tools."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.standin import leaked

DRIVER = Path(__file__).parent / "drivers" / "agents_driver.py"
PROMPT = "I am Ada, mail ada.lovelace@example.com, card 4111 1111 1111 1111"
SECRETS = ("ada.lovelace@example.com", "4111 1111 1111 1111")
pytestmark = pytest.mark.usefixtures("agents_python")  # first, so that no gateway starts for tests that skip
CHUNKS = (1, 3, 7, 50)
ANSWERS = {
    PROMPT: f"Echo: {PROMPT}",
    "RECALL": f"Echo: {PROMPT} | RECALL",
    f"REASON {PROMPT}": f"Echo: REASON {PROMPT}",
    f"TOOL {PROMPT}": f"Tool said: sent TOOL {PROMPT} to TOOL {PROMPT}",
}


def converse(
    gateway: Any, python: Path, policy: str, mode: str, *, way: str = "ws", via: str = "ws"
) -> list[dict[str, Any]]:
    """Run the driver, over `way`, against every provider, spoken to over `via`; the turns it printed."""
    models = [gateway.model(chunk, via) for chunk in CHUNKS]
    done = subprocess.run(
        [python, DRIVER, gateway.url, mode, way, *models],
        env={**os.environ, "OPENAI_API_KEY": gateway.keys[policy], "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("mode", ["run", "streamed"])
@pytest.mark.parametrize("policy", ["default", "replay-new", "live-new"])
@pytest.mark.parametrize(("way", "via"), [("ws", "ws"), ("ws", "http"), ("http", "ws"), ("http", "http")])
def test_agents_get_their_values_back_and_tools_run_with_them(
    gateway: Any, agents_python: Path, policy: str, mode: str, way: str, via: str
) -> None:
    """Answers and streamed deltas are exact, the tool got the real values, the provider saw none of them."""
    turns = converse(gateway, agents_python, policy, mode, way=way, via=via)
    assert [turn["answer"] for turn in turns] == list(ANSWERS.values()) * len(CHUNKS)
    for turn in turns:
        assert turn["executed"] == ([f"TOOL {PROMPT}"] if turn["prompt"].startswith("TOOL") else [])
        if mode == "streamed":
            assert turn["deltas"] == turn["answer"]
    gateway.check_provider(*CHUNKS, via=via)


@pytest.mark.parametrize("mode", ["run", "streamed"])
def test_agents_complete_their_runs_when_everything_is_masked(gateway: Any, agents_python: Path, mode: str) -> None:
    """Under output.mask all every run ends with an answer and a tool call, and no value in either."""
    turns = converse(gateway, agents_python, "replay-all", mode)
    assert len(turns) == len(ANSWERS) * len(CHUNKS)
    for turn in turns:
        assert turn["answer"].startswith(("Echo: ", "Tool said: sent TOOL "))
        assert bool(turn["executed"]) == turn["prompt"].startswith("TOOL")
        assert leaked(SECRETS, [turn["answer"], turn["deltas"], *turn["executed"]]) == []
    gateway.check_provider(*CHUNKS)
