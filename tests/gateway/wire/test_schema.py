"""What need not be scanned has to prove it: by its place and by its own form."""

from __future__ import annotations

import base64
import hashlib

import pytest

from gateway.wire.blobs import is_blob
from gateway.wire.schema import (
    ATTACHMENT_TYPES,
    KNOWN,
    MAX_COUNT,
    TIMES,
    WORDS,
    Context,
    Kind,
    is_count,
    is_structural,
    place_name,
    rule,
)

EMAIL = "ada.lovelace@example.com"
VALUES = [
    EMAIL,
    "536-22-1234",
    "4111 1111 1111 1111",
    "4111111111111111",
    "Ada Lovelace",
    "ada_lovelace_1815",
    "AdaLovelace",
]
CIPHER = base64.urlsafe_b64encode(b"\x80" + hashlib.sha512(b"sealed").digest()).decode()
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2).decode()


def kind(key: str, holder: str | None = None, context: Context = Context.TYPED, hung: str | None = None) -> Kind:
    return rule(context, holder, key, hung=hung).kind


@pytest.mark.parametrize("holder", [None, "message", "mcp", "function_call", "base64", "input_audio", "domain_secrets"])
@pytest.mark.parametrize("context", [Context.TYPED, Context.TOOLS, Context.CONTENT, Context.UNKNOWN])
def test_no_known_key_hides_personal_data_but_the_secrets_of_tools(holder: str | None, context: Context) -> None:
    for key in KNOWN:
        found = kind(key, holder, context)
        assert not [value for value in VALUES if is_structural(found, key, value)], key


def test_the_words_of_a_key_need_no_scan_and_their_look_alikes_do() -> None:
    for key, words in WORDS.items():
        for word in words:
            assert is_structural(Kind.WORD, key, word)
            assert not is_structural(Kind.WORD, key, word + " ")
            assert not is_structural(Kind.WORD, key, word + "\u200b")
            assert not is_structural(Kind.WORD, key, word.upper()) or word.upper() == word


def test_the_names_of_events_are_words_as_a_type_only() -> None:
    assert is_structural(Kind.WORD, "type", "response.create")
    assert not is_structural(Kind.WORD, "status", "response.create")


@pytest.mark.parametrize(
    "value",
    [
        "resp_68f1c2d9a4b87e10",
        "call_Zk3mQ9xT2bVn8LwR",
        "msg_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d",
        "cntr_" + "a1" * 40,
    ],
)
def test_a_random_id_of_the_provider_needs_no_scan(value: str) -> None:
    assert is_structural(Kind.ID, "id", value)


@pytest.mark.parametrize(
    "value",
    [
        "resp_1",  # too short to be random
        "resp_abcdefghijklmnopqrstuvwx",  # words could be a name
        "resp_1234567890123456",  # digits could be a card
        "resp_a536221234bcdefghij",  # nine digits in a row could be an SSN
        "call_4111111111111111a",
        "user_68f1c2d9a4b87e10",  # not a prefix of the provider's
        "resp_68f1c2d9a4b87e10\n",
        "resp_68f1c2d9-a4b87e10",
        " resp_68f1c2d9a4b87e10",
        f"resp_{EMAIL}",
    ],
)
def test_an_id_that_could_be_a_persons_is_scanned(value: str) -> None:
    assert not is_structural(Kind.ID, "id", value)


def test_only_encrypted_content_of_its_form_is_opaque() -> None:
    assert is_structural(Kind.OPAQUE, "encrypted_content", CIPHER)
    readable = base64.b64encode(f"Dear {EMAIL}, this is a letter to you in plain text, long enough.".encode()).decode()
    for value in ("gAAAA", f"{CIPHER} {EMAIL}", CIPHER[:60] + "4111111111111111", CIPHER + "\n", readable):
        assert not is_structural(Kind.OPAQUE, "encrypted_content", value)


def test_a_picture_in_base64_cannot_be_read_and_text_in_base64_can() -> None:
    assert is_blob(PNG)
    assert is_blob(f"data:image/png;base64,{PNG}")
    letter = base64.b64encode(f"Dear {EMAIL}, this is a letter to you in plain text.".encode()).decode()
    assert not is_blob(letter)
    assert not is_blob(f"data:application/octet-stream;base64,{letter}")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "AAAA",
        EMAIL,
        f"data:image/png;base64,{EMAIL}",
        f"data:text/plain;base64,{PNG}",
        f"data:image/svg+xml;base64,{PNG}",
        f"data:image/png,{PNG}",
        f"https://example.com/{PNG}",
        f"{PNG} {EMAIL}",
    ],
)
def test_what_is_no_binary_data_is_read(value: str) -> None:
    assert not is_blob(value)


