"""The exceptions of this package. None of them ever carries text of a user: only names, counts and limits."""

from __future__ import annotations


class GuardrailError(Exception):
    """Something in detecting, hiding or restoring failed; the caller must not forward the text."""


class DetectionError(GuardrailError):
    """A text could not be examined; the caller must refuse the frame it came in."""


class DetectionTimeout(DetectionError):
    """Detection took longer than the policy's budget; the caller must refuse the frame."""


class ModuleNotAvailable(GuardrailError):
    """A module or model that a policy names is not installed; the message says how to install it."""


class VaultError(GuardrailError):
    """The vault could not be read or written; the caller must refuse the frame."""
