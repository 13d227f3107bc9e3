"""openai-agents over WebSocket through the gateway: runs, streamed runs and function tools."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
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


class Agents:
    """openai-agents, in a process that all tests here share: it takes seconds to import."""

    def __init__(self, python: Path, errors: Path) -> None:
        self._errors = errors
        with errors.open("wb") as stderr:
            self._process = subprocess.Popen(
                [python, DRIVER],
                env={**os.environ, "NO_PROXY": "127.0.0.1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def converse(
        self, gateway: Any, policy: str, mode: str, *, way: str = "ws", via: str = "ws"
    ) -> list[dict[str, Any]]:
        """Have it talk, over `way`, with every provider, spoken to over `via`; its turns."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        models = [gateway.model(chunk, via) for chunk in CHUNKS]
        asked = {"url": gateway.url, "key": gateway.keys[policy], "mode": mode, "way": way, "models": models}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._errors.read_text("utf-8", errors="replace")[-2000:]
        answer = json.loads(line)
        assert "error" not in answer, answer["error"][-2000:]
        return list(answer["turns"])

    def stop(self) -> None:
        """End it with its input, or else at once."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@pytest.fixture(scope="module")
def agents(agents_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agents]:
    made = Agents(agents_python, tmp_path_factory.mktemp("agents") / "errors")
    yield made
    made.stop()


@pytest.mark.parametrize("mode", ["run", "streamed"])
@pytest.mark.parametrize("policy", ["default", "replay-new", "live-new"])
@pytest.mark.parametrize(("way", "via"), [("ws", "ws"), ("ws", "http"), ("http", "ws"), ("http", "http")])
def test_agents_get_their_values_back_and_tools_run_with_them(
    gateway: Any, agents: Agents, policy: str, mode: str, way: str, via: str
) -> None:
    """Answers and streamed deltas are exact, the tool got the real values, the provider saw none of them."""
    turns = agents.converse(gateway, policy, mode, way=way, via=via)
    assert [turn["answer"] for turn in turns] == list(ANSWERS.values()) * len(CHUNKS)
    for turn in turns:
        assert turn["executed"] == ([f"TOOL {PROMPT}"] if turn["prompt"].startswith("TOOL") else [])
        if mode == "streamed":
            assert turn["deltas"] == turn["answer"]
    gateway.check_provider(*CHUNKS, via=via)


@pytest.mark.parametrize("mode", ["run", "streamed"])
def test_agents_complete_their_runs_when_everything_is_masked(gateway: Any, agents: Agents, mode: str) -> None:
    """Under output.mask all every run ends with an answer and a tool call, and no value in either."""
    turns = agents.converse(gateway, "replay-all", mode)
    assert len(turns) == len(ANSWERS) * len(CHUNKS)
    for turn in turns:
        assert turn["answer"].startswith(("Echo: ", "Tool said: sent TOOL "))
        assert bool(turn["executed"]) == turn["prompt"].startswith("TOOL")
        assert leaked(SECRETS, [turn["answer"], turn["deltas"], *turn["executed"]]) == []
    gateway.check_provider(*CHUNKS)