@pytest.mark.parametrize(
    ("hung", "holder", "key"), [("tools", "mcp", "authorization"), ("domain_secrets", "domain_secrets", "value")]
)
def test_secrets_are_secrets_in_a_tools_definition_only(hung: str, holder: str, key: str) -> None:
    assert kind(key, holder, Context.TOOLS, hung) is Kind.SECRET
    assert kind(key, holder, Context.TOOLS, "input") is not Kind.SECRET
    assert kind(key, "message", Context.TOOLS, hung) is not Kind.SECRET
    assert kind(key, holder, Context.TYPED, hung) is not Kind.SECRET
    assert kind(key, holder, Context.CONTENT, hung) is Kind.TEXT
    assert kind(key, holder, Context.UNKNOWN, hung) is Kind.TEXT


def test_the_headers_of_a_tool_hold_secrets_whatever_their_names() -> None:
    below = rule(Context.TOOLS, "mcp", "headers", hung="tools").below
    assert kind("X-Api-Key", "headers", below, "headers") is Kind.SECRET
    assert rule(below, "headers", "X-Api-Key", hung="headers").below is Context.CONTENT, "a secret is a string"
    assert rule(Context.TYPED, "mcp", "headers", hung="input").below is Context.CONTENT


@pytest.mark.parametrize("holder", [None, "response.create", "response", "additional_tools", "tool_search_output"])
def test_below_a_list_of_tools_everything_stays_in_tools(holder: str | None) -> None:
    assert rule(Context.TYPED, holder, "tools").below is Context.TOOLS
    assert rule(Context.TOOLS, "mcp", "filters").below is Context.TOOLS


def test_what_only_calls_itself_tools_defines_none() -> None:
    assert rule(Context.TYPED, "message", "tools").below is Context.TYPED
    assert rule(Context.TYPED, "mcp", "filters").below is Context.TYPED


@pytest.mark.parametrize("key", ["metadata", "parameters", "schema", "variables", "client_metadata", "headers"])
def test_the_users_own_json_has_no_names_with_a_meaning(key: str) -> None:
    below = rule(Context.TYPED, None, key).below
    assert below is Context.CONTENT
    for inner in ("type", "status", "id", "model", "encrypted_content", "file_data", "max_output_tokens"):
        assert rule(below, "message", inner) == (Kind.TEXT, Context.CONTENT)


def test_a_key_that_nobody_listed_is_text_all_the_way_down() -> None:
    below = rule(Context.TYPED, None, "haiku")
    assert below == (Kind.TEXT, Context.UNKNOWN)
    assert rule(below.below, "message", "type") == (Kind.TEXT, Context.UNKNOWN)


def test_arguments_are_json_in_calls_and_text_elsewhere() -> None:
    assert kind("arguments", "function_call") is Kind.JSON
    assert kind("arguments", "response.function_call_arguments.done") is Kind.JSON
    assert kind("arguments", "message") is Kind.TEXT
    assert kind("delta", "response.output_text.delta") is Kind.TEXT


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("max_output_tokens", 128_000),
        ("temperature", 0.7),
        ("top_p", 0.9999),
        ("created_at", 1_762_000_000),
        ("output_index", 0),
        ("bytes", 255),
        ("exit_code", -1),
        ("max_output_tokens", MAX_COUNT),
    ],
)
def test_a_setting_a_count_or_a_time_is_not_scanned(key: str, number: float) -> None:
    assert is_count(kind(key), key, number)


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("max_output_tokens", MAX_COUNT + 1),
        ("max_output_tokens", 536_221_234),
        ("max_output_tokens", -536_221_234),
        ("created_at", 4_111_111_111_111_111),
        ("created_at", 2_125_550_199),
        ("created_at", TIMES[-1] + 1),
        ("max_output_tokens", TIMES[0]),
        ("temperature", 0.536221234),
        ("haiku", 5),
        ("user", 5),
        ("text", 1),
    ],
)
def test_a_number_that_could_be_a_persons_is_scanned(key: str, number: float) -> None:
    assert not is_count(kind(key), key, number)


def test_an_audit_row_names_only_the_protocols_own_keys() -> None:
    assert place_name("input") == "input"
    assert place_name(EMAIL) == "*"
    assert place_name("Input") == "*"


def test_every_type_of_attachment_is_a_type_of_the_protocol() -> None:
    assert WORDS["type"] >= ATTACHMENT_TYPES
