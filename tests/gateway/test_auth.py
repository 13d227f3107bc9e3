"""Who is let in: whoever has a key, in one header, and nobody learns why not."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

import pytest

from gateway import auth
from gateway.auth import Caller, authenticate, may_read_metrics, origin_allowed
from gateway.config import Settings
from tests.gateway.loopback import ENVIRONMENT, KEY, OTHER_KEY, configuration, settings_of, sha256

URL = "ws://127.0.0.1:1/v1/responses"
OWN = "sk-proj-a-key-of-the-callers-own"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_of(tmp_path_factory.mktemp("auth"), configuration(URL))


@pytest.fixture(scope="module")
def with_any(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A configuration that also lets in callers with a key of their own, under another id."""
    config = configuration(URL)
    deployment = {"name": "test", "url": URL, "auth": "forward"}
    config["models"] = {"gpt-5.1": {"deployments": [deployment]}, "gpt-5.1-mini": {"deployments": [deployment]}}
    config["keys"].append({"id": "own", "accept": "any", "models": ["gpt-5.1"], "policy": "./policy.yaml"})
    return settings_of(tmp_path_factory.mktemp("any"), config)


def call(settings: Settings, *values: str | bytes, name: bytes = b"authorization") -> Caller | None:
    return authenticate(settings, [(name, v if isinstance(v, bytes) else v.encode()) for v in values])


def test_a_configured_key_lets_its_holder_in(settings: Settings) -> None:
    caller = call(settings, f"Bearer {KEY}")
    assert caller is not None
    assert (caller.key.key.id, caller.tenant, caller.authorization) == ("team-a", "team-a", f"Bearer {KEY}")
    other = call(settings, f"Bearer {OTHER_KEY}")
    assert other is not None
    assert other.tenant == "team-b"
    assert other.secret != caller.secret


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(settings: Settings, scheme: str) -> None:
    assert call(settings, f"{scheme} {KEY}") is not None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        KEY,
        f"Basic {KEY}",
        f"Bearer{KEY}",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY.upper()}",
        f"Bearer {KEY} {KEY}",
        f"Bearer x,{KEY}",
        f"Bearer {sha256(KEY)}",
        f"Bearer {KEY}\u00e4".encode("latin-1"),
        b"Bearer \xff\xfe",
        "Bearer " + "x" * 5000,
    ],
)
def test_nobody_else_is_let_in(settings: Settings, value: str | bytes) -> None:
    assert call(settings, value) is None


def test_two_headers_are_as_good_as_none(settings: Settings) -> None:
    assert call(settings) is None
    assert call(settings, f"Bearer {KEY}", f"Bearer {KEY}") is None
    assert call(settings, f"Bearer {KEY}", f"Bearer {OTHER_KEY}") is None
    assert call(settings, f"Bearer {KEY}", name=b"x-authorization") is None


def test_every_key_is_compared_whichever_matches(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Any] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append(a)
        return hmac.compare_digest(a, b)

    class Counting:
        compare_digest = staticmethod(compare)
        digest = staticmethod(hmac.digest)

    monkeypatch.setattr(auth, "hmac", Counting)
    for value in (f"Bearer {KEY}", f"Bearer {OTHER_KEY}", "Bearer nobody"):
        compared.clear()
        call(settings, value)
        assert len(compared) == len(settings.keys)


def test_a_key_may_be_configured_by_its_digest(tmp_path: Path) -> None:
    config = configuration(URL)
    config["keys"] = [{"id": "hashed", "secret_sha256": sha256("a-secret").upper(), "models": ["gpt-5.1"]}]
    settings = settings_of(tmp_path, config)
    caller = call(settings, "Bearer a-secret")
    assert caller is not None
    assert caller.tenant == "hashed"
    assert call(settings, f"Bearer {sha256('a-secret')}") is None


def test_callers_with_a_key_of_their_own_are_tenants_of_their_own(with_any: Settings) -> None:
    first, again, second = (call(with_any, f"Bearer {key}") for key in (OWN, OWN, OWN + "2"))
    assert first is not None
    assert again is not None
    assert second is not None
    assert first.tenant == again.tenant != second.tenant
    assert first.secret == again.secret != second.secret
    assert first.tenant.startswith("own-")
    assert OWN not in first.tenant
    assert first.authorization == f"Bearer {OWN}"


def test_a_configured_key_wins_over_any(with_any: Settings) -> None:
    caller = call(with_any, f"Bearer {KEY}")
    assert caller is not None
    assert caller.tenant == "team-a"


def test_a_caller_shows_no_secret(with_any: Settings) -> None:
    caller = call(with_any, f"Bearer {OWN}")
    assert caller is not None
    assert OWN not in repr(caller)
    assert repr(caller.secret) not in repr(caller)
    assert KEY not in repr(with_any)


def test_a_browser_comes_from_a_listed_origin_only(tmp_path: Path) -> None:
    listed = settings_of(tmp_path, configuration(URL, listen={"origins": ["https://app.example.com"]}))
    assert origin_allowed(listed, {})
    assert origin_allowed(listed, {b"origin": b"https://app.example.com"})
    for origin in (
        b"https://evil.example",
        b"http://app.example.com",
        b"https://app.example.com.evil.example",
        b"https://app.example.com:8443",
        b"null",
        b"",
        b"\xff",
    ):
        assert not origin_allowed(listed, {b"origin": origin})


def reads(settings: Settings, host: str | None, *headers: tuple[bytes, bytes]) -> bool:
    client = None if host is None else (host, 50_000)
    return may_read_metrics(settings, {"type": "http", "client": client, "headers": headers})


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("2001:db8::1", False),
        ("localhost.example.com", False),
        ("", False),
        (None, False),
    ],
)
def test_without_a_token_this_machine_alone_reads_the_metrics(settings: Settings, host: str | None, may: bool) -> None:
    assert reads(settings, host) is may
    assert reads(settings, host, (b"authorization", f"Bearer {KEY}".encode())) is may


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"])
def test_what_came_through_a_proxy_is_not_this_machine(settings: Settings, name: bytes) -> None:
    assert not reads(settings, "127.0.0.1", (name, b"127.0.0.1"))


def test_with_a_token_whoever_has_it_reads_the_metrics_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "METRICS", "a-token-for-the-metrics")
    with_token = settings_of(tmp_path, configuration(URL, metrics={"token_env": "METRICS"}))
    for host in ("127.0.0.1", "192.0.2.1"):
        assert reads(with_token, host, (b"authorization", b"Bearer a-token-for-the-metrics"))
        for wrong in (
            b"",
            b"a-token-for-the-metrics",
            b"Bearer ",
            b"Bearer a-token-for-the-metric",
            f"Bearer {KEY}".encode(),
        ):
            assert not reads(with_token, host, (b"authorization", wrong))
        assert not reads(with_token, host)
        twice = (b"authorization", b"Bearer a-token-for-the-metrics")
        assert not reads(with_token, host, twice, twice)
    assert call(with_token, "Bearer a-token-for-the-metrics") is None
