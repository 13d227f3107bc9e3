"""The command line: one clear line for each thing, exit code 1 for a mistake, and nothing slow before it is needed."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from gateway import cli
from tests.gateway.loopback import ENVIRONMENT, KEY, POLICY, ask, configuration, provider, run, text_of
from tests.kit import EMAIL, SSN

ROOT = Path(__file__).parents[2]
URL = "ws://127.0.0.1:1/v1/responses"


@dataclass
class Result:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run a command in this process, with some standard input."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")

    def run_it(*arguments: str, stdin: str | bytes = "") -> Result:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "argv", ["guardrail-gateway", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return Result(int(caught.value.code or 0), captured.out, captured.err)

    return run_it


# mask


def test_mask_takes_a_text_or_standard_input(command: Any) -> None:
    for arguments, stdin in ((["mask", f"to {EMAIL}"], ""), (["mask"], f"to {EMAIL}"), (["mask", "-"], f"to {EMAIL}")):
        result = command(*arguments, "--policy", "policy.yaml", stdin=stdin)
        assert result.code == 0
        assert result.out.startswith("to <EMAIL_ADDRESS_")
        assert EMAIL not in result.out


def test_mask_writes_json(command: Any) -> None:
    result = command("mask", "--json", "--policy", "./policy.yaml", f"to {EMAIL}")
    written = json.loads(result.out)
    assert written["masked"].startswith("to <EMAIL_ADDRESS_")
    assert [found["start"] for found in written["findings"]] == [3]


def test_mask_reads_and_writes_json_lines(command: Any) -> None:
    given = "\n".join(map(json.dumps, [f"to {EMAIL}", "a\nb", ""])) + "\n"
    result = command("mask", "--jsonl", "--policy", "policy.yaml", stdin=given)
    written = [json.loads(line) for line in result.out.splitlines()]
    assert [len(one["findings"]) for one in written] == [1, 0, 0]
    assert written[1]["masked"] == "a\nb"


def test_a_bad_line_ends_with_its_number_and_not_its_text(command: Any) -> None:
    result = command("mask", "--jsonl", "--policy", "policy.yaml", stdin=f'"fine"\n{EMAIL}\n"more"\n')
    assert result.code == 1
    assert len(result.out.splitlines()) == 1, "the results so far are there"
    assert result.err == "line 2: not a JSON string\n"


def test_lines_and_a_text_at_once_are_a_mistake(command: Any) -> None:
    result = command("mask", "--jsonl", "--policy", "policy.yaml", EMAIL)
    assert result.code == 1
    assert "--jsonl" in result.err
    assert EMAIL not in result.err


def test_a_policy_that_is_not_there_is_one_line(command: Any) -> None:
    result = command("mask", "--policy", "no-such-policy", "x")
    assert (result.code, result.out) == (1, "")
    assert "no such policy" in result.err
    assert len(result.err.splitlines()) == 1


# check


def write(folder: Path, config: dict[str, Any]) -> str:
    (folder / "gateway.yaml").write_text(json.dumps(config, indent=1), "utf-8")
    return str(folder / "gateway.yaml")


def test_check_needs_no_secret_and_says_that_all_is_good(command: Any, tmp_path: Path) -> None:
    result = command("check", "--config", write(tmp_path, configuration(URL)))
    assert (result.code, result.err) == (0, "")
    assert "good (2 keys, 2 models)" in result.out
    assert not (tmp_path / "audit.jsonl").exists()


def test_check_names_file_line_and_key_of_every_mistake(command: Any, tmp_path: Path) -> None:
    config = configuration(URL, vautl={}, limits={"idle": "soon"})
    path = write(tmp_path, config)
    result = command("check", "--config", path)
    assert result.code == 1
    assert re.search(r"gateway\.yaml:\d+: vautl: .*vault", result.err)
    assert re.search(r"gateway\.yaml:\d+: limits\.idle: ", result.err)


def test_check_reads_the_policies_too(command: Any, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("version: 1\nname: x\nmode: enforced\n", "utf-8")
    result = command("check", "--config", write(tmp_path, configuration(URL)))
    assert result.code == 1
    assert re.search(r"policy\.yaml:3: mode: ", result.err)


def test_check_builds_what_the_policies_name(command: Any, tmp_path: Path) -> None:
    text = "version: 1\nname: broken\ndetect:\n  modules:\n    - use: no_such_module:Detector\n"
    (tmp_path / "policy.yaml").write_text(text, "utf-8")
    result = command("check", "--config", write(tmp_path, configuration(URL)))
    assert result.code == 1
    assert "no_such_module" in result.err


def test_check_says_what_an_operator_should_know(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme_shown.py").write_text(
        "class Shown:\n    def find(self, text):\n        return []\n    def on_event(self, event):\n        return event\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "policy.yaml").write_text(
        "version: 1\nname: mine\ndetect: {modules: [{use: 'acme_shown:Shown'}]}\noutput: {mask: new, delivery: live}\n"
    )
    result = command("check", "--config", write(tmp_path, configuration(URL)))
    assert result.code == 0
    assert "note: policy mine: answers are delivered as by replay" in result.out


# fingerprint, --version


def test_fingerprint_prints_one_line_for_each_key(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    arguments = ["fingerprint", "--config", write(tmp_path, configuration(URL)), "--entity", "EMAIL_ADDRESS"]
    result = command(*arguments, stdin=f"{EMAIL}\n")
    assert re.fullmatch(r"team-a\t[0-9a-f]{16}\nteam-b\t[0-9a-f]{16}\n", result.out)
    assert command(*arguments, "--tenant", "team-b", stdin=EMAIL).out == result.out.splitlines(keepends=True)[1]
    assert command(*arguments, stdin="").code == 1


def test_the_version_is_the_distributions(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"9.9 of {name}")
    assert command("--version").out == "9.9 of guardrail-gateway\n"


# serve, before it serves


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--config"),
        (["--upstream", URL], "--model"),
        (["--config", "gateway.yaml", "--upstream", URL], "--upstream"),
        (["--config", "gateway.yaml", "--port", "9"], "--port"),
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--upstream", "https://example.com", "--model", "gpt-5.1"], "--upstream"),
        (["--upstream", URL, "--model", "gpt-5.1", "--policy", "no-such-policy"], "--policy"),
    ],
)
def test_serve_says_what_is_missing_or_too_much(arguments: list[str], said: str, command: Any, tmp_path: Path) -> None:
    write(tmp_path, configuration(URL))
    result = command("serve", *arguments)
    assert result.code == 1
    assert said in result.err
    assert "Traceback" not in result.err
    assert "shown once" not in result.out


def test_serve_names_missing_secrets_and_shows_none(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TEAM_A_KEY", "a key with spaces")
    monkeypatch.delenv("AUDIT_SECRET")
    result = command("serve", "--config", write(tmp_path, configuration(URL)))
    assert result.code == 1
    assert "TEAM_A_KEY" in result.err
    assert "AUDIT_SECRET" in result.err
    assert not any(value in result.err for value in (*ENVIRONMENT.values(), "a key with spaces"))


# Whole processes


def python(*arguments: str, cwd: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", **ENVIRONMENT, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_help_of_every_command_loads_nothing_slow(tmp_path: Path) -> None:
    program = """
