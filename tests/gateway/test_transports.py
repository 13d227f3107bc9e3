"""Every way a client may talk, over every way a provider may: the same answers, and never a value for the provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gateway.standin import leaked
from gateway.standin.plan import INVENTED
from gateway.standin.server import StandIn, serve
from gateway.wire.sse import SseDecoder
from tests.gateway.chat_standin import ChatStandIn
from tests.gateway.loopback import KEY, OTHER_KEY, Gateway, configuration, configuration_of_two, gateway, run

EMAIL = "ada.lovelace@example.com"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
NATIVE = ("websocket", "sse", "whole")
PROVIDERS = (*NATIVE, *(("library",) if find_spec("litellm") is not None else ()))
CLIENTS = ("websocket", "sse", "json")
REPLAY = "output: {mask: new, delivery: replay}\n"
TOOL = {"type": "function", "name": "send", "parameters": {"type": "object", "properties": {"text": {}}}}
WORDS = {
    "text": f"Write to {EMAIL} today",
    "reasoning and a tool": f"REASON TOOL {EMAIL}",
    "refusal": f"REFUSE {EMAIL}",
    "incomplete": f"INCOMPLETE {EMAIL}",
    "failed": f"FAILME {EMAIL}",
    "error": f"ERRORME {EMAIL}",
    "invented": f"INVENT {EMAIL}",
}

IN_CHAT = ("text", "reasoning and a tool", "incomplete", "invented")
"""What the library passes on, too: it drops refusals, knows no failed response, and errors have texts of our own."""

Script = Callable[[Gateway, list[StandIn | ChatStandIn]], Awaitable[None]]


def play(
    folder: Path,
    script: Script,
    rest: str = "",
    *,
    of_key: dict[str, Any] | None = None,
    change: Callable[[dict[str, Any]], None] | None = None,
    **more: Any,
) -> None:
    """Run a script with a gateway, a provider that has both ways, one that answers whole, and one behind a library."""

    async def main() -> None:
        both, whole, chat = StandIn(chunk=3, key="sk-provider-7f6e5d4c3b2a1908"), StandIn(streams=False), ChatStandIn()
        async with serve(both) as url, serve(whole) as other, serve(chat) as third:  # type: ignore[arg-type]
            urls = {
                "websocket": f"{url.replace('http', 'ws')}/responses",
                "sse": f"{url}/responses",
                "whole": f"{other}/responses",
                "library": f"litellm:{third}",
            }
            deployment = {"auth": "key", "api_key_env": "PROVIDER_KEY", "model": "gpt-5.1"}
            models = {name: {"deployments": [{**deployment, "name": name, "url": urls[name]}]} for name in PROVIDERS}
            if "library" in models:
                models["library"]["deployments"][0]["model"] = "openai/gpt-5.1"
            config = configuration(url, models=models, **more)
            for key in config["keys"]:
                key.update({"models": list(PROVIDERS), **(of_key or {})})
            if change is not None:
                change(config)
            async with gateway(folder, config, rest) as made:
                await script(made, [both, whole, chat])

    run(main())


async def ask(made: Gateway, client: str, model: str, text: str, **more: Any) -> dict[str, Any]:
    """The final response over one way, or the error."""
    body = {"model": model, "input": text, "tools": [TOOL], **more}
    if client == "websocket":
        async with made.connect() as socket:
            await socket.send(json.dumps({"type": "response.create", **body}))
            events: list[dict[str, Any]] = []
            while not _ends(events):
                events.append(json.loads(await socket.recv()))
        return _final(events)
    streams = client == "sse"
    sent = json.dumps({**body, "stream": streams}).encode()
    _, headers, content = await made.http("POST", "/v1/responses", headers=AUTHORIZED, body=sent)
    if headers["content-type"].startswith("text/event-stream"):
        content = _unchunked(content) if headers.get("transfer-encoding") == "chunked" else content
        return _final([json.loads(data) for data in SseDecoder(1 << 20).feed(content)])
    value = json.loads(content)
    return dict(value)


def _ends(events: list[dict[str, Any]]) -> bool:
    return bool(events) and events[-1]["type"] in (
        "response.completed",
        "response.incomplete",
        "response.failed",
        "error",
    )


def _final(events: list[dict[str, Any]]) -> dict[str, Any]:
    last = events[-1]
    if last["type"] == "error":
        return {"error": last.get("error", last)}
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == last["response"]["output"]
    text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    assert text == "".join(p.get("text", "") for item in done for p in item.get("content") or ())
    return dict(last["response"])


def _requests(providers: list[StandIn | ChatStandIn]) -> list[str]:
    return [seen.raw for one in providers for seen in one.seen if seen.kind in ("ws", "post")]


def _unchunked(body: bytes) -> bytes:
    pieces = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        pieces, body = pieces + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return pieces


def shape(response: dict[str, Any]) -> Any:
    """What clients read of a response: all but ids and times."""
    if "error" in response and "output" not in response:
        return response["error"]["message"]
    return response["status"], [_shape(item) for item in response["output"]], response["error"]


def _shape(item: dict[str, Any]) -> Any:
    texts = [part.get("text", part.get("refusal")) for part in item.get("content") or item.get("summary") or ()]
    return item["type"], item.get("name"), item.get("arguments"), texts


@pytest.mark.parametrize("rest", ["", REPLAY], ids=["restore", "replay"])
@pytest.mark.parametrize("kind", WORDS)
def test_all_ways_give_the_same_answer_and_the_provider_sees_no_value(tmp_path: Path, kind: str, rest: str) -> None:
    words = WORDS[kind]
    ways = [model for model in PROVIDERS if model != "library" or kind in IN_CHAT]

    async def script(made: Gateway, providers: list[StandIn | ChatStandIn]) -> None:
        answers = {
            (client, model): shape(await ask(made, client, model, words)) for client in CLIENTS for model in ways
        }
        (first, *others) = answers.values()
        assert all(other == first for other in others), answers
        assert EMAIL in json.dumps(first)
        if "INVENT" in words and rest:
            assert INVENTED[0] not in json.dumps(first)
        for one in providers:
            assert leaked([EMAIL, KEY], [seen.raw + str(seen.headers) for seen in one.seen]) == []
        rows = made.rows()
        assert [row["direction"] for row in rows] == ["input", "output"] * 3 * len(ways)

    play(tmp_path, script, rest)


@pytest.mark.parametrize("rest", ["", REPLAY], ids=["restore", "replay"])
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_an_answer_from_memory_is_the_same_over_all_ways(tmp_path: Path, words: str, rest: str) -> None:
    """The provider side `replayed`: what completed, and holds nobody else's data, is asked once and given four times."""
    kept = words.startswith(("Write", "REASON", "REFUSE"))

    async def script(made: Gateway, providers: list[StandIn | ChatStandIn]) -> None:
        first = await ask(made, "sse", "websocket", words)
        for client in (*CLIENTS, "websocket"):
            again = await ask(made, client, "websocket", words)
            assert shape(again) == shape(first)
            assert EMAIL in json.dumps(again) or not kept
        assert leaked([EMAIL, KEY], [seen.raw + str(seen.headers) for one in providers for seen in one.seen]) == []
        assert len(_requests(providers)) == (1 if kept else 5)
        rows = made.rows()
        assert [row["direction"] for row in rows] == ["input", "output"] * 5
        assert [row.get("cached", False) for row in rows] == [False] * 2 + [kept] * 8

    play(tmp_path, script, rest, replay={"ttl": "1m"})


