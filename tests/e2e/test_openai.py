"""The openai SDK in all its ways through the gateway: right answers, and a provider that saw nothing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from openai import AsyncOpenAI, OpenAI

from gateway.standin import INVENTED, leaked

TOOL = {
    "type": "function",
    "name": "send_mail",
    "description": "Send an e-mail",
    "strict": False,
    "parameters": {"type": "object", "properties": {"to": {"type": "string"}, "body": {"type": "string"}}},
}
EMAIL, CARD = "ada.lovelace@example.com", "4111 1111 1111 1111"
PROMPT = f"I am Ada, mail {EMAIL}, card {CARD}"


# openai 3.54 opens its sync connection in a way that websockets 17.1 deprecates.
pytestmark = pytest.mark.filterwarnings(r"ignore:connect\(\) must be used as a context manager:DeprecationWarning")


@dataclass(slots=True)
class Got:
    """What the client got in one turn: each text as its deltas, as its done event and in the terminal response."""

    deltas: dict[str, str] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)
    raw: list[str] = field(default_factory=list)
    response: Any = None

    def take(self, event: Any) -> bool:
        """Take one event in; whether it is the last of its turn."""
        self.raw.append(event.to_json(warnings=False))  # the helper's own events do not fit its types
        kind = event.type.removeprefix("response.")
        if kind.endswith(".delta"):
            kind = kind.removesuffix(".delta")
            self.deltas[kind] = self.deltas.get(kind, "") + event.delta
        elif kind.endswith(".done") and not kind.startswith(("output_item", "content_part", "reasoning_summary_part")):
            kind = kind.removesuffix(".done")
            self.done[kind] = event.arguments if kind == "function_call_arguments" else event.text
        assert kind != "error", event.to_json()
        if kind in ("completed", "failed", "incomplete"):
            self.response = event.response
        return self.response is not None

    @property
    def text(self) -> str:
        """The answer, which deltas, done event and response agree on."""
        assert self.deltas.get("output_text") == self.done.get("output_text") == self.response.output_text
        return str(self.response.output_text)

    @property
    def arguments(self) -> str:
        """The arguments of the call, which deltas, done event and response agree on."""
        [call] = [item for item in self.response.output if item.type == "function_call"]
        kind = "function_call_arguments"
        assert self.deltas.get(kind) == self.done.get(kind) == call.arguments
        return str(call.arguments)


Conversation: TypeAlias = Generator[dict[str, Any], Got, None]


def talk_sync(url: str, key: str, model: str, conversation: Conversation) -> list[Got]:
    """Have a conversation with the sync client."""
    turns: list[Got] = []
    with (
        OpenAI(base_url=url, api_key=key, max_retries=0) as client,
        client.responses.connect(max_retries=0) as connection,
    ):
        request = next(conversation, None)
        while request is not None:
            connection.response.create(model=model, **request)
            turns.append(Got())
            for event in connection:
                if turns[-1].take(event):
                    break
            request = advance(conversation, turns[-1])
    return turns


def talk_async(url: str, key: str, model: str, conversation: Conversation) -> list[Got]:
    """Have a conversation with the async client."""

    async def main() -> list[Got]:
        turns: list[Got] = []
        client = AsyncOpenAI(base_url=url, api_key=key, max_retries=0)
        async with client, client.responses.connect(max_retries=0) as connection:
            request = next(conversation, None)
            while request is not None:
                await connection.response.create(model=model, **request)
                turns.append(Got())
                async for event in connection:
                    if turns[-1].take(event):
                        break
                request = advance(conversation, turns[-1])
        return turns

    return asyncio.run(main())


def talk_sse(url: str, key: str, model: str, conversation: Conversation) -> list[Got]:
    """Have a conversation over HTTP, streamed."""
    turns: list[Got] = []
    with OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        request = next(conversation, None)
        while request is not None:
            turns.append(Got())
            with client.responses.create(model=model, stream=True, **request) as events:
                for event in events:
                    turns[-1].take(event)
            request = advance(conversation, turns[-1])
    return turns


def talk_helper(url: str, key: str, model: str, conversation: Conversation) -> list[Got]:
    """Have a conversation over HTTP with the SDK's stream helper, which puts the answer together itself."""
    turns: list[Got] = []
    with OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        request = next(conversation, None)
        while request is not None:
            turns.append(Got())
            with client.responses.stream(model=model, **request) as events:
                for event in events:
                    turns[-1].take(event)
                assert events.get_final_response().output_text == turns[-1].response.output_text
            request = advance(conversation, turns[-1])
    return turns


def advance(conversation: Conversation, got: Got) -> dict[str, Any] | None:
    try:
        return conversation.send(got)
    except StopIteration:
        return None


TALKS = {"sync": talk_sync, "async": talk_async}
OVER_HTTP = {"sse": talk_sse, "helper": talk_helper}


def text() -> Conversation:
    """One turn of plain text."""
    yield {"input": PROMPT, "instructions": f"The customer is {EMAIL}.", "metadata": {"mail": EMAIL}}


def tool_call() -> Conversation:
    """A call whose arguments carry the values, then an answer that repeats the tool's output."""
    prompt = f'TOOL "quoted" \\ {PROMPT}'
    got = yield {"input": prompt, "tools": [TOOL]}
    arguments = json.loads(got.arguments)
    assert set(arguments) == {"to", "body"}
    call = next(item for item in got.response.output if item.type == "function_call")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": f"sent {arguments['body']}"}
    got = yield {"input": [output], "tools": [TOOL], "previous_response_id": got.response.id}
    assert got.text == f"Tool said: sent {arguments['body']}"


