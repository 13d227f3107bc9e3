"""Where the policy only restores: everything streams, and the client reads its own values in every event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies.model import Policy
from tests.kit import EMAIL, RESTORE, Wire, policy, token

QUOTED = 'Ada "A." Lovelace\\'
QUOTING = policy(detect="  fold: false\n  decode: []\n  deny: [{entity: PERSON, text: 'Ada \"A.\" Lovelace\\'}]\n")


def wire_with(value: str = EMAIL, of: Policy = RESTORE, **more: Any) -> tuple[Wire, str]:
    """A response under way in a conversation that sent one value, and the value's token."""
    wire = Wire(policy=of)
    wire.client({"type": "response.create", "input": f"mail {value}", **more})
    wire.begin()
    return wire, token(wire, value)


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "item_id": "item", "output_index": 0, **more}


def deltas(wire: Wire, kind: str, pieces: list[str], *, key: str = "delta", **more: Any) -> list[Any]:
    """What the client gets for a text in pieces."""
    given: list[Any] = []
    for piece in pieces:
        given += wire.provider(event(f"{kind}.delta", delta=piece, **more))
    return given


def cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


STREAMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "output_text": ("output_text", "text", {"content_index": 0}),
    "refusal": ("refusal", "refusal", {"content_index": 0}),
    "reasoning_text": ("reasoning_text", "text", {"content_index": 0}),
    "reasoning_summary_text": ("reasoning_summary_text", "text", {"summary_index": 0}),
    "custom_tool_call_input": ("custom_tool_call_input", "input", {}),
    "code_interpreter_call_code": ("code_interpreter_call_code", "code", {}),
    "shell_call_command": ("shell_call_command", "command", {"command_index": 0}),
    "audio.transcript": ("audio.transcript", "", {}),
    "an unlisted one": ("haiku", "haiku", {}),
}


