"""Steering and injecting through the whole gateway: two lanes at once, a character at a time, under every delivery.

Everywhere: the provider sees no value, the client gets its own words back, in every place that repeats them, and what
happens in one lane changes nothing in the other.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from gateway.standin import leaked
from gateway.standin.server import StandIn, serve
from tests.gateway.loopback import Gateway, configuration, gateway, run

ADA, GRACE, MARY, HEDY = (f"{name}@example.com" for name in ("ada.byron", "grace.hopper", "mary.kenneth", "hedy.l"))
CARD, SSN = "4111 1111 1111 1111", "536-22-1234"
VALUES = (ADA, GRACE, MARY, HEDY, CARD, SSN)
TERMINAL = ("response.completed", "response.incomplete", "response.failed", "error")
DELIVERIES = {
    "restore": "",
    "replay": "output: {mask: new, delivery: replay}\n",
    "live": "output: {mask: new, delivery: live}\n",
    "suppress": "output: {mask: new, delivery: suppress}\n",
}
SEND_MAIL = {
    "type": "function",
    "name": "send_mail",
    "parameters": {"type": "object", "properties": {"to": {"type": "string"}}},
}
EVERY = pytest.mark.parametrize("rest", DELIVERIES.values(), ids=DELIVERIES)

Event = dict[str, Any]


class Client:
    """A WebSocket to the gateway, its events by lane."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.events: list[Event] = []
        self._read: dict[str | None, int] = {}

    async def send(self, kind: str = "response.create", **frame: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **frame}))

    async def until(self, *types: str, lane: str | None = None) -> list[Event]:
        """The next events of a lane, up to one of some types."""
        start = at = self._read.get(lane, 0)
        while True:
            while at == len(self.events):
                self.events.append(json.loads(await self._socket.recv()))
            at += 1
            if self.events[at - 1].get("stream_id") == lane and self.events[at - 1]["type"] in types:
                self._read[lane] = at
                return [event for event in self.events[start:at] if event.get("stream_id") == lane]

    async def begin(self, lane: str | None, text: str, **more: Any) -> str:
        """Ask in a lane; the id of the response that begins."""
        await self.send(input=text, **({} if lane is None else {"stream_id": lane}), **more)
        created = (await self.until("response.created", lane=lane))[-1]
        return str(created["response"]["id"])

    async def answer(self, lane: str | None = None) -> tuple[Event, str]:
        """The end of a lane's response, and its text, which every place that has it agrees on."""
        events = await self.until(*TERMINAL, lane=lane)
        response: Event = events[-1]["response"]
        items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        text = "".join(part["text"] for item in response["output"] for part in item.get("content", ()))
        if items:  # with `suppress` the end is all there is
            assert items == response["output"]
            assert "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta") == text
        return response, text


def play(folder: Path, rest: str, script: Callable[[Client, Gateway], Awaitable[None]]) -> StandIn:
    """Run a script with a client; afterwards the provider must have seen no value, nor the audit."""
    provider = StandIn(chunk=1)

    async def main() -> None:
        async with serve(provider) as url:
            config = configuration(f"{url.replace('http', 'ws')}/responses")
            async with gateway(folder, config, rest) as made, made.connect() as socket:
                await script(Client(socket), made)

    run(main())
    assert leaked(VALUES, [seen.raw for seen in provider.seen]) == []
    assert leaked(VALUES, [(folder / "audit.jsonl").read_text("utf-8")]) == []
    return provider


def frames(provider: StandIn, kind: str) -> list[Event]:
    """What the provider got of a kind."""
    got = [json.loads(seen.raw) for seen in provider.seen if seen.kind == "ws"]
    return [frame for frame in got if frame["type"] == kind]


