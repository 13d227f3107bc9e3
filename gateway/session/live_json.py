"""Mask JSON source as it comes, value by value: the arguments of a call.

A string, key or number is examined once it is complete, by itself, and goes out with all before it; an array is
examined whole, for its strings are neighbours. After a key that gets another name the rest of its object waits for the
object's end: keys stay distinct. It stays JSON: what is put into a string is escaped, and a number that
is masked becomes a string. What is no JSON is examined as the text that it is, with all that went before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple

from gateway.wire.arrays import Array, Arrays
from gateway.wire.blobs import is_data_url
from gateway.wire.frame import encode
from gateway.wire.keys import Keys
from gateway.wire.schema import KNOWN
from gateway.wire.values import Value, Values
from guardrails.findings import Finding
from guardrails.joining import Question
from guardrails.links import LOOK_BACK
from guardrails.live import between
from guardrails.redact import Applied, Masked, Masker, Outcome, joined
from guardrails.vault import Restorable

_EMPTY: Final = '""'


class _Unit(NamedTuple):
    """What is examined together: a value, or an array."""

    of: Value | Array
    question: Question


class JsonStream:
    """One JSON source; used like `guardrails.live.MaskStream`, with a question of several texts."""

    __slots__ = (
        "_arrays",
        "_asked",
        "_attachments",
        "_final",
        "_fresh",
        "_keys",
        "_masked",
        "_masker",
        "_raw",
        "_ready",
        "_restore",
        "_shown",
        "_values",
        "_words",
        "known",
        "size",
    )

    def __init__(self, masker: Masker, known: Restorable, *, restore: bool, words: bool, attachments: bool) -> None:
        """`words`: whether to look over boundaries for what has neither a digit nor an `@`; `attachments`: whether
        pictures pass, unread.
        """
        self._masker: Final = masker
        self._restore: Final = restore
        self._words: Final = words
        self._values: Final = Values()
        self._attachments: Final = attachments
        self._arrays: Final = Arrays(attachments=attachments)
        self._ready: list[_Unit] = []
        self._asked: list[_Unit] | None = None
        self._keys: Final = Keys()
        self._final = False
        self._fresh = False
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
    def idle(self) -> bool:
        """Whether no question waits for its answer, and nothing for the end of an object."""
        return self._asked is None and not self._keys.waiting

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        self._raw.append(piece)
        self.size += len(piece)
        for value in self._values.feed(piece):
            self._take(self._arrays.feed(value))

    def _take(self, values: Iterable[Value | Array]) -> None:
        for value in values:
            unit = self._unit(value)
            self._ready.append(unit)
            self._fresh = self._fresh or bool(unit.question.asked)

    def question(self, *, final: bool) -> Sequence[str] | None:
        """The texts to be examined now; None where there is nothing to let go."""
        if self._asked is not None:
            return None
        if final:
            for value in self._values.flush():
                self._take(self._arrays.feed(value))
            self._take(self._arrays.flush())
        if not (self._ready or (final and self._keys.waiting)) or not (final or self._fresh):
            return None
        self._final = final
        self._asked, self._ready, self._fresh = self._ready, [], False
        return list(chain.from_iterable(unit.question.asked for unit in self._asked))

    def answer(self, findings: Sequence[Sequence[Finding]]) -> Outcome:
        """What goes out now that the question is answered; see `MaskStream.answer`."""
        if self._asked is None:
            raise AssertionError("an answer to no question")
        asked, self._asked = self._asked, None
        found = iter(findings)
        pieces: list[str] = []
        applied: list[Applied] = []
        masked: list[Masked] = []
        for of, question in asked:
            spans = question.answer([next(found) for _ in question.asked])
            outcomes = list(self._outcomes(of, spans))
            pieces.append(self._given(of, outcomes))
            applied += (one for outcome in outcomes for one in outcome.applied)
            masked += (outcome.masked for outcome in outcomes)
        if self._final:
            pieces.append(self._keys.flush())
        text = "".join(pieces)
        self._shown.append(text)
        self._masked += masked
        return Outcome(text, joined(masked), tuple(applied))

    def _unit(self, of: Value | Array) -> _Unit:
        if isinstance(of, Array):
            return _Unit(of, Question([text.text for text in of.texts], of.groups, words=self._words))
        if of.key and of.text in KNOWN:
            return _Unit(of, Question([]))  # a name that the protocol itself has, as everywhere
        if _is_picture(of):
            return _Unit(of if self._attachments else of._replace(raw=_EMPTY), Question([]))
        return _Unit(of, Question([self.raw if of.plain else of.text] if of.text else []))

    def _outcomes(self, of: Value | Array, found: Sequence[Sequence[Finding]]) -> Iterator[Outcome]:
        if isinstance(of, Value) and of.plain:
            yield self._rest(of, found[0])
            return
        texts = [text.text for text in of.texts] if isinstance(of, Array) else [of.text or ""] * len(found)
        for text, spans in zip(texts, found, strict=True):
            yield self._masker.output(text, spans, self.known, escape=False, restore=self._restore)

    def _given(self, of: Value | Array, outcomes: Sequence[Outcome]) -> str:
        """What may be sent of what was examined, and of what waited for it."""
        written = _written(of, outcomes)
        if isinstance(of, Value) and of.plain:
            return self._keys.flush() + written
        if isinstance(of, Value) and of.key:
            return self._keys.key(of, outcomes[0].text if outcomes else of.text or "")
        return self._keys.other(written)

    def _rest(self, value: Value, findings: Sequence[Finding]) -> Outcome:
        """What is no JSON: of what was found in the whole, what is in it."""
        whole = self.raw
        start = len(whole) - len(value.raw)
        before = whole[max(0, start - LOOK_BACK) : start]
        spans = between(findings, start, len(whole))
        return self._masker.output(value.raw, spans, self.known, escape=True, restore=self._restore, before=before)


def _is_picture(value: Value) -> bool:
    """Whether a value is a string that nobody can examine. A key is read in any case."""
    return value.text is not None and not (value.plain or value.key) and is_data_url(value.text)


def _written(of: Value | Array, outcomes: Sequence[Outcome]) -> str:
    if isinstance(of, Array):
        new = {id(text): outcome.text for text, outcome in zip(of.texts, outcomes, strict=True)}
        return of.written(lambda text: new.get(id(text), text.text))
    if not outcomes or outcomes[0].text == of.text:
        return of.raw
    return outcomes[0].text if of.plain else encode(outcomes[0].text)
