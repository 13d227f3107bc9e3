"""docs/in-process.md: its program runs as it stands, with the SDK against a provider, which sees no value."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from gateway.standin import StandIn, leaked
from tests.gateway.guards import served

DOCUMENT = Path(__file__).parents[2] / "docs" / "in-process.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)

# openai 3.54 opens its sync connection in a way that websockets 17.1 deprecates.
pytestmark = pytest.mark.filterwarnings(r"ignore:connect\(\) must be used as a context manager:DeprecationWarning")


def test_the_program_of_the_document_runs_and_the_provider_sees_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, printed = StandIn(chunk=3), io.StringIO()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0a1b2c3d4e5f6071")
    with served(provider) as url, contextlib.redirect_stdout(printed):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        names: dict[str, object] = {}
        exec("\n".join(BLOCKS), names)
        names["client"].close()  # type: ignore[attr-defined]
    requests = [seen.raw for seen in provider.seen if seen.kind in ("ws", "post")]
    assert len(requests) == 6
    assert leaked(["ada@example.com"], requests) == []
    assert printed.getvalue().count("Echo: Write a reminder to ada@example.com") == 3
    assert "Policy default does not allow images, files or sound: they cannot be examined." in printed.getvalue()


def test_the_readme_has_the_same_program() -> None:
    assert BLOCKS[0] in (DOCUMENT.parents[1] / "README.md").read_text()
