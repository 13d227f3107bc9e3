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
_SIGN: Final = re.compile(r"[_&\\*]").search
"""Without one of these, and without a bracket, no token is written."""
_PIECES: Final = 8 * 1024
"""Characters of pieces kept before they are joined, each counted for one more: bounded, and joined rarely."""
_WHOLE: Final = 100_000
"""Characters of a text of which all is kept until it ends; of a longer one only what decides about links."""


class RestoreStream:
    """One text that arrives in pieces: `feed()` each, then `flush()`."""

    __slots__ = ("_came", "_escape", "_given", "_held", "_marks", "_pieces", "_restorer", "_size", "_whole", "known")

    def __init__(self, restorer: Restorer, known: Restorable, *, escape: bool = False) -> None:
        self._restorer = restorer
        self._escape = escape
        self._held = ""
        self._pieces: list[str] = []
        self._size = 0
        self._came = ""
        self._given: list[str] = []
        self._whole = True
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
            self._pieces.append(piece)
            self._size += len(piece) + 1
            if self._size > _PIECES:
                self._gather()
            return piece
        self._gather()
        text = self._held + piece
        new = None if self._escape else self._exact(text)
        if new is not None:
            return new
        cut = self._certain_in_json(text) if self._escape else self._certain(text)
        self._held = text[cut:]
        return self._restore(text[:cut])

    def flush(self) -> str:
        """The text is at its end: give what was held back."""
        self._gather()
        rest, self._held = self._held, ""
        return self._restore(rest)

    def became(self, text: str) -> str | None:
        """What all that came became, where it is this text; None where it is not, or was too long to keep."""
        self._gather()
        return "".join(self._given) if self._whole and not self._held and self._came == text else None

    def _exact(self, text: str) -> str | None:
        """What is certain of a text all of whose brackets belong to tokens as they were made: true of nearly all, so it
        has to be fast. None where there may be more in it than these.
        """
        grammar, known = self._restorer.grammar, self.known
        tokens: list[tuple[int, int]] = []
        done, start = 0, text.find(grammar.opening)
        while start >= 0 and (end := text.find(grammar.closing, start) + 1):
            if _SIGN(text, done, start) is not None or text[start:end] not in known.values:
                return None
            tokens.append((start, end))
            done, start = end, text.find(grammar.opening, end)
        cut = len(text) if start < 0 else start
        begun = not self._ends_otherwise(text[done:]) if start < 0 else not known.may_begin(text[start:])
        if begun or _SIGN(text, done, cut) is not None:
            return None
        given: list[str] = []
        done = 0
        before = self._came[-LOOK_BACK:]
        for start, end in tokens:
            ahead = (before + text[:start])[-LOOK_BACK:]
            given += (text[done:start], self._restorer.one(text[start:end], ahead, known, escape=False))
            done = end
        new = "".join((*given, text[done:cut]))
        self._held = text[cut:]
        self._passed(text[:cut], new)
        return new

    def _gather(self) -> None:
        """Put the pieces that went by unchanged with what came before them."""
        if self._pieces:
            passed = "".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            self._passed(passed, passed)

    def _passed(self, text: str, new: str) -> None:
        """Keep what went by, and what it became.

        What went by decides whether the next token stands in a link, or in a word. And the whole text is told again
        when it ends: it need not be restored again.
        """
        self._came += text
        if self._whole:
            self._given.append(new)
        if len(self._came) > _WHOLE:
            self._whole, self._came = False, self._came[-LOOK_BACK:]
            self._given.clear()

    def _ends_otherwise(self, piece: str) -> bool:
        """Whether the last word of a piece begins no token: true of nearly all, so it has to be fast."""
        word = piece[len(piece.rstrip(_LETTERS)) :]
        return not word or word.upper() not in self.known.starts

    def _certain(self, text: str) -> int:
        """How much of a text cannot be the beginning of a token."""
        return unfinished(text, self.known, self._restorer.grammar.opening, before=self._came[-LEAD:])

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
        escape, grammar = self._escape, self._restorer.grammar
        may = grammar.closing in text or "\\u" in text if escape else may_hold(text, grammar.opening)
        before = self._came[-LOOK_BACK if may else -LEAD :]
        new = self._restorer.whole(text, self.known, escape=escape, before=before)
        self._passed(text, new)
        return new
