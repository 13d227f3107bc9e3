"""Values that stand where a password or key is named: `password=…`, `"api_key": "…"`, `Bearer …`, `//user:…@host`.

The name alone proves nothing: code, documentation and forms are full of it. So the value has to look like a secret,
and not like a placeholder, a reference, a type, a call or a sentence.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from guardrails.modules.contents import Contents

Assigned: TypeAlias = tuple[int, int, str, float]

IN_URL, IN_HEADER, ASSIGNED, SAID = 0.9, 0.9, 0.8, 0.7
SEEN_AGAIN = 64
"""Characters of a value that may hold another name and value; looking at all of it again would be quadratic."""
LEAST_ENTROPY = 3.0
"""Bits a character below which a long key is no key; hexadecimal has about 3.7, English words about 3.5 to 4."""

_PASSWORD_NAMES = ("password", "passwd", "passphrase", "passwort", "pwd", "db_pass", "smtp_pass")
_KEY_NAMES = (
    *("api_key", "api-key", "apikey", "api key", "secret_key", "secret-key", "secretkey", "secret_access_key"),
    *("access_key", "access-key", "accesskey", "private_key", "privatekey", "encryption_key", "signing_key"),
    *("auth_token", "auth-token", "authtoken", "access_token", "accesstoken", "refresh_token", "refreshtoken"),
    *("api_token", "api-token", "apitoken", "bearer_token", "secret_token", "client_secret", "clientsecret"),
    *("app_secret", "signing_secret", "webhook_secret", "secret", "token", "credentials", "credential"),
)
_HINTS = ("pass", "pwd", "bearer", "basic")
"""One of which stands in every text with a value that is named without a sign."""
_HINTS_BEFORE_SIGNS = ("key", "token", "secret", "credential")

_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_SIGN = r"(?:\\?[\"'`])?\]?[ \t]{0,8}(?:=>|:=|={1,3}|:)[ \t]{0,8}"
_VALUE = r"(?P<quote>\\?[\"'`])?(?P<value>[^\s\"'`\\,;<>(){}\[\]]{6,512})"
_ASSIGNED = re.compile(_SIGN + _VALUE)
_SAID = re.compile(r"(?:[ \t]+(?:for|to)[ \t]+[^\n.:=]{1,40}?)?[ \t]+is[ \t]{0,2}:?[ \t]{1,4}" + _VALUE)
_URL = re.compile(r"://[^\s/:@\"'<>]{0,64}:(?P<value>[^\s/@\"'<>]{3,128})@(?=[A-Za-z0-9\[])")
_BEARER = re.compile(r"[ \t]{1,4}(?P<value>[A-Za-z0-9._~+/-]{20,2048}={0,2})")
_BASIC = re.compile(
    r"(?:authorization[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?basic|-h[ \t]basic)[ \t]{1,4}([a-z0-9+/]{8,512}={0,2})", re.I
)

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?:(?:\.|::|->)[A-Za-z_$][A-Za-z0-9_$]*)+")
_REFERENCE = re.compile(
    r"\$[A-Za-z_{(]|%[({sdv]|\{\{|#\{|&[a-z]|!(?:ref|sub|vault|env)|(?:env|vault|arn|secret|ssm|op|file|https?):",
    re.I,
)
_FILLER = frozenset(
    """
    password passwd pass pwd passphrase secret token key apikey api value string str text bytes none null nil true
    false undefined required optional example sample test testing dummy fake placeholder changeme change me your
    my the new old redacted hidden masked removed insert here todo tbd foo bar baz user username admin root
    default abc xyz sha md bcrypt scrypt argon base utf hash hashed hmac aes rsa len length min max id name type
    input output param arg field enter choose repeat confirm current db database env var variable config prod dev
    staging local server client access auth bearer basic private public
    """.split()  # noqa: SIM905 - eighty quotes would not read better
)
_WORDS = re.compile(r"[A-Za-z]+")
_SOME_DIGITS = re.compile(r"\d{3}")
_NOISE = re.compile(r"[xX*.•●#?_-]+|0+|1234567890*")


def assignments(contents: Contents) -> Iterator[Assigned]:
    """Yield start, end, entity and score of each value that is named a secret and looks like one."""
    text = contents.text
    if "://" in text and "@" in text:
        yield from _in_urls(text)
    has_sign = "=" in text or ":" in text
    if not any(map(contents.has, _HINTS)) and not (has_sign and any(map(contents.has, _HINTS_BEFORE_SIGNS))):
        return
    # Letters beyond ASCII keep their case, so that offsets stay the same.
    lower = contents.lower if text.isascii() else text.translate(_LOWER)
    yield from _named(text, lower, _PASSWORD_NAMES, "PASSWORD")
    if has_sign:
        yield from _named(text, lower, _KEY_NAMES, "API_KEY")
    yield from _headers(text, lower)


def _in_urls(text: str) -> Iterator[Assigned]:
    for match in _URL.finditer(text):
        value = match["value"]
        if not _is_filler(value) and not _REFERENCE.match(value):
            yield match.start("value"), match.end("value"), "PASSWORD", IN_URL


def _named(text: str, lower: str, names: tuple[str, ...], entity: str) -> Iterator[Assigned]:
    is_secret = _is_password if entity == "PASSWORD" else _is_key
    for name in names:
        at = lower.find(name)
        while at >= 0:
            end = at + len(name)
            match = _ASSIGNED.match(text, end)
            score = ASSIGNED
            if match is None and entity == "PASSWORD":
                match, score = _SAID.match(text, end), SAID
            if match is not None and (entity == "PASSWORD" or _whole_name(lower, at, name)):
                value = _trimmed(match)
                end = max(end, match.end() - SEEN_AGAIN)
                if is_secret(value, text[match.end() : match.end() + 1], quoted=match["quote"] is not None):
                    yield match.start("value"), match.start("value") + len(value), entity, score
            at = lower.find(name, end)


def _whole_name(lower: str, at: int, name: str) -> bool:
    """A bare `token` or `secret` counts only on its own: page tokens and names of secrets are no secrets."""
    return (
        name not in {"token", "secret", "credential", "credentials"}
        or at == 0
        or not (lower[at - 1].isalnum() or lower[at - 1] in "_-")
    )


def _trimmed(match: re.Match[str]) -> str:
    value = match["value"]
    if match["quote"] is None:
        # The next parameter of a query, and the punctuation of the sentence, are not part of it.
        value = re.split(r"&(?=[\w.-]+=)", value, maxsplit=1)[0].rstrip(".,:?")
    return value


def _headers(text: str, lower: str) -> Iterator[Assigned]:
    at = lower.find("bearer")
    while at >= 0:
        match = _BEARER.match(text, at + 6)
        if match is not None and _is_key(match["value"], "", quoted=False):
            yield match.start("value"), match.end("value"), "API_KEY", IN_HEADER
        at = lower.find("bearer", at + 6)
    if "basic" in lower:
        for match in _BASIC.finditer(text):
            if _is_basic(match[1]):
                yield match.start(1), match.end(1), "PASSWORD", IN_HEADER


def _is_basic(value: str) -> bool:
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return False


def _is_password(value: str, following: str, *, quoted: bool) -> bool:
    if len(value) < 6 or _is_code(value, following, quoted=quoted) or _is_filler(value):
        return False
    has_digit = any(map(str.isdigit, value))
    has_symbol = any(not c.isalnum() and c not in "_-./:" for c in value)
    return has_digit or (has_symbol and any(map(str.isalpha, value)))


def _is_key(value: str, following: str, *, quoted: bool) -> bool:
    if len(value) < 16 or _is_code(value, following, quoted=quoted) or _is_filler(value):
        return False
    return looks_random(value)


def _is_code(value: str, following: str, *, quoted: bool) -> bool:
    """A call, a reference, a type or a template; `following` is the character after the value."""
    if _REFERENCE.match(value):
        return True
    if quoted:
        # With a space after it, the quoted text goes on: a sentence.
        return following not in {'"', "'", "`", "\\", ""}
    return following in {"(", "[", "{", "<"} or _IDENTIFIER.fullmatch(value) is not None


def _is_filler(value: str) -> bool:
    """Nothing but words that stand in for a secret, or the same characters over and over."""
    if _NOISE.fullmatch(value) or len(set(value)) < 4:
        return True
    # Three digits after a word make admin123 a password, though a poor one.
    if _SOME_DIGITS.search(value):
        return False
    words = [word.lower() for word in _WORDS.findall(value)]
    return bool(words) and all(word in _FILLER for word in words)


def looks_random(value: str) -> bool:
    """Whether a long value is no name made of words: mixed parts and enough different characters."""
    if entropy(value) < LEAST_ENTROPY:
        return False
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", value) if part]
    longest = max(parts, key=len, default="")
    has_digit = any(map(str.isdigit, value))
    # my-app-prod-credentials-v2 is a name: each of its parts is a word, a number, or short.
    mixed = any(len(part) >= 6 and any(map(str.isdigit, part)) and any(map(str.isalpha, part)) for part in parts) or (
        len(longest) >= 16 and longest not in {longest.lower(), longest.upper(), longest.title()}
    )
    return mixed and (has_digit or len(value) >= 20)


def entropy(value: str) -> float:
    """Shannon entropy of a text's characters, in bits a character."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
