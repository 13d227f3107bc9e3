"""A request of the Responses API in the form of Chat Completions: what goes over, what is left out, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import Refused
from gateway.wire.chat_request import chat_request

FUNCTION = {"type": "function", "name": "send", "description": "d", "parameters": {"type": "object"}, "strict": True}
OFFERED = {"name": "send", "description": "d", "parameters": {"type": "object"}, "strict": True}


def messages(*items: Any, **more: Any) -> Any:
    return chat_request({"input": list(items), **more})["messages"]


def user(*parts: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": list(parts)}


def test_a_text_and_its_instructions_are_messages() -> None:
    assert chat_request({"input": "hi", "instructions": "be good"}) == {
        "messages": [{"role": "system", "content": "be good"}, {"role": "user", "content": "hi"}]
    }


def test_a_conversation_goes_over_item_by_item() -> None:
    said = messages(
        {"role": "developer", "content": "rules"},
        user({"type": "input_text", "text": "hi"}),
        {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "[]"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
        {"type": "function_call", "call_id": "c3", "name": "f", "arguments": "{}"},
    )
    assert said == [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {
            "role": "assistant",
            "content": "ab",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "[]"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c3", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
    ]


def test_settings_have_their_other_names() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {}, "strict": True}
    got = chat_request(
        {
            "input": "hi",
            "max_output_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "user": "u",
            "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"format": schema, "verbosity": "low"},
            "tools": [FUNCTION, {"type": "web_search"}, {"type": "mcp", "server_url": "https://a", "headers": {}}],
            "tool_choice": {"type": "function", "name": "send"},
            "parallel_tool_calls": False,
        }
    )
    del got["messages"]
    assert got == {
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "user": "u",
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
        "tools": [{"type": "function", "function": OFFERED}],
        "tool_choice": {"type": "function", "function": {"name": "send"}},
        "parallel_tool_calls": False,
    }


@pytest.mark.parametrize(("given", "want"), [({"type": "text"}, None), ({"type": "json_object"}, "json_object")])
def test_the_form_of_the_answer(given: dict[str, Any], want: str | None) -> None:
    form = chat_request({"input": "hi", "text": {"format": given}}).get("response_format")
    assert form == (None if want is None else {"type": want})


def test_attachments_go_over_as_data() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,aa", "detail": "low"}
    file = {"type": "input_file", "file_data": "data:application/pdf;base64,aa", "filename": "a.pdf"}
    sound = {"type": "input_audio", "input_audio": {"data": "aa", "format": "wav"}}
    assert messages(user(image, file, sound))[0]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aa", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aa", "filename": "a.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "aa", "format": "wav"}},
    ]


def test_nothing_that_is_not_listed_gets_through() -> None:
    """What steers the library itself: addresses, keys, fallbacks, mocks, callbacks, whatever it may take."""
    names = ("api_base", "base_url", "api_key", "model", "fallbacks", "mock_response", "num_retries", "timeout")
    more = ("metadata", "extra_headers", "extra_body", "custom_llm_provider", "success_callback", "cache", "headers")
    hostile = dict.fromkeys((*names, *more, "store", "include", "litellm_params"), "http://169.254.169.254/")
    assert chat_request({"input": "hi", **hostile}) == {"messages": [{"role": "user", "content": "hi"}]}
    tool = {**FUNCTION, "cache_control": {"type": "ephemeral"}, "api_base": "http://169.254.169.254/"}
    assert chat_request({"input": "hi", "tools": [tool]})["tools"] == [{"type": "function", "function": OFFERED}]


REFUSED = {
    "what another provider keeps": ({"previous_response_id": "resp_1"}, "previous_response_id"),
    "a conversation": ({"conversation": "conv_1"}, "conversation"),
    "a prompt": ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    "an item that is none": ({"input": ["hi"]}, "input"),
    "an item nobody knows": ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
    "a type that is a list": ({"input": [{"type": ["message"], "role": "user", "content": "a"}]}, "input"),
    "a role nobody knows": ({"input": [{"role": "tool", "content": "a"}]}, "input"),
    "an image by its link": (
        {"input": [user({"type": "input_image", "image_url": "http://169.254.169.254/"})]},
        "input",
    ),
    "a file by its link": ({"input": [user({"type": "input_file", "file_url": "http://169.254.169.254/"})]}, "input"),
    "a file by its id": ({"input": [user({"type": "input_file", "file_id": "file-1"})]}, "input"),
    "a link in place of data": (
        {"input": [user({"type": "input_file", "file_data": "http://169.254.169.254/"})]},
        "input",
    ),
    "a part that is none": ({"input": [user("hi")]}, "input"),
    "an image of the assistant": (
        {"input": [{"role": "assistant", "content": [{"type": "input_image", "image_url": "data:a"}]}]},
        "input",
    ),
    "a call without a name": ({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, "input"),
    "a tool that is not there": (
        {"tool_choice": {"type": "function", "name": "x"}, "tools": [FUNCTION]},
        "tool_choice",
    ),
    "a tool of the provider's": ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
    "a tool, of none": ({"tool_choice": "required", "tools": [{"type": "web_search"}]}, "tool_choice"),
    "a form nobody knows": ({"text": {"format": {"type": "grammar"}}}, "text"),
}


@pytest.mark.parametrize(("request_", "param"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_said_is_refused_without_an_echo(request_: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as caught:
        chat_request({"input": "hi", **request_})
    assert (caught.value.param, caught.value.code) == (param, "invalid_prompt")
    assert "169" not in str(caught.value)
