"""Mask JSON source as it comes, value by value: the arguments of a call.

A string, key or number is examined once it is complete, by itself, and goes out with all before it. It stays JSON: what
is put into a string is escaped, and a number that is masked becomes a string.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.wire.frame import encode
from gateway.wire.values import Value, Values
from guardrails.findings import Finding
from guardrails.redact import Applied, Masked, Masker, Outcome, joined
from guardrails.vault import Restorable


class JsonStream:
    """One JSON source; used like `guardrails.live.MaskStream`, with a question of several texts."""

    __slots__ = ("_asked", "_masked", "_masker", "_raw", "_ready", "_restore", "_shown", "_values", "known", "size")

    def __init__(self, masker: Masker, known: Restorable, *, restore: bool) -> None:
        self._masker: Final = masker
        self._restore: Final = restore
        self._values: Final = Values()
        self._ready: list[Value] = []
        self._asked: list[Value] | None = None
        self._raw: list[str] = []
        self._shown: list[str] = []
        self._masked: list[Masked] = []
        self.known = known
        self.size = 0

    @property
    def raw(self) -> str:
        """What has arrived so far. Never to be sent."""
        return "".join(self._raw)

    @property
    def shown(self) -> str:
        """What has gone out so far."""
        return "".join(self._shown)

    @property
    def masked(self) -> list[Masked]:
        """The values that have gone out, for the record."""
        return self._masked

    @property
    def asking(self) -> bool:
        """Whether a question is not answered yet."""
        return self._asked is not None

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        self._raw.append(piece)
        self.size += len(piece)
        self._ready += self._values.feed(piece)

    def question(self, *, final: bool) -> Sequence[str] | None:
        """The texts to be examined now; None where there is nothing to let go."""
        if self._asked is not None:
            return None
        if final:
            self._ready += self._values.flush()
        if not self._ready or not (final or any(value.text for value in self._ready)):
            return None
        self._asked, self._ready = self._ready, []
        return [value.text for value in self._asked if value.text]

    def answer(self, findings: Sequence[Sequence[Finding]]) -> Outcome:
        """What goes out now that the question is answered; see `MaskStream.answer`."""
        if self._asked is None:
            raise AssertionError("an answer to no question")
        asked, self._asked = self._asked, None
        found = iter(findings)
        pieces: list[str] = []
        applied: list[Applied] = []
        masked: list[Masked] = []
        for value in asked:
            if not value.text:
                pieces.append(value.raw)
                continue
            outcome = self._masker.output(
                value.text, next(found), self.known, escape=value.plain, restore=self._restore
            )
            applied += outcome.applied
            masked.append(outcome.masked)
            changed = outcome.text if value.plain else encode(outcome.text)
            pieces.append(value.raw if outcome.text == value.text else changed)
        text = "".join(pieces)
        self._shown.append(text)
        self._masked += masked
        return Outcome(text, joined(masked), tuple(applied))
