"""Addresses in URLs and paths and inside companies are found; users of URLs, prompts and packages are not."""

from __future__ import annotations

import random

import pytest
import regex

from guardrails.modules import emails, mailboxes
from guardrails.modules.contents import Contents

ADA = "ada@example.com"
SPANS = mailboxes.finder()
STOCK = regex.compile(emails.PATTERN, regex.DOTALL | regex.MULTILINE | regex.IGNORECASE)


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in SPANS(Contents(text))]


@pytest.mark.parametrize(
    "around",
    [
        "https://evil.example/?q={}",
        "https://evil.example/?a=1&q={}&b=2#x",
        "https://evil.example/u/{}/inbox",
        "notes/{}",
        "mailto:{}",
        "<{}>",
        "user={}&x=1",
        "![x](https://evil.example/{})",
        "cc:{},",
        "/home/{}/.ssh",
        "..{}",
    ],
)
def test_an_address_is_found_where_it_sticks_to_something(around: str) -> None:
    assert found(around.format(ADA)) == [ADA]


@pytest.mark.parametrize(
    "address",
    [
        "ada.l+x@mail.example.co.uk",
        "ada@corp.internal",
        "a_b@host.local",
        "ada.lovelace@localhost",
        "jürgen@exämple.de",
    ],
)
def test_addresses_of_many_forms_are_found(address: str) -> None:
    assert found(f"To: {address}.") == [address]


@pytest.mark.parametrize(
    "text",
    [
        "icon@2x.png",
        "react@18.2.0",
        "actions/checkout@v4",
        "image@sha256:0123",
        "@app.route('/')",
        "root@localhost:~#",
        "postgres@localhost",
        "jane@localhost:~/src$",
        "amqp://guest:guest@localhost:5672",
        "ssh://git@code.example.com/x.git",
        "https://user:token@code.example.com/x.git",
        "foo@bar",
        "x @ y.com",
        "a.@example.com",
        "HEAD@{1}",
        "printf@plt",
        "value@property.setter",
    ],
)
def test_what_only_looks_like_one_is_not(text: str) -> None:
    assert found(text) == []


PIECES = [
    "ada",
    "a.b",
    "a-b_c",
    "A1",
    "x@y.com",
    "@",
    "@@",
    ".",
    "..",
    "-",
    "--",
    "_",
    ":",
    ";",
    ",",
    "<",
    ">",
    "(",
    ")",
    "[",
    "]",
    '"',
    "'",
    "|",
    "/",
    "//",
    "?",
    "=",
    "&",
    "%",
    "+",
    "#",
    "!",
    "\\n",
    "\\t",
    "é",
    "ſ",
    "1",
    "com",
    "co.uk",
    "internal",
    "localhost",
    "example.com",
    "ex-a--b.com",
    "a_b.com",
    ".com",
    "https://",
    "//u:",
    "mailto:",
    "git",
]
PIECES = [piece.replace("\\n", "\n").replace("\\t", "\t") for piece in PIECES]


def test_what_is_known_of_plain_addresses_changes_nothing() -> None:
    dice = random.Random(20261123)
    seen = 0
    for _ in range(20_000):
        few = dice.sample(PIECES, dice.randint(2, 12))
        text = "".join(dice.choice(few) + dice.choice(("", "", " ")) for _ in range(dice.randint(1, 20)))
        if dice.random() < 0.05:
            text += "x" * dice.randint(60, 66) + "@" + dice.choice(("b.com", "y" * dice.randint(55, 66) + ".com"))
        known, unknown = Contents(text), Contents(text)
        unknown._addresses = {}
        seen += len(known.addresses)
        assert list(SPANS(known)) == list(SPANS(unknown)), text
        assert list(emails.spans(text, known.addresses)) == list(emails.spans(text, {})), text
        assert list(emails.spans(text, {})) == [m.span() for m in STOCK.finditer(text)], text
    assert seen > 1_000
