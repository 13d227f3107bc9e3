"""The stand-in provider speaks the Responses API and keeps what it received."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import pytest
from openai.types.responses import ResponsesServerEvent
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway.standin import INVENTED, StandIn, leaked, serve
from gateway.standin.plan import Say, plan
from gateway.standin.tools import Call, choose
from gateway.standin.turn import Chunks, Turn

EMAIL = "ada.lovelace@example.com"
SEND_MAIL = {
    "type": "function",
    "name": "send_mail",
    "strict": False,
    "parameters": {"type": "object", "properties": {"to": {"type": "string"}, "times": {"type": ["integer", "null"]}}},
}
TERMINAL = {"response.completed", "response.failed", "response.incomplete", "error"}
EVENT_TYPES = {
    model.model_fields["type"].annotation.__args__[0]: model for model in get_args(get_args(ResponsesServerEvent)[0])
}


def written(text: str, *, chunk: Any = 3, **more: Any) -> list[dict[str, Any]]:
    """The events that answer one request with nothing before it."""
    request = {"model": "gpt-5.1", "input": text, **more}
    known: list[Any] = [{"role": "user", "content": text}]
    return [event for event in Turn(request, plan(request, known), Chunks(chunk)).events() if isinstance(event, dict)]


def joined(events: list[dict[str, Any]], kind: str) -> str:
    return "".join(event["delta"] for event in events if event["type"] == kind)


def talk(standin: StandIn, script: Callable[[ClientConnection], Awaitable[None]]) -> None:
    """Run `script` with a WebSocket to the stand-in."""

    async def main() -> None:
        async with serve(standin) as url, connect(url.replace("http", "ws") + "/responses") as socket:
            await script(socket)

    asyncio.run(main())


async def send(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps({"type": "response.create", "model": "gpt-5.1", **frame}))


async def answer(socket: ClientConnection) -> list[dict[str, Any]]:
    """Every event up to the next terminal one."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in TERMINAL:
        events.append(json.loads(await socket.recv()))
    return events


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(
        part["text"]
        for item in events[-1]["response"]["output"]
        for part in item.get("content", [])
        if part["type"] == "output_text"
    )


@pytest.mark.parametrize("chunk", [1, 3, 7, 50, "rand"])
@pytest.mark.parametrize("text", ["hi", f"mail {EMAIL}", "REASON about it", "REFUSE", "INVENT", "émoji 🎉 \\u00e9"])
def test_deltas_done_and_completed_carry_the_same_text(text: str, chunk: Any) -> None:
    """The pieces joined are the done text, the done part and the item in the terminal event."""
    events = written(text, chunk=chunk)
    kind, key = ("refusal", "refusal") if text == "REFUSE" else ("output_text", "text")
    whole = joined(events, f"response.{kind}.delta")
    done = next(event for event in events if event["type"] == f"response.{kind}.done")
    assert whole == done[key] == events[-1]["response"]["output"][-1]["content"][0][key]
    assert text in whole


@pytest.mark.parametrize("text", ["hi", "REASON TOOL", "REFUSE", "FAILME", "INCOMPLETE"])
def test_every_event_is_valid_for_the_openai_package(text: str) -> None:
    """Strict validation against the installed SDK's own types accepts each event of every kind of turn."""
    for event in written(text, tools=[SEND_MAIL], include=["message.output_text.logprobs"]):
        EVENT_TYPES[event["type"]].model_validate(event)


def test_events_are_numbered_without_gaps() -> None:
    """Sequence numbers start at 0 and rise by one."""
    events = written("REASON hi")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_logprobs_repeat_the_text_when_they_are_asked_for() -> None:
    """The tokens of the log probabilities joined are the text once more."""
    events = written(EMAIL, include=["message.output_text.logprobs"])
    tokens = [entry["token"] for event in events if event["type"].endswith("text.delta") for entry in event["logprobs"]]
    assert "".join(tokens) == f"Echo: {EMAIL}"


def test_a_response_echoes_the_request() -> None:
    """Instructions, tools and false values come back as they were sent."""
    response = written("hi", instructions="Be kind", tools=[SEND_MAIL], parallel_tool_calls=False)[0]["response"]
    assert (response["instructions"], response["tools"]) == ("Be kind", [SEND_MAIL])
    assert response["parallel_tool_calls"] is False


def test_a_function_call_carries_the_text_as_valid_json_arguments() -> None:
    """Argument deltas joined parse as JSON and hold the user's text in each string the schema asks for."""
    events = written(f'TOOL "quoted" {EMAIL}', chunk=1, tools=[SEND_MAIL])
    arguments = json.loads(joined(events, "response.function_call_arguments.delta"))
    assert arguments == {"to": f'TOOL "quoted" {EMAIL}', "times": 1}
    assert json.loads(events[-1]["response"]["output"][0]["arguments"]) == arguments


