"""Which headers cross a whole connection, and what becomes of those that do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.loopback import (
    KEY,
    PROVIDER_KEY,
    Gateway,
    Provider,
    ask,
    configuration,
    gateway,
    play,
    provider,
    run,
    text_of,
)
from tests.kit import EMAIL, SSN

# Headers


def test_listed_headers_go_up_masked_with_the_gateways_own_key_and_no_others_do(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        headers = {
            "User-Agent": f"codex for {EMAIL}",
            "OpenAI-Beta": "responses_websockets=2026-02-06",
            "X-Codex-Turn-Metadata": json.dumps({"cwd": f"/home/{EMAIL}"}),
            "Cookie": f"session={EMAIL}",
            "X-Forwarded-For": "10.0.0.1",
            "OpenAI-Organization": "org-theirs",
            "X-Other": "other",
        }
        async with gateway.connect(headers=headers, user_agent_header=None) as socket:
            await ask(socket)
        got = {name.lower(): value for name, value in provider.handshakes[0].headers.raw_items()}
        assert got["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert got["openai-beta"] == "responses_websockets=2026-02-06"
        assert got["user-agent"].startswith("codex for <EMAIL_ADDRESS_")
        assert EMAIL not in str(got)
        assert KEY not in str(got)
        assert not {"cookie", "x-forwarded-for", "openai-organization", "x-other", "sec-websocket-extensions"} & set(
            got
        )

    play(tmp_path, script)


def test_a_header_that_the_policy_blocks_is_left_out(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect(headers={"originator": f"me, {SSN}", "session-id": "s-1"}) as socket:
            await ask(socket)
        headers = provider.handshakes[0].headers
        assert "originator" not in headers
        assert headers["session-id"] == "s-1"

    play(tmp_path, script, "actions: {US_SSN: {input: block}}\n")


def test_headers_that_cannot_be_examined_are_left_out_and_the_client_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        from guardrails.errors import DetectionError

        def fail(self: Any, policy: Any, texts: Any) -> Any:
            raise DetectionError("no")

        provider.headers = {"x-request-id": "req_1"}
        with monkeypatch.context() as patch:
            patch.setattr("guardrails.pool.DetectionPool.inline", fail)
            socket = await gateway.connect(headers={"originator": "me"})
        assert "originator" not in provider.handshakes[0].headers
        assert socket.response is not None
        assert "x-request-id" not in socket.response.headers
        assert text_of(await ask(socket)) == "hello"
        await socket.close()

    play(tmp_path, script, "output: {mask: new}\n")


def test_when_observing_headers_go_both_ways_as_they_are(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        provider.headers = {"x-request-id": EMAIL}
        async with gateway.connect(headers={"originator": EMAIL}) as socket:
            assert socket.response is not None
            assert socket.response.headers["x-request-id"] == EMAIL
        assert provider.handshakes[0].headers["originator"] == EMAIL

    play(tmp_path, script, "mode: observe\noutput: {mask: new}\n")


def test_listed_headers_come_down_and_those_with_findings_only_where_answers_are_not_masked(tmp_path: Path) -> None:
    for rest, kept in (("", True), ("output: {mask: new}\n", False)):

        async def script(gateway: Gateway, provider: Provider, kept: bool = kept) -> None:
            provider.headers = {
                "x-request-id": "req_1",
                "x-codex-turn-state": EMAIL,
                "set-cookie": "a=b",
                "server": "provider",
                "openai-organization": "org-ours",
            }
            async with gateway.connect() as socket:
                assert socket.response is not None
                got = socket.response.headers
                assert got["x-request-id"] == "req_1"
                assert ("x-codex-turn-state" in got) is kept
                assert not [name for name in ("set-cookie", "server", "openai-organization", "date") if name in got]

        folder = tmp_path / str(kept)
        folder.mkdir()
        play(folder, script, rest)


@pytest.mark.parametrize(("query", "kept"), [("?model=gpt-5.1", True), ("", False), ("?model=gpt-5.1-mini", False)])
def test_the_providers_model_comes_down_only_when_it_was_asked_for(query: str, kept: bool, tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        provider.headers = {"openai-model": "gpt-5.1"}
        async with gateway.connect(query=query) as socket:
            assert socket.response is not None
            assert ("openai-model" in socket.response.headers) is kept

    play(tmp_path, script)


def test_a_callers_own_key_goes_on_and_is_known_by_its_hmac_only(tmp_path: Path) -> None:
    own = "sk-proj-a-key-of-the-callers-own"

    async def main() -> None:
        async with provider() as upstream:
            config = configuration(upstream.url)
            deployment = {"name": "test", "url": upstream.url, "auth": "forward"}
            config["models"] = {"gpt-5.1": {"deployments": [deployment]}}
            config["keys"] = [{"id": "own", "accept": "any", "models": ["gpt-5.1"], "policy": "./policy.yaml"}]
            async with gateway(tmp_path, config) as made:
                async with made.connect(own, headers={"OpenAI-Project": "proj_1"}) as socket:
                    assert text_of(await ask(socket, f"mail {EMAIL}")) == f"mail {EMAIL}"
                got = upstream.handshakes[0].headers
                assert (got["authorization"], got["openai-project"]) == (f"Bearer {own}", "proj_1")
                assert made.rows()[0]["key"].startswith("own-")
                assert own not in (tmp_path / "audit.jsonl").read_text()

    run(main())
