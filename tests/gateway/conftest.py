"""What every gateway of these tests needs."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest


async def _soon(_: float) -> None:
    await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what servers of one test need not wait for; and nothing here leaves the machine, whatever its proxy.

    At its end every server sleeps for a tenth of a second, and then looks as often whether its connections have gone:
    a test with four servers would spend most of its time there. The gateway collects garbage at its start.
    """
    monkeypatch.setattr("gateway.app._look_for_less_garbage", lambda: None)
    monkeypatch.setattr("uvicorn.server.asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": _soon}))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
