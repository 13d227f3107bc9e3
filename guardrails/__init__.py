"""Finds personal data and secrets in text and hides them: text in, text out. Knows no network and no wire.

`Guard` is the one way in for programs: it puts a request and its answer through the gateway's session, without sockets.
It is made of layers above this one, so it is imported when somebody asks for it (decision 0020).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from guardrails.errors import GuardrailError, Refused

if TYPE_CHECKING:
    from gateway.guarded import Request
    from gateway.inprocess import Guard

__all__ = ["Guard", "GuardrailError", "Refused", "Request"]

_ABOVE = {"Guard": "gateway.inprocess", "Request": "gateway.guarded"}


def __getattr__(name: str) -> object:
    if name in _ABOVE:
        return getattr(importlib.import_module(_ABOVE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
