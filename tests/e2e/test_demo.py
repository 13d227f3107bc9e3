"""The demo holds as it is, and says so when something leaks or is missing."""

from __future__ import annotations

import sys

import pytest

from gateway import demo


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):  # the demo sets them for its own process
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("COLUMNS", "140")


def test_the_demo_passes_and_shows_all_four_views(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0; sent, seen, got and audit are shown; the last line is the verdict."""
    assert demo.run_demo() == 0
    shown = capsys.readouterr().out
    for heading in ("the client sent", "the provider saw", "the client got", "the audit"):
        assert heading in shown
    assert shown.strip().splitlines()[-1].startswith("PASSED")
    assert "blocked" in shown


def test_the_demo_fails_when_the_provider_sees_a_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a policy that lets one kind of value through, the exit code is 1 and the verdict says which."""
    monkeypatch.setattr(demo, "CAREFUL", demo.CAREFUL.replace("{input: block}", "{input: allow, output: allow}"))
    assert demo.run_demo() == 1
    assert "FAILED" in (verdict := capsys.readouterr().out.strip().splitlines()[-1])
    assert "the provider saw value 3" in verdict


def test_the_demo_says_how_to_get_the_sdk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the openai package nothing is started and the message has the command to install it."""
    monkeypatch.setitem(sys.modules, "openai", None)
    assert demo.run_demo() == 2
    assert "pip install openai" in capsys.readouterr().out
