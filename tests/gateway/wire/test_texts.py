"""One walk finds every text of a frame, and rewrites it without changing anything else."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from typing import Any

import pytest

from gateway.wire.schema import Kind
from gateway.wire.texts import Walk, position, walk

EMAIL = "ada.lovelace@example.com"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()
CIPHER = base64.urlsafe_b64encode(b"\x80" + hashlib.sha512(b"sealed").digest()).decode()
RANDOM_ID = "resp_68f1c2d9a4b87e10"


def texts(frame: Any, **how: Any) -> dict[str, str]:
    """What a walk finds, by place."""
    return {text.place: text.text for text in walk(frame, **how).texts}


def rewritten(frame: Any, old: str = EMAIL, new: str = "<E>", **how: Any) -> Any:
    """A copy of a frame with one value replaced in every text."""
    frame = copy.deepcopy(frame)
    walk(frame, **how).rewrite(lambda text: text.text.replace(old, new))
    return frame


def create(**more: Any) -> dict[str, Any]:
    return {"type": "response.create", "model": "gpt-5.1", "input": "", **more}


POSITIONS: dict[str, Any] = {
    "input": create(input=EMAIL),
    "input[0]": create(input=[EMAIL]),
    "input[0].content": create(input=[{"type": "message", "role": "user", "content": EMAIL}]),
    "input[0].content[0].text": create(input=[{"role": "user", "content": [{"type": "input_text", "text": EMAIL}]}]),
    "input[0].output": create(input=[{"type": "function_call_output", "call_id": "c", "output": EMAIL}]),
    "input[0].summary[0].text": create(input=[{"type": "reasoning", "summary": [{"type": "summary_text", "text": EMAIL}]}]),
    "instructions": create(instructions=EMAIL),
    "metadata.*": create(metadata={"who": EMAIL}),
    "metadata.*{key}": create(metadata={EMAIL: "x"}),
    "metadata.metadata": create(metadata={"metadata": EMAIL}),
    "metadata.type": create(metadata={"type": EMAIL}),
    "prompt.variables.*": create(prompt={"id": "p", "variables": {"who": EMAIL}}),
    "prompt.variables.*.text": create(prompt={"variables": {"who": {"type": "input_text", "text": EMAIL}}}),
    "user": create(user=EMAIL),
    "safety_identifier": create(safety_identifier=EMAIL),
    "prompt_cache_key": create(prompt_cache_key=EMAIL),
    "previous_response_id": create(previous_response_id=EMAIL),
    "stream_id": create(stream_id=EMAIL),
    "type": {"type": EMAIL},
    "input[0].role": create(input=[{"role": EMAIL, "content": "x"}]),
    "input[0].type": create(input=[{"type": EMAIL}]),
    "input[0].type[0]": create(input=[{"type": [EMAIL]}]),
    "input.content": create(input={"type": "message", "content": EMAIL}),
    "text.format.schema.*.*": create(text={"format": {"type": "json_schema", "schema": {"properties": {"q": EMAIL}}}}),
    "text.format.name": create(text={"format": {"type": "json_schema", "name": EMAIL}}),
    "tools[0].description": create(tools=[{"type": "function", "name": "f", "description": EMAIL}]),
    "tools[0].parameters.*.*{key}": create(tools=[{"type": "function", "parameters": {"properties": {EMAIL: {}}}}]),
    "tools[0].server_url": create(tools=[{"type": "mcp", "server_url": f"https://x.example/?u={EMAIL}"}]),
    "tool_choice.name": create(tool_choice={"type": "function", "name": EMAIL}),
    "*": create(haiku=EMAIL),
    "*{key}": create(**{EMAIL: "x"}),
    "*.type": create(haiku={"type": EMAIL}),
    "*[0].*[0].*": create(haiku=[{"verses": [{"line": EMAIL}]}]),
    "response.input": {"type": "response.create", "response": {"input": EMAIL}},
    "response.metadata.*{key}": {"type": "response.create", "response": {"metadata": {EMAIL: "x"}}},
    "client_metadata.*": create(client_metadata={"x-codex-turn-metadata": f'{{"cwd":"/home/{EMAIL}"}}'}),
    "input[0].encrypted_content": create(input=[{"type": "reasoning", "encrypted_content": EMAIL}]),
    "input[0].content[0].image_url": create(input=[{"content": [{"type": "input_image", "image_url": f"https://x.example/{EMAIL}"}]}]),
    "input[0].content[0].file_data": create(input=[{"content": [{"type": "input_file", "file_data": EMAIL}]}]),
    "input[0].content[0].filename": create(input=[{"content": [{"type": "input_file", "filename": EMAIL}]}]),
    "input[0].authorization": create(input=[{"type": "mcp", "authorization": EMAIL}]),
    "max_output_tokens": create(max_output_tokens=EMAIL),
    "store": create(store=EMAIL),
    "include[0]": create(include=[EMAIL]),
}  # fmt: skip


@pytest.mark.parametrize(("place", "frame"), POSITIONS.items(), ids=POSITIONS)
def test_a_value_is_found_and_rewritten_wherever_it_stands(place: str, frame: Any) -> None:
    found = {at: text for at, text in texts(frame).items() if EMAIL in text}
    assert list(found) == [place]
    after = json.dumps(rewritten(frame))
    assert EMAIL not in after
    assert after.replace("<E>", EMAIL) == json.dumps(frame), "and nothing else has changed"


def test_the_key_model_holds_a_text_that_the_session_writes() -> None:
    (text,) = walk(create(model=EMAIL)).texts
    assert (text.text, text.kind) == (EMAIL, Kind.MODEL)


def test_what_is_structural_is_no_text() -> None:
    frame = create(
        previous_response_id=RANDOM_ID,
        store=False,
        generate=True,
        max_output_tokens=100,
        temperature=0.5,
        truncation="auto",
        include=["reasoning.encrypted_content"],
        instructions=None,
        input=[{"type": "reasoning", "summary": [], "encrypted_content": CIPHER}],
        model=None,
    )
    assert texts(frame) == {}


def test_numbers_that_could_be_a_persons_are_texts_and_become_strings_when_they_change() -> None:
    frame = create(haiku=5, metadata={"ssn": 536221234}, max_output_tokens=4111111111111111, temperature=1)
    assert texts(frame) == {
        "*": "5",
        "*{key}": "haiku",
        "metadata.*": "536221234",
        "metadata.*{key}": "ssn",
        "max_output_tokens": "4111111111111111",
        "model": "gpt-5.1",
    }
    assert rewritten(frame, "536221234", "<S>")["metadata"] == {"ssn": "<S>"}
    assert rewritten(frame)["metadata"] == {"ssn": 536221234}, "an unchanged number stays one"


def test_json_in_a_string_is_opened_and_stays_json() -> None:
    arguments = json.dumps({"to": EMAIL, EMAIL: [1, {"b": f'say "{EMAIL}"'}], "n": 536221234})
    frame = create(input=[{"type": "function_call", "name": "f", "call_id": "c", "arguments": arguments}])
    after = rewritten(frame, EMAIL, 'a "quoted" \\ value\n')["input"][0]["arguments"]
    quoted = 'a "quoted" \\ value\n'
    assert json.loads(after) == {"to": quoted, quoted: [1, {"b": f'say "{quoted}"'}], "n": 536221234}


def test_json_in_a_string_in_which_nothing_changes_keeps_its_bytes() -> None:
    arguments = '{ "a" : 1.50, "b":"\\u0041" }'
    frame = create(input=[{"type": "function_call", "arguments": arguments}])
    assert rewritten(frame)["input"][0]["arguments"] == arguments


@pytest.mark.parametrize("broken", [f'{{"to": "{EMAIL}"', f'{{"a": "{EMAIL}", "a": 1}}', f"{EMAIL}", f'"{EMAIL}" x'])
def test_a_string_that_only_looks_like_json_is_one_text(broken: str) -> None:
    frame = create(input=[{"type": "function_call", "arguments": broken}])
    assert texts(frame)["input[0].arguments"] == broken


def test_json_in_a_string_can_be_left_closed() -> None:
    frame: Any = {"type": "response.function_call_arguments.done", "arguments": f'{{"to": "{EMAIL}"}}'}
    (text,) = walk(frame, open_json=False).texts
    assert (text.text, text.kind) == (frame["arguments"], Kind.JSON)


def test_only_texts_that_hold_something_can_be_asked_for() -> None:
    frame = create(input=[{"content": "a < b"}, {"content": "c"}], metadata={"<": "d", "e": ["f", "<"]})
    found = [text.text for text in walk(frame, having="<").texts]
    assert [text for text in found if "<" in text] == ["a < b", "<", "<"]
    assert not {"c", "gpt-5.1"} & set(found)


MCP: dict[str, Any] = {
    "type": "mcp",
    "authorization": "Bearer mcp-secret",
    "headers": {"X-Key": "header-secret"},
    "server_description": "a description",
    "network_policy": {"domain_secrets": [{"domain": "a.example", "name": "N", "value": "domain-secret"}]},
}
MCP_SECRETS = {"Bearer mcp-secret", "header-secret", "domain-secret"}


def test_the_secrets_of_tools_are_not_texts_and_their_other_values_are() -> None:
    found = {text.text for text in walk(create(tools=[MCP])).texts}
    assert not MCP_SECRETS & found
    assert {"X-Key", "a description", "a.example", "N"} <= found


@pytest.mark.parametrize("place", ["input", "metadata", "haiku", "tool_choice"])
def test_what_looks_like_a_tools_secret_elsewhere_is_text(place: str) -> None:
    assert {text.text for text in walk(create(**{place: [MCP]})).texts} >= MCP_SECRETS


def test_a_secret_that_is_no_string_is_text() -> None:
    tool = {"type": "mcp", "authorization": {"a": EMAIL}, "headers": {"X": [EMAIL], "Y": 536221234}}
    found = [text.text for text in walk(create(tools=[tool])).texts]
    assert found.count(EMAIL) == 2
    assert "536221234" in found


ATTACHMENTS: dict[str, Any] = {
    "a picture": {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
    "a link to a picture": {"type": "input_image", "image_url": "https://example.com/a.png"},
    "a file by id": {"type": "input_file", "file_id": "file_68f1c2d9a4b87e10"},
    "a file": {"type": "input_file", "file_data": PNG, "filename": "a.bin"},
    "a screenshot": {"type": "computer_screenshot", "image_url": f"data:image/png;base64,{PNG}"},
    "a data: URL in a text": {"type": "input_text", "text": f"data:image/png;base64,{PNG}"},
    "a data: URL in capitals": {"type": "input_text", "text": f"DATA:image/PNG;Base64,{PNG}"},
    "a data: URL in an unknown place": {"type": "haiku", "verse": f"data:image/jpeg;base64,{PNG}"},
    "a generated picture": {"type": "image_generation_call", "result": PNG},
}


@pytest.mark.parametrize("part", ATTACHMENTS.values(), ids=ATTACHMENTS)
def test_what_cannot_be_read_is_an_attachment_and_not_a_text(part: dict[str, Any]) -> None:
    found = walk(create(input=[{"role": "user", "content": [part]}]))
    assert found.attachments
    assert all(one.place.startswith("input[0].content[0]") for one in found.attachments)
    assert not [text.place for text in found.texts if PNG in text.text]


@pytest.mark.parametrize("source", ['"{}"', '{{"a": ["{}"]}}', '{{"who": "x", "picture": "{}"}}'])
def test_an_attachment_in_json_in_a_string_is_found_and_replaced_there(source: str) -> None:
    picture = f"data:image/png;base64,{PNG}"
    frame = create(input=[{"type": "function_call", "arguments": source.format(picture)}])
    found = walk(frame)
    assert [one.place.split(".")[0] for one in found.attachments] == ["input[0]"]
    assert not found.rewrite(lambda text: text.text)
    assert frame["input"][0]["arguments"] == source.format(picture)
    assert found.rewrite(lambda text: text.text, attachment=lambda _: "")
    assert json.loads(frame["input"][0]["arguments"]) == json.loads(source.format(""))


def test_a_replaced_attachment_keeps_the_new_name_of_its_key() -> None:
    frame = create(metadata={EMAIL: f"data:image/png;base64,{PNG}"})
    assert walk(frame).rewrite(lambda text: text.text.replace(EMAIL, "<E>"), attachment=lambda _: "")
    assert frame["metadata"] == {"<E>": ""}


def test_a_part_that_points_at_an_attachment_keeps_its_type() -> None:
    part = {"type": "input_image", "file_id": "file_68f1c2d9a4b87e10"}
    frame = create(input=[{"role": "user", "content": [dict(part)]}])
    assert not walk(frame).rewrite(lambda text: text.text, attachment=lambda _: "")
    assert frame["input"][0]["content"] == [part]


def test_a_sound_is_an_attachment() -> None:
    part = {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}
    assert walk(create(input=[{"role": "user", "content": [part]}])).attachments


def test_text_in_base64_is_no_attachment() -> None:
    letter = base64.b64encode(f"Dear {EMAIL}, this is a letter in plain text, and it is long enough.".encode()).decode()
    found = walk(create(input=[{"content": f"data:application/octet-stream;base64,{letter}"}]))
    assert not found.attachments
    assert any(letter in text.text for text in found.texts)


def test_logprobs_repeat_a_text_and_are_emptied() -> None:
    part: Any = {"type": "output_text", "text": "Ada", "logprobs": [{"token": "A", "bytes": [65], "logprob": -1.5}]}
    frame: Any = {"type": "response.output_item.done", "item": {"type": "message", "content": [part]}}
    found = walk(frame)
    assert [text.text for text in found.texts] == ["Ada"]
    found.drop_repeats()
    assert part["logprobs"] == []


def test_the_users_own_logprobs_are_text() -> None:
    found = walk(create(metadata={"logprobs": [EMAIL]}))
    assert EMAIL in {text.text for text in found.texts}
    found.drop_repeats()
    assert EMAIL in {text.text for text in found.texts if text.node[text.key] == EMAIL}  # type: ignore[index]


def test_keys_that_get_the_same_name_stay_apart_and_in_order() -> None:
    frame = create(metadata={"a@example.com": 1, "z": 2, "b@example.com": 3, "<E>": 4, "<E>_2": 5})
    walk(frame).rewrite(lambda text: "<E>" if text.text.endswith("@example.com") else text.text)
    assert list(frame["metadata"].items()) == [("<E>_3", 1), ("z", 2), ("<E>_4", 3), ("<E>", 4), ("<E>_2", 5)]


def test_a_renamed_key_keeps_its_own_rewritten_value() -> None:
    frame = create(metadata={EMAIL: EMAIL, "other": {EMAIL: [EMAIL, 536221234]}})
    assert rewritten(frame)["metadata"] == {"<E>": "<E>", "other": {"<E>": ["<E>", 536221234]}}


def test_rewriting_says_whether_anything_changed() -> None:
    frame = create(input=EMAIL)
    assert not walk(frame).rewrite(lambda text: text.text)
    assert walk(frame).rewrite(lambda text: text.text.upper())
    assert not Walk().rewrite(lambda text: "x")


def test_a_place_names_the_protocols_own_keys_only_and_ends_somewhere() -> None:
    deep: Any = EMAIL
    for _ in range(20):
        deep = {"secret-key": [deep]}
    places = list(texts(create(input=deep)))
    assert all("secret" not in place for place in places)
    assert max(places, key=len).startswith("input.*[0].*[0]")
    assert all(place.count("*") <= 12 for place in places)
    assert any(place.endswith(".…") for place in places)


def test_whether_a_text_stands_under_a_key_looks_at_the_whole_way() -> None:
    (text,) = walk({"item": {"type": "shell_call", "action": {"commands": ["ls"]}}}).texts
    assert text.under(frozenset({"action"}))
    assert text.under(frozenset({"commands"}))
    assert not text.under(frozenset({"arguments"}))


@pytest.mark.parametrize("frame", [None, True, 5, "text", [], {}, [[["a"]]], {"a": None}])
def test_any_json_can_be_walked(frame: Any) -> None:
    before = copy.deepcopy(frame)
    walk(frame).rewrite(lambda text: text.text)
    assert frame == before


def test_a_position_tells_texts_of_a_lane_apart() -> None:
    base: Any = {"item_id": "m", "output_index": 0, "content_index": 0}
    others = [
        {**base, key: 1} for key in ("item_id", "output_index", "content_index", "summary_index", "command_index")
    ]
    assert len({position(frame) for frame in (base, {}, *others)}) == 7
    assert position({**base, "delta": "a"}) == position({**base, "delta": "b"})