@pytest.mark.parametrize(
    ("tool", "inside"),
    [
        ({"type": "custom", "name": "exec"}, "tools.exec_command({"),
        ({"type": "function", "name": "exec_command"}, '{"cmd":"printf '),
        ({"type": "function", "name": "shell_command"}, '{"command":"printf '),
        ({"type": "function", "name": "shell"}, '["bash","-lc","printf '),
        ({"type": "function", "name": "bash"}, '{"command":"printf '),
        ({"type": "custom", "name": "apply"}, EMAIL),
    ],
)
def test_the_tools_of_coding_agents_get_a_command_they_will_run(tool: dict[str, Any], inside: str) -> None:
    """Each known shell tool is called with a harmless command that holds the user's text, in a namespace too."""
    call = choose([{"type": "namespace", "name": "host", "tools": [tool]}], f"it's {EMAIL}")
    assert isinstance(call, Call)
    assert (call.name, call.namespace) == (tool["name"], "host")
    assert inside in call.payload
    assert EMAIL in call.payload


def test_an_output_is_answered_until_the_user_speaks_again() -> None:
    """A resent history with an old output in it does not hide the new question."""
    output = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    question = {"role": "user", "content": "and now?"}
    cases: list[tuple[list[Any], str]] = [
        ([question, output], "Tool said: sunny"),
        ([output, question], "Echo: and now?"),
    ]
    for items, said in cases:
        assert plan({"input": items}, items).items == (Say(said),)


def test_nothing_is_called_where_no_tool_is_offered() -> None:
    """TOOL without tools is answered with text."""
    assert choose([{"type": "web_search"}, "junk"], "x") is None
    assert written("TOOL")[-1]["response"]["output"][0]["type"] == "message"


def test_an_invented_answer_holds_what_nobody_sent() -> None:
    """INVENT brings an e-mail address, a card and a social security number of its own."""
    assert all(value in joined(written("INVENT"), "response.output_text.delta") for value in INVENTED)


def test_a_conversation_is_remembered_by_response_id() -> None:
    """RECALL with a previous_response_id answers with what was said in the turns before."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input=f"I am {EMAIL}")
        first = (await answer(socket))[-1]["response"]["id"]
        await send(socket, input="RECALL", previous_response_id=first)
        assert f"I am {EMAIL} | RECALL" in text_of(await answer(socket))

    talk(StandIn(chunk=7), script)


def test_an_unknown_previous_response_is_refused() -> None:
    """A previous_response_id that nobody made gets the provider's error frame."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input="RECALL", previous_response_id="resp_0")
        [error] = await answer(socket)
        assert (error["status"], error["error"]["code"]) == (400, "previous_response_not_found")

    talk(StandIn(), script)


def test_unstored_responses_belong_to_their_connection() -> None:
    """With store: false another connection cannot go on with the response."""

    async def main() -> None:
        async with serve(StandIn()) as url:
            address = url.replace("http", "ws") + "/responses"
            async with connect(address) as first, connect(address) as second:
                await send(first, input="hi", store=False)
                made = (await answer(first))[-1]["response"]["id"]
                await send(first, input="RECALL", previous_response_id=made)
                assert "hi | RECALL" in text_of(await answer(first))
                await send(second, input="RECALL", previous_response_id=made)
                assert (await answer(second))[-1]["error"]["code"] == "previous_response_not_found"

    asyncio.run(main())


def test_a_warm_up_generates_nothing_but_is_remembered() -> None:
    """generate: false is answered by an empty completed response that the next turn can continue."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input="the prompt", generate=False)
        events = await answer(socket)
        assert [event["type"] for event in events] == [
            "response.created",
            "response.in_progress",
            "response.completed",
        ]
        await send(socket, input="RECALL", previous_response_id=events[-1]["response"]["id"])
        assert "the prompt" in text_of(await answer(socket))

    talk(StandIn(), script)


def test_lanes_run_at_once_and_one_lane_keeps_its_order() -> None:
    """While a response of one lane waits, another lane answers and the next response of its own lane does not begin."""

    async def script(socket: ClientConnection) -> None:
        for lane, text in (("a", "HOLD first"), ("a", "second"), ("b", "meanwhile")):
            await send(socket, input=text, stream_id=lane)
        events = await answer(socket)
        assert (events[-1]["stream_id"], text_of(events)) == ("b", "Echo: meanwhile")
        [held] = [event["response"]["id"] for event in events if event["type"] == "response.created"][:-1]
        await socket.send(json.dumps({"type": "response.inject", "response_id": held, "input": []}))
        assert text_of(await answer(socket)) == "Echo: HOLD first"
        events = await answer(socket)
        assert {event["stream_id"] for event in events} == {"a"}
        assert text_of(events) == "Echo: second"

    talk(StandIn(chunk=1), script)


@pytest.mark.parametrize("lane", ["", "no spaces", 7, "x" * 257])
def test_an_impossible_lane_name_is_refused(lane: Any) -> None:
    """A stream_id that is no lane name gets invalid_stream_id."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input="hi", stream_id=lane)
        assert (await answer(socket))[-1]["error"]["code"] == "invalid_stream_id"

    talk(StandIn(), script)


