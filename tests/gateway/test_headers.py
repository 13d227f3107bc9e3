"""Two short lists say which headers cross; nothing else does, and nothing that could be more than a value."""

from __future__ import annotations

import pytest

from gateway.headers import DOWN, UP, UP_WITH_KEY, downward, upward


def up(*headers: tuple[str, bytes], forward_key: bool = False) -> dict[str, str]:
    return upward([(name.encode(), value) for name, value in headers], forward_key=forward_key)


def test_the_headers_that_codex_sends_go_up() -> None:
    # protocol.md, measured with Codex 0.169.
    codex = [
        "originator",
        "openai-beta",
        "session-id",
        "thread-id",
        "x-client-request-id",
        "x-codex-turn-metadata",
        "x-codex-window-id",
        "x-codex-beta-features",
    ]
    assert list(up(*((name, b"v") for name in codex))) == codex


def test_the_headers_that_codex_reads_come_down() -> None:
    codex = {"x-codex-turn-state", "x-models-etag", "x-reasoning-included", "openai-model", "x-request-id"}
    assert codex <= DOWN
    assert {name.decode() for name, _ in downward(dict.fromkeys(codex, "v"), model_kept=True)} == codex


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "cookie",
        "host",
        "origin",
        "referer",
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "sec-websocket-protocol",
        "sec-websocket-key",
        "accept-language",
        "x-anything",
        "connection",
        "upgrade",
    ],
)
def test_all_others_stop_here(name: str) -> None:
    assert up((name, b"v"), forward_key=True) == {}
    assert downward({name: "v"}, model_kept=True) == []


@pytest.mark.parametrize(
    "name", ["set-cookie", "server", "location", "openai-organization", "www-authenticate", "date"]
)
def test_so_do_the_providers_others(name: str) -> None:
    assert downward({name: "v"}, model_kept=True) == []


def test_headers_of_an_account_go_on_only_with_its_key() -> None:
    given = [(name, b"v") for name in sorted(UP_WITH_KEY)]
    assert up(*given) == {}
    assert up(*given, forward_key=True) == dict.fromkeys(sorted(UP_WITH_KEY), "v")
    assert not UP & UP_WITH_KEY


def test_names_are_read_in_any_case_and_the_first_of_several_counts() -> None:
    assert up(("User-Agent", b"a"), ("user-agent", b"b")) == {"user-agent": "a"}


@pytest.mark.parametrize(
    "value", [b"a\r\nx-injected: b", b"a\nb", b"a\x00b", b"\x7f", b"caf\xc3\xa9", b"\xff", b"x" * 16385]
)
def test_a_value_that_is_more_than_printable_ascii_stops_here(value: bytes) -> None:
    assert up(("user-agent", value)) == {}


def test_a_value_of_16_kib_and_an_empty_one_go_up() -> None:
    assert up(("user-agent", b"x" * 16384), ("originator", b"")) == {"user-agent": "x" * 16384, "originator": ""}


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b", "a\nb", "\x00"])
def test_a_value_of_the_provider_that_would_be_two_headers_stops_here(value: str) -> None:
    assert downward({"x-request-id": value}, model_kept=True) == []


def test_the_model_comes_down_only_when_it_is_the_one_that_was_asked_for() -> None:
    given = {"openai-model": "gpt-5.1", "x-request-id": "r"}
    assert downward(given, model_kept=True) == [(b"openai-model", b"gpt-5.1"), (b"x-request-id", b"r")]
    assert downward(given, model_kept=False) == [(b"x-request-id", b"r")]
