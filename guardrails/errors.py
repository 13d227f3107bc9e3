"""The exceptions of this package. None of them ever carries text of a user: only names, counts and limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial


class GuardrailError(Exception):
    """Something in detecting, hiding or restoring failed; the caller must not forward the text."""


class DetectionError(GuardrailError):
    """A text could not be examined; the caller must refuse the frame it came in."""


class DetectionTimeout(DetectionError):
    """Detection took longer than the policy's budget; the caller must refuse the frame."""


class ModuleNotAvailable(GuardrailError):
    """A module or model that a policy names is not installed; the message says how to install it."""


class EventError(GuardrailError):
    """A module failed on an event, or took too long; the caller must refuse the response."""


class Refused(GuardrailError):
    """A request or an answer is not let through: by the policy, or because it could not be examined or recorded.

    The text is a sentence that may be shown to users: it never holds any of the data. `code` is what the gateway sends
    for it; `param` is the part of a request that it is about, where there is one.
    """

    def __init__(self, message: str, *, code: str = "invalid_prompt", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param

    def __reduce__(self) -> tuple[Callable[..., Refused], tuple[str]]:
        return partial(type(self), code=self.code, param=self.param), (str(self),)


class VaultError(GuardrailError):
    """The vault could not be read or written; the caller must refuse the frame."""