def test_too_many_lanes_are_refused() -> None:
    """The 33rd named lane of a connection gets the provider's limit error."""

    async def script(socket: ClientConnection) -> None:
        for number in range(32):
            await send(socket, input="hi", stream_id=f"lane-{number}")
            await answer(socket)
        await send(socket, input="hi", stream_id="one-more")
        assert (await answer(socket))[-1]["error"]["code"] == "websocket_stream_limit_reached"

    talk(StandIn(chunk=50), script)


def test_steering_ends_the_response_and_starts_a_successor() -> None:
    """A steer is accepted, the running response ends as incomplete (steered), a successor answers the steer."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input="HOLD this thought", stream_id="a")
        created = json.loads(await socket.recv())
        first = created["response"]["id"]
        steer = {"type": "response.steer", "previous_response_id": first, "input": f"rather {EMAIL}"}
        await socket.send(json.dumps(steer))
        events = await answer(socket)
        assert "response.steer.accepted" in [event["type"] for event in events]
        assert events[-1]["response"]["incomplete_details"] == {"reason": "steered"}
        assert text_of(events) in "Echo: HOLD this thought"
        successor = await answer(socket)
        assert successor[0]["response"]["previous_response_id"] == first
        assert successor[0]["stream_id"] == "a"
        assert text_of(successor) == f"Echo: rather {EMAIL}"

    talk(StandIn(chunk=3), script)


def test_a_steer_during_a_tool_call_waits_for_its_output() -> None:
    """The call completes, the steer is reported pending, and its input stands before the tool's output."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input="HOLD TOOL", tools=[SEND_MAIL])
        first = json.loads(await socket.recv())["response"]["id"]
        await socket.send(json.dumps({"type": "response.steer", "previous_response_id": first, "input": "hurry"}))
        call = (await answer(socket))[-1]["response"]["output"][0]
        pending = json.loads(await socket.recv())
        assert pending["type"] == "response.steer.pending"
        assert pending["required_input"] == [{"type": "function_call_output", "call_id": call["call_id"]}]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "done"}
        await send(socket, input=[output], previous_response_id=first)
        events = await answer(socket)
        assert text_of(events) == "Tool said: done"
        await send(socket, input="RECALL", previous_response_id=events[-1]["response"]["id"])
        assert text_of(await answer(socket)) == "Echo: HOLD TOOL | hurry | RECALL"

    talk(StandIn(chunk=7), script)


def test_a_late_steer_fails_and_echoes_its_input() -> None:
    """Steering what is finished or unknown returns the raw input, as the provider does."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input="hi")
        first = (await answer(socket))[-1]["response"]["id"]
        for target, code in ((first, "response_already_completed"), ("resp_0", "response_not_found")):
            await socket.send(json.dumps({"type": "response.steer", "previous_response_id": target, "input": EMAIL}))
            failed = json.loads(await socket.recv())
            assert (failed["type"], failed["error"]["code"]) == ("response.steer.failed", code)
            assert failed["steer"]["input"] == EMAIL

    talk(StandIn(), script)


def test_injected_input_reaches_the_running_response() -> None:
    """An inject is confirmed and what it brought is in the answer; a late one fails and echoes its input."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input="HOLD")
        first = json.loads(await socket.recv())["response"]["id"]
        item = {"type": "function_call_output", "call_id": "call_1", "output": EMAIL}
        inject = json.dumps({"type": "response.inject", "response_id": first, "input": [item]})
        await socket.send(inject)
        events = await answer(socket)
        assert "response.inject.created" in [event["type"] for event in events]
        assert EMAIL in text_of(events)
        await socket.send(inject)
        failed = json.loads(await socket.recv())
        assert (failed["type"], failed["input"]) == ("response.inject.failed", [item])

    talk(StandIn(chunk=2), script)