import sys
from gateway import cli
sys.argv = ["guardrail-gateway", "--help"]
try:
    cli.main()
except SystemExit as end:
    assert not end.code
for command in ("serve", "check", "mask", "demo"):
    cli.app([command, "--help"], standalone_mode=False)
print("loaded:", *sys.modules)
"""
    process = python("-c", program, cwd=tmp_path)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    for command in ("serve", "check", "mask", "demo"):
        assert f"guardrail-gateway {command} [OPTIONS]" in out
    loaded = set(out.splitlines()[-1].split())
    assert not {"spacy", "presidio_analyzer", "presidio_anonymizer", "numpy", "starlette", "uvicorn"} & loaded


@dataclass
class Served:
    """A gateway process: its URL, and the lines that it wrote until it was ready."""

    process: subprocess.Popen[str]
    lines: list[str]

    @property
    def url(self) -> str:
        (found,) = re.findall(r"http://127\.0\.0\.1:\d+/v1$", self.lines[-1])
        return str(found).replace("http", "ws") + "/responses"

    def stop(self) -> tuple[str, str]:
        """End it as an operator does; the rest of what it wrote."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=20)


def start(*arguments: str, cwd: Path) -> Served:
    """A gateway that is ready."""
    process = python("-m", "gateway", "serve", "--workers", "0", *arguments, cwd=cwd)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if "is ready" in line:
            return Served(process, lines)
    raise AssertionError(process.communicate()[1])


@pytest.fixture
def started() -> Iterator[list[Served]]:
    """Gateways that a test starts; none outlives it."""
    made: list[Served] = []
    yield made
    for one in made:
        one.process.kill()
        one.process.communicate()


def test_serve_prints_one_ready_line_serves_and_drains(tmp_path: Path, started: list[Served]) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")

    async def script() -> None:
        async with provider() as upstream:
            path = write(tmp_path, configuration(upstream.url))
            served = await asyncio.to_thread(start, "--config", path, cwd=tmp_path)
            started.append(served)
            assert len(served.lines) == 1
            assert re.fullmatch(r"guardrail-gateway is ready: http://127\.0\.0\.1:\d+/v1", served.lines[0])
            headers = {"Authorization": f"Bearer {KEY}"}
            async with connect(served.url, additional_headers=headers, proxy=None) as client:
                assert text_of(await ask(client, f"I am {SSN}")) == f"I am {SSN}"
                assert SSN not in str(upstream.frames)
                stopping = asyncio.ensure_future(asyncio.to_thread(served.stop))
                with pytest.raises(ConnectionClosed) as caught:
                    await client.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1012
            out, err = await stopping
            assert out == ""
            assert "Traceback" not in err
        assert len((tmp_path / "audit.jsonl").read_text().splitlines()) == 2

    run(script())


def test_serve_without_a_file_makes_a_key_and_shows_it_once(tmp_path: Path, started: list[Served]) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")

    async def script() -> None:
        async with provider() as upstream:
            arguments = ["--upstream", upstream.url, "--model", "gpt-5.1", "--policy", "policy.yaml", "--port", "0"]
            served = await asyncio.to_thread(start, *arguments, cwd=tmp_path)
            started.append(served)
            first, _ = served.lines
            key = first.removeprefix("key (shown once): ")
            assert re.fullmatch(r"gg-[\w-]{40,}", key)
            headers = {"Authorization": f"Bearer {key}"}
            async with connect(served.url, additional_headers=headers, proxy=None) as client:
                assert text_of(await ask(client, f"mail {EMAIL}")) == f"mail {EMAIL}"
            assert EMAIL not in str(upstream.frames)
            out, err = await asyncio.to_thread(served.stop)
            assert key not in out + err
            assert key not in (tmp_path / "audit.jsonl").read_text()

    run(script())
