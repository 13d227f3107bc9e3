"""Providers behind the library, seen from the clients: errors, tools, ends, and conversations that only we remember."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.errors import GatewayError
from gateway.standin import leaked
from tests.gateway.chat_standin import ChatStandIn
from tests.gateway.loopback import ENVIRONMENT, KEY, OTHER_KEY, Gateway, configuration, settings_of
from tests.gateway.test_transports import CLIENTS, EMAIL, REPLAY, ask, play, shape

pytestmark = pytest.mark.skipif(find_spec("litellm") is None, reason="the extra [litellm] is not installed")


def chat(providers: list[Any]) -> ChatStandIn:
    """The provider behind the library."""
    return next(one for one in providers if isinstance(one, ChatStandIn))


@pytest.mark.parametrize("rest", ["", REPLAY], ids=["restore", "replay"])
@pytest.mark.parametrize("client", CLIENTS)
def test_an_error_is_told_without_the_providers_words(tmp_path: Path, client: str, rest: str) -> None:
    async def script(made: Gateway, providers: list[Any]) -> None:
        answer = await ask(made, client, "library", f"HTTP-400 {EMAIL}")
        assert shape(answer) == "The provider did not accept the request."
        answer = await ask(made, client, "library", f"HTTP-401 {EMAIL}")
        assert shape(answer) == "The provider refused the credentials."
        answer = await ask(made, client, "library", f"HTTP-500 {EMAIL}")
        assert shape(answer) == "The provider answered with HTTP 500."
        assert leaked([EMAIL, KEY], [str(seen) for seen in chat(providers).seen]) == []
        assert [row["direction"] for row in made.rows()] == ["input", "output"] * 3

    play(tmp_path, script, rest)


@pytest.mark.parametrize("client", CLIENTS)
def test_what_cannot_be_asked_is_refused_and_the_provider_is_not_asked(tmp_path: Path, client: str) -> None:
    async def script(made: Gateway, providers: list[Any]) -> None:
        answer = await ask(made, client, "library", "hi", tools=[], tool_choice="required")
        assert (answer["error"]["message"], answer["error"]["param"]) == (
            "This provider cannot do what tool_choice asks for.",
            "tool_choice",
        )
        assert chat(providers).seen == []

    play(tmp_path, script)


@pytest.mark.parametrize("rest", ["", REPLAY], ids=["restore", "replay"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_tool_is_called_with_values_and_answered_with_tokens(tmp_path: Path, client: str, rest: str) -> None:
    async def script(made: Gateway, providers: list[Any]) -> None:
        first = await ask(made, client, "library", f"TOOL {EMAIL}")
        (call,) = first["output"]
        assert EMAIL in json.loads(call["arguments"])["text"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": f"sent to {EMAIL}"}
        again = await ask(made, client, "library", [output], previous_response_id=first["id"])  # type: ignore[arg-type]
        assert shape(again)[1][0][3] == [f"Tool said: sent to {EMAIL}"]
        bodies = chat(providers).bodies()
        assert [message["role"] for message in bodies[1]["messages"]] == ["user", "assistant", "tool"]
        assert (
            bodies[1]["messages"][1]["tool_calls"][0]["id"]
            == call["call_id"]
            == bodies[1]["messages"][2]["tool_call_id"]
        )
        assert leaked([EMAIL], [str(seen) for seen in chat(providers).seen]) == []

    play(tmp_path, script, rest)


def test_a_conversation_is_its_keys_own(tmp_path: Path) -> None:
    async def script(made: Gateway, providers: list[Any]) -> None:
        first = await ask(made, "json", "library", f"I am {EMAIL}")
        for key, name in ((KEY, "resp_0123456789abcdef"), (OTHER_KEY, first["id"])):
            body = {"model": "library", "input": "RECALL", "previous_response_id": name}
            headers = {"Authorization": f"Bearer {key}"}
            status, _, content = await made.http(
                "POST", "/v1/responses", headers=headers, body=json.dumps(body).encode()
            )
            assert (status, json.loads(content)["error"]["code"]) == (400, "previous_response_not_found")
        assert len(chat(providers).seen) == 1
        for method in ("GET", "DELETE"):
            headers = {"Authorization": f"Bearer {KEY}"}
            status, _, _ = await made.http(method, f"/v1/responses/{first['id']}", headers=headers)
            assert status == 404

    play(tmp_path, script)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_takes_its_request_with_it(tmp_path: Path, stream: bool) -> None:
    async def script(made: Gateway, providers: list[Any]) -> None:
        _, writer = await made.post({"model": "library", "input": f"SLOW {EMAIL} and more", "stream": stream})
        await chat(providers).asked.wait()
        writer.close()
        await chat(providers).left.wait()

    play(tmp_path, script)


def test_a_websocket_that_leaves_takes_its_requests_with_it(tmp_path: Path) -> None:
    async def script(made: Gateway, providers: list[Any]) -> None:
        async with made.connect(query="?model=library") as socket:
            await socket.send(json.dumps({"type": "response.create", "input": "SLOW and long enough"}))
            await chat(providers).asked.wait()
        await chat(providers).left.wait()

    play(tmp_path, script)


@pytest.mark.parametrize("auth", ["key", "forward", "none"])
def test_the_provider_gets_the_key_that_is_meant_for_it(
    tmp_path: Path, auth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    sent = {"key": ENVIRONMENT["PROVIDER_KEY"], "forward": KEY, "none": "none"}[auth]

    async def script(made: Gateway, providers: list[Any]) -> None:
        await ask(made, "json", "library", "hi")
        (seen,) = chat(providers).seen
        assert dict(seen.headers)["authorization"] == f"Bearer {sent}"

    play(tmp_path, script, change=_auth(auth))


def _auth(auth: str) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        (deployment,) = config["models"]["library"]["deployments"]
        deployment["auth"] = auth
        if auth != "key":
            del deployment["api_key_env"]

    return change


UNKNOWN = {"models": {"m": {"deployments": [{"name": "d", "url": "litellm:", "auth": "none", "model": "nobody/m"}]}}}


def test_a_provider_that_the_library_does_not_know_is_told_before_anything_listens(tmp_path: Path) -> None:
    from gateway.app import create_app

    config = {**configuration("wss://example.com/"), **UNKNOWN}
    for key in config["keys"]:
        key["models"] = ["m"]
    settings = settings_of(tmp_path, config)
    message = r"models\.m\.deployments\[0\]\.model: LiteLLM knows no such provider"
    with pytest.raises(GatewayError, match=message):
        create_app(settings, workers=0)
    result = CliRunner().invoke(app, ["check", "--config", str(tmp_path / "gateway.yaml")])
    assert result.exit_code == 1
    assert "LiteLLM knows no such provider" in str(result.exception)
