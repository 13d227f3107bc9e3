"""Restore a text that arrives in pieces.

For every way a text can be cut, the pieces that come out joined are what restoring the whole text gives: both use
`Restorer`, and a stream holds back only what could still become one of the conversation's own tokens.
"""

from __future__ import annotations

import re
from typing import Final

from guardrails.links import LOOK_BACK
from guardrails.restore import Restorer, is_escaped
from guardrails.tokens import MAX_ENTITY, MAX_ID_LENGTH
from guardrails.variants import LEAD, may_hold, unfinished
from guardrails.vault import Restorable

_UNFINISHED: Final = re.compile(r"\\(?:u(?:[0-9a-fA-F]{0,3}))?\Z")
_LONGEST_IN_JSON: Final = MAX_ENTITY + MAX_ID_LENGTH + 14
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PIECES: Final = 1024
"""Pieces kept before they are joined and cut to what counts: bounded, and joined rarely."""
_WHOLE: Final = 100_000
"""Characters of a text of which all is kept until it ends."""


class RestoreStream:
    """One text that arrives in pieces: `feed()` each, then `flush()`."""

    __slots__ = (
        "_came",
        "_escape",
        "_given",
        "_held",
        "_keeps",
        "_last",
        "_marks",
        "_recent",
        "_restorer",
        "_room",
        "known",
    )

    def __init__(self, restorer: Restorer, known: Restorable, *, escape: bool = False) -> None:
        self._restorer = restorer
        self._escape = escape
        self._held = ""
        self._last = ""
        self._recent: list[str] = []
        self._came: list[str] = []
        self._given: list[str] = []
        self._room = _WHOLE
        self._keeps = not restorer.urls
        opening = re.escape(restorer.grammar.opening)
        self._marks = re.compile(rf"{opening}|\\" if escape else rf"{opening}|[_&\\*]").search
        self.known = known

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def feed(self, piece: str) -> str:
        """Take the next piece; give what is certain by now."""
        if not self._held and self._marks(piece) is None and (self._escape or self._ends_otherwise(piece)):
            self._passed(piece)
            self._keep(piece, piece)
            return piece
        text = self._held + piece
        cut = self._certain_in_json(text) if self._escape else self._certain(text)
        self._held = text[cut:]
        new = self._restore(text[:cut])
        self._keep(piece, new)
        return new

    def flush(self) -> str:
        """The text is at its end: give what was held back."""
        rest, self._held = self._held, ""
        new = self._restore(rest)
        self._keep("", new)
        return new

    def became(self, text: str) -> str | None:
        """What all that came became, where it is this text; None where it is not, or was too long to keep."""
        whole = self._room >= 0 and not self._held and "".join(self._came) == text
        return "".join(self._given) if whole else None

    def _keep(self, piece: str, new: str) -> None:
        """Keep what a piece became: the whole text is told again when it ends, and need not be restored again."""
        if self._room >= 0:
            self._room -= len(piece)
            self._came.append(piece)
            self._given.append(new)
            if self._room < 0:
                self._came, self._given = [], []

    def _ends_otherwise(self, piece: str) -> bool:
        """Whether the last word of a piece begins no token: true of nearly all, so it has to be fast."""
        word = piece[len(piece.rstrip(_LETTERS)) :]
        return not word or word.upper() not in self.known.starts

    def _certain(self, text: str) -> int:
        """How much of a text cannot be the beginning of a token."""
        return unfinished(text, self.known, self._restorer.grammar.opening, before=self._last)

    def _certain_in_json(self, text: str) -> int:
        """The same in JSON source, where a bracket may be an escape that is itself not there yet as a whole.

        An escape is never cut, so what goes by ends with a whole one and the next text begins outside of any.
        """
        grammar = self._restorer.grammar
        unfinished = _UNFINISHED.search(text)
        if unfinished is not None and is_escaped(text, unfinished.start()):
            unfinished = None
        end = len(text) if unfinished is None else unfinished.start()
        for opened in grammar.opening_in_json.finditer(text, max(0, end - _LONGEST_IN_JSON)):
            if is_escaped(text, opened.start()):
                continue
            token = grammar.opening + text[opened.end() : end]
            if self.known.may_begin(token) or (unfinished is not None and token + grammar.closing in self.known.values):
                return opened.start()
        return end

    def _restore(self, text: str) -> str:
        whole = not self._escape or self._restorer.grammar.closing in text or "\\u" in text
        before = ""
        if self._recent and whole and (self._escape or may_hold(text, self._restorer.grammar.opening)):
            before = "".join(self._recent)[-LOOK_BACK:]
            self._recent = [before]
        restored = self._restorer.whole(text, self.known, escape=self._escape, before=before or self._last)
        self._passed(text)
        return restored

    def _passed(self, text: str) -> None:
        """Keep what went by, as far as it decides whether the next token stands in a link, or in a word."""
        self._last = (self._last + text[-LEAD:])[-LEAD:]
        if self._keeps:
            self._recent.append(text[-LOOK_BACK:])
            if len(self._recent) > _PIECES:
                self._recent = ["".join(self._recent)[-LOOK_BACK:]]
