"""The exception tree of the gateway. Each error knows how it is told to a client.

    GatewayError
    ├── FrameError          a client's message that is not strict JSON, or too large, or too deep
    ├── NotExamined         a frame that could not be examined, so it does not go on
    ├── Refused             a frame that policy or protocol does not let through
    │   └── Overdue         a response that takes too long
    ├── UpstreamError       the provider could not be reached, or left
    └── AuditError          a row could not be written; nothing may be forwarded without it

No message of any of them may hold a client's or a provider's text: they are shown to users word for word.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Code: TypeAlias = Literal[
    "invalid_prompt",
    "invalid_stream_id",
    "previous_response_not_found",
    "rate_limit_exceeded",
    "websocket_stream_limit_reached",
]
"""What a refusal can carry as its code: clients tell some of them apart, and the audit and metrics keep them."""


class GatewayError(Exception):
    """Base of everything the gateway raises on purpose.

    `code` is what the error frame carries; the text is a fixed sentence, safe to show.
    """

    code: Code = "invalid_prompt"


class FrameError(GatewayError):
    """A message is not an acceptable JSON text. Answer it with an error frame; the connection lives on."""


class Refused(GatewayError):
    """A frame is well formed and still not let through. Answer it with an error frame and record it."""

    def __init__(self, message: str, *, code: Code = "invalid_prompt", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class Overdue(Refused):
    """A response takes longer than `limits.response`. End it with an error frame and record it."""


class NotExamined(GatewayError):
    """A text could not be examined, or its conversation not looked up. Refuse it, and record that it failed."""


class UpstreamError(GatewayError):
    """The provider cannot be reached or refused the connection. The caller refuses what waits for it."""


class AuditError(GatewayError):
    """An audit row could not be written. The caller must not perform what the row was about."""