def test_an_error_frame_quotes_the_prompt() -> None:
    """ERRORME is answered by one error frame, and the connection lives on."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input=f"ERRORME {EMAIL}")
        [error] = await answer(socket)
        assert EMAIL in error["error"]["message"]
        await send(socket, input="hi")
        assert text_of(await answer(socket)) == "Echo: hi"

    talk(StandIn(), script)


@pytest.mark.parametrize("frame", ["not json", "[]", '{"type":"response.unheard"}', b"binary"])
def test_what_is_no_client_event_gets_an_error(frame: str | bytes) -> None:
    """Broken, foreign and binary messages are answered with an error frame."""

    async def script(socket: ClientConnection) -> None:
        await socket.send(frame)
        assert json.loads(await socket.recv())["type"] == "error"

    talk(StandIn(), script)


@pytest.mark.parametrize(("word", "code"), [("CLOSEME", 1008), ("DROPME", None)])
def test_the_connection_can_be_closed_and_cut(word: str, code: int | None) -> None:
    """CLOSEME closes with 1008; DROPME ends the transport without a close frame."""

    async def script(socket: ClientConnection) -> None:
        await send(socket, input=f"{word} please")
        with pytest.raises(ConnectionClosed) as closed:
            await answer(socket)
        assert (closed.value.rcvd.code if closed.value.rcvd else None) == code

    talk(StandIn(chunk=1), script)


def post(url: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
    import httpx2

    with httpx2.Client(trust_env=False) as client:
        got = client.post(url + "/responses", content=body, headers=headers)
        return got.status_code, got.text


def test_http_answers_with_json_and_with_server_sent_events() -> None:
    """POST gives one response, or with stream: true the same events as the WebSocket; both are remembered."""

    async def main() -> None:
        async with serve(StandIn(chunk=3)) as url:
            status, text = await asyncio.to_thread(post, url, b'{"model":"m","input":"hi"}')
            response = json.loads(text)
            assert (status, response["output"][0]["content"][0]["text"]) == (200, "Echo: hi")
            body = json.dumps({"input": "RECALL", "stream": True, "previous_response_id": response["id"]}).encode()
            _, stream = await asyncio.to_thread(post, url, body)
            events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
            assert events[-1]["type"] == "response.completed"
            assert joined(events, "response.output_text.delta") == "Echo: hi | RECALL"

    asyncio.run(main())


def test_http_refuses_with_an_error_object() -> None:
    """Broken bodies, ERRORME and unknown ids get status 400 over HTTP; a wrong key 401."""

    async def main() -> None:
        async with serve(StandIn(key="secret")) as url:
            right = {"authorization": "Bearer secret"}
            for body in (b"{", b'{"input":"ERRORME"}', b'{"input":"x","previous_response_id":"resp_0"}'):
                assert (await asyncio.to_thread(post, url, body, right))[0] == 400
            assert (await asyncio.to_thread(post, url, b"{}"))[0] == 401

    asyncio.run(main())


def test_everything_received_is_kept_and_written_down(tmp_path: Path) -> None:
    """Handshake headers and raw frames are in `seen` and, line by line, in the log file."""
    standin = StandIn(log=tmp_path / "seen.jsonl")

    async def script(socket: ClientConnection) -> None:
        await send(socket, input=EMAIL)
        await answer(socket)

    talk(standin, script)
    kinds = [seen.kind for seen in standin.seen]
    assert kinds[:2] == ["handshake", "ws"]
    assert any(name == "user-agent" for name, _ in next(iter(standin.seen)).headers)
    lines = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["kind"] for line in lines] == kinds
    assert EMAIL in lines[1]["raw"]
    standin.seen.clear()
    assert len(standin.seen) == 0


CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    "raw",
    [
        f"x {EMAIL} y",
        EMAIL.upper(),
        json.dumps({"a": json.dumps([EMAIL])}),
        json.dumps({EMAIL: 1}),
        "".join(f"\\u{ord(letter):04x}" for letter in EMAIL),
        "".join(f"%{ord(letter):02x}" for letter in EMAIL),
        "".join(f"&#{ord(letter)};" for letter in EMAIL),
        base64.b64encode(f"to: {EMAIL}".encode()).decode(),
        quote(base64.b64encode(json.dumps({"k": quote(EMAIL)}).encode()).decode()),
    ],
)
def test_a_secret_is_found_in_everything_a_reader_would_undo(raw: str) -> None:
    """The search sees through case, JSON, escapes, percent, HTML and base64, in each other too."""
    assert leaked([EMAIL, CARD], [raw]) == [EMAIL]


@pytest.mark.parametrize("raw", [CARD, "4111-1111-1111-1111", '{"n":4111111111111111}', "card４１１１111111111111x"])
def test_a_number_is_found_however_it_is_grouped(raw: str) -> None:
    """Separators and digit forms do not hide a number."""
    assert leaked([EMAIL, CARD], [raw]) == [CARD]


def test_what_is_not_there_is_not_found() -> None:
    """A masked frame gives nothing away."""
    assert leaked([EMAIL, CARD], ['{"input":"<EMAIL_ADDRESS_k7x2m9qa> 4111"}', "{broken", ""]) == []
