"""What every gateway of these tests needs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the collection at start-up; and nothing here leaves the machine, whatever proxy its environment names."""
    monkeypatch.setattr("gateway.app.gc", SimpleNamespace(collect=lambda: 0, freeze=lambda: None))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
