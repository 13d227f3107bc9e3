"""Gateway processes with one vault in Redis: a conversation outlives any of them."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import connect

from tests.e2e.conftest import PROVIDER_KEY, Process, Provider
from tests.gateway.loopback import POLICY
from tests.redis_server import RedisServer

EMAIL, CARD = "ada.lovelace@example.com", "4111 1111 1111 1111"


def start(folder: Path, name: str, env: dict[str, str], provider: Provider, redis: RedisServer) -> Process:
    """A gateway as its users run it, with a policy that is there soon: what it finds is not what is asked here."""
    deployment = {"name": "stand-in", "auth": "key", "api_key_env": "PROVIDER_KEY"}
    config = {
        "listen": {"port": 0},
        "keys": [{"id": "team-a", "secret_env": "TEAM_A_KEY", "models": ["gpt-5.1"], "policy": "./policy.yaml"}],
        "models": {
            "gpt-5.1": {"deployments": [{**deployment, "url": provider.url.replace("http", "ws") + "/responses"}]}
        },
        "vault": {"store": redis.url, "secret_env": "GATEWAY_VAULT_SECRET", "ttl": "1h"},
        "audit": {"path": f"./{name}.jsonl", "secret_env": "GATEWAY_AUDIT_SECRET"},
    }
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(config), "utf-8")
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    arguments = ["-m", "gateway", "serve", "--workers", "0", "--config", str(file)]
    return Process(*arguments, env=env, errors=folder / f"{name}.err")


def over_websocket(url: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    async def main() -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key}"}
        address = f"{url.replace('http', 'ws')}/responses"
        async with asyncio.timeout(20), connect(address, additional_headers=headers, proxy=None) as socket:
            await socket.send(json.dumps({"type": "response.create", **body}))
            text = ""
            while True:
                event = json.loads(await socket.recv())
                text += event["delta"] if event["type"] == "response.output_text.delta" else ""
                if event["type"] in ("response.completed", "error"):
                    assert event["type"] == "response.completed", event
                    assert text == text_of(event["response"])
                    return dict(event["response"])

    return asyncio.run(main())


def over_http(url: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx2.post(f"{url}/responses", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=20)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def text_of(response: dict[str, Any]) -> str:
    return str(response["output"][0]["content"][0]["text"])


def test_a_conversation_moves_between_processes_and_transports_and_outlives_their_restart(
    tmp_path: Path, redis: RedisServer, providers: dict[int, Provider]
) -> None:
    key = f"gw-{secrets.token_hex(16)}"
    env = {"TEAM_A_KEY": key, "PROVIDER_KEY": PROVIDER_KEY}
    env |= {name: secrets.token_hex(32) for name in ("GATEWAY_VAULT_SECRET", "GATEWAY_AUDIT_SECRET")}
    provider = providers[3]
    provider.news()
    said: list[str] = []
    before: dict[str, Any] = {}

    def turn(process: Process, way: Callable[..., dict[str, Any]], text: str) -> None:
        said.append(f"RECALL {text}")
        body = {"model": "gpt-5.1", "input": said[-1], **({"previous_response_id": before["id"]} if before else {})}
        before.update(way(process.url, key, body))
        assert text_of(before) == "Echo: " + " | ".join(said)

    with ExitStack() as stack:
        one = start(tmp_path, "one", env, provider, redis)
        stack.callback(one.stop)
        other = start(tmp_path, "other", env, provider, redis)
        stack.callback(other.stop)
        turn(one, over_websocket, f"I am {EMAIL}")
        turn(other, over_websocket, f"my card is {CARD}")
        turn(other, over_http, f"again {EMAIL}")
    with ExitStack() as stack:
        again = [start(tmp_path, name, env, provider, redis) for name in ("one", "other")]
        for process in again:
            stack.callback(process.stop)
        for process, way in zip(again, (over_http, over_websocket), strict=True):
            turn(process, way, f"after the restart, {EMAIL}")

    seen = "".join(one["raw"] for one in provider.news())
    assert EMAIL not in seen and CARD not in seen
    assert len({piece[:8] for piece in seen.split("<EMAIL_ADDRESS_")[1:]}) == 1, "one token, whoever made it"
    dump = redis.dump()
    assert len(dump) > 1000
    for word in (EMAIL, "4111", "team-a", str(before["id"]), "EMAIL_ADDRESS"):
        assert word.encode() not in dump
    for name in ("one", "other"):
        assert EMAIL not in (tmp_path / f"{name}.err").read_text("utf-8")
