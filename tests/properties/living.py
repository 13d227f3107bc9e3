"""Texts that hurt, cut at will, through a `MaskStream`; and what is expected of what comes out.

The pieces are such as values are made of, cut in the middle, written in other ways, and what stands around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Final

from guardrails.cuts import GAP
from guardrails.detector import PolicyDetector, build
from guardrails.horizon import Horizon, horizon
from guardrails.joining import Question
from guardrails.live import MaskStream
from guardrails.live_row import Row
from guardrails.redact import Masker, Outcome
from guardrails.vault import EMPTY, Restorable
from policies.load import load
from policies.model import Policy

KEY: Final = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"
ENCODED: Final = "Z3JhY2UuaG9wcGVyQGV4YW1wbGUuY29t"
PIECES: Final = (
    *("ada.lovelace@example.com", "grace@", "example.com", "4111 1111 1111 1111", "4111", "1111", "536-22-1234"),
    *("536-22", "-1234", "(212) 555-0199", "+44 20 7946 0958", "ext. 12", "DE89 3704 0044 0532 0130 00", "GB82 WEST"),
    *("203.0.113.7", "version", "IP", "born on 12 April 1980", "born", "1980-04-12", "12 April", "1", "22", "333"),
    *("call", "phone", "my ssn is", "credit card", "account", "password=", "hunter2x9", "password is Tr0ub4dor&3"),
    *("sk-proj-Zk3vQ9xT1mB7wL5nR2cY8dF4gH6jK0pS", "https://x.example/?q=", "<EMAIL_ADDRESS_k7x2m9qa>", "<EMAIL_", "<"),
    *("m\u0430il", "gr\u200bace@example.com", "\u200b", "\uff41\uff44\uff41@example.com", "\uff15\uff13\uff16-22-1234"),
    *("grace&#64;example.com", "grace%40example.com", "&amp;", "\\n", "%20", "\\u0040", "\u00a0", "\u2014", "\u00e9"),
    *(ENCODED, ENCODED[:12], ENCODED[12:], "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", KEY),
    *("\u043f\u0440\u0438\u0432\u0435\u0442", "the", "and", "quick", "fox", "that", "with", "ab12", "However,", "."),
    *("and then we went to the market", "this is a sentence.", '"', "{", "}", ":", ",", "|", "a", "x"),
)
SPACES: Final = (" ", " ", " ", " ", "", "\n", "\n\n", "  ", "\t", "-")
PROSE: Final = ("the", "order", "was", "shipped", "on", "Monday", "and", "should", "arrive", "soon;", "thank", "you.")
VALUES: Final = ("grace.hopper@example.com", "4111 1111 1111 1111", "536-22-1234", "DE89 3704 0044 0532 0130 00")


@dataclass
class Living:
    """One policy with all that a stream needs."""

    policy: Policy
    detector: PolicyDetector = field(init=False)
    masker: Masker = field(init=False)
    bounds: Horizon = field(init=False)

    def __post_init__(self) -> None:
        self.detector = build(self.policy)
        self.masker = Masker(self.policy, tenant_secret=b"a" * 32, audit_secret=b"b" * 32)
        self.bounds = horizon(self.policy)

    def whole(self, text: str, known: Restorable = EMPTY) -> str:
        """What masking the whole text gives."""
        (found,) = self.detector.detect([text])
        return self.masker.output(text, found, known, escape=False, restore=True).text

    def stream(self, text: str, cuts: Iterable[int], known: Restorable = EMPTY) -> Streamed:
        """What comes out of a text cut at some places, and how much was held at most."""
        stream = MaskStream(self.masker, self.bounds, known, restore=True)
        streamed = Streamed()
        for start, end in pairwise([0, *cuts, len(text)]):
            stream.feed(text[start:end])
            while (question := stream.question(final=False)) is not None:
                outcome = stream.answer(*self.detector.detect([question]))
                streamed.asked += len(question)
                if outcome is None:
                    break
                streamed.pieces.append(outcome.text)
            streamed.held.append(stream.holding)
        while (question := stream.question(final=True)) is not None:
            outcome = stream.answer(*self.detector.detect([question]))
            assert outcome is not None
            streamed.pieces.append(outcome.text)
        assert stream.raw == text
        assert stream.shown == "".join(streamed.pieces)
        return streamed

    def neighbours(self, texts: Sequence[str], known: Restorable = EMPTY) -> list[str]:
        """What masking neighbours gives that are there as a whole: what `delivery: replay` does with parts."""
        question = Question(texts, [range(len(texts))], words=False)
        found = question.answer(self.detector.detect(question.asked))
        pairs = zip(texts, found, strict=True)
        return [self.masker.output(text, spans, known, escape=False, restore=True).text for text, spans in pairs]

    def row(self, events: Iterable[tuple[int, str | None]], known: Restorable = EMPTY) -> Parts:
        """What comes out of neighbours that arrive in pieces: the number of a text with its next piece, or None at its
        end. A text begins with its first event, in the order of their numbers.
        """
        parts = Parts(self, known)
        for number, piece in events:
            parts.take(number, piece)
        parts.row.close()
        parts.settle()
        return parts


@dataclass
class Parts:
    """Neighbours on their way, everything that is asked answered at once."""

    living: Living
    known: Restorable
    row: Row = field(default_factory=lambda: Row(words=False))
    streams: list[MaskStream] = field(default_factory=list)
    over: set[int] = field(default_factory=set)
    pieces: list[tuple[int, str]] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    def take(self, number: int, piece: str | None) -> None:
        """The next piece of a text, or its end."""
        if number == len(self.streams):
            living, first = self.living, number == 0
            stream = MaskStream(living.masker, living.bounds, self.known, restore=True, before=not first, after=True)
            self.streams.append(stream)
            self.row.add(stream)
        if piece is None:
            self.over.add(number)
        else:
            self.streams[number].feed(piece)
        self.settle()
        self.held.append(sum(stream.holding for stream in self.streams))

    def settle(self) -> None:
        """Answer what is asked until nothing is."""
        detect = self.living.detector.detect
        asked = True
        while asked:
            asked = False
            for number, stream in enumerate(self.streams):
                while (question := stream.question(final=number in self.over)) is not None:
                    asked = True
                    self._went(number, stream.answer(*detect([question])))
            seams = self.row.question()
            if seams is not None:
                asked = True
                self.row.answer(detect(seams))
                for number, stream in enumerate(self.streams):
                    self._went(number, stream.resume())

    def _went(self, number: int, outcome: Outcome | None) -> None:
        if outcome is not None:
            self.pieces.append((number, outcome.text))


@dataclass
class Streamed:
    """What came out."""

    pieces: list[str] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    asked: int = 0


def strict() -> Living:
    """Presidio, shapes and secrets, folding and decoding."""
    return Living(load("strict"))


def hurting(random: Random, most: int = 50) -> str:
    """A text of pieces that hurt."""
    return "".join(random.choice(PIECES) + random.choice(SPACES) for _ in range(random.randint(1, most)))


def cuts(random: Random, text: str) -> Sequence[int]:
    """Places to cut a text: everywhere, in steps, or anywhere."""
    step = random.choice([1 if len(text) < 400 else 5, random.randint(2, 30), 0])
    if step:
        return range(step, len(text), step)
    return sorted(random.randint(0, len(text)) for _ in range(random.randint(0, 8)))


def check(living: Living, text: str, places: Iterable[int], known: Restorable = EMPTY) -> Streamed:
    """The pieces joined are the whole text masked, and so is, up to there, each beginning of them.

    So no beginning of what was sent has anything of a masked value in it.
    """
    expected = living.whole(text, known)
    streamed = living.stream(text, places, known)
    sent = ""
    for piece in streamed.pieces:
        sent += piece
        assert expected.startswith(sent)
    assert sent == expected
    return streamed


def prose(random: Random, length: int = 120) -> str:
    """Words, and now and then a value."""
    words = [random.choice(VALUES) if random.random() < 0.1 else random.choice(PROSE) for _ in range(length)]
    return " ".join(words)


def bound(living: Living, text: str, places: Sequence[int]) -> int:
    """What a stream of plain words and values may hold at most: what has to follow a cut, a value, and a step.

    A value may stand where the cut would be; what has to follow begins before it then. An eighth more is waited for
    after a question that let nothing go.
    """
    bounds = living.bounds
    word = max(len(run) for run in GAP.split(text)) + 1
    value = max(map(len, VALUES)) + word
    piece = max((end - start for start, end in pairwise([0, *places, len(text)])), default=0)
    follows = max(bounds.after, bounds.words * word) + word
    return (follows + value + 16) * 9 // 8 + piece


def parts_of(random: Random, text: str) -> list[str]:
    """A text as neighbours: cut anywhere, into few long parts or many short ones."""
    places = sorted(random.randint(0, len(text)) for _ in range(random.choice([1, 2, 3, 12])))
    return [text[start:end] for start, end in pairwise([0, *places, len(text)])]


def arriving(random: Random, texts: Sequence[str], *, mixed: bool = False) -> list[tuple[int, str | None]]:
    """Neighbours in pieces, one after the other; `mixed`: their pieces between each other's."""
    queues: list[list[tuple[int, str | None]]] = []
    for number, text in enumerate(texts):
        pieces = [(number, text[start:end]) for start, end in pairwise([0, *cuts(random, text), len(text)])]
        queues.append([*pieces, (number, None)])
    if not mixed:
        return [event for queue in queues for event in queue]
    events: list[tuple[int, str | None]] = [queue.pop(0) for queue in queues]
    while any(queues):
        events.append(random.choice([queue for queue in queues if queue]).pop(0))
    return events


def check_row(living: Living, texts: Sequence[str], events: Iterable[tuple[int, str | None]]) -> Parts:
    """The pieces of each text joined are what masking the neighbours together gives, and so is each beginning of them.

    A text goes out after the one before it.
    """
    expected = living.neighbours(texts)
    parts = living.row(events)
    got = [""] * len(texts)
    for number, piece in parts.pieces:
        got[number] += piece
        assert expected[number].startswith(got[number])
        assert got[:number] == expected[:number]
    assert got == expected
    return parts
