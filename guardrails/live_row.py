"""Join texts that arrive in pieces, one after the other: under `delivery: live` what `joining.py` finds is found, too.

A `Row` is the texts that a reader sees one after the other, each a `MaskStream`. The end of a text goes out when it was
joined to the next text, or there is none; the beginning of the next text after the same. The seams are exactly those
of the complete texts: what of a text is in them (`Chains`) is known before anything of it goes (decision 0022).

    text 1 ───────────┤ held ├──┐
                                ├─ seam ─▶ question ─▶ answer ─▶ both go on
    text 2 ──────────── held ├──┘

Pure, like a stream: have `question()` examined, give the findings to `answer()`, then `resume()` every stream.
"""

from __future__ import annotations

from collections.abc import Sequence

from guardrails.findings import Finding
from guardrails.joining import crossings
from guardrails.live import MaskStream
from guardrails.seams import SHORT, Chains, Seam, Span, seams


class Row:
    """Neighbours: `add()` each when it begins, in order, and `close()` after the last."""

    __slots__ = (
        "_asked",
        "_chains",
        "_closed",
        "_headed",
        "_next",
        "_open",
        "_ready",
        "_streams",
        "_waiting",
        "_words",
    )

    def __init__(self, *, words: bool) -> None:
        """`words`: whether to look for what has neither a digit nor an `@`."""
        self._words = words
        self._streams: list[MaskStream] = []
        self._waiting: list[int] = []
        self._chains = Chains()
        self._next = 0
        self._headed = False
        self._open: set[int] = set()
        self._ready: list[list[Span]] = []
        self._asked: list[Seam] | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether no text is to come."""
        return self._closed

    def add(self, stream: MaskStream) -> None:
        """Take the next text, of which nothing has gone out."""
        self._waiting.append(len(self._streams))
        self._streams.append(stream)

    def close(self) -> None:
        """No text is to come."""
        self._closed = True

    def question(self) -> Sequence[str] | None:
        """The seams to be examined now; None where nothing could be let go. There may be none: then nothing has to be
        found for something to go.
        """
        if self._asked is not None:
            return None
        self._advance()
        self._open = self._chains.texts
        if not any(map(self._goes, self._waiting)):
            return None
        texts = {index: self._streams[index].raw for index in self._waiting}
        self._asked = [seam for chain in self._ready for seam in seams(texts, chain, words=self._words)]
        self._ready = []
        return [seam.text for seam in self._asked]

    def answer(self, found: Sequence[Sequence[Finding]]) -> None:
        """Give the streams what was found over their boundaries; what they wait for besides is theirs to know."""
        if self._asked is None:
            raise AssertionError("an answer to no question")
        asked, self._asked = self._asked, None
        texts = {index: self._streams[index].raw for index in self._waiting}
        own = {index: self._streams[index].found for index in self._waiting}
        for seam, findings in zip(asked, found, strict=True):
            for index, part in crossings(texts, own, seam, findings):
                self._streams[index].part(part)
        for index in self._waiting:
            stream = self._streams[index]
            stream.joined_before = stream.joined_before or self._is_headed(index)
            stream.joined_after = self._is_over(index)
        self._waiting = [index for index in self._waiting if not self._streams[index].joined_after]

    def _advance(self) -> None:
        """Take into the chains what is known of the texts by now."""
        while self._next < len(self._streams):
            stream, index = self._streams[self._next], self._next
            if stream.size > SHORT and stream.examined and not self._headed:
                self._ready += self._chains.head(index, stream.raw)
                self._headed = True
            if not stream.complete:
                return
            if stream.size > SHORT:
                self._chains.tail(index, stream.raw)
            else:
                self._ready += self._chains.add(index, stream.raw)
            self._next, self._headed = self._next + 1, False
        if self._closed:
            self._ready += self._chains.end()
            self._chains = Chains()

    def _goes(self, index: int) -> bool:
        """Whether something of a text goes out once the seams so far were examined."""
        return self._is_over(index) or (self._is_headed(index) and not self._streams[index].joined_before)

    def _is_headed(self, index: int) -> bool:
        """Whether a text was joined to the one before it."""
        if self._is_over(index):
            return True
        return self._streams[index].size > SHORT and (index < self._next or (index == self._next and self._headed))

    def _is_over(self, index: int) -> bool:
        """Whether a text was joined to the one after it."""
        return index < self._next and index not in self._open
