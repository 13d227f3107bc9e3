"""How the gateway is served: limits, TLS and what is said before anything listens."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from websockets.exceptions import ConnectionClosed

from gateway import serve
from gateway.errors import GatewayError
from gateway.serve import _is_news, build_all, run, settings_for, uvicorn_config
from tests.gateway.loopback import (
    ENVIRONMENT,
    KEY,
    POLICY,
    Gateway,
    ask,
    configuration,
    gateway,
    play,
    provider,
    settings_of,
    text_of,
)
from tests.gateway.loopback import run as run_script
from tests.gateway.tls import Authority
from tests.kit import EMAIL, policy

URL = "ws://127.0.0.1:1/v1/responses"


def test_the_server_is_told_the_limits_and_to_say_nothing_of_itself(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, configuration(URL, limits={"message_bytes": "1MiB"}))
    config = uvicorn_config(settings, workers=0)
    assert config.ws_max_size == 2 << 20, "what is between gets a clear refusal"
    assert config.ws_per_message_deflate is False
    assert config.access_log is False
    assert config.log_config is None
    assert (config.server_header, config.date_header) == (False, False)
    assert config.lifespan == "on"
    assert (config.host, config.port) == ("127.0.0.1", 0)
    assert config.timeout_graceful_shutdown is not None


def test_clients_connect_by_tls_where_it_is_configured(tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")

    async def script() -> None:
        async with provider() as upstream:
            listen = {"port": 0, "tls": {"cert": str(ours.cert), "key": str(ours.key)}}
            async with gateway(tmp_path, configuration(upstream.url, listen=listen)) as made:
                assert made.url.startswith("wss://")
                trust = ssl.create_default_context(cafile=ours.ca_file)
                async with made.connect(ssl=trust) as client:
                    assert text_of(await ask(client, f"mail {EMAIL}")) == f"mail {EMAIL}"
                with pytest.raises(ssl.SSLError):
                    await made.connect(ssl=ssl.create_default_context())

    run_script(script())


def test_the_provider_is_reached_by_tls_with_the_configured_authority_only(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")

    async def script() -> None:
        async with provider(ours.server) as upstream:
            for authority in (ours, other):
                config = configuration(upstream.url)
                for model in config["models"].values():
                    model["deployments"][0] |= {"ca_file": str(authority.ca_file)}
                async with gateway(tmp_path, config) as made, made.connect() as client:
                    events = await ask(client, f"mail {EMAIL}")
                    if authority is ours:
                        assert text_of(events) == f"mail {EMAIL}"
                    else:
                        assert events[0]["error"]["message"] == "The provider's certificate is not valid."
            assert len(upstream.frames) == 1

    run_script(script())


def test_many_small_events_are_all_there_and_in_order(tmp_path: Path) -> None:
    """What is written in one turn of the event loop goes out together; nothing is lost or waits for more."""

    async def script(made: Gateway, upstream: Any) -> None:
        text = "".join(f"{number} " for number in range(1000))
        async with made.connect() as client:
            assert text_of(await ask(client, text)) == text
            assert text_of(await ask(client, text, stream_id="lane-1")) == text

    play(tmp_path, script)


def test_a_gateway_that_stops_closes_its_connections(tmp_path: Path) -> None:
    async def script() -> None:
        async with provider() as upstream:
            async with gateway(tmp_path, configuration(upstream.url)) as made:
                client = await made.connect()
                assert text_of(await ask(client)) == "hello"
            with pytest.raises(ConnectionClosed) as caught:
                await client.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1012
            while upstream.open:
                await asyncio.sleep(0)

    run_script(script())


# Settings


def settings(config: Path | None = None, **options: Any) -> Any:
    return settings_for(config, **{"upstream": None, "model": None, "policy": None, "port": None, **options})


def test_the_settings_are_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    (tmp_path / "gateway.yaml").write_text(json.dumps(configuration(URL)), "utf-8")
    made = settings(tmp_path / "gateway.yaml")
    assert [client.key.id for client in made.keys] == ["team-a", "team-b"]


def test_without_a_file_the_options_make_them_and_the_key_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    made = settings(upstream=URL, model="gpt-5.1", port=0)
    assert made.config.listen.port == 0, "0 takes a free one"
    assert settings(upstream=URL, model="gpt-5.1").config.listen.port == 8080
    assert made.config.models["gpt-5.1"].deployments[0].auth == "none"
    assert capsys.readouterr().out.count("key (shown once): gg-") == 2


def test_without_a_file_the_providers_key_comes_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-0a1b2c3d4e5f")
    made = settings(upstream=URL, model="gpt-5.1")
    assert made.provider_key(made.config.models["gpt-5.1"].deployments[0]) == "sk-proj-0a1b2c3d4e5f"
    assert "sk-proj-0a1b2c3d4e5f" not in repr(made)


# Before it listens


def test_a_policy_whose_detection_cannot_be_built_is_named() -> None:
    build_all([policy()])
    broken = policy(modules="\n    - use: no_such_module:Detector\n")
    with pytest.raises(GatewayError, match="policy test: ") as caught:
        build_all([policy(), broken])
    assert caught.value.__cause__ is None


def test_an_address_that_is_taken_or_none_of_ours_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for listen in ({"port": port}, {"host": "192.0.2.1", "port": 8080}):
            made = settings_of(tmp_path, configuration(URL, listen=listen))
            with pytest.raises(GatewayError, match=f"listen: cannot use .* port {listen['port']}"):
                run(made, workers=0)


def test_an_audit_that_cannot_be_opened_is_said_with_its_key(tmp_path: Path) -> None:
    made = settings_of(tmp_path, configuration(URL, listen={"port": 0}, audit={"path": "nowhere/audit.jsonl"}))
    with pytest.raises(GatewayError, match=r"audit\.path: The audit file cannot be opened \(No such file"):
        run(made, workers=0)


def test_a_certificate_that_cannot_be_used_is_said_plainly(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing", "utf-8")
    secret = tmp_path / "secret.pem"
    key = serialization.load_pem_private_key(ours.key.read_bytes(), None)
    sealed = serialization.BestAvailableEncryption(b"a passphrase")
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    secret.write_bytes(key.private_bytes(*form, sealed))
    for cert, private, said in (
        (nothing, nothing, "is not a certificate and its key"),
        (ours.cert, secret, "without a passphrase"),
        (ours.cert, other.key, "the key is not that of the certificate"),
    ):
        listen = {"port": 0, "tls": {"cert": str(cert), "key": str(private)}}
        with pytest.raises(GatewayError, match=f"listen.tls: .*{said}"):
            run(settings_of(tmp_path, configuration(URL, listen=listen)), workers=0)


def test_running_quiets_what_logs_frames_and_shows_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[int] = []

    async def nothing(settings: Any, *, workers: int) -> None:
        served.append(workers)

    monkeypatch.setattr(serve, "_serve", nothing)
    config = configuration(URL)
    del config["vault"]["secret_env"]
    run(settings_of(tmp_path, config), workers=3)
    assert served == [3]
    assert "note: vault.secret_env is not set" in capsys.readouterr().err
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets", "presidio-analyzer"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING


def test_a_server_that_does_not_start_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(self: Any) -> None:
        self.started = False

    monkeypatch.setattr("uvicorn.Server.serve", fails)
    with pytest.raises(GatewayError, match="could not start"):
        run(settings_of(tmp_path, configuration(URL)), workers=0)


def test_the_key_of_a_client_stands_in_no_setting(tmp_path: Path) -> None:
    made = settings_of(tmp_path, configuration(URL))
    assert KEY not in repr(made)
    assert not any(value in repr(made) for value in ENVIRONMENT.values())


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            'Traceback (most recent call last):\n  File "pool.py", line 1\nEOFError: unexpected EOF\n',
            "EOFError: unexpected EOF",
        ),
        ("Application startup failed. Exiting.", "Application startup failed. Exiting."),
        ("ASGI callable returned without completing handshake.", None),
    ],
)
def test_what_the_server_logs_is_news_in_one_line(written: str, shown: str | None) -> None:
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, written, (), None)
    assert _is_news(record) == (shown is not None)
    assert shown is None or record.getMessage() == shown
