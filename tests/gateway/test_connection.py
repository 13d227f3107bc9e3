"""Whole connections: a WebSocket client, the gateway behind a real server, and a small provider, on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway import app
from tests.gateway.loopback import (
    KEY,
    OTHER_KEY,
    PROVIDER_KEY,
    Gateway,
    Provider,
    ask,
    configuration,
    gateway,
    play,
    provider,
    read,
    run,
    text_of,
)
from tests.kit import EMAIL, SSN


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the collection at start-up; and nothing here leaves the machine, whatever proxy its environment names."""
    monkeypatch.setattr(app.gc, "collect", lambda: 0)
    monkeypatch.setattr(app.gc, "freeze", lambda: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


Script = Callable[[Gateway, Provider], Awaitable[None]]


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
        url = gateway.url
        for path in ("/v1/realtime", "/", "/v1/responses/", "/v1/responses/resp_1"):
            object.__setattr__(gateway, "_", None)
            with pytest.raises(InvalidStatus) as caught:
                await Elsewhere(gateway, path).connect()
            assert caught.value.response.status_code in (403, 404)
        assert gateway.url == url
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


# Messages


def test_a_large_message_is_refused_and_a_huge_one_ends_the_connection(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            (refused,) = await ask(socket, "x" * 5000)
            assert "4096 bytes" in refused["error"]["message"]
            assert text_of(await ask(socket)) == "hello"
            await socket.send("x" * 10_000)
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1009
        assert len(provider.frames) == 1

    play(tmp_path, script, limits={"message_bytes": "4KiB"})


def test_a_message_in_fragments_is_one_and_its_limit_counts_all_of_them(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        data = json.dumps({"type": "response.create", "input": f"mail {EMAIL}"})
        async with gateway.connect() as socket:
            await socket.send(data[at : at + 5] for at in range(0, len(data), 5))
            assert text_of(await read(socket)) == f"mail {EMAIL}"
            await socket.send("x" * 1000 for _ in range(20))
            with pytest.raises(ConnectionClosed):
                await socket.recv()

    play(tmp_path, script, limits={"message_bytes": "4KiB"})


def test_a_binary_message_is_refused_and_the_connection_lives_on(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            for data in (b"", json.dumps({"type": "response.create", "input": "x"}).encode()):
                await socket.send(data)
                (refused,) = await read(socket)
                assert (refused["status"], refused["error"]["code"]) == (400, "invalid_prompt")
            assert text_of(await ask(socket)) == "hello"

    play(tmp_path, script)


def test_nothing_is_compressed_towards_either_side(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect(compression="deflate") as socket:
            assert socket.response is not None
            assert "sec-websocket-extensions" not in socket.response.headers
        assert "sec-websocket-extensions" not in provider.handshakes[0].headers

    play(tmp_path, script)


# Failures


def test_a_provider_that_cannot_be_reached_is_told_with_the_first_frame_and_dialled_again(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        provider.status = 503
        async with gateway.connect() as socket:
            (refused,) = await ask(socket, f"mail {EMAIL}")
            assert (refused["status"], refused["error"]["code"]) == (400, "invalid_prompt")
            assert "503" in refused["error"]["message"]
            provider.status = None
            assert text_of(await ask(socket)) == "hello"
        assert not [frame for frame in provider.frames if EMAIL in str(frame)]

    play(tmp_path, script)


def test_a_provider_that_leaves_in_the_middle_is_told_and_the_next_frame_works(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async def leave(socket: ServerConnection, frame: dict[str, Any]) -> None:
            await socket.send(json.dumps({"type": "response.created", "response": {"id": "resp_1"}}))
            provider.script = None
            socket.transport.abort()

        provider.script = leave
        async with gateway.connect() as socket:
            created, refused = await ask(socket)
            assert (created["type"], refused["type"], refused["status"]) == ("response.created", "error", 400)
            assert text_of(await ask(socket)) == "hello"
        assert [row["decision"] for row in gateway.rows()] == ["forwarded", "failed", "forwarded", "forwarded"]

    play(tmp_path, script)


def test_a_client_that_vanishes_leaves_a_row_and_no_connection(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        asked, left = asyncio.Event(), asyncio.Event()

        async def hang(socket: ServerConnection, frame: dict[str, Any]) -> None:
            await socket.send(json.dumps({"type": "response.created", "response": {"id": "resp_1"}}))
            asked.set()
            await socket.wait_closed()
            left.set()

        provider.script = hang
        socket = await gateway.connect()
        await socket.send(json.dumps({"type": "response.create", "input": "x"}))
        await asked.wait()
        socket.transport.abort()
        await left.wait()
        provider.script = None
        async with gateway.connect() as other:
            await ask(other)
        reasons = [row["reason"] for row in gateway.rows()]
        assert "The client left." in reasons

    play(tmp_path, script)


def test_a_client_that_leaves_while_the_provider_is_dialled_leaves_no_connection(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        dialled, go = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            dialled.set()
            await go.wait()

        provider.before = wait
        connecting = asyncio.ensure_future(_opened(gateway))
        await dialled.wait()
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        go.set()
        provider.before = None
        async with gateway.connect() as socket:
            await ask(socket)
        while provider.open:
            await asyncio.sleep(0)

    play(tmp_path, script)


async def _opened(gateway: Gateway) -> ClientConnection:
    return await gateway.connect()


def test_a_client_that_does_not_read_slows_the_provider_down(tmp_path: Path) -> None:
    size, count = 64 * 1024, 480

    async def script(gateway: Gateway, provider: Provider) -> None:
        sent = 0
        stuck = asyncio.Event()

        async def flood(socket: ServerConnection, frame: dict[str, Any]) -> None:
            nonlocal sent
            await socket.send(json.dumps({"type": "response.created", "response": {"id": "resp_1"}}))
            for _ in range(count):
                data = json.dumps({"type": "response.output_text.delta", "output_index": 0, "delta": "x" * size})
                sending = asyncio.ensure_future(socket.send(data))
                done, _ = await asyncio.wait({sending}, timeout=0.1 if not stuck.is_set() else None)
                if not done:
                    stuck.set()
                    await sending
                sent += 1
            await socket.send(json.dumps({"type": "response.completed", "response": {"id": "resp_1", "output": []}}))

        provider.script = flood
        async with gateway.connect(max_queue=1) as socket:
            await socket.send(json.dumps({"type": "response.create", "input": "x"}))
            await stuck.wait()
            assert sent * size < 24 * 1024 * 1024, "what is on its way is bounded"
            events = await read(socket)
            assert sum(len(event.get("delta", "")) for event in events) == size * count

    play(tmp_path, script)


def test_a_mistake_closes_one_connection_with_1011_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as broken, gateway.connect() as other:
            with monkeypatch.context() as patch:
                patch.setattr("gateway.session.session.Session.client_frame", _mistake)
                await broken.send("x")
                with pytest.raises(ConnectionClosed) as caught:
                    await broken.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1011, "internal error")
            assert text_of(await ask(other)) == "hello"

    play(tmp_path, script)


def _mistake(*_: Any) -> Any:
    raise RuntimeError(f"about {EMAIL}")


def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    async def script(gateway: Gateway, provider: Provider) -> None:
        async with gateway.connect() as socket:
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "idle")

    play(tmp_path, script, limits={"idle": "50ms"})