def reasoning() -> Conversation:
    """A summary of the reasoning before the answer, both with the values."""
    got = yield {"input": f"REASON {PROMPT}", "reasoning": {"summary": "auto"}}
    summary = got.response.output[0].summary[0].text
    assert got.deltas["reasoning_summary_text"] == got.done["reasoning_summary_text"] == summary


def second_turn() -> Conversation:
    """A later turn that recalls what was said before, by previous_response_id."""
    got = yield {"input": PROMPT}
    yield {"input": "RECALL", "previous_response_id": got.response.id}


SCENES: dict[str, tuple[Callable[[], Conversation], str]] = {
    "text": (text, f"Echo: {PROMPT}"),
    "tool": (tool_call, f'Tool said: sent TOOL "quoted" \\ {PROMPT}'),
    "reason": (reasoning, f"Echo: REASON {PROMPT}"),
    "recall": (second_turn, f"Echo: {PROMPT} | RECALL"),
}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("chunk", [1, 3, 7, 50])
@pytest.mark.parametrize("policy", ["default", "replay-new", "live-new"])
@pytest.mark.parametrize("client", TALKS)
def test_the_client_gets_its_own_values_back(gateway: Any, client: str, policy: str, chunk: int, scene: str) -> None:
    """The answer is exact in deltas, done and response; the provider saw no value, and only over WebSocket."""
    conversation, expected = SCENES[scene]
    turns = TALKS[client](gateway.url, gateway.keys[policy], gateway.model(chunk), conversation())
    assert turns[-1].text == expected
    assert gateway.provider_key not in "".join(raw for turn in turns for raw in turn.raw)
    gateway.check_provider(chunk)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("chunk", [1, 3, 7, 50])
@pytest.mark.parametrize("client", TALKS)
def test_with_everything_masked_the_client_gets_no_value(gateway: Any, client: str, chunk: int, scene: str) -> None:
    """Under output.mask all no event holds a value, every turn completes, and its parts still agree."""
    conversation, expected = SCENES[scene]
    turns = TALKS[client](gateway.url, gateway.keys["replay-all"], gateway.model(chunk), conversation())
    masked = re.escape(expected).replace(re.escape(EMAIL), r"<EMAIL_ADDRESS_\w+>")
    assert re.fullmatch(masked.replace(re.escape(CARD), r"<CREDIT_CARD_\w+>"), turns[-1].text)
    assert [turn.response.status for turn in turns] == ["completed"] * len(turns)
    assert leaked([EMAIL, CARD], [raw for turn in turns for raw in turn.raw]) == []
    gateway.check_provider(chunk)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("chunk", [1, 7])
@pytest.mark.parametrize("policy", ["default", "replay-new", "live-new"])
@pytest.mark.parametrize(("client", "via"), [("sse", "ws"), ("sse", "http"), ("helper", "http"), ("async", "http")])
def test_all_transports_give_it_its_own_values_back(
    gateway: Any, client: str, via: str, policy: str, chunk: int, scene: str
) -> None:
    """The same over HTTP, and to a provider that has nothing else."""
    conversation, expected = SCENES[scene]
    talk = (TALKS | OVER_HTTP)[client]
    turns = talk(gateway.url, gateway.keys[policy], gateway.model(chunk, via), conversation())
    assert turns[-1].text == expected
    gateway.check_provider(chunk, via=via)


@pytest.mark.parametrize("via", ["ws", "http"])
@pytest.mark.parametrize("policy", ["default", "replay-new", "live-new"])
def test_an_answer_that_is_not_streamed_is_the_same(gateway: Any, policy: str, via: str) -> None:
    """One body in, one body out."""
    with OpenAI(base_url=gateway.url, api_key=gateway.keys[policy], max_retries=0) as client:
        model = gateway.model(7, via)
        first = client.responses.create(model=model, input=PROMPT)
        assert first.output_text == f"Echo: {PROMPT}"
        second = client.responses.create(model=model, input="RECALL", previous_response_id=first.id)
        assert second.output_text == f"Echo: {PROMPT} | RECALL"
    gateway.check_provider(7, via=via)


@pytest.mark.parametrize("chunk", [1, 7])
@pytest.mark.parametrize("policy", ["replay-new", "replay-all", "live-new", "live-all"])
def test_what_the_model_invents_is_masked(gateway: Any, policy: str, chunk: int) -> None:
    """With output masking on, values that the client never sent reach it in no event."""

    def invent() -> Conversation:
        got = yield {"input": "INVENT something"}
        assert got.text.startswith("Echo: INVENT something | Write to ")

    turns = talk_sync(gateway.url, gateway.keys[policy], gateway.model(chunk), invent())
    assert leaked(INVENTED, [raw for turn in turns for raw in turn.raw]) == []
    gateway.check_provider(chunk)


@pytest.mark.parametrize("chunk", [1, 7])
def test_what_the_model_invents_is_left_alone_where_the_policy_only_restores(gateway: Any, chunk: int) -> None:
    """With output masking off, an answer that holds nothing of ours arrives as the provider wrote it."""

    def invent() -> Conversation:
        got = yield {"input": "INVENT something"}
        assert leaked(INVENTED, [got.text]) == list(INVENTED)

    talk_sync(gateway.url, gateway.keys["default"], gateway.model(chunk), invent())


def test_the_gateway_writes_down_no_secret(gateway: Any) -> None:
    """After all of this neither its log nor its audit holds a value or a key."""
    conversation, _ = SCENES["reason"]
    talk_sync(gateway.url, gateway.keys["default"], gateway.model(7), conversation())
    written = [path.read_text(encoding="utf-8") for path in (gateway.log, gateway.audit)]
    assert written[1] != ""
    lines = [line for text in written for line in text.splitlines()]
    assert leaked([EMAIL, CARD, *INVENTED, *gateway.keys.values(), gateway.provider_key], lines) == []
