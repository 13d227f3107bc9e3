"""Gateways that share a vault in Redis are one to their clients: whichever answers, and whatever happens in between."""

from __future__ import annotations

import asyncio
import gc
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from gateway.standin import leaked
from gateway.standin.server import StandIn, serve
from tests.gateway.loopback import KEY, OTHER_KEY, Gateway, configuration, gateway, run
from tests.kit import CARD, EMAIL
from tests.redis_server import RedisServer, is_down

OTHER_EMAIL = "grace.hopper@example.com"
STORED = "output: {mask: off}\n"

Script = Callable[[Gateway, Gateway, StandIn], Awaitable[None]]


@asynccontextmanager
async def two(folder: Path, url: str, store: str, **vault: Any) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Two gateways, each with a folder of its own, in front of one provider."""
    config = configuration(url.replace("http", "ws") + "/responses")
    config["vault"] |= {"store": store, **vault}
    for name in ("one", "two"):
        (folder / name).mkdir(exist_ok=True)
    async with gateway(folder / "one", config) as one, gateway(folder / "two", config) as other:
        yield one, other


def play(folder: Path, redis: RedisServer, script: Script, **vault: Any) -> None:
    async def main() -> None:
        provider = StandIn(chunk=3)
        async with serve(provider) as url, two(folder, url, redis.url, **vault) as (one, other):
            await script(one, other, provider)
        assert leaked([EMAIL, OTHER_EMAIL, CARD], [seen.raw for seen in provider.seen]) == []

    run(main())


async def ask(made: Gateway, text: str, way: str = "websocket", key: str = KEY, **more: Any) -> dict[str, Any]:
    """The last response over one way, or the error."""
    body = {"model": "gpt-5.1", "input": text, **more}
    if way == "http":
        headers = {"Authorization": f"Bearer {key}"}
        _, _, content = await made.http("POST", "/v1/responses", headers=headers, body=json.dumps(body).encode())
        answer = json.loads(content)
        return dict(answer)
    async with made.connect(key) as socket:
        await socket.send(json.dumps({"type": "response.create", **body}))
        while True:
            event = json.loads(await socket.recv())
            if event["type"] in ("response.completed", "error"):
                return dict(event.get("response") or event)


def text_of(response: dict[str, Any]) -> str:
    return str(response["output"][0]["content"][0]["text"])


def tokens(provider: StandIn) -> set[str]:
    """What the provider saw in the place of addresses."""
    raw = "".join(seen.raw for seen in provider.seen)
    return {"<EMAIL_ADDRESS_" + piece[:8] for piece in raw.split("<EMAIL_ADDRESS_")[1:]}


@pytest.mark.parametrize("ways", [("websocket", "http"), ("http", "websocket")], ids="-".join)
def test_a_conversation_goes_on_wherever_it_comes_to(tmp_path: Path, redis: RedisServer, ways: tuple[str, str]) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        before, turns = None, [(one, ways[0]), (other, ways[0]), (other, ways[1]), (one, ways[1])]
        said: list[str] = []
        for number, (made, way) in enumerate(turns):
            text = f"RECALL turn {number} of {EMAIL}" if number % 2 == 0 else f"RECALL turn {number}"
            said.append(text)
            response = await ask(made, text, way, **({} if before is None else {"previous_response_id": before}))
            assert text_of(response) == "Echo: " + " | ".join(said)
            before = response["id"]
        assert len(tokens(provider)) == 1, "the same value has the same token everywhere"

    play(tmp_path, redis, script)


def test_a_fork_knows_what_it_comes_from_and_not_what_the_other_branch_said(tmp_path: Path, redis: RedisServer) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        root = await ask(one, f"I am {EMAIL}")
        left = await ask(other, f"and {OTHER_EMAIL}", previous_response_id=root["id"])
        [ours] = tokens(provider) - {next(iter(tokens_of(provider, 0)))}
        right = await ask(one, f"RECALL {ours}>", previous_response_id=root["id"])
        assert text_of(right) == f"Echo: I am {EMAIL} | RECALL {ours}>"
        again = await ask(other, "RECALL", previous_response_id=left["id"])
        assert text_of(again) == f"Echo: I am {EMAIL} | and {OTHER_EMAIL} | RECALL"

    play(tmp_path, redis, script)


def tokens_of(provider: StandIn, number: int) -> set[str]:
    """The same in one of the frames."""
    frames = [seen.raw for seen in provider.seen if seen.kind == "ws"]
    return {"<EMAIL_ADDRESS_" + piece[:8] for piece in frames[number].split("<EMAIL_ADDRESS_")[1:]}


@pytest.mark.parametrize("named", ["conv_1", {"id": "conv_1"}], ids=["a name", "an object"])
def test_a_providers_conversation_gathers_the_values_of_its_responses(
    tmp_path: Path, redis: RedisServer, named: Any
) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        await ask(one, f"I am {EMAIL}", conversation=named)
        await ask(other, f"and {OTHER_EMAIL}", "http", conversation=named)
        last = await ask(one, "RECALL", conversation="conv_1")
        assert text_of(last) == f"Echo: I am {EMAIL} | and {OTHER_EMAIL} | RECALL"
        after = await ask(other, "RECALL", previous_response_id=last["id"])
        assert text_of(after).startswith(f"Echo: I am {EMAIL} | and {OTHER_EMAIL}")

    play(tmp_path, redis, script)


def test_another_keys_response_or_conversation_is_not_found_on_any_gateway(tmp_path: Path, redis: RedisServer) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        first = await ask(one, f"I am {EMAIL}", conversation="conv_1")
        asked = len(list(provider.seen))
        for made in (one, other):
            for way in ("websocket", "http"):
                told = await ask(made, "RECALL", way, OTHER_KEY, previous_response_id=first["id"])
                assert told["error"]["code"] == "previous_response_not_found"
                told = await ask(made, "RECALL", way, OTHER_KEY, conversation={"id": " conv_1 "})
                assert (told["error"]["param"], told["error"]["message"]) == (
                    "conversation",
                    "The conversation was not found.",
                )
        assert not [seen for seen in list(provider.seen)[asked:] if seen.kind in ("ws", "post")]

    play(tmp_path, redis, script)


def test_no_token_of_another_conversation_or_key_restores(tmp_path: Path, redis: RedisServer) -> None:
    """Forged, replayed or swapped: a token is its text, wherever this conversation did not put the value itself."""

    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        mine = await ask(one, f"I am {EMAIL}")
        [token] = tokens(provider)
        theirs = await ask(one, f"I am {EMAIL}", key=OTHER_KEY)
        [foreign] = tokens(provider) - {token}
        elsewhere = await ask(other, f"I am {OTHER_EMAIL}")
        [second] = tokens(provider) - {token, foreign}
        invented = "<EMAIL_ADDRESS_aaaaaaaa"
        every = " ".join(f"{one}>" for one in (token, foreign, second, invented))
        for key, at, allowed in (
            (KEY, None, set()),
            (KEY, mine["id"], {token}),
            (KEY, elsewhere["id"], {second}),
            (OTHER_KEY, theirs["id"], {foreign}),
        ):
            more = {} if at is None else {"previous_response_id": at}
            answer = text_of(await ask(other, every, key=key, **more))
            for one_token, value in ((token, EMAIL), (foreign, EMAIL), (second, OTHER_EMAIL), (invented, "")):
                assert (f"{one_token}>" in answer) or one_token in allowed
                if value and not allowed & {token, foreign, second}:
                    assert value not in answer
            assert (OTHER_EMAIL in answer) == (second in allowed)

    play(tmp_path, redis, script)


def test_a_redis_that_cannot_be_reached_at_the_start_is_in_the_log(
    tmp_path: Path, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        assert (await one.http("GET", "/readyz"))[0] == 503

    redis.stop()
    play(tmp_path, redis, script)
    redis.start()
    assert len([record for record in caplog.records if "the vault cannot be reached" in record.getMessage()]) == 2


def test_a_redis_that_dies_costs_refusals_and_nothing_else(tmp_path: Path, redis: RedisServer) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        first = await ask(one, f"I am {EMAIL}")
        async with one.connect() as socket:
            redis.stop()
            assert is_down(redis)
            asked = len(list(provider.seen))
            await socket.send(
                json.dumps({"type": "response.create", "input": "R", "previous_response_id": first["id"]})
            )
            told = json.loads(await socket.recv())
            assert (told["type"], told["status"]) == ("error", 400)
            assert "could not be looked up" in told["error"]["message"]
            told = await ask(other, f"and {CARD}", "http", previous_response_id=first["id"])
            assert "could not be looked up" in told["error"]["message"]
            assert not [seen for seen in list(provider.seen)[asked:] if seen.kind in ("ws", "post")]
            alone = await ask(other, f"by itself {CARD}")
            assert text_of(alone) == f"Echo: by itself {CARD}", "its own stream restores without the vault"
            status, _, body = await one.http("GET", "/readyz")
            assert (status, json.loads(body)["vault"]) == (503, False)
            assert one.rows()[-1]["decision"] == "failed"
            redis.start()
            assert (await one.http("GET", "/readyz"))[0] == 200
            await socket.send(
                json.dumps({"type": "response.create", "input": "RECALL", "previous_response_id": first["id"]})
            )
            events = []
            while not events or events[-1]["type"] not in ("response.completed", "error"):
                events.append(json.loads(await socket.recv()))
            assert text_of(events[-1]["response"]) == f"Echo: I am {EMAIL} | RECALL"
        _, _, metrics = await other.http("GET", "/metrics")
        assert b'guardrail_vault_failures_total{operation="recall"} 1.0' in metrics
        assert b'guardrail_vault_failures_total{operation="remember"} 1.0' in metrics

    play(tmp_path, redis, script)


def held(root: object, value: str) -> bool:
    """Whether a value stands anywhere in what an object of ours keeps."""
    seen: set[int] = set()
    waiting: list[object] = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, str | bytes):
            if value in (one if isinstance(one, str) else one.decode("latin-1")):
                return True
        elif isinstance(one, dict | list | tuple | set | frozenset | MappingProxyType | deque) or type(
            one
        ).__module__.split(".")[0] in ("gateway", "guardrails", "redis"):
            waiting += gc.get_referents(one)
    return False


@pytest.mark.parametrize("store", ["redis", "memory"])
def test_after_its_time_nothing_is_left_in_redis_or_in_what_the_process_keeps(
    tmp_path: Path, redis: RedisServer, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    monkeypatch.setattr("gateway.app.make_vault", keeping(made))
    clock = [0.0]
    monkeypatch.setattr("gateway.vaults.time", SimpleNamespace(monotonic=lambda: clock[0]))

    async def main() -> None:
        provider = StandIn(chunk=3)
        url = redis.url if store == "redis" else "memory"
        async with serve(provider) as upstream, two(tmp_path, upstream, url, ttl="60s") as (one, _):
            await ask(one, f"I am {EMAIL}")
            if store == "memory":
                assert held(made[0], EMAIL), "a value that is kept is seen"
            else:
                assert len(redis.dump()) > 100
                assert EMAIL.encode() not in redis.dump()
                assert not held(made[0], EMAIL)
            clock[0] = 61.0
            with redis.client() as client:
                for key in client.scan_iter():
                    assert 0 < client.pttl(key) <= 60_000
                    client.pexpire(key, 1)
                while client.dbsize():
                    pass
            await one.http("GET", "/readyz")
            assert not held(made[0], EMAIL)
            assert EMAIL not in (tmp_path / "one" / "audit.jsonl").read_text("utf-8")
            with redis.client() as client:
                assert set(client.scan_iter()) <= {b"gg:ready"}

    run(main())


def keeping(made: list[Any]) -> Callable[..., Any]:
    """What makes a vault, and keeps it for the test."""
    from gateway.vaults import make_vault

    def make(*given: Any) -> Any:
        made.append(make_vault(*given))
        return made[-1]

    return make


def test_two_turns_at_once_in_one_conversation_lose_nothing(tmp_path: Path, redis: RedisServer) -> None:
    async def script(one: Gateway, other: Gateway, provider: StandIn) -> None:
        people = [f"person{number}@example.com" for number in range(8)]
        await asyncio.gather(
            *(
                ask(made, f"I am {person}", conversation="conv_1")
                for made, person in zip([one, other] * 4, people, strict=True)
            )
        )
        every = "".join(f"{token}> " for token in sorted(tokens(provider)))
        answer = text_of(await ask(one, every, conversation="conv_1"))
        assert sorted(answer.split()[1:]) == sorted(people)

    play(tmp_path, redis, script)