@pytest.mark.parametrize("rest", ["", REPLAY], ids=["restore", "replay"])
@pytest.mark.parametrize("tells", [True, False])
def test_the_cost_is_recorded_and_told_where_the_key_says_so_on_all_ways(
    tmp_path: Path, rest: str, tells: bool
) -> None:
    async def script(made: Gateway, providers: list[StandIn | ChatStandIn]) -> None:
        for model in PROVIDERS:
            for client in CLIENTS:
                usage = (await ask(made, client, model, f"Write to {EMAIL}"))["usage"]
                row = made.rows()[-1]
                used = row["usage"]
                assert row["cost"] == round((1.25 * used["input_tokens"] + 10 * used["output_tokens"]) / 1e6, 12) > 0
                assert usage.get("cost") == (row["cost"] if tells else None)

    play(tmp_path, script, rest, of_key={"usage_cost": tells})


@pytest.mark.parametrize("model", PROVIDERS)
def test_a_conversation_goes_on_over_the_other_way_with_the_same_tokens(tmp_path: Path, model: str) -> None:
    async def script(made: Gateway, providers: list[StandIn | ChatStandIn]) -> None:
        first = await ask(made, "websocket" if model != "whole" else "sse", model, f"I am {EMAIL}")
        for client in ("json", "sse", "websocket"):
            again = await ask(made, client, model, f"RECALL {EMAIL}", previous_response_id=first["id"])
            assert json.dumps(again["output"]).count(EMAIL) == 2
        asked = _requests(providers)
        assert leaked([EMAIL], asked) == []
        other = {"Authorization": f"Bearer {OTHER_KEY}"}
        body = json.dumps({"model": model, "input": "RECALL", "previous_response_id": first["id"]}).encode()
        status, _, content = await made.http("POST", "/v1/responses", headers=other, body=body)
        assert status == 400
        assert json.loads(content)["error"]["code"] == "previous_response_not_found"
        assert _requests(providers) == asked

    play(tmp_path, script)


