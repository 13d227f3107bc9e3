"""The HTTP side: which path does what; everything else is 404 and is never passed on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import app
from gateway.errors import AuditError
from tests.gateway.loopback import ENVIRONMENT, KEY, OTHER_KEY, Gateway, Provider, configuration, play, settings_of

AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
BODY = json.dumps({"model": "gpt-5.1", "input": "I am ada.lovelace@example.com"}).encode()


Script = Callable[[Gateway, Provider], Awaitable[None]]


def test_who_is_not_let_in_gets_one_constant_answer_on_every_path(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        answers = [
            await gateway.http(method, path, headers=headers, body=BODY if method == "POST" else b"")
            for method, path in [("POST", "/v1/responses"), ("GET", "/v1/models"), ("GET", "/v1/models/gpt-5.1")]
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY})
        ]
        answers += [await gateway.http("GET", f"/v1/models?key={KEY}&api_key={KEY}&authorization=Bearer%20{KEY}")]
        assert {status for status, _, _ in answers} == {401}
        assert len({body for _, _, body in answers}) == 1
        assert json.loads(answers[0][2])["error"]["message"] == "Incorrect API key provided."
        told = [record.getMessage() for record in caplog.records if "answered with 401" in record.getMessage()]
        assert told == ["a request was answered with 401: Incorrect API key provided."] * len(answers)
        _, _, metrics = await gateway.http("GET", "/metrics")
        assert f'guardrail_denied_total{{code="invalid_api_key"}} {len(answers)}.0'.encode() in metrics

    play(tmp_path, script)


def test_a_key_sees_its_own_models_only(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        for key, models in ((KEY, ["gpt-5.1", "gpt-5.1-mini"]), (OTHER_KEY, ["gpt-5.1"])):
            headers = {"Authorization": f"Bearer {key}"}
            status, _, body = await gateway.http("GET", "/v1/models", headers=headers)
            listed = json.loads(body)
            assert (status, listed["object"], [one["id"] for one in listed["data"]]) == (200, "list", models)
            for model in ("gpt-5.1", "gpt-5.1-mini", "azure-mini", "", "gpt-5.1/x", "gpt-9"):
                status, _, body = await gateway.http("GET", f"/v1/models/{model}", headers=headers)
                assert status == (200 if model in models else 404)
                if model in models:
                    assert json.loads(body) == {"id": model, "object": "model", "created": 0, "owned_by": "gateway"}

    play(tmp_path, script)


ELSEWHERE = """
    GET /
    GET /v1
    GET /v1/responses
    PUT /v1/responses
    OPTIONS /v1/responses
    DELETE /v1/responses/resp_1
    GET /v1/responses/resp_1
    GET /v1/responses/resp_1/input_items
    POST /v1/responses/
    POST /v1/responses/resp_1/cancel
    POST /v1/chat/completions
    POST /v1/embeddings
    POST /v1/models
    GET /v1//responses
    GET /V1/models
    POST /metrics
    GET /metrics/
    GET /console
    GET /docs
    GET /openapi.json
"""


def test_everything_else_is_404_and_says_nothing(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        headers = {**AUTHORIZED, "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        for line in ELSEWHERE.split("\n")[1:-1]:
            method, path = line.split()
            status, answered, body = await gateway.http(method, path, headers=headers)
            assert (line, status) == (line, 404)
            assert "location" not in answered, "a redirect would name the host that the request says it came to"
            assert b"evil" not in body
        assert not provider.handshakes

    play(tmp_path, script)


def test_an_answer_names_no_server_and_no_date(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        _, headers, _ = await gateway.http("GET", "/healthz")
        assert not {"server", "date", "x-powered-by"} & set(headers)

    play(tmp_path, script)


def test_it_says_that_it_runs_and_whether_it_is_ready(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        assert (await gateway.http("GET", "/healthz"))[0] == 200
        status, _, body = await gateway.http("GET", "/readyz")
        assert (status, json.loads(body)) == (200, {"detection": True, "audit": True, "vault": True})

    play(tmp_path, script)


@pytest.mark.parametrize("part", ["detection", "audit", "vault"])
def test_it_says_what_is_not_ready(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        if part == "audit":
            monkeypatch.setattr("gateway.audit.sinks.FileSink.ready", lambda self: False)
        elif part == "vault":

            async def unready(self: object) -> bool:
                return False

            monkeypatch.setattr("guardrails.vault_memory.MemoryVault.ready", unready)
        else:
            monkeypatch.setattr("guardrails.pool.DetectionPool.ready", property(lambda self: False))
        status, _, body = await gateway.http("GET", "/readyz")
        assert status == 503
        assert json.loads(body)[part] is False
        assert (await gateway.http("GET", "/healthz"))[0] == 200, "it lives all the same"

    play(tmp_path, script)


def test_the_metrics_are_for_this_machine_unless_they_have_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def without(gateway: Gateway, provider: Provider) -> None:
        status, headers, body = await gateway.http("GET", "/metrics")
        assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert b"guardrail_build_info{" in body
        status, _, body = await gateway.http("GET", "/metrics", headers={"X-Forwarded-For": "127.0.0.1"})
        assert (status, json.loads(body)["error"]["message"]) == (401, "Incorrect API key provided.")

    async def with_token(gateway: Gateway, provider: Provider) -> None:
        for headers in ({}, AUTHORIZED, {"Authorization": "Bearer wrong"}):
            assert (await gateway.http("GET", "/metrics", headers=headers))[0] == 401
        assert (await gateway.http("GET", "/metrics?token=a-token-for-the-metrics"))[0] == 401
        right = {"Authorization": "Bearer a-token-for-the-metrics"}
        assert (await gateway.http("GET", "/metrics", headers=right))[0] == 200
        assert (await gateway.http("GET", "/v1/models", headers=right))[0] == 401

    monkeypatch.setitem(ENVIRONMENT, "METRICS", "a-token-for-the-metrics")
    play(tmp_path, without)
    play(tmp_path, with_token, metrics={"token_env": "METRICS"})


def test_without_metrics_there_is_no_such_path(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        assert (await gateway.http("GET", "/metrics"))[0] == 404

    play(tmp_path, script, metrics={"enabled": False})


def test_an_audit_that_cannot_be_opened_stops_the_gateway_before_it_listens(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    settings = settings_of(tmp_path, configuration("ws://127.0.0.1:1/"))
    with pytest.raises(AuditError):
        app.create_app(settings, workers=0)


def test_the_end_closes_detection_and_the_audit(tmp_path: Path) -> None:
    made: Any = app.create_app(settings_of(tmp_path, configuration("ws://127.0.0.1:1/")), workers=0)
    closed: list[str] = []

    async def main() -> None:
        async with made.router.lifespan_context(made):
            gateway = next(route.endpoint._gateway for route in made.routes if hasattr(route.endpoint, "_gateway"))
            assert gateway.pool.ready
            close = gateway.sink.close

            def closing() -> None:
                closed.append("audit")
                close()

            gateway.sink.close = closing
        assert not gateway.pool.ready
        assert closed == ["audit"]

    asyncio.run(main())
