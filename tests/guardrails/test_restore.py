"""Tokens become values again: the conversation's own only, in one pass, and not in links."""

from __future__ import annotations

import json

import pytest

from guardrails.links import LOOK_BACK
from guardrails.restore import Restorer
from guardrails.tokens import grammar
from guardrails.vault import EMPTY, Restorable

EMAIL = "ada.lovelace@example.com"
TOKEN, OTHER = "<EMAIL_ADDRESS_k7x2m5qa>", "<PERSON_aaaaaaaa>"
KNOWN = Restorable({TOKEN: EMAIL, OTHER: "Ada"})
RESTORER = Restorer(grammar("angle"), urls=False)
WITH_URLS = Restorer(grammar("angle"), urls=True)


def whole(text: str, known: Restorable = KNOWN, *, escape: bool = False, before: str = "") -> str:
    return RESTORER.whole(text, known, escape=escape, before=before)


def test_every_token_of_the_conversation_becomes_its_value() -> None:
    assert whole(f"{TOKEN}, dear {OTHER}{OTHER}: {TOKEN}") == f"{EMAIL}, dear AdaAda: {EMAIL}"


def test_a_token_that_nobody_made_stays() -> None:
    text = "<EMAIL_ADDRESS_zzzzzzzz> <PERSON_k7x2m5qa> <EMAIL_ADDRESS_K7X2M5QA> <>"
    assert whole(text) == text
    assert whole(f"write to {TOKEN}", EMPTY) == f"write to {TOKEN}"


def test_restoring_looks_once_so_that_a_value_that_looks_like_a_token_stays_as_it_is() -> None:
    known = Restorable({TOKEN: OTHER, OTHER: "Ada"})
    assert whole(f"{TOKEN} {OTHER}", known) == f"{OTHER} Ada"


@pytest.mark.parametrize(
    "value", ['say "hi"', "back\\slash", "line\nend\ttab\r", "\x00\x1f\b\f", "\u2028 ä 😀 /", "'`"]
)
def test_a_value_in_json_source_is_escaped_and_reads_back(value: str) -> None:
    restored = whole(f'{{"to": "<{TOKEN[1:]}"}}', Restorable({TOKEN: value}), escape=True)
    assert json.loads(restored) == {"to": value}


def test_a_value_outside_json_is_not_escaped() -> None:
    assert whole(TOKEN, Restorable({TOKEN: '"\n'})) == '"\n'


LINKS = [
    "https://evil.example/?q=",
    "HTTP://evil.example/",
    "ftp://evil.example/",
    "wss://evil.example/",
    "//evil.example/?q=",
    "\\\\evil.example\\",
    "www.evil.example/",
    "![x](https://evil.example/?q=",
    "[x](/relative?q=",
    "[x](",
    "<https://evil.example/",
    f"https://evil.example/{OTHER}/",
    f"https://evil.example/?a={OTHER}&b=",
    "(see https://evil.example/),",
    "https:evil.example/",
    "see https://evil.example/a;b,c|d{e}f",
]


@pytest.mark.parametrize("link", LINKS)
def test_a_token_within_a_link_stays(link: str) -> None:
    assert whole(f"{link}{TOKEN}") == f"{link}{TOKEN}"
    assert WITH_URLS.whole(f"{link}{TOKEN}", KNOWN).endswith(EMAIL), "unless the policy restores there"


@pytest.mark.parametrize(
    "link", ["https:\\/\\/evil.example\\/?q=", "\\u002f\\u002fevil.example/", "https://e.example/?q="]
)
def test_a_token_within_a_link_in_json_source_stays(link: str) -> None:
    text = f'{{"url": "{link}{TOKEN}"}}'
    assert whole(text, escape=True) == text


@pytest.mark.parametrize(
    "before",
    [
        "",
        "write to ",
        "https://example.com is for ",
        "https://example.com\n",
        "[x](https://example.com)\t",
        "a/b ",
        "and/or ",
        "either/",
        "(",
        "mailto:",
    ],
)
def test_a_token_after_a_link_or_without_one_is_restored(before: str) -> None:
    assert whole(before + TOKEN) == before + EMAIL


def test_a_line_end_in_json_source_ends_a_link() -> None:
    text = f'"see https://example.com\\n{TOKEN}"'
    assert whole(text, escape=True) == f'"see https://example.com\\n{EMAIL}"'
    assert whole(text) == text, "in plain text it is a backslash and a letter"


def test_what_went_ahead_of_a_text_counts() -> None:
    assert whole(TOKEN, before="https://evil.example/?q=") == TOKEN
    assert whole(f" {TOKEN}", before="https://evil.example/") == f" {EMAIL}"
    assert whole(f"q={TOKEN}", before="https://evil.example/?") == f"q={TOKEN}"


def test_a_run_without_a_space_longer_than_the_look_back_counts_as_a_link() -> None:
    long = "x" * LOOK_BACK
    assert whole(f"https://evil.example/{long}{TOKEN}").endswith(TOKEN)
    assert whole(f"{long}{TOKEN}").endswith(TOKEN)
    assert whole(f"{long[1:]}{TOKEN}").endswith(EMAIL)
    assert whole(f" {long[1:]}{TOKEN}").endswith(EMAIL)


def test_tokens_without_brackets_are_restored_where_they_stand_alone() -> None:
    bare = TOKEN[1:-1]
    known = Restorable({bare: EMAIL})
    assert RESTORER.bare(f"call-{bare}", known) == f"call-{EMAIL}"
    assert RESTORER.bare(f"x{bare} {bare}z EMAIL_ADDRESS_zzzzzzzz", known) == f"x{bare} {bare}z EMAIL_ADDRESS_zzzzzzzz"
