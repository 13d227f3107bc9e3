"""Whole connections: a WebSocket client, the gateway behind a real server, and a small provider, on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidStatus

from tests.gateway.loopback import (
    KEY,
    OTHER_KEY,
    Gateway,
    Provider,
    ask,
    play,
    read,
    text_of,
)
from tests.kit import EMAIL, SSN


async def denied(connecting: Any) -> tuple[int, dict[str, Any]]:
    """How a handshake was answered that let nobody in."""
    with pytest.raises(InvalidStatus) as caught:
        await connecting
    response = caught.value.response
    return response.status_code, json.loads(response.body)["error"]


def key(**more: Any) -> dict[str, Any]:
    models = ["gpt-5.1", "gpt-5.1-mini"]
    return {"id": "team-a", "secret_env": "TEAM_A_KEY", "models": models, "policy": "./policy.yaml", **more}


# Turns


def test_what_the_provider_sees_is_masked_and_what_the_client_gets_is_exact(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            text = f"Write to {EMAIL} about {SSN}, twice to {EMAIL}."
            events = await ask(socket, text)
            assert text_of(events) == text
            (frame,) = provider.frames
            assert EMAIL not in json.dumps(frame)
            assert SSN not in json.dumps(frame)
            events = await ask(socket, "go on", previous_response_id=events[-1]["response"]["id"])
            assert text_of(events) == "go on"
        given, answered, *_ = gateway.rows()
        assert (given["key"], given["decision"], answered["decision"]) == ("team-a", "masked", "forwarded")
        assert given["connection"] == answered["connection"]
        assert answered["usage"] == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}

    play(tmp_path, script)


def test_under_output_masking_the_client_gets_a_masked_sequence(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async def answer(socket: ServerConnection, frame: dict[str, Any]) -> None:
            await provider.echo(socket, {**frame, "input": f"{frame['input']} or {SSN}"})

        provider.script = answer
        async with gateway.connect() as socket:
            text = text_of(await ask(socket, f"mail {EMAIL}"))
            assert text.startswith(f"mail {EMAIL} or <US_SSN_")

    play(tmp_path, script, "output: {mask: new}\n")


def test_two_lanes_answer_at_once(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            for lane in ("a", "b"):
                frame = {"type": "response.create", "input": f"{lane} {EMAIL}", "stream_id": lane}
                await socket.send(json.dumps(frame))
            events = await read(socket) + await read(socket)
            for lane in ("a", "b"):
                assert text_of([event for event in events if event["stream_id"] == lane]) == f"{lane} {EMAIL}"

    play(tmp_path, script)


def test_another_keys_response_is_not_found_and_its_tokens_restore_nothing(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as ours, gateway.connect(OTHER_KEY) as theirs:
            mine = await ask(ours, f"mail {EMAIL}")
            (refused,) = await ask(theirs, "go on", previous_response_id=mine[-1]["response"]["id"])
            assert refused["error"]["code"] == "previous_response_not_found"
            stolen = provider.frames[0]["input"]
            assert text_of(await ask(theirs, stolen)) == stolen
            assert len(provider.frames) == 2

    play(tmp_path, script)


def test_a_conversation_goes_on_over_another_connection(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            first = await ask(socket, f"mail {EMAIL}")
        token = provider.frames[0]["input"].removeprefix("mail ")
        async with gateway.connect() as socket:
            assert text_of(await ask(socket, f"repeat {token}")) == f"repeat {token}", "a new conversation"
            identity = first[-1]["response"]["id"]
            assert text_of(await ask(socket, f"repeat {token}", previous_response_id=identity)) == f"repeat {EMAIL}"

    play(tmp_path, script)


# Who is let in


def test_who_is_not_let_in_is_told_the_same_and_the_provider_hears_nothing(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        answers = [
            await denied(gateway.connect(None)),
            await denied(gateway.connect("wrong")),
            await denied(gateway.connect(None, headers={"Authorization": f"Basic {KEY}"})),
            await denied(gateway.connect(None, f"?key={KEY}&api_key={KEY}&access_token={KEY}&authorization={KEY}")),
            await denied(gateway.connect(None, subprotocols=["realtime", f"openai-insecure-api-key.{KEY}"])),
        ]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0][0] == 401
        assert answers[0][1]["message"] == "Incorrect API key provided."
        assert not provider.handshakes

    play(tmp_path, script)


def test_a_key_in_the_query_changes_nothing(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect(query=f"?api_key=secret&key={OTHER_KEY}") as socket:
            await ask(socket)
        assert gateway.rows()[0]["key"] == "team-a"
        (handshake,) = provider.handshakes
        assert handshake.path == "/v1/responses"
        assert OTHER_KEY not in str(handshake)

    play(tmp_path, script)


def test_a_browser_from_elsewhere_is_not_let_in(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        status, error = await denied(gateway.connect(origin="https://evil.example"))
        assert (status, error["code"]) == (403, "origin_not_allowed")
        assert "evil" not in error["message"]
        assert not provider.handshakes
        async with gateway.connect(origin="https://app.example.com") as socket:
            assert text_of(await ask(socket)) == "hello"

    play(tmp_path, script, listen={"port": 0, "origins": ["https://app.example.com"]})


def test_another_path_has_no_websocket(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        for path in ("/v1/realtime", "/", "/v1/responses/", "/v1/responses/resp_1"):
            with pytest.raises(InvalidStatus) as caught:
                await Elsewhere(gateway, path).connect()
            assert caught.value.response.status_code in (403, 404)
        assert not provider.handshakes

    play(tmp_path, script)


class Elsewhere(Gateway):
    """The same gateway at another path."""

    def __init__(self, at: Gateway, path: str) -> None:
        super().__init__(at.port, at.settings, at.folder, at.scheme)
        self._path = path

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{self._path}"


def test_a_key_has_so_many_connections(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect():
            async with gateway.connect():
                status, error = await denied(gateway.connect())
                assert (status, error["code"]) == (429, "rate_limit_exceeded")
                async with gateway.connect(OTHER_KEY) as socket:
                    assert text_of(await ask(socket)) == "hello"
            async with gateway.connect() as socket:
                assert text_of(await ask(socket)) == "hello"

    keys = [key(limits={"connections": 2}), key(id="team-b", secret_env="TEAM_B_KEY")]
    play(tmp_path, script, keys=keys)


def test_all_keys_together_have_so_many_connections(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect(), gateway.connect(OTHER_KEY):
            assert (await denied(gateway.connect()))[0] == 429
            assert (await denied(gateway.connect("wrong")))[0] == 401
            assert (await gateway.http("GET", "/healthz"))[0] == 200
        async with gateway.connect() as socket:
            await ask(socket)

    play(tmp_path, script, limits={"connections": 2})


def test_a_key_has_so_many_turns_a_minute_over_all_its_connections(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as first, gateway.connect() as second:
            assert text_of(await ask(first)) == "hello"
            assert text_of(await ask(second)) == "hello"
            (refused,) = await ask(first)
            assert (refused["status"], refused["error"]["code"]) == (400, "rate_limit_exceeded")
            (refused,) = await ask(second)
            assert refused["error"]["code"] == "rate_limit_exceeded"
        async with gateway.connect(OTHER_KEY) as socket:
            assert text_of(await ask(socket)) == "hello"

    keys = [key(limits={"turns_per_minute": 2}), key(id="team-b", secret_env="TEAM_B_KEY")]
    play(tmp_path, script, keys=keys)


# The model


def test_the_model_in_the_url_is_dialled_for_and_kept(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect(query="?model=gpt-5.1-mini") as socket:
            await ask(socket, model="gpt-5.1")
            assert provider.frames[0]["model"] == "azure-mini"
        assert len(provider.handshakes) == 1
        row = gateway.rows()[0]
        assert (row["model_asked"], row["model_used"]) == ("gpt-5.1", "gpt-5.1-mini")

    play(tmp_path, script)


def test_another_model_in_the_first_frame_is_dialled_for_then(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            await ask(socket, model="gpt-5.1-mini")
            assert provider.frames[0]["model"] == "azure-mini"
        assert len(provider.handshakes) == 2

    play(tmp_path, script)


@pytest.mark.parametrize("query", ["?model=gpt-9", "?model=", "?model=gpt-5.1&model=gpt-5.1-mini", "?model=azure-mini"])
def test_a_model_that_the_key_may_not_use_is_not_let_in(query: str, tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        status, error = await denied(gateway.connect(query=query))
        assert (status, error["code"]) == (400, "model_not_found")
        assert "gpt-9" not in error["message"]
        assert not provider.handshakes

    play(tmp_path, script)


def test_the_same_model_twice_is_one(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect(query="?model=gpt-5.1&model=gpt-5.1") as socket:
            await ask(socket)

    play(tmp_path, script)