def rows(folder: Path, direction: str) -> list[Event]:
    lines = (folder / "audit.jsonl").read_text("utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row.get("direction") == direction]


@EVERY
def test_a_steered_lane_goes_on_in_its_successor_and_the_other_lane_notices_nothing(rest: str, tmp_path: Path) -> None:
    said: dict[str, str] = {}

    async def script(client: Client, _: Gateway) -> None:
        first = await client.begin("a", f"HOLD for {ADA}")
        other = await client.begin("b", f"HOLD for {GRACE}, {CARD}")
        await client.send("response.steer", previous_response_id=first, input=f"rather {MARY} and {ADA}")
        stopped, text = await client.answer("a")
        assert stopped["incomplete_details"] == {"reason": "steered"}
        assert f"Echo: HOLD for {ADA}".startswith(text)
        successor, text = await client.answer("a")
        assert text == f"Echo: rather {MARY} and {ADA}"
        assert successor["previous_response_id"] == first
        assert not [event for event in client.events if event.get("stream_id") == "b" and event["type"] in TERMINAL]
        item = {"type": "message", "role": "user", "content": f"and {HEDY}"}
        await client.send("response.inject", response_id=other, input=[item])
        done, said["b"] = await client.answer("b")
        assert done["status"] == "completed"
        await client.send(input=f"RECALL {MARY}", previous_response_id=successor["id"], stream_id="a")
        _, text = await client.answer("a")
        assert text == f"Echo: HOLD for {ADA} | rather {MARY} and {ADA} | RECALL {MARY}"
        kinds = [event["type"] for event in client.events]
        assert kinds.count("response.steer.accepted") == kinds.count("response.inject.created") == 1

    provider = play(tmp_path, rest, script)
    assert said["b"].startswith(f"Echo: HOLD for {GRACE}, {CARD}Injected: ")
    assert HEDY in said["b"]
    assert MARY not in said["b"]
    (steer,), (inject,) = frames(provider, "response.steer"), frames(provider, "response.inject")
    *_, again = frames(provider, "response.create")
    mary = steer["input"].removeprefix("rather ").partition(" and ")[0]
    assert mary.startswith("<EMAIL_ADDRESS_")
    assert again["input"] == f"RECALL {mary}", "the same token in the steering, the successor and the next turn"
    assert "<EMAIL_ADDRESS_" in str(inject["input"])
    assert {"stream_id", "model"}.isdisjoint(steer)
    events = [(row["event"], row["decision"], row.get("lane")) for row in rows(tmp_path, "input")]
    assert events == [
        ("response.create", "masked", "a"),
        ("response.create", "masked", "b"),
        ("response.steer", "masked", "a"),
        ("response.inject", "masked", "b"),
        ("response.create", "masked", "a"),
    ]
    ends = [(row["outcome"], row.get("lane")) for row in rows(tmp_path, "output")]
    assert ends == [("incomplete", "a"), ("completed", "a"), ("completed", "b"), ("completed", "a")]


@EVERY
def test_steering_that_comes_too_late_comes_back_in_the_clients_words(rest: str, tmp_path: Path) -> None:
    """Whatever the lane does meanwhile, and wherever the provider says it."""

    async def script(client: Client, _: Gateway) -> None:
        first = await client.begin("a", f"the first, for {ADA}")
        await client.answer("a")
        second = await client.begin("a", f"the second, for {ADA}")
        await client.answer("a")
        await client.begin("a", "HOLD the third")
        await client.begin("b", f"HOLD for {GRACE}")
        for target, value in ((second, MARY), (first, HEDY)):
            await client.send("response.steer", previous_response_id=target, input=f"too late, {value}, {ADA}")
            (failed,) = [event for event in await client.until("response.steer.failed") if "steer" in event]
            assert failed["steer"] == {"previous_response_id": target, "input": f"too late, {value}, {ADA}"}
        item = {"type": "function_call_output", "call_id": "call_1", "output": f"{CARD} of {ADA}"}
        await client.send("response.inject", response_id=first, input=[item])
        failed = (await client.until("response.inject.failed"))[-1]
        assert failed["input"] == [item]

    provider = play(tmp_path, rest, script)
    assert len(frames(provider, "response.steer")) == 2


@EVERY
def test_steering_during_a_tool_call_waits_for_the_tools_output(rest: str, tmp_path: Path) -> None:
    async def script(client: Client, _: Gateway) -> None:
        first = await client.begin("a", f"HOLD TOOL for {ADA}", tools=[SEND_MAIL])
        await client.begin("b", f"HOLD for {GRACE}")
        await client.send("response.steer", previous_response_id=first, input=f"and to {MARY}")
        response, _ = await client.answer("a")
        (call,) = response["output"]
        assert json.loads(call["arguments"])["to"] == f"HOLD TOOL for {ADA}"
        pending = (await client.until("response.steer.pending", lane="a"))[-1]
        assert pending["required_input"] == [{"type": "function_call_output", "call_id": call["call_id"]}]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": f"sent, {SSN}"}
        await client.send(input=[output], previous_response_id=first, stream_id="a")
        told, text = await client.answer("a")
        assert text == f"Tool said: sent, {SSN}"
        await client.send(input="RECALL", previous_response_id=told["id"], stream_id="a")
        _, text = await client.answer("a")
        assert text == f"Echo: HOLD TOOL for {ADA} | and to {MARY} | RECALL"

    play(tmp_path, rest, script)


@EVERY
def test_steering_goes_on_after_what_the_lane_sent_before_it(rest: str, tmp_path: Path) -> None:
    """Queued: a turn that waits in the lane goes up first, and is answered after the successor."""

    async def script(client: Client, _: Gateway) -> None:
        first = await client.begin("a", f"HOLD for {ADA}")
        await client.send(input=f"the next, for {GRACE}", stream_id="a")
        await client.send("response.steer", previous_response_id=first, input=f"rather {MARY}")
        stopped, _ = await client.answer("a")
        assert stopped["incomplete_details"] == {"reason": "steered"}
        assert (await client.answer("a"))[1] == f"Echo: rather {MARY}"
        assert (await client.answer("a"))[1] == f"Echo: the next, for {GRACE}"

    provider = play(tmp_path, rest, script)
    assert [json.loads(seen.raw)["type"] for seen in provider.seen if seen.kind == "ws"] == [
        "response.create",
        "response.create",
        "response.steer",
    ]


@pytest.mark.parametrize("delivery", ["replay", "live"])
def test_what_only_the_provider_says_stays_masked_beside_a_steered_lane(delivery: str, tmp_path: Path) -> None:
    async def script(client: Client, _: Gateway) -> None:
        first = await client.begin("a", f"HOLD for {ADA}")
        await client.begin("b", "HOLD INVENT")
        await client.send("response.steer", previous_response_id=first, input=f"INVENT {MARY}")
        await client.answer("a")
        _, text = await client.answer("a")
        assert text.startswith(f"Echo: INVENT {MARY} | Write to <EMAIL_ADDRESS_")
        assert "invented" not in str(client.events)
        assert "457-55-5462" not in str(client.events)

    play(tmp_path, DELIVERIES[delivery], script)
