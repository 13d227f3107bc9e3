"""Which headers cross the gateway. All others stop here; the values of these are examined like any text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

UP: Final = frozenset({
    "openai-beta",
    "originator",
    "session-id",
    "session_id",
    "thread-id",
    "user-agent",
    "version",
    "x-client-request-id",
    "x-codex-beta-features",
    "x-codex-installation-id",
    "x-codex-parent-thread-id",
    "x-codex-turn-metadata",
    "x-codex-turn-state",
    "x-codex-window-id",
    "x-openai-subagent",
    "x-responsesapi-include-timing-metrics",
})  # fmt: skip
"""Of the client's headers, those the provider gets."""

UP_WITH_KEY: Final = frozenset({"chatgpt-account-id", "openai-organization", "openai-project"})
"""The same, where the caller's own key goes on: they belong to its account."""

DOWN: Final = frozenset({
    "openai-model",
    "openai-processing-ms",
    "openai-version",
    "x-codex-turn-state",
    "x-models-etag",
    "x-reasoning-included",
    "x-request-id",
})  # fmt: skip
"""Of the provider's headers, those the client gets."""

_MAX_VALUE: Final = 16 * 1024


def upward(raw: Iterable[tuple[bytes, bytes]], *, forward_key: bool) -> dict[str, str]:
    """The client's headers that go on to the provider. Values that are not printable ASCII are left out."""
    names = UP | UP_WITH_KEY if forward_key else UP
    chosen: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key in names and key not in chosen and len(text) <= _MAX_VALUE and text.isascii() and text.isprintable():
            chosen[key] = text
    return chosen


def downward(headers: Mapping[str, str], *, model_kept: bool) -> list[tuple[bytes, bytes]]:
    """The provider's headers that the client gets.

    Without `model_kept` the `openai-model` header is left out: when the gateway may have written another model than the
    client asked for, Codex would tell its user that the account was flagged.
    """
    return [
        (name.encode(), value.encode("latin-1", "replace"))
        for name, value in headers.items()
        if name in DOWN and (model_kept or name != "openai-model") and value.isprintable()
    ]
