"""Restore a text that arrives in pieces.

For every way a text can be cut, the pieces that come out joined are what restoring the whole text gives: both use
`Restorer`, and a stream holds back only what could still become one of the conversation's own tokens.
"""

from __future__ import annotations

from typing import Final

from guardrails.restore import LOOK_BACK, Restorer
from guardrails.vault import Restorable

_PIECES: Final = 1024
"""Pieces kept before they are joined and cut to what counts: bounded, and joined rarely."""


class RestoreStream:
    """One text that arrives in pieces: `feed()` each, then `flush()`."""

    __slots__ = ("_escape", "_held", "_recent", "_restorer", "known")

    def __init__(self, restorer: Restorer, known: Restorable, *, escape: bool = False) -> None:
        self._restorer = restorer
        self._escape = escape
        self._held = ""
        self._recent: list[str] = []
        self.known = known

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def feed(self, piece: str) -> str:
        """Take the next piece; give what is certain by now."""
        grammar = self._restorer.grammar
        if not self._held and grammar.opening not in piece:
            self._passed(piece)
            return piece
        text = self._held + piece
        start = text.rfind(grammar.opening)
        cut = len(text)
        if start >= 0 and cut - start < grammar.longest and self.known.may_begin(text[start:]):
            cut = start
        self._held = text[cut:]
        return self._restore(text[:cut])

    def flush(self) -> str:
        """The text is at its end: give what was held back."""
        rest, self._held = self._held, ""
        return self._restore(rest)

    def _restore(self, text: str) -> str:
        before = "".join(self._recent)[-LOOK_BACK:] if self._recent and self._restorer.grammar.closing in text else ""
        restored = self._restorer.whole(text, self.known, escape=self._escape, before=before)
        self._passed(text)
        return restored

    def _passed(self, text: str) -> None:
        """Keep what went by, as far as it decides whether the next token stands in a link."""
        if self._restorer.urls:
            return
        self._recent.append(text[-LOOK_BACK:])
        if len(self._recent) > _PIECES:
            self._recent = ["".join(self._recent)[-LOOK_BACK:]]
