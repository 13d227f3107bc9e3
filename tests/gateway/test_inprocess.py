"""`guardrails.Guard`: requests and answers of an SDK under a policy, in one process and without a gateway."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from openai._types import not_given, omit
from openai.types.responses import Response, ResponseErrorEvent, ResponseStreamEvent, ResponseTextDeltaEvent
from pydantic import BaseModel, TypeAdapter

from gateway.auth import tenant_secret
from gateway.standin.plan import INVENTED
from guardrails import Guard, GuardrailError, Refused, Request
from guardrails.findings import Finding
from guardrails.redact import Masker
from policies.load import load
from policies.model import Policy
from tests.gateway.ends import Sink
from tests.gateway.guards import Event, answered, asdk, sdk, whole
from tests.kit import EMAIL, LIVE, PATTERNS, REPLAY, REPLAY_ALL, RESTORE, SSN, SUPPRESS, policy
from tests.properties.restored import NOTE, exactly, expected
from tests.properties.streams import JSON, KINDS, WEIRD, chunks, one, received, sequence

SECRET = "a secret of some length"
STRICT = policy("actions: {US_SSN: {input: block, output: block}}\noutput: {mask: new}\n")
OBSERVE = policy("mode: observe\n")
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TOOL = {"type": "function", "name": "send", "parameters": {"type": "object", "properties": {"text": {}}}}
WORDS = {
    "text": f"Write to {EMAIL} today",
    "reasoning and a tool": f"REASON TOOL {EMAIL}",
    "refusal": f"REFUSE {EMAIL}",
    "incomplete": f"INCOMPLETE {EMAIL}",
    "failed": f"FAILME {EMAIL}",
    "invented": f"INVENT {EMAIL}",
}
WAYS = pytest.mark.parametrize("way", ["sync", "async"])
POLICIES = pytest.mark.parametrize(
    "of", [RESTORE, REPLAY, SUPPRESS, LIVE], ids=["restore", "replay", "suppress", "live"]
)


def guard(of: Policy = RESTORE, **more: Any) -> Guard:
    return Guard(of, secret=SECRET, **more)


def ask(made: Guard, text: Any, **more: Any) -> Request:
    return made.request(model="gpt-5.1", input=text, tools=[TOOL], stream=True, **more)


def events_of(request: Request, events: Iterable[Event], way: str = "sync") -> list[Any]:
    """What a program gets of an answer that is streamed."""
    if way == "sync":
        return list(request.events(sdk(events)))

    async def read() -> list[Any]:
        return [event async for event in request.events(asdk(events))]

    return asyncio.run(read())


def talk(made: Guard, text: Any, way: str = "sync", **more: Any) -> list[Any]:
    request = ask(made, text, **more)
    return events_of(request, answered(request.body), way)


def shape(response: Any) -> Any:
    """What a program reads of an answer: all but ids and times."""
    value = json.loads(response.to_json()) if isinstance(response, BaseModel) else response
    items = []
    for item in value["output"]:
        texts = [part.get("text", part.get("refusal")) for part in item.get("content") or item.get("summary") or ()]
        items.append((item["type"], item.get("name"), item.get("arguments"), texts))
    return value["status"], items, value["error"]


@pytest.mark.parametrize("words", WORDS)
@POLICIES
@WAYS
def test_an_answer_comes_back_with_the_values_and_the_provider_has_seen_none(words: str, of: Policy, way: str) -> None:
    made = guard(of)
    request = ask(made, WORDS[words])
    assert EMAIL not in json.dumps(request.body)
    assert "<EMAIL_ADDRESS_" in json.dumps(request.body)
    raw = answered(request.body)
    events = events_of(request, raw, way)
    plain = answered({**request.body, "input": WORDS[words]})
    last, expected = events[-1].response, shape(plain[-1]["response"])
    if words == "invented" and of is not RESTORE:
        assert not [
            value for value in (INVENTED[0], INVENTED[2]) if value in json.dumps([event.to_dict() for event in events])
        ]
    else:
        assert shape(last) == expected
        if of is not SUPPRESS:
            done = [event.item for event in events if event.type == "response.output_item.done"]
            assert [item.to_dict() for item in done] == [item.to_dict() for item in last.output]
            pieces = "".join(event.delta for event in events if event.type == "response.output_text.delta")
            assert pieces == last.output_text
    again = made.request(model="gpt-5.1", input=WORDS[words], tools=[TOOL])
    assert shape(again.response(whole(raw))) == shape(last)


@pytest.mark.parametrize("words", WORDS)
@POLICIES
def test_what_comes_out_are_the_sdks_own_objects(words: str, of: Policy) -> None:
    for event in talk(guard(of), WORDS[words]):
        assert type(event) is type(EVENT.validate_python(event.to_dict()))
        assert type(event).model_validate(event.to_dict()).type == event.type


def test_an_event_that_needs_no_change_is_the_very_same_object() -> None:
    request = ask(guard(), f"hello {EMAIL}")
    given = list(sdk(answered(request.body)))
    got = list(request.events(given))
    assert got[0] is given[0]
    assert sum(any(one is event for event in given) for one in got) > len(got) / 2


def test_classes_of_events_that_the_provider_did_not_send_are_those_of_its_sdk() -> None:
    request = ask(guard(REPLAY), "hello")
    raw = answered(request.body)
    got = events_of(request, [raw[0], raw[-1]])
    assert [type(event).__name__ for event in got] == [
        "ResponseCreatedEvent",
        "ResponseOutputItemAddedEvent",
        "ResponseContentPartAddedEvent",
        "ResponseTextDeltaEvent",
        "ResponseTextDoneEvent",
        "ResponseContentPartDoneEvent",
        "ResponseOutputItemDoneEvent",
        "ResponseCompletedEvent",
    ]


def test_an_event_that_nobody_knows_comes_as_the_sdk_gives_it() -> None:
    request = ask(guard(), f"hello {EMAIL}")
    raw = answered(request.body)
    name = request.body["input"].split()[1]
    raw.insert(2, {"type": "response.of.the.future", "words": {"deep": [name]}})
    given = list(sdk(raw))
    got = list(request.events(given))
    assert type(got[2]) is type(given[2])
    assert got[2].to_dict() == {"type": "response.of.the.future", "words": {"deep": [EMAIL]}}


def test_dictionaries_come_back_as_dictionaries() -> None:
    request = ask(guard(REPLAY), f"hello {EMAIL}")
    raw = answered(request.body)
    got: list[Any] = list(request.events(raw))
    assert {type(event) for event in got} == {dict}
    assert shape(got[-1]["response"])[1][0][3] == [f"Echo: hello {EMAIL}"]
    other = ask(guard(REPLAY), f"hello {EMAIL}")
    assert shape(other.response(answered(other.body)[-1]["response"]))[1][0][3] == [f"Echo: hello {EMAIL}"]


@pytest.mark.parametrize("chunk", [*range(1, 60)])
def test_every_cut_of_an_answer_restores_exactly(chunk: int) -> None:
    made = guard()
    text = f"<{EMAIL}>< <EMAIL_ a{EMAIL}{EMAIL[:-1]} <EMAIL_ADDRESS_zzzzzzzz> {EMAIL}"
    request = ask(made, text)
    events = events_of(request, answered(request.body, chunk=chunk))
    pieces = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    (done,) = [event.text for event in events if event.type == "response.output_text.done"]
    assert pieces == done == events[-1].response.output_text == f"Echo: {text}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 4, 9])
def test_every_kind_of_text_restores_exactly_in_all_its_places(kind: str, size: int) -> None:
    made = guard(policy("output: {restore_in: {urls: true}}\n", modules=WEIRD))
    values = (EMAIL, "grace.hopper@example.com", NOTE)
    request = made.request(model="gpt-5.1", input=[{"role": "user", "content": value} for value in values])
    names = {item["content"]: value for item, value in zip(request.body["input"], values, strict=True)}
    first, second, note = names
    text = f"<{first}>< <EMAIL_ {first[:9]}{second}{first[:-1]} {note}{note} <EMAIL_ADDRESS_zzzzzzzz> 😀{first}"
    source = one(kind, chunks(json.dumps({"a": text}) if kind in JSON else text, size))
    events: list[Any] = [{"type": "response.created", "response": {"id": "resp_main", "output": []}}]
    ((got,),) = received(request.events([*events, *sequence([source])]), [source])
    result = got.agreed()
    # In JSON source only the exact token counts; elsewhere what models make of it, too.
    as_it_should_be = exactly(text, names) if kind in JSON else expected(text, names)
    assert (json.loads(result)["a"] if kind in JSON else result) == as_it_should_be


def test_arguments_of_tools_stay_json_with_the_value_escaped() -> None:
    of = policy(modules="\n    - {use: patterns, patterns: [{entity: NOTE, regex: '(?s)Q«.*?»Q'}]}\n")
    note = 'Q«a "quoted" \\ note\nin two lines»Q'
    for event in talk(guard(of), f"TOOL {note}"):
        if event.type == "response.function_call_arguments.done":
            assert json.loads(event.arguments) == {"text": f"TOOL {note}"}
            return
    raise AssertionError("no tool was called")


def test_a_value_that_is_blocked_refuses_the_request_and_is_not_in_the_exception() -> None:
    rows = Sink()
    made = guard(STRICT, audit=rows)
    with pytest.raises(Refused) as caught:
        made.request(model="gpt-5.1", input=f"my number is {SSN}")
    assert str(caught.value) == "Policy test does not allow sending US_SSN."
    assert caught.value.code == "invalid_prompt"
    assert isinstance(caught.value, GuardrailError)
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert SSN not in told
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert [row.decision for row in rows.rows] == ["blocked"]


@WAYS
def test_a_value_that_is_blocked_in_an_answer_ends_it(way: str) -> None:
    rows = Sink()
    request = ask(guard(STRICT, audit=rows), "hello")
    raw = answered({**request.body, "input": f"the number is {SSN}"})
    with pytest.raises(Refused, match="does not let US_SSN through") as caught:
        events_of(request, raw, way)
    assert SSN not in "".join(traceback.format_exception(caught.value))
    assert [(row.direction, row.decision) for row in rows.rows] == [("input", "forwarded"), ("output", "blocked")]
    other = ask(guard(STRICT), "hello")
    with pytest.raises(Refused, match="does not let US_SSN through"):
        other.response(whole(raw))


class Fails:
    """A module that fails, with the text in its exception."""

    def find(self, text: str) -> list[Finding]:
        if "examine" in text:
            raise ValueError(text)
        return []


class Counts:
    """A module that sees events: it fails at some, drops some, and writes into others."""

    seen: list[Any]

    def __init__(self) -> None:
        Counts.seen = []

    def find(self, text: str) -> list[Finding]:
        return []

    def on_event(self, event: dict[str, Any]) -> dict[str, Any] | None:
        Counts.seen.append(event)
        if "FAILHERE" in json.dumps(event):
            raise ValueError(json.dumps(event))
        if event["type"] == "response.in_progress":
            return None
        new: dict[str, Any] = json.loads(json.dumps(event).replace("Echo", f"{INVENTED[0]} says"))
        return new


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("acme_guard")
    made.__dict__.update(Fails=Fails, Counts=Counts)
    monkeypatch.setitem(sys.modules, "acme_guard", made)


@pytest.mark.usefixtures("acme")
@WAYS
def test_a_text_that_cannot_be_examined_refuses_the_request(way: str) -> None:
    made = guard(policy(modules=PATTERNS + "    - {use: 'acme_guard:Fails'}\n"))
    request: dict[str, Any] = {"model": "gpt-5.1", "input": f"examine {EMAIL}"}
    with pytest.raises(Refused, match="could not be examined") as caught:
        made.request(request) if way == "sync" else asyncio.run(made.arequest(request))
    assert EMAIL not in "".join(traceback.format_exception(caught.value))


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("rest", ["", "output: {mask: new}\n"], ids=["restore", "replay"])
@WAYS
def test_modules_see_events_and_change_them(rest: str, way: str) -> None:
    rows = Sink()
    made = guard(policy(rest, modules=PATTERNS + "    - {use: 'acme_guard:Counts'}\n"), audit=rows)
    request = ask(made, f"hello {EMAIL}")
    events = events_of(request, answered(request.body, chunk=50), way)
    text = events[-1].response.output_text
    assert EMAIL not in json.dumps(Counts.seen)
    assert "response.in_progress" not in [event.type for event in events]
    if rest:
        assert INVENTED[0] not in json.dumps([event.to_dict() for event in events])
        assert text.startswith("<EMAIL_ADDRESS_")
    else:
        assert text.startswith(INVENTED[0])
    assert text.endswith(f"says: hello {EMAIL}")
    failing = ask(made, "FAILHERE")
    with pytest.raises(Refused, match="A module of the policy failed") as caught:
        events_of(failing, answered(failing.body, chunk=50), way)
    assert "FAILHERE" not in "".join(traceback.format_exception(caught.value))
    assert rows.rows[-1].decision == "failed"
    made.close()


def test_a_conversation_goes_on_from_a_response_of_the_same_guard_only() -> None:
    made, other = guard(), guard()
    request = ask(made, f"I am {EMAIL}")
    raw = answered(request.body)
    first = events_of(request, raw)[-1].response
    name = request.body["input"].split()[-1]
    about = [{"role": "user", "content": "who am I?"}]
    later = made.request(model="gpt-5.1", input=about, previous_response_id=first.id)
    assert later.body["previous_response_id"] == first.id
    answer = [*answered({**later.body, "input": f"you are {name}"})]
    assert events_of(later, answer)[-1].response.output_text == f"Echo: you are {EMAIL}"
    for stranger in (other.request(model="gpt-5.1", input=about, previous_response_id=first.id), ask(made, "hello")):
        text = events_of(stranger, answered({**stranger.body, "input": f"you are {name}"}))[-1].response.output_text
        assert text == f"Echo: you are {name}"


def test_a_conversation_may_be_sent_again_with_the_sdks_own_items() -> None:
    made = guard()
    request = ask(made, f"REASON TOOL {EMAIL}")
    first = events_of(request, answered(request.body))[-1].response
    call = first.output[-1]
    assert EMAIL in call.arguments
    history = [
        {"role": "user", "content": f"REASON TOOL {EMAIL}"},
        *first.output,
        {"type": "function_call_output", "call_id": call.call_id, "output": f"sent to {EMAIL}"},
    ]
    again = ask(made, tuple(history))
    assert EMAIL not in json.dumps(again.body)
    assert again.body["input"][-2]["arguments"].count("<EMAIL_ADDRESS_") == 1
    text = events_of(again, answered(again.body))[-1].response.output_text
    assert text == f"Tool said: sent to {EMAIL}"


def test_tokens_are_the_same_with_the_same_secret_and_those_of_a_gateway() -> None:
    tokens = {guard().request(input=EMAIL).body["input"] for _ in range(2)}
    masker = Masker(RESTORE, tenant_secret=tenant_secret(SECRET.encode(), "team-a"), audit_secret=b"the audit's own")
    expected = masker.input(EMAIL, [Finding(0, len(EMAIL), "EMAIL_ADDRESS", 1.0, "x")], {}).text
    assert len(tokens) == 1
    assert guard(tenant="team-a").request(input=EMAIL).body["input"] == expected
    assert expected not in tokens
    assert Guard(RESTORE).request(input=EMAIL).body["input"] not in {*tokens, expected}


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Guard(RESTORE, secret="short")


@WAYS
def test_an_exception_of_the_stream_goes_through_and_is_recorded(way: str) -> None:
    class Broken(Exception):
        pass

    def breaks() -> Iterator[Event]:
        yield from raw[:4]
        raise Broken

    rows = Sink()
    request = ask(guard(audit=rows), f"hello {EMAIL}")
    raw = answered(request.body)
    with pytest.raises(Broken):
        events_of(request, breaks(), way)
    assert [row.decision for row in rows.rows] == ["masked", "failed"]


@POLICIES
@WAYS
def test_an_answer_that_is_cut_short_is_refused_at_its_end(of: Policy, way: str) -> None:
    rows = Sink()
    request = ask(guard(of, audit=rows), f"hello {EMAIL}")
    with pytest.raises(Refused, match="ended before it was complete"):
        events_of(request, answered(request.body)[:-1], way)
    assert rows.rows[-1].decision == "failed"
    empty = ask(guard(of), "hello")
    with pytest.raises(Refused, match="ended before it was complete"):
        events_of(empty, [], way)


def test_a_program_that_stops_reading_leaves_a_row() -> None:
    rows = Sink()
    request = ask(guard(audit=rows), "hello")
    events = request.events(sdk(answered(request.body)))
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert [(row.decision, row.reason) for row in rows.rows] == [("forwarded", None), ("failed", "The client left.")]


def test_a_request_has_one_answer() -> None:
    request = ask(guard(), "hello")
    events_of(request, answered(request.body))
    with pytest.raises(RuntimeError, match="one answer"):
        request.events(sdk([]))
    with pytest.raises(RuntimeError, match="one answer"):
        request.response({})


@POLICIES
def test_an_error_of_the_provider_comes_in_its_own_form(of: Policy) -> None:
    request = ask(guard(of), f"hello {EMAIL}")
    name = request.body["input"].split()[1]
    error = {"type": "error", "code": "x", "message": f"about {name}", "param": None, "sequence_number": 0}
    (event,) = events_of(request, [error])
    assert type(event) is ResponseErrorEvent
    assert (event.code, event.message, event.param) == ("x", f"about {EMAIL}", None)


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(TypeError, match="pydantic model or a dictionary"):
        list(ask(guard(), "hello").events(["event"]))
    with pytest.raises(Refused, match="not an event"):
        list(ask(guard(), "hello").events([{"no": "type"}]))
    with pytest.raises(Refused, match="not an event"):
        list(ask(guard(), "hello").events([{"type": "x", "text": "\ud800"}]))


def test_rows_are_written_before_anything_goes_on(tmp_path: Path) -> None:
    rows = Sink()
    rows.works = False
    with pytest.raises(Refused, match="audit could not be written"):
        ask(guard(audit=rows), "hello")
    rows.works = True
    request = ask(guard(audit=rows), "hello")
    rows.works = False
    with pytest.raises(Refused, match="audit could not be written"):
        events_of(request, answered(request.body))
    with guard(audit=tmp_path / "audit.jsonl") as made:
        talk(made, f"hello {EMAIL}")
    written = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(row["key"], row["direction"], row["decision"]) for row in written] == [
        ("guard", "input", "masked"),
        ("guard", "output", "forwarded"),
    ]
    assert EMAIL not in str(written)


def test_models_are_the_programs_own_unless_some_are_named() -> None:
    free = guard()
    tool = {"type": "image_generation", "model": "gpt-image-1"}
    body = free.request(model="any-model", input="x", tools=[tool]).body
    assert body == {"model": "any-model", "input": "x", "tools": [tool]}
    assert "model" not in free.request(input="x", prompt={"id": "pmpt_1"}).body
    with pytest.raises(Refused, match="model's name") as caught:
        free.request(model=EMAIL, input="x")
    assert caught.value.param == "model"
    bound = guard(models=["gpt-5.1", "gpt-5.1-mini"])
    assert bound.request(input="x").body["model"] == "gpt-5.1"
    assert bound.request(model="gpt-5.1-mini", input="x").body["model"] == "gpt-5.1-mini"
    for wrong in ({"model": "other"}, {"tools": [tool]}):
        with pytest.raises(Refused):
            bound.request({"input": "x", **wrong})


@pytest.mark.parametrize(
    "model",
    ["gpt-5.1", "gpt-4o-2024-08-06", "gpt-4.1-mini-2025-04-14", "o3-pro-2025-06-10", "chatgpt-4o-latest",
     "ft:gpt-4o-mini-2024-07-18:acme:suffix:9aBcDeFg", "computer-use-preview-2025-03-11", "meta-llama/Llama-3.3-70B",
     "claude-opus-4-20250514", "anthropic.claude-3-7-sonnet-20250219-v1:0", "gemini-2.5-pro-preview-06-05"],
)  # fmt: skip
def test_names_of_models_pass_unchanged(model: str, built_in: Guard) -> None:
    assert built_in.request(model=model, input="x").body["model"] == model


@pytest.fixture(scope="module")
def built_in() -> Guard:
    return Guard("default", secret=SECRET)


def test_a_policy_is_a_name_a_path_or_a_policy(tmp_path: Path, built_in: Guard) -> None:
    (tmp_path / "own.yaml").write_text(f"version: 1\nname: own\ndetect:\n  modules:{PATTERNS}")
    for of in (tmp_path / "own.yaml", str(tmp_path / "own.yaml"), load(tmp_path / "own.yaml")):
        made = Guard(of)
        assert "own" in repr(made)
        assert EMAIL not in str(made.request(input=EMAIL).body)
    assert built_in.request(input=f"mail {EMAIL}").body["input"] != f"mail {EMAIL}"


def test_what_is_no_part_of_the_body_is_kept_or_refused() -> None:
    made = guard()
    body = made.request({"input": "x"}, stream=True, timeout=3.5, temperature=not_given, top_p=omit).body
    assert body == {"input": "x", "stream": True, "timeout": 3.5}
    for name in ("extra_headers", "extra_query", "text_format", "background", "response", "type"):
        with pytest.raises(Refused, match=name) as caught:
            made.request({"input": "x", name: {"x": EMAIL}})
        assert caught.value.param == name
        assert EMAIL not in str(caught.value)
    assert made.request(input="x", background=False, extra_headers=None).body == {"input": "x"}


def test_extra_body_is_examined_and_stays_where_it_was() -> None:
    made = guard()
    body = made.request(input="x", extra_body={"custom": {"note": EMAIL}, EMAIL: 1}).body
    assert set(body) == {"input", "extra_body"}
    extra: Any = body["extra_body"]
    assert extra["custom"]["note"].startswith("<EMAIL_ADDRESS_")
    assert EMAIL not in str(body)
    for wrong in ({"input": "y"}, {"stream": True}, {"background": True}, [EMAIL]):
        with pytest.raises(Refused, match="extra_body"):
            made.request(input="x", extra_body=wrong)
    text = made.request(model="m", input="x", extra_body={"previous_response_id": "resp_1", "model_fallback": "n"}).body
    assert text["extra_body"] == {"previous_response_id": "resp_1", "model_fallback": "n"}


@pytest.mark.parametrize(
    "value", [object(), {1: "x"}, b"bytes", {"x": {EMAIL}, "y": object()}], ids=["object", "key", "bytes", "within"]
)
def test_what_json_has_no_form_for_is_refused_without_its_text(value: Any) -> None:
    with pytest.raises(Refused) as caught:
        guard().request(input=[{"role": "user", "content": value}])
    assert EMAIL not in "".join(traceback.format_exception(caught.value))


def test_a_request_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(Refused, match="nested too deeply"):
        guard().request(input=value)


def test_a_policy_that_observes_changes_nothing() -> None:
    rows = Sink()
    request = ask(guard(OBSERVE, audit=rows), f"hello {EMAIL}")
    assert request.body["input"] == f"hello {EMAIL}"
    assert events_of(request, answered(request.body))[-1].response.output_text == f"Echo: hello {EMAIL}"
    assert rows.rows[0].decision == "observed"


def test_under_output_masking_of_all_nothing_is_restored() -> None:
    text = talk(guard(REPLAY_ALL), f"hello {EMAIL}")[-1].response.output_text
    assert text.startswith("Echo: hello <EMAIL_ADDRESS_")


def test_a_guard_serves_several_threads() -> None:
    made, wrong = guard(), []

    def work(number: int) -> None:
        address = f"person{number}@example.com"
        for _ in range(20):
            text = talk(made, f"I am {address}")[-1].response.output_text
            if text != f"Echo: I am {address}":
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_event_loop_is_not_held_up_by_a_long_text() -> None:
    made = guard()
    long = "some words and nothing else. " * 20_000

    async def main() -> None:
        asking = asyncio.ensure_future(made.arequest(input=f"{long}{EMAIL}"))
        turns = 0
        while not asking.done():
            await asyncio.sleep(0)
            turns += 1
        assert EMAIL not in str(asking.result().body)
        assert turns > 5
        answer: Any = await (await made.arequest(input="x")).aresponse(Response.construct(id="resp_1", output=[]))
        assert type(answer) is Response

    asyncio.run(main())


def test_importing_guardrails_imports_nothing_of_the_gateway() -> None:
    script = (
        "import sys, guardrails\n"
        "loaded = [name for name in sys.modules if name.split('.')[0] in ('gateway', 'policies', 'pydantic', 'spacy')]\n"
        "assert loaded == [], loaded\n"
        "assert guardrails.Guard.__name__ == 'Guard' and guardrails.Request.__name__ == 'Request'\n"
        "assert not hasattr(guardrails, 'NoSuch')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_delta_is_of_the_class_that_came() -> None:
    class OwnDelta(ResponseTextDeltaEvent):
        """A class of the program's own."""

    request = ask(guard(), f"hello {EMAIL}")
    events: list[Any] = [
        OwnDelta.construct(**event) if event["type"] == "response.output_text.delta" else event
        for event in answered(request.body)
    ]
    assert {type(e) for e in request.events(events) if isinstance(e, BaseModel)} == {OwnDelta}


class Plain(BaseModel):
    """An event of another SDK, of a plain pydantic class."""

    type: str
    response: dict[str, Any] = {}
    delta: str = ""
    number: int = 0


def test_events_of_plain_pydantic_classes_are_validated() -> None:
    request = ask(guard(), f"hello {EMAIL}")
    events = list(request.events(Plain.model_validate(event) for event in answered(request.body)))
    assert {type(event) for event in events} == {Plain}
    assert EMAIL in str(events[-1].response)
