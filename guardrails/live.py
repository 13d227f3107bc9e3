"""Mask a text that arrives in pieces: `delivery: live`.

For every way a text can be cut, the pieces that come out joined are what masking the whole text gives, as long as the
policy's modules have bounds; cuts.py has the rule, decision 0022 the proof. Without bounds a text is decided a sentence
at a time, and what came out is final all the same.

A text may be one of a row of neighbours (`live_row.py`). Then its beginning waits until it was joined to the text
before it, and its end until that was joined to the next one, or there is none.

Pure: whoever owns a stream has `question()` examined and gives `answer()` the findings, one question at a time. What
arrives meanwhile is examined with the next. Cost is linear: a question is what is held and a bounded piece before it,
and what is held is looked at again only when an eighth more is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from guardrails.cuts import GAP, beginning, cut
from guardrails.findings import Finding
from guardrails.horizon import Horizon
from guardrails.links import LOOK_BACK
from guardrails.redact import Applied, Masked, Masker, Outcome, joined
from guardrails.seams import WINDOW
from guardrails.vault import Restorable

_REMEMBERED: Final = 2 * LOOK_BACK
"""Characters of what went by that are kept: links are looked for in half of it, so that it is cut rarely."""
_AGAIN: Final = 8
_STEP: Final = 16
"""Characters that must be able to go before it is asked: a few words are examined at a time. The first go at once."""


class _Examined(NamedTuple):
    """A question that was answered, of which not all could go: its text, where what is held begins in it, and what was
    found. `final`: the text ends with it.
    """

    text: str
    base: int
    final: bool
    findings: Sequence[Finding]


class MaskStream:
    """One text: `feed()` each piece, have `question()` examined, give the findings to `answer()`."""

    __slots__ = (
        "_again",
        "_asked",
        "_behind",
        "_bounds",
        "_covered",
        "_escape",
        "_examined",
        "_fresh",
        "_held",
        "_masked",
        "_masker",
        "_over",
        "_parts",
        "_pieces",
        "_raw",
        "_restore",
        "_shown",
        "_taken",
        "joined_after",
        "joined_before",
        "known",
        "size",
    )

    def __init__(  # noqa: PLR0913 - each says one thing about the place of the text
        self,
        masker: Masker,
        bounds: Horizon,
        known: Restorable,
        *,
        restore: bool,
        escape: bool = False,
        before: bool = False,
        after: bool = False,
    ) -> None:
        """`restore`: whether the policy restores here; `escape`: whether the text is JSON source.

        `before`, `after`: whether it has a neighbour before it, and may have one after it.
        """
        self._masker: Final = masker
        # What may be joined to the next text is held, too; a finding over the boundary begins after the last cut.
        self._bounds: Final = replace(bounds, after=max(bounds.after, WINDOW)) if after else bounds
        self.joined_before = not before
        self.joined_after = not after
        self._restore: Final = restore
        self._escape: Final = escape
        self.known = known
        self.size = 0
        self._raw: list[str] = []
        self._pieces: list[str] = []
        self._held = ""
        self._behind = ""
        self._asked: tuple[str, int, bool] | None = None
        self._examined: _Examined | None = None
        self._parts: list[Finding] = []
        self._over = False
        self._fresh = False
        self._again = 0
        self._taken = 0
        self._shown: list[str] = []
        self._masked: list[Masked] = []
        self._covered: list[tuple[int, int]] = []

    @property
    def raw(self) -> str:
        """What has arrived so far. Never to be sent."""
        self._raw = ["".join(self._raw)]
        return self._raw[0]

    @property
    def shown(self) -> str:
        """What has gone out so far."""
        self._shown = ["".join(self._shown)]
        return self._shown[0]

    @property
    def masked(self) -> Masked:
        """The same for the record."""
        return joined(self._masked)

    @property
    def holding(self) -> int:
        """How many characters are held back."""
        return self.size - self._taken

    @property
    def idle(self) -> bool:
        """Whether nothing is held, and no question waits for its answer."""
        return self._asked is None and not self.holding

    @property
    def examined(self) -> bool:
        """Whether the beginning of it that is joined is decided but for that, or all of it is."""
        return self._examined is not None

    @property
    def complete(self) -> bool:
        """Whether all of it was examined, and no piece is to come."""
        return self._over and (not self.size or (self._examined is not None and self._examined.final))

    @property
    def found(self) -> Sequence[Finding]:
        """What was found in what is held and was examined, at its places in the whole text."""
        if self._examined is None:
            return ()
        return [_moved(one, self._taken - self._examined.base) for one in self._examined.findings]

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        self._pieces.append(piece)
        self._raw.append(piece)
        self.size += len(piece)
        self._fresh = self._fresh or GAP.search(piece) is not None

    def question(self, *, final: bool) -> str | None:
        """The text to be examined now; None where nothing could be let go. `final`: no piece is to come."""
        self._over = self._over or final
        if self._asked is not None or self._examined is not None or not self.holding:
            return None
        if not final and not (self._fresh and self.holding >= self._again):
            return None
        self._held, self._pieces, self._fresh = self._held + "".join(self._pieces), [], False
        whole, base = self._behind + self._held, len(self._behind)
        least = _STEP if self._taken else 1 if self.joined_before else WINDOW
        if not final and cut(whole, base, None, self._bounds) - base < least:
            self._wait()
            return None
        start = beginning(whole, base, self._bounds)
        text = whole[start:]
        self._asked = (text, base - start, final)
        return text

    def answer(self, findings: Sequence[Finding]) -> Outcome | None:
        """What may go out now that the question is answered; None when nothing may.

        With an `Applied` whose action is `block`, the caller must not send it, nor anything after it.
        """
        if self._asked is None:
            raise AssertionError("an answer to no question")
        (text, base, final), self._asked = self._asked, None
        self._examined = _Examined(text, base, final, findings)
        if self.joined_before:
            return self._decide(self._examined)
        if not final and self._cut(text, base, findings) < WINDOW:
            self._examined = None
            self._wait()
        return None

    def part(self, finding: Finding) -> None:
        """Take what was found over a boundary: the part that is in this text, at its place in the whole text."""
        self._parts.append(finding)

    def resume(self) -> Outcome | None:
        """What may go out now that the text was joined to a neighbour; None when nothing may. As with `answer`."""
        if self._examined is None or not self.joined_before:
            return None
        return self._decide(self._examined)

    def _decide(self, examined: _Examined) -> Outcome | None:
        text, base, final, findings = examined
        found = [*findings, *(_moved(part, base - self._taken) for part in self._parts)]
        whole = final and self.joined_after
        end = len(text) if whole else self._cut(text, base, found)
        self._examined = examined._replace(base=end) if final and not whole else None
        outcome = self._let_go(text[base:end], between(found, base, end)) if end > base else None
        self._wait()
        return outcome

    def _cut(self, text: str, base: int, findings: Sequence[Finding]) -> int:
        return cut(text, base, [*findings, *self._tokens(text)], self._bounds)

    def late(self, text: str, findings: Sequence[Finding]) -> tuple[Applied, ...]:
        """What a look at the whole text shows that had gone out by then."""
        return self._masker.late(text, findings, self.known, self._covered)

    def _tokens(self, text: str) -> Iterator[Finding]:
        """The conversation's own tokens, and what may become one, with spaces even: no cut goes through either."""
        spans = [(start, end) for start, end, _ in self._masker.tokens(text, self.known)]
        for start, end in (*spans, (self._masker.unfinished(text, self.known), len(text))):
            yield Finding(start, end, "", 1.0, "token")

    def _wait(self) -> None:
        """Look again when there is noticeably more than what is held now."""
        self._again = len(self._held) + len(self._held) // _AGAIN

    def _let_go(self, text: str, findings: Sequence[Finding]) -> Outcome:
        outcome = self._masker.output(
            text, findings, self.known, escape=self._escape, restore=self._restore, before=self._behind[-LOOK_BACK:]
        )
        self._held = self._held[len(text) :]
        behind = self._behind + text
        self._behind = behind if len(behind) <= _REMEMBERED else behind[-LOOK_BACK:]
        if self._bounds.sentences:
            self._covered += ((start + self._taken, end + self._taken) for start, end in outcome.spans)
        self._taken += len(text)
        self._shown.append(outcome.text)
        self._masked.append(outcome.masked)
        return outcome


def _moved(finding: Finding, by: int) -> Finding:
    return finding._replace(start=finding.start + by, end=finding.end + by)


def between(findings: Sequence[Finding], base: int, end: int) -> list[Finding]:
    """Of a text's findings, those of a piece of it, and the parts of those that reach into it."""
    return [
        one._replace(start=max(one.start, base) - base, end=min(one.end, end) - base)
        for one in findings
        if one.start < end and one.end > base
    ]