@pytest.mark.parametrize("model", PROVIDERS)
def test_what_is_said_without_being_stored_is_known_on_its_connection(tmp_path: Path, model: str) -> None:
    async def script(made: Gateway, providers: list[StandIn | ChatStandIn]) -> None:
        async with made.connect(query=f"?model={model}") as socket:

            async def turn(text: str, **more: Any) -> dict[str, Any]:
                await socket.send(json.dumps({"type": "response.create", "input": text, "store": False, **more}))
                events: list[dict[str, Any]] = []
                while not _ends(events):
                    events.append(json.loads(await socket.recv()))
                return dict(events[-1]["response"])

            warm = await turn(f"I am {EMAIL}", generate=False)
            assert (warm["output"], warm["status"]) == ([], "completed")
            second = await turn("and I like tea", previous_response_id=warm["id"])
            third = await turn("RECALL", previous_response_id=second["id"])
            said = third["output"][0]["content"][0]["text"]
            assert EMAIL in said
            assert said.index(EMAIL) < said.index("and I like tea")
        assert leaked([EMAIL], [seen.raw for one in providers for seen in one.seen]) == []

    play(tmp_path, script)


@pytest.mark.parametrize("model", [name for name in PROVIDERS if name in ("sse", "library")])
def test_lanes_of_an_http_provider_are_in_order_each_and_all_at_once(tmp_path: Path, model: str) -> None:
    async def script(made: Gateway, providers: list[StandIn | ChatStandIn]) -> None:
        async with made.connect(query=f"?model={model}") as socket:
            for number in range(3):
                for lane in ("a", "b"):
                    frame = {"type": "response.create", "stream_id": lane, "input": f"{lane}{number} {EMAIL}"}
                    await socket.send(json.dumps(frame))
            said: dict[str, list[str]] = {"a": [], "b": []}
            while sum(map(len, said.values())) < 6:
                event = json.loads(await socket.recv())
                if event["type"] == "response.output_text.done":
                    said[event["stream_id"]].append(event["text"])
        assert said == {lane: [f"Echo: {lane}{n} {EMAIL}" for n in range(3)] for lane in said}

    play(tmp_path, script)


@pytest.mark.parametrize("model", [name for name in PROVIDERS if name in ("sse", "library")])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_provider_that_leaves_within_an_answer_is_told_and_recorded_once(
    tmp_path: Path, client: str, model: str
) -> None:
    async def script(made: Gateway, providers: list[StandIn | ChatStandIn]) -> None:
        answer = await ask(made, client, model, f"DROPME {EMAIL} and a long text after it")
        assert "provider closed the connection" in shape(answer)
        assert [row["decision"] for row in made.rows()] == ["masked", "forwarded"]
        assert made.rows()[-1]["reason"] == "The provider answered with an error."

    play(tmp_path, script)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_takes_its_request_with_it(tmp_path: Path, stream: bool) -> None:
    async def script(made: Gateway, providers: list[StandIn | ChatStandIn]) -> None:
        reader, writer = await made.post({"model": "websocket", "input": f"HOLD {EMAIL} and more", "stream": stream})
        if stream:
            await reader.readuntil(b"response.created")
        await made.rows_once(1)
        writer.close()
        assert [(row["direction"], row["reason"]) for row in await made.rows_once(2)] == [
            ("input", None),
            ("output", "The client left."),
        ]

    play(tmp_path, script)


