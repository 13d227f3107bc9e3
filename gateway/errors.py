"""The exception tree of the gateway. Each error knows how it is told to a client.

    GatewayError
    ├── FrameError          a client's message that is not strict JSON, or too large, or too deep
    ├── NotExamined         a frame that could not be examined, so it does not go on
    ├── Refused             a frame that policy or protocol does not let through
    ├── UpstreamError       the provider could not be reached, or left
    └── AuditError          a row could not be written; nothing may be forwarded without it

No message of any of them may hold a client's or a provider's text: they are shown to users word for word.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of everything the gateway raises on purpose.

    `code` is what the error frame carries; the text is a fixed sentence, safe to show.
    """

    code = "invalid_prompt"


class FrameError(GatewayError):
    """A message is not an acceptable JSON text. Answer it with an error frame; the connection lives on."""


class Refused(GatewayError):
    """A frame is well formed and still not let through. Answer it with an error frame and record it."""

    def __init__(self, message: str, *, code: str = "invalid_prompt", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class NotExamined(GatewayError):
    """A text could not be examined, or its conversation not looked up. Refuse it, and record that it failed."""


class UpstreamError(GatewayError):
    """The provider cannot be reached or refused the connection. The caller refuses what waits for it."""


class AuditError(GatewayError):
    """An audit row could not be written. The caller must not perform what the row was about."""
