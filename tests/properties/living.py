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
from guardrails.live import MaskStream
from guardrails.redact import Masker
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