def test_requests_count_from_their_first_byte(tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(StandIn()) as url:
            deployment = {"auth": "none", "model": "gpt-5.1", "name": "d", "url": f"{url}/responses"}
            config = configuration(url, models={"gpt-5.1": {"deployments": [deployment]}}, limits={"connections": 1})
            for key in config["keys"]:
                key["models"] = ["gpt-5.1"]
            async with gateway(tmp_path, config) as made:
                _, writer = await asyncio.open_connection("127.0.0.1", made.port)
                head = f"POST /v1/responses HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 99"
                writer.write(f"{head}\r\n\r\n".encode())
                while (await ask(made, "json", "gpt-5.1", "hi")).get("error", {}) in (None, {}):
                    pass  # until the first one has arrived
                writer.close()
                await writer.wait_closed()
                while "error" in (answer := await ask(made, "json", "gpt-5.1", "hi")) and answer["error"]:
                    assert answer["error"]["code"] == "rate_limit_exceeded"

    run(main())


BAD = {
    "no JSON": (b"{", 400),
    "no object": (b"[]", 400),
    "a repeated key": (b'{"input":"a","input":"b"}', 400),
    "another frame": (b'{"type":"response.steer","input":"a"}', 400),
    "a lane": (b'{"stream_id":"a","input":"a"}', 400),
    "in the background": (b'{"background":true,"input":"a"}', 400),
    "a nested request": (b'{"response":{"background":true,"input":"a"}}', 400),
    "a stream that is none": (b'{"stream":"yes","input":"a"}', 400),
    "another model": (b'{"model":"ada.lovelace@example.com","input":"a"}', 400),
    "too large": (b'{"input":"' + b"a" * (9 << 20) + b'"}', 413),
}


@pytest.mark.parametrize(("body", "status"), BAD.values(), ids=BAD)
def test_a_body_that_is_not_acceptable_is_refused_without_an_echo(tmp_path: Path, body: bytes, status: int) -> None:
    async def script(made: Gateway, providers: list[StandIn | ChatStandIn]) -> None:
        got, headers, content = await made.http("POST", "/v1/responses", headers=AUTHORIZED, body=body)
        assert (got, headers["content-type"]) == (status, "application/json")
        assert set(json.loads(content)["error"]) == {"type", "code", "message", "param"}
        assert b"ada" not in content
        (row,) = made.rows()
        assert (row["direction"], row["decision"], row["reason"]) == (
            "input",
            "refused",
            json.loads(content)["error"]["message"],
        )
        assert not [seen for one in providers for seen in one.seen if seen.kind == "post"]

    play(tmp_path, script)


def test_a_deployment_that_cannot_be_reached_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serve(StandIn()) as url:
            deployment = {"auth": "none", "model": "gpt-5.1"}
            gone = {**deployment, "name": "gone", "url": "ws://127.0.0.1:9/v1/responses", "weight": 1_000_000}
            here = {**deployment, "name": "here", "url": f"{url.replace('http', 'ws')}/responses"}
            config = configuration(url, models={"gpt-5.1": {"deployments": [gone, here]}})
            for key in config["keys"]:
                key["models"] = ["gpt-5.1"]
            async with gateway(tmp_path, config) as made:
                for client in CLIENTS:
                    answer = await ask(made, client, "gpt-5.1", f"I am {EMAIL}")
                    assert shape(answer)[0] == "completed"
                assert {row["deployment"] for row in made.rows()} == {"here"}

    run(main())
    assert "deployment gone" in caplog.text


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", ["http", "ws"])
def test_a_conversation_stays_with_the_deployment_that_has_it(tmp_path: Path, client: str, way: str) -> None:
    async def main() -> None:
        async with (
            serve(StandIn()) as one,
            serve(StandIn()) as two,
            gateway(tmp_path, configuration_of_two(one, two, way)) as made,
        ):
            used: set[str] = set()
            while len(used) < 2:  # they are chosen by chance
                answer = await ask(made, client, "gpt-5.1", f"I am {EMAIL}")
                for _ in range(2):
                    answer = await ask(made, client, "gpt-5.1", "RECALL", previous_response_id=answer["id"])
                    assert EMAIL in json.dumps(answer["output"])
                used = {row["deployment"] for row in made.rows()}

    run(main())
