"""What a client sends never reaches the provider, wherever in a frame it stands; nor the audit, nor an error.

Frames are built from the types of the installed `openai` package with every field filled. A canary goes into each place
in turn and into all at once, and what the provider gets is searched as it is on the wire. Exempt are only the secrets
of tools, which have to reach the provider as they are, and binary data where the policy lets attachments in.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape as html_escape
from itertools import product
from typing import Any, Final
from urllib.parse import quote

import pytest

from gateway.wire import schema, texts
from gateway.wire.frame import Json, encode
from gateway.wire.schema import Context, Kind, Rule
from tests.kit import Wire, policy
from tests.properties.planting import CARD, EMAIL, Place, everywhere, leaked, leaks, places, plantings, replaced
from tests.properties.sdk import CLIENT_EVENTS, CREATE_PARAMS, INPUT_ITEMS, TOOLS, Record, examples, type_of

ALLOW: Final = policy("input: {attachments: allow}\n")
BLOCK: Final = policy("input: {attachments: block}\n")
SEEING: Final = policy("input: {attachments: allow}\n", detect="")
"""With folding and decoding, as the built-in policies have it."""
SECRET: Final = "hunter2 zq.canary@example.com 4111111111111111"
BINARY: Final = bytes(range(128, 256)) * 3

Frame = dict[str, Any]


def create(**more: Json) -> Frame:
    """A frame that asks for a response."""
    return {"type": "response.create", "input": "hi", **more}


def run(frame: Json, of: Any = ALLOW) -> Wire:
    """A client sends a frame."""
    wire = Wire(of, asked="gpt-5.1")
    wire.client(frame)
    return wire


def frames() -> Iterator[tuple[str, Frame]]:
    """Every client event, input item, tool and parameter of the package, filled, with a name."""
    for model in INPUT_ITEMS:
        for item in examples(Record(model), lean=True):
            yield f"item-{type_of(model) or 'message'}", create(input=[item])
    for model in TOOLS:
        for tool in examples(Record(model), lean=True):
            yield f"tool-{type_of(model)}", create(tools=[tool])
    for model in (*CLIENT_EVENTS, CREATE_PARAMS):
        for whole, other in product(examples(Record(model), lean=True), ("conversation", "previous_response_id")):
            assert isinstance(whole, dict)
            event = {key: value for key, value in whole.items() if key != other}  # with both it is refused
            yield f"event-{event.get('type', 'create')}", {"type": "response.create", **event}
            if event.get("type", "response.create") == "response.create":
                nested = {key: value for key, value in event.items() if key not in ("type", "stream_id")}
                yield "event-nested", {"type": "response.create", "response": nested}


def secret_places(frame: Json) -> set[tuple[str | int, ...]]:
    """Where the secrets of a frame are, by what the protocol says of tools."""
    found: set[tuple[str | int, ...]] = set()
    for at, value in places(frame):
        if not isinstance(value, dict) or "tools" not in at:
            continue
        if value.get("type") == "mcp" and len(at) > 1 and at[-2] == "tools":
            headers = value.get("headers")
            found |= {(*at, "headers", name) for name in (headers if isinstance(headers, dict) else ())}
            found.add((*at, "authorization"))
        if len(at) > 1 and at[-2] == "domain_secrets":
            found.add((*at, "value"))
    return found


def without_secrets(frame: Json) -> Json:
    """A frame with something harmless where its secrets are."""
    for at in secret_places(frame):
        frame = replaced(frame, at, "a secret")
    return frame


CASES: Final = {name: [frame for other, frame in frames() if other == name] for name, _ in frames()}


def check_one_at_a_time(name: str) -> int:
    """The property: a canary in one place leaks nowhere. Gives how many frames were let through."""
    forwarded = tried = 0
    seen: set[Place] = set()
    for frame in CASES[name]:
        for place, planted in plantings(frame, seen):
            wire = run(without_secrets(planted))
            assert leaked(wire) == [], place
            forwarded += bool(wire.raw_up)
            tried += 1
    assert forwarded >= 0.8 * tried
    return forwarded


def check_all_at_once(name: str) -> None:
    """The property: canaries in all places leak nowhere."""
    for frame in CASES[name]:
        for keep in (frozenset({"type", "stream_id"}), frozenset({"stream_id"})):
            planted = everywhere(frame, keep=keep)
            assert isinstance(planted, dict)
            wire = run({**without_secrets(planted), "type": frame["type"]})  # type: ignore[dict-item]
            assert wire.raw_up
            assert leaked(wire) == []


@pytest.mark.parametrize("name", CASES)
def test_a_canary_in_any_one_place_never_reaches_the_provider(name: str) -> None:
    assert check_one_at_a_time(name) > 0


@pytest.mark.parametrize("name", CASES)
def test_canaries_in_all_places_never_reach_the_provider(name: str) -> None:
    check_all_at_once(name)


@pytest.mark.parametrize("name", ["event-response.create", "event-response.inject", "event-response.steer"])
def test_the_largest_frames_hold_every_item_and_tool(name: str) -> None:
    """Everything of the package in one frame, filled with canaries."""
    model = next(model for model in CLIENT_EVENTS if f"event-{type_of(model)}" == name)
    for frame in examples(Record(model))[:1]:
        assert isinstance(frame, dict)
        frame.pop("conversation", None)  # with a previous response besides it is refused
        wire = run(without_secrets(everywhere(frame, keep=frozenset({"type", "stream_id"}))))
        assert wire.raw_up
        assert leaked(wire) == []


@pytest.mark.parametrize("name", ["item-message", "item-function_call_output", "item-computer_call_output"])
def test_a_frame_with_attachments_is_refused_where_the_policy_blocks_them(name: str) -> None:
    for frame in CASES[name]:
        wire = run(everywhere(frame), BLOCK)
        assert leaked(wire) == []
        if "image" in encode(frame) or "file_data" in encode(frame):
            assert not wire.raw_up


# ------------------------------------------------------------------------------------------------------------- secrets

MCP: Final[Frame] = {"type": "mcp", "server_label": "x", "authorization": SECRET, "headers": {"x-key": SECRET}}
POLICY: Final[Frame] = {"type": "allowlist", "domain_secrets": [{"domain": "a", "name": "b", "value": SECRET}]}
TOOLS_WITH_SECRETS: Final[list[Json]] = [
    MCP,
    {"type": "namespace", "name": "n", "description": "d", "tools": [MCP]},
    {"type": "code_interpreter", "container": {"type": "auto", "network_policy": POLICY}},
    {"type": "shell", "environment": {"type": "container_auto", "network_policy": POLICY}},
]
HOLDERS: Final[dict[str, Frame]] = {
    "flat": create(tools=TOOLS_WITH_SECRETS),
    "nested": {"type": "response.create", "response": {"input": "hi", "tools": TOOLS_WITH_SECRETS}},
    "additional": create(input=[{"type": "additional_tools", "tools": TOOLS_WITH_SECRETS}]),
    "found": create(input=[{"type": "tool_search_output", "tools": TOOLS_WITH_SECRETS}]),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_tools_secrets_reach_the_provider_unchanged_and_no_audit(holder: str) -> None:
    wire = run(HOLDERS[holder])
    assert wire.raw_up[0].count(SECRET) == 6
    assert not any(leaks(encode(row.as_json())) for row in wire.rows)  # type: ignore[arg-type]
    assert wire.rows[-1].decision == "forwarded"


CONFUSED: Final[dict[str, Frame]] = {
    "a tool among the input": create(input=[MCP]),
    "a choice of a tool": create(tool_choice=MCP),
    "allowed tools": create(tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [MCP]}),
    "metadata": create(metadata={"tools": [MCP]}),
    "a function's parameters": create(tools=[{"type": "function", "name": "f", "parameters": {"tools": [MCP]}}]),
    "a function's own field": create(tools=[{"type": "function", "name": "f", "filters": MCP}]),
    "an unknown field of a tool": create(tools=[{"type": "function", "name": "f", "zz": {"tools": [MCP]}}]),
    "an array in an array": create(tools=[[MCP]]),
    "an unknown item": create(input=[{"type": "zz", "tools": [MCP]}]),
    "listed tools": create(input=[{"type": "mcp_list_tools", "tools": [MCP]}]),
    "a type that is a place": create(tools=[{"type": "domain_secrets", "value": SECRET}]),
    "headers that are a string": create(tools=[{"type": "mcp", "headers": SECRET}]),
    "headers in headers": create(tools=[{"type": "mcp", "headers": {"a": {"b": SECRET}, "c": [SECRET], "d": CARD}}]),
    "a header's name": create(tools=[{"type": "mcp", "headers": {EMAIL: "x", str(CARD): "y"}}]),
    "an authorization that is no string": create(tools=[{"type": "mcp", "authorization": [SECRET, {"a": SECRET}]}]),
    "a response in a response": {"type": "response.create", "response": {"response": {"tools": [MCP]}}},
    "an object for the input": create(input={"type": "message", "content": EMAIL}),
    "items in items": create(input=[[{"type": "message", "content": EMAIL}, [EMAIL, CARD]]]),
    "a type that is an array": create(input=[{"type": ["message", EMAIL], "content": EMAIL}]),
    "a type that is an object": create(input=[{"type": {"mcp": EMAIL}, "content": [{"type": None, "text": CARD}]}]),
    "words that are arrays": create(truncation=[EMAIL], reasoning={"effort": {"low": EMAIL}}, include=[[EMAIL]]),
    "ids that are objects": create(
        previous_response_id={"id": EMAIL}, conversation={"id": EMAIL}, prompt={"id": EMAIL}
    ),
    "repeated texts": create(input=[{"type": "output_text", "text": "x", "logprobs": [{"token": EMAIL}]}]),
    "repeats of a wrong shape": create(input=[{"type": "output_text", "text": "x", "logprobs": {"token": EMAIL}}]),
    "json in a string": create(input=[{"type": "function_call", "arguments": encode({EMAIL: encode([EMAIL, CARD])})}]),
    "json with escapes": create(
        input=[{"type": "mcp_call", "arguments": '{"a": "zq\\u002ecanary\\u0040example.com", "b": [4111111111111111]}'}]
    ),
    "json that is a number": create(input=[{"type": "function_call", "arguments": str(CARD)}]),
    "a wide number": create(max_output_tokens=CARD, metadata={"n": float(CARD)}, temperature=-float(CARD)),
    "text for a picture": create(input=[{"type": "input_image", "image_url": f"https://example.com/{EMAIL}.png"}]),
    "text for a file": create(input=[{"type": "input_file", "file_data": f"data:text/plain,{EMAIL}"}]),
    "words for a file": create(input=[{"type": "input_file", "file_data": f"my card is {CARD} " * 5}]),
    "words after a picture": create(input=f"data:image/png;base64,{base64.b64encode(BINARY).decode()} and {CARD}"),
    "something encrypted": create(input=[{"type": "reasoning", "encrypted_content": "x" * 40 + EMAIL}]),
    "dashes in something encrypted": create(
        input=[{"type": "reasoning", "encrypted_content": "AdaLovelace-41111111-1111-1111-London"}]
    ),
}


@pytest.mark.parametrize("shape", CONFUSED)
def test_a_confusing_shape_hides_nothing(shape: str) -> None:
    """A secret's place is a secret's place only where a tool is defined; what has a wrong form is text."""
    wire = run(CONFUSED[shape], SEEING)
    assert leaked(wire) == []


REFUSED: Final[dict[str, Any]] = {
    "an array": encode([create(input=EMAIL)]),
    "a string": encode(EMAIL),
    "a repeated key": '{"type": "response.create", "input": "x", "input": "zq.canary@example.com"}',
    "a repeated type": '{"type": "response.create", "type": "response.create", "input": "zq.canary@example.com"}',
    "an unknown event": '{"type": "response.cancel", "input": "zq.canary@example.com"}',
    "an event in an array": '{"type": ["response.create"], "input": "zq.canary@example.com"}',
    "a byte order mark": '\ufeff{"type": "response.create", "input": "zq.canary@example.com"}',
    "text after the end": '{"type": "response.create", "input": "x"} zq.canary@example.com',
    "no number": '{"type": "response.create", "input": NaN, "user": "zq.canary@example.com"}',
    "half a character": '{"type": "response.create", "input": "\\ud800 zq.canary@example.com"}',
    "a huge number": '{"type": "response.create", "input": 41111111111111111111111111}',
    "deep nesting": '{"type": "response.create", "input": ' + "[" * 70 + '"zq.canary@example.com"' + "]" * 70 + "}",
    "bytes": encode(create(input=EMAIL)).encode("utf-16"),
    "a nested response that is a string": encode({"type": "response.create", "response": EMAIL}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_readers_disagree_about_is_refused_in_the_form_clients_know(name: str) -> None:
    wire = run(REFUSED[name])
    assert not wire.raw_up
    assert leaked(wire) == []
    (error,) = wire.sent_down
    assert (error["type"], error["status"]) == ("error", 400)
    assert [row.decision for row in wire.rows] == ["refused"]


# -------------------------------------------------------------------------------------------------------------- binary


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


BLOB_PLACES: Final[dict[str, Frame]] = {
    "picture": {"type": "input_image", "image_url": "BLOB"},
    "file": {"type": "input_file", "file_data": "BLOB"},
    "sound": {"type": "input_audio", "input_audio": {"data": "BLOB", "format": "mp3"}},
    "screenshot": {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": "BLOB"}},
    "generated": {"type": "image_generation_call", "result": "BLOB"},
}
HEADS: Final = ("", "data:image/png;base64,", "data:application/pdf;base64,", "data:audio/wav;base64,")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("place", BLOB_PLACES)
def test_binary_data_passes_only_where_attachments_are_allowed(place: str, head: str) -> None:
    blob = head + _encoded(BINARY)
    frame = encode(create(input=[BLOB_PLACES[place]])).replace("BLOB", blob)
    assert blob in run(frame, ALLOW).raw_up[0]
    assert run(frame, BLOCK).raw_up == []


@pytest.mark.parametrize("head", [*HEADS, "data:text/plain;base64,"])
@pytest.mark.parametrize("place", BLOB_PLACES)
def test_a_text_in_base64_is_no_binary_data(place: str, head: str) -> None:
    """Whoever undoes the encoding reads it, so it is read here, too."""
    for text in (f"my mail is {EMAIL}" + " " * 80, f"Zoë\n{EMAIL}\n" + "é" * 20 + "text " * 30):
        blob = head + _encoded(text.encode())
        wire = run(encode(create(input=[BLOB_PLACES[place]])).replace("BLOB", blob), SEEING)
        assert not any(_encoded(text.encode())[:40] in raw for raw in wire.raw_up)


# ------------------------------------------------------------------------------------------------------------ encodings

ENCODED: Final = {
    "percent": quote(EMAIL, safe="").replace(".", "%2E"),
    "html": "".join(f"&#{ord(c)};" if c in "@." else html_escape(c) for c in EMAIL),
    "json": EMAIL.replace("@", "\\u0040").replace(".", "\\u002e"),
    "base64": _encoded(f"mail {EMAIL} now".encode()),
    "zero width": EMAIL.replace("c", "c\u200b"),
    "full width": EMAIL.replace("@", "\uff20").replace("z", "\uff5a"),
    "data url": f"data:text/plain;base64,{_encoded(EMAIL.encode())}",
}


@pytest.mark.parametrize("name", CASES)
def test_an_encoded_canary_in_any_string_never_reaches_the_provider(name: str) -> None:
    """Each string of each frame in turn, the encodings taking turns as well."""
    secrets = {at for frame in CASES[name] for at in secret_places(frame)}
    turns = 0
    for at, value in places(CASES[name][0]):
        if not isinstance(value, str) or at in secrets or at == ("type",):
            continue
        encoding = list(ENCODED)[turns % len(ENCODED)]
        turns += 1
        wire = run(replaced(CASES[name][0], at, f"x {ENCODED[encoding]} y"), SEEING)
        assert not any(encode(ENCODED[encoding])[1:-1] in raw for raw in wire.raw_up), (at, encoding)
        assert leaked(wire) == []


# -------------------------------------------------------------------------------------------------------------- mutants


def _scans_no_numbers(kind: Kind, key: str, number: float) -> bool:
    return True


def _scans_no_words(kind: Kind, key: str, value: str) -> bool:
    return kind is not Kind.TEXT or value == ""


MUTANTS: Final[dict[str, tuple[str, object]]] = {
    "numbers are not scanned": ("is_count", _scans_no_numbers),
    "ids and words are not scanned": ("is_structural", _scans_no_words),
    "keys are not scanned": ("KNOWN", schema.KNOWN | {EMAIL, str(CARD)}),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_walk_that_overlooks_something_shows(monkeypatch: pytest.MonkeyPatch, mutant: str) -> None:
    monkeypatch.setattr(texts, *MUTANTS[mutant])
    with pytest.raises(AssertionError):
        check_one_at_a_time("item-function_call")


def test_a_place_for_secrets_that_is_too_wide_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: whatever says that it is an MCP server may have a secret."""

    def rule(context: Context, holder: str | None, key: str, *, hung: str | None = None) -> Rule:
        wide = holder == "mcp" and key in ("authorization", "headers")
        return schema.SECRET if wide else schema.rule(context, holder, key, hung=hung)

    monkeypatch.setattr(texts, "rule", rule)
    assert leaked(run(CONFUSED["a tool among the input"])) == ["provider"]


def test_repeats_that_are_kept_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: a text's repetition token by token stays."""
    monkeypatch.setattr(texts.Walk, "drop_repeats", lambda _self: None)
    assert leaked(run(CONFUSED["repeated texts"])) == ["provider"]
