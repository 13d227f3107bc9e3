"""What a client sends never reaches the provider, wherever in a frame it stands.

Frames are built from the types of the installed `openai` package with every field filled; a canary goes into each place
in turn and into all at once. What the provider gets is searched as it is on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from gateway.wire.frame import Json, encode, loads
from tests.kit import Wire, policy
from tests.properties.planting import CARD, EMAIL, everywhere, leaks, places, plantings, signature
from tests.properties.sdk import CREATE_PARAMS, INPUT_ITEMS, TOOLS, Record, examples, type_of
from tests.properties.sdk import CLIENT_EVENTS, Model

ALLOW: Final = policy("input: {attachments: allow}\n")
BLOCK: Final = policy("input: {attachments: block}\n")


def run(frame: Json, wire: Wire | None = None) -> Wire:
    """A client sends a frame."""
    wire = wire or Wire(ALLOW)
    for seen in (wire.raw_up, wire.raw_down, wire.sent_up, wire.sent_down, wire.rows):
        seen.clear()  # type: ignore[attr-defined]
    wire.client(frame)
    return wire


def leaked(wire: Wire) -> list[str]:
    """Where a canary came through."""
    found = ["provider" for raw in wire.raw_up if leaks(raw)]
    found += ["client" for raw in wire.raw_down if leaks(raw)]
    found += ["audit" for row in wire.rows if leaks(encode(row.as_json()))]
    return found
