"""Addresses in URLs and paths and inside companies are found; users of URLs, prompts and packages are not."""

from __future__ import annotations

import pytest

from guardrails.modules import mailboxes
from guardrails.modules.contents import Contents

ADA = "ada@example.com"
SPANS = mailboxes.finder()


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
