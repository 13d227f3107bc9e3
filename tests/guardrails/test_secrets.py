"""Credentials are found, and what only looks like one to a machine is not."""

from __future__ import annotations

import time

import pytest

from guardrails.errors import GuardrailError
from guardrails.modules import secrets

MODULE = secrets.build({}, "en")
RANDOM = "Zk3vQ9xT1mB7wL5nR2cY8dF4gH6jK0pSaUeIoX"


def found(text: str) -> set[tuple[str, str]]:
    return {(f.entity, text[f.start : f.end]) for f in MODULE.find(text)}


KEYS = [
    f"sk-proj-{RANDOM}",
    f"sk-svcacct-{RANDOM}",
    f"sk-ant-api03-{RANDOM}",
    f"sk-{RANDOM}",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    f"ghp_{RANDOM[:36]}",
    f"gho_{RANDOM[:36]}",
    f"ghs_{RANDOM[:36]}",
    f"github_pat_11ABCDEFG0{RANDOM}",
    f"glpat-{RANDOM[:20]}",
    "xoxb-263594206564-2343594206574-FGqddMF8t08v8N7Oq4i57vs1",
    f"xoxp-{RANDOM}",
    f"AIza{RANDOM[:35]}",
    f"sk_live_{RANDOM[:24]}",
    f"rk_live_{RANDOM[:24]}",
    f"npm_{RANDOM[:36]}",
    f"pypi-AgEIcHlwaS5vcmc{RANDOM}",
    f"hf_{RANDOM[:34]}",
    f"SG.{RANDOM[:22]}.{RANDOM[:22]}{RANDOM[:21]}",
    "SK0123456789abcdef9f86d081884c7d65",
]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_a_known_service_is_found_whole_wherever_it_stands(key: str) -> None:
    for text in (key, f"use {key}.", f'{{"k": "{key}"}}', f"KEY={key}\n"):
        assert ("API_KEY", key) in found(text)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_inside_a_longer_word_is_none(key: str) -> None:
    assert not any(value == key for _, value in found(f"x{key}"))


JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"


def test_a_json_web_token_is_found_with_its_signature() -> None:
    assert ("JWT", JWT) in found(f"Authorization: Bearer {JWT}")


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
@pytest.mark.parametrize("newline", ["\n", "\\n", "\r\n"])
def test_a_private_key_is_found_from_its_first_line_to_its_last(kind: str, newline: str) -> None:
    key = newline.join((f"-----BEGIN {kind}PRIVATE KEY-----", BODY, BODY, f"-----END {kind}PRIVATE KEY-----"))
    assert found(f"key: {key} end") == {("PRIVATE_KEY", key)}


def test_of_a_private_key_cut_off_what_is_there_is_found() -> None:
    assert found(f"-----BEGIN PRIVATE KEY-----\n{BODY}\n{BODY}") == {
        ("PRIVATE_KEY", f"-----BEGIN PRIVATE KEY-----\n{BODY}\n{BODY}")
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password=hunter2", "hunter2"),
        ("password: hunter2", "hunter2"),
        ('"password": "P@ssw0rd!"', "P@ssw0rd!"),
        ('{\\"password\\": \\"P@ssw0rd!\\"}', "P@ssw0rd!"),
        ("DB_PASSWORD='Tr0ub4dor&3'", "Tr0ub4dor&3"),
        ("user[password]=hunter22&next=1", "hunter22"),
        ("my password is hunter2.", "hunter2"),
        ("the password for the wifi is Tr0ub4dor&3", "Tr0ub4dor&3"),
        ("PWD := s3cr3t-pw", "s3cr3t-pw"),
        ("postgres://app:s3cr3tPw@db:5432/app", "s3cr3tPw"),
        ("https://:s3cr3tPw@host/", "s3cr3tPw"),
        ("Authorization: Basic amFuZTpodW50ZXIy", "amFuZTpodW50ZXIy"),
        ("Authorization: Basic\tamFuZTpodW50ZXIy", "amFuZTpodW50ZXIy"),
    ],
)
def test_a_password_is_found_where_it_is_called_one(text: str, value: str) -> None:
    assert ("PASSWORD", value) in found(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("api_key: 9f86d081884c7d659a2feaa0c55ad015", "9f86d081884c7d659a2feaa0c55ad015"),
        (f"client_secret = '{RANDOM}'", RANDOM),
        (f'"access_token":"{RANDOM}"', RANDOM),
        (f"x-api-key: {RANDOM}", RANDOM),
        (f"Bearer {RANDOM}", RANDOM),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ),
    ],
)
def test_a_random_value_that_is_called_a_key_is_found(text: str, value: str) -> None:
    assert ("API_KEY", value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "password=get_password()",
        "password = os.environ['DB_PASSWORD']",
        "password=settings.DB_PASSWORD",
        "self.password = password1",
        "password: ${DB_PASSWORD}",
        "password: {{ db_password }}",
        "password: %(password)s",
        "password: <your-password>",
        "password: changeme",
        "password: ********",
        "password: string",
        "password: Optional[str] = None",
        '"password": "Forgot your password?"',
        "The password is required and case-sensitive.",
        "password_min_length: 12",
        "api_key: your-api-key-goes-here",
        "api_key=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        'api_key = os.environ["API_KEY"]',
        "secretName: gateway-db-credentials-v2",
        "max_tokens: 4096",
        '"next_page_token": "eyJvZmZzZXQiOjUwLCJsaW1pdCI6NTB9"',
        "postgres://user:password@localhost/db",
        "https://user:${PASSWORD}@host/",
        "task-12345678901234567890abc",
        "sk-fading-circle-animation-delay",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "the file begins with -----BEGIN PRIVATE KEY----- and so on",
        "-----BEGIN CERTIFICATE-----\n" + BODY + "\n-----END CERTIFICATE-----",
        "commit 692973e3d937129bcbf40652eb9f2f61becf3332",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_code_placeholders_and_sentences_are_left_alone(text: str) -> None:
    assert found(text) == set()


def test_only_the_entities_asked_for_are_reported() -> None:
    module = secrets.build({"entities": ["PASSWORD"]}, "en")
    assert {f.entity for f in module.find(f"password=hunter2 {JWT} {KEYS[0]}")} == {"PASSWORD"}


@pytest.mark.parametrize(
    "options", [{"entities": []}, {"entities": ["EMAIL"]}, {"entity": ["JWT"]}, {"entities": "JWT"}]
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(GuardrailError, match="entit"):
        secrets.build(options, "en")


@pytest.mark.parametrize(
    "piece",
    ["eyJ", "eyJ.", "sk-", "://", "://a:", "password", 'password=""', "bearer ", "token=", "pwd is ", "SG.", "\u00e9"],
)
def test_a_text_made_to_be_slow_is_not(piece: str) -> None:
    text = piece * (50_000 // len(piece))
    start = time.perf_counter()
    MODULE.find(text)
    # Quadratic would be minutes.
    assert time.perf_counter() - start < 2