@pytest.mark.parametrize(("kind", "field", "more"), STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_text_in_pieces_is_the_same_as_whole(kind: str, field: str, more: dict[str, Any], size: int) -> None:
    wire, name = wire_with()
    text = f"Write to {name}, yes {name}"
    given = deltas(wire, kind, cut(text, size), **more)
    done = wire.provider(event(f"{kind}.done", **more) | ({field: text} if field else {}))
    *held, last = done
    expected = f"Write to {EMAIL}, yes {EMAIL}"
    assert "".join(one["delta"] for one in given + held) == expected
    assert all({key: one[key] for key in more} == more for one in given + held), "each at its own position"
    if field:
        assert last[field] == expected


@pytest.mark.parametrize("filler", ["", "a long text " * 10_000], ids=["short", "too long to keep"])
def test_a_whole_text_that_is_not_what_came_in_pieces_is_restored_by_itself(filler: str) -> None:
    wire, name = wire_with()
    deltas(wire, "output_text", cut(f"{filler}Write to {name}", 500), content_index=0)
    for text, expected in (
        (f"{filler}Write to {name}!", f"{filler}Write to {EMAIL}!"),
        (f"{filler}[it](https://x.example/{name})", f"{filler}[it](https://x.example/{name})"),
        (f"{filler}Write to {name}", f"{filler}Write to {EMAIL}"),
    ):
        (done,) = wire.provider(event("output_text.done", content_index=0, text=text))
        assert done["text"] == expected
        (part,) = wire.provider(event("content_part.done", part={"type": "output_text", "text": text}))
        assert part["part"]["text"] == expected


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("kind", ["function_call_arguments", "mcp_call_arguments"])
def test_arguments_stay_json(kind: str, size: int) -> None:
    wire, name = wire_with(QUOTED, QUOTING)
    source = json.dumps({"to": name, "n": [1, name]})
    given = deltas(wire, kind, cut(source, size))
    done = wire.provider(event(f"{kind}.done", arguments=source, name="f"))
    joined = "".join(one["delta"] for one in given + done[:-1])
    assert joined == done[-1]["arguments"]
    assert json.loads(joined) == {"to": QUOTED, "n": [1, QUOTED]}


def test_structured_output_stays_json() -> None:
    wire, name = wire_with(QUOTED, QUOTING, text={"format": {"type": "json_schema", "name": "x", "schema": {}}})
    source = json.dumps({"to": name})
    given = deltas(wire, "output_text", cut(source, 4), content_index=0)
    done = wire.provider(event("output_text.done", content_index=0, text=source))
    part = {"type": "output_text", "text": source, "annotations": []}
    item: Any = {"type": "message", "id": "item", "role": "assistant", "content": [part]}
    (whole,) = wire.provider(event("output_item.done", item=item))
    (last,) = wire.provider({"type": "response.completed", "response": {"id": "resp_1", "output": [item]}})
    texts = [
        "".join(one["delta"] for one in given + done[:-1]),
        done[-1]["text"],
        whole["item"]["content"][0]["text"],  # type: ignore[index, call-overload]
        last["response"]["output"][0]["content"][0]["text"],  # type: ignore[index, call-overload]
    ]
    assert len(set(texts)) == 1
    assert json.loads(str(texts[0])) == {"to": QUOTED}


def test_a_plain_text_that_looks_like_json_is_not_escaped() -> None:
    wire, name = wire_with(QUOTED, QUOTING)
    (given,) = deltas(wire, "output_text", [f'{{"to": "{name}"}} '], content_index=0)
    assert given["delta"] == f'{{"to": "{QUOTED}"}} '


def test_an_event_without_a_token_is_the_very_bytes_that_came() -> None:
    wire, _ = wire_with()
    raw = '{ "type": "response.output_text.delta", "item_id":"item","output_index":0,"delta" : "a < b \\u00e4" }'
    wire.provider(raw)
    assert wire.raw_down[-1] == raw
    raw = '{"type":  "response.created", "response": {"id": "resp_9", "x": 1.50}}'
    wire.provider(raw)
    assert wire.raw_down[-1] == raw


def test_a_conversation_without_values_is_passed_through() -> None:
    wire = Wire()
    wire.create("hello")
    wire.begin()
    raw = '{"type": "response.output_text.delta", "delta": "<EMAIL_ADDRESS_k7x2m5qa", "output_index": 0}'
    wire.provider(raw)
    assert wire.raw_down[-1] == raw


def test_only_what_may_become_a_token_waits() -> None:
    wire, name = wire_with()
    assert deltas(wire, "output_text", ["Hello "], content_index=0)[0]["delta"] == "Hello "
    assert deltas(wire, "output_text", [f"to {name[:6]}"], content_index=0)[0]["delta"] == "to "
    assert deltas(wire, "output_text", [name[6:9]], content_index=0) == []
    assert deltas(wire, "output_text", [name[9:] + "."], content_index=0)[0]["delta"] == f"{EMAIL}."


@pytest.mark.parametrize(
    "end",
    [
        event("output_text.done", content_index=0, text="x"),
        event("content_part.done", content_index=0, part={"type": "output_text", "text": "x"}),
        event("output_item.done", item={"type": "message", "id": "item", "content": []}),
        {"type": "response.completed", "response": {"id": "resp_1", "output": []}},
        {"type": "response.failed", "response": {"id": "resp_1", "output": []}},
        {"type": "error", "status": 400, "error": {"type": "x", "code": "y", "message": "z", "param": None}},
    ],
    ids=lambda end: end["type"],
)
def test_what_is_held_back_comes_before_the_end_of_its_text(end: dict[str, Any]) -> None:
    wire, name = wire_with()
    (first,) = deltas(wire, "output_text", [f"to {name[:8]}"], content_index=0)
    assert first["delta"] == "to "
    rest, last = wire.provider(end)
    assert (rest["type"], rest["delta"], rest["content_index"]) == ("response.output_text.delta", name[:8], 0)
    assert last["type"] == end["type"]
    assert not any(wire.session._lanes.default.last.streams if wire.session._lanes.default.last else ())


def test_two_texts_of_one_item_that_interleave_are_told_apart() -> None:
    wire, name = wire_with()
    given: dict[int, str] = {0: "", 1: ""}
    for piece in cut(name + " ", 3):
        for index in given:
            for one in deltas(wire, "output_text", [piece], content_index=index):
                given[one["content_index"]] += one["delta"]
    assert given == {0: f"{EMAIL} ", 1: f"{EMAIL} "}


@pytest.mark.parametrize(
    "end",
    [
        event("output_text.done", content_index=0, text="x"),
        event("content_part.done", content_index=0, part={"type": "output_text", "text": "x"}),
        event("content_part.added", content_index=2, part={"type": "output_text", "text": ""}),
        event("output_item.added", output_index=5, item={"type": "message", "id": "other", "content": []}),
        event("output_text.annotation.added", content_index=0, annotation={}),
        event("shell_call_output_content.done", command_index=3, output=[]),
        {"type": "response.in_progress", "response": {"id": "resp_1", "output": []}},
        {"type": "codex.rate_limits"},
    ],
    ids=lambda end: end["type"],
)
def test_the_end_of_one_text_does_not_cut_another(end: dict[str, Any]) -> None:
    wire, name = wire_with()
    (first,) = deltas(wire, "output_text", [f"to {name[:8]}"], content_index=1)
    assert [one["type"] for one in wire.provider(end)] == [end["type"]]
    (rest,) = deltas(wire, "output_text", [name[8:]], content_index=1)
    assert first["delta"] + rest["delta"] == f"to {EMAIL}"


def test_a_command_that_is_announced_with_its_beginning_is_one_text() -> None:
    wire, name = wire_with()
    given = wire.provider(event("shell_call_command.added", command_index=0, command=f"mail {name[:9]}"))
    given += deltas(wire, "shell_call_command", [name[9:], " now"], command_index=0)
    texts = "".join(str(one.get("command", one.get("delta", ""))) for one in given)
    assert texts == f"mail {EMAIL} now"


def test_a_delta_with_several_texts_has_each_restored_by_itself() -> None:
    wire, name = wire_with()
    given = {"stdout": "", "stderr": ""}
    for piece in [*cut(f"to {name}", 4), ""]:
        delta = {"stdout": piece, "stderr": piece.upper() if "<" not in piece else piece, "n": 1}
        (one,) = wire.provider(event("shell_call_output_content.delta", command_index=0, delta=delta))
        assert one["delta"]["n"] == 1  # type: ignore[index, call-overload]
        given["stdout"] += one["delta"]["stdout"]  # type: ignore[index, call-overload, operator]
        given["stderr"] += one["delta"]["stderr"]  # type: ignore[index, call-overload, operator]
    assert given["stdout"] == f"to {EMAIL}"
    assert EMAIL not in given["stderr"]


def test_what_a_delta_with_several_texts_held_back_comes_at_the_end() -> None:
    wire, name = wire_with()
    delta = {"stdout": f"a {name[:5]}", "stderr": "b"}
    (one,) = wire.provider(event("shell_call_output_content.delta", command_index=0, delta=delta))
    assert one["delta"] == {"stdout": "a ", "stderr": "b"}
    rest, _ = wire.provider(event("shell_call_output_content.done", command_index=0, output=[]))
    assert rest["delta"] == {"stdout": name[:5]}


@pytest.mark.parametrize("position", [{"item_id": ["x"]}, {"output_index": {"a": 1}}, {"content_index": None}, {}])
def test_a_position_of_another_shape_is_one_all_the_same(position: dict[str, Any]) -> None:
    wire, name = wire_with()
    frame = {"type": "response.output_text.delta", **position}
    given = [*wire.provider({**frame, "delta": name[:7]}), *wire.provider({**frame, "delta": name[7:]})]
    assert "".join(str(one["delta"]) for one in given) == EMAIL


def test_logprobs_do_not_repeat_a_text_that_was_changed() -> None:
    wire, name = wire_with()
    logprobs = [{"token": "to", "logprob": -1.0, "bytes": [116]}]
    same, changed = deltas(wire, "output_text", ["to ", f"{name} "], content_index=0, logprobs=logprobs)
    assert same["logprobs"] == logprobs
    assert changed["logprobs"] == []


def item(**more: Any) -> dict[str, Any]:
    return event("output_item.done", item={"id": "item", **more})


WHOLE: dict[str, tuple[dict[str, Any], str]] = {
    "a message": (item(type="message", content=[{"type": "output_text", "text": "TOKEN"}]), EMAIL),
    "an annotation": (event("output_text.annotation.added", annotation={"type": "x", "title": "TOKEN"}), EMAIL),
    "metadata that is echoed": ({"type": "response.created", "response": {"id": "r", "metadata": {"a": "TOKEN"}}}, EMAIL),
    "instructions that are echoed": ({"type": "response.created", "response": {"id": "r", "instructions": "TOKEN"}}, EMAIL),
    "a key": ({"type": "response.in_progress", "response": {"id": "resp_1", "metadata": {"TOKEN": "x"}}}, EMAIL),
    "a custom tool": (item(type="custom_tool_call", input="mail TOKEN"), f"mail {EMAIL}"),
    "a patch": (item(type="apply_patch_call", operation={"type": "create_file", "diff": "+TOKEN"}), f"+{EMAIL}"),
    "a shell call": (item(type="shell_call", action={"commands": ["mail TOKEN"]}), f"mail {EMAIL}"),
    "a search": (item(type="web_search_call", action={"type": "search", "query": "who is TOKEN"}), f"who is {EMAIL}"),
    "an unlisted event": ({"type": "a.new.event", "deep": [{"x": ["TOKEN"]}]}, EMAIL),
    "a link": (item(type="message", content=[{"type": "output_text", "text": "https://x.example/TOKEN"}]), "https://x.example/TOKEN"),
}  # fmt: skip


@pytest.mark.parametrize(("frame", "expected"), WHOLE.values(), ids=WHOLE)
def test_a_token_is_restored_in_every_event(frame: dict[str, Any], expected: str) -> None:
    wire, name = wire_with()
    (given,) = wire.provider(json.dumps(frame).replace("TOKEN", name))
    assert expected.replace("TOKEN", name) in json.dumps(given)
    assert (name in json.dumps(given)) == ("https" in expected)


def test_json_that_writes_brackets_as_escapes_is_restored_too() -> None:
    wire, name = wire_with()
    source = json.dumps({"to": name}).replace("<", "\\u003c").replace(">", "\\u003E")
    (given,) = wire.provider(event("function_call_arguments.done", arguments=source, name="f"))
    assert name not in str(given["arguments"])
    raw = json.dumps(item(type="message", content=[{"type": "output_text", "text": name}]))
    (given,) = wire.provider(raw.replace("<", "\\u003C").replace(">", "\\u003e"))
    assert EMAIL in json.dumps(given)


def test_names_without_brackets_are_restored() -> None:
    wire = Wire()
    (sent,) = wire.create("x", tools=[{"type": "function", "name": "call_536-22-1234", "parameters": {}}])
    wire.begin()
    name = sent["tools"][0]["name"]  # type: ignore[index, call-overload]
    (given,) = wire.provider(item(type="function_call", name=name, arguments="{}", call_id="call_1"))
    assert given["item"]["name"] == "call_536-22-1234"  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("where", "in_text", "in_tools"),
    [
        ("text: false", False, True),
        ("tool_arguments: false", True, False),
        ("text: false, tool_arguments: false", False, False),
    ],
)
def test_the_policy_says_where_values_come_back(where: str, in_text: bool, in_tools: bool) -> None:
    of = policy(f"output: {{restore_in: {{{where}}}}}\n")
    wire, name = wire_with(of=of)
    (text,) = deltas(wire, "output_text", [f"{name} "], content_index=0)
    assert (EMAIL in text["delta"]) is in_text
    (done,) = wire.provider(item(type="message", content=[{"type": "output_text", "text": name}]))
    assert (EMAIL in json.dumps(done)) is in_text
    for kind, field in (("function_call_arguments", "arguments"), ("custom_tool_call_input", "input")):
        (piece,) = deltas(wire, kind, [f"{name} "])
        assert (EMAIL in piece["delta"]) is in_tools
        (whole,) = wire.provider(event(f"{kind}.done", **{field: f"{name} "}))
        assert (EMAIL in json.dumps(whole)) is in_tools
    for of_tool in (
        {"type": "function_call", "arguments": json.dumps({"to": name})},
        {"type": "mcp_call", "arguments": json.dumps({"to": name})},
        {"type": "custom_tool_call", "input": name},
        {"type": "code_interpreter_call", "code": name},
        {"type": "shell_call", "action": {"commands": [name]}},
        {"type": "local_shell_call", "action": {"type": "exec", "command": ["mail", name]}},
        {"type": "computer_call", "actions": [{"type": "type", "text": name}]},
        {"type": "apply_patch_call", "operation": {"type": "create_file", "diff": name}},
    ):
        (whole,) = wire.provider(item(**of_tool))
        assert (EMAIL in json.dumps(whole)) is in_tools, of_tool["type"]


