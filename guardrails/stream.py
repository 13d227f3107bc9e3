"""Restore a text that arrives in pieces.

For every way a text can be cut, the pieces that come out joined are what restoring the whole text gives: both use
`Restorer`, and a stream holds back only what could still become one of the conversation's own tokens.
"""

from __future__ import annotations

from guardrails.restore import LOOK_BACK, Restorer
from guardrails.vault import Restorable


class RestoreStream:
    """One text that arrives in pieces: `feed()` each, then `flush()`."""

    __slots__ = ("_before", "_escape", "_held", "_known", "_restorer")

    def __init__(self, restorer: Restorer, known: Restorable, *, escape: bool = False) -> None:
        self._restorer = restorer
        self._known = known
        self._escape = escape
        self._held = ""
        self._before = ""

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def feed(self, piece: str) -> str:
        """Take the next piece; give what is certain by now."""
        text = self._held + piece
        grammar = self._restorer.grammar
        start = text.rfind(grammar.opening)
        cut = len(text)
        if start >= 0 and cut - start < grammar.longest and self._known.may_begin(text[start:]):
            cut = start
        self._held = text[cut:]
        return self._restore(text[:cut])

    def flush(self) -> str:
        """The text is at its end: give what was held back."""
        rest, self._held = self._held, ""
        return self._restore(rest)

    def _restore(self, text: str) -> str:
        restored = self._restorer.whole(text, self._known, escape=self._escape, before=self._before)
        if not self._restorer.urls:
            self._before = (self._before + text)[-LOOK_BACK:]
        return restored