def test_links_are_restored_only_where_the_policy_says_so() -> None:
    for urls in (False, True):
        wire, name = wire_with(of=policy(f"output: {{restore_in: {{urls: {str(urls).lower()}}}}}\n"))
        given = deltas(wire, "output_text", cut(f"![x](https://evil.example/?q={name}) ", 4), content_index=0)
        assert (EMAIL in "".join(one["delta"] for one in given)) is urls


@pytest.mark.parametrize("rule", ["mask", "block"])
def test_an_entity_whose_tokens_stay_tokens_is_not_restored(rule: str) -> None:
    wire, name = wire_with(of=policy(f"actions: {{EMAIL_ADDRESS: {{output: {rule}}}}}\n"))
    given = deltas(wire, "output_text", cut(f"to {name}.", 3), content_index=0)
    assert "".join(one["delta"] for one in given) == f"to {name}."
    (whole,) = wire.provider(event("output_text.done", content_index=0, text=f"to {name}."))
    assert whole["text"] == f"to {name}."


def test_an_event_of_too_many_values_goes_on_with_its_tokens() -> None:
    wire, name = wire_with()
    (given,) = wire.provider({"type": "a.new.event", "text": name, "numbers": [1] * 50_001})
    assert given["text"] == name
    (given,) = wire.provider({"type": "a.new.event", "text": name})
    assert given["text"] == EMAIL
