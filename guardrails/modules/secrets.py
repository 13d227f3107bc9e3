"""Credentials: keys of known services, private keys, tokens, passwords in URLs and in assignments.

Made to be left on: what it reports is nearly always a secret. A key of a known service has a prefix that nothing else
has. A value that is only called a password must look like one and not like code, a placeholder or a sentence:
`password=get_password()`, `api_key: ${API_KEY}` and `"password": "Forgot it?"` stay as they are.

Every expression is linear: it starts at a literal that is looked for first, and every repeat is bounded, or cannot
fail once it has begun.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from guardrails.findings import Finding
from guardrails.modules.assignments import assignments, looks_random
from guardrails.modules.builtin import BuiltIn
from guardrails.modules.contents import Contents
from guardrails.modules.islands import Text
from guardrails.modules.options import Options

ENTITIES = ("API_KEY", "PRIVATE_KEY", "PASSWORD", "JWT")
KNOWN, SHAPED = 1.0, 0.9
SHORTEST = 15
"""Characters of the shortest key of a known service, prefix included."""

_SIGNS = "_-=/:."
_KEY_CHARACTERS = b"abcdefghijklmnopqrstuvwxyz0_-=/:.+"
"""In a shadow."""
_RUNS = bytes(97 if code in _KEY_CHARACTERS else 32 for code in range(256))
_SHORTEST_RUN = b"a" * SHORTEST

_START = r"(?<![A-Za-z0-9])"
_NOT_IN_TOKEN = r"(?<![A-Za-z0-9_-])"
PRIVATE_KEY_CHARACTERS = 16_384
"""How far the end of a private key is looked for; an RSA key of 8,192 bits has 6,400."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A kind of key: the literals one of which it contains, its shape, and whether the rest must look random."""

    entity: str
    literals: tuple[str, ...]
    pattern: re.Pattern[str]
    random: bool = False


def _key(literals: str, rest: str, *, random: bool = False, entity: str = "API_KEY") -> _Key:
    words = tuple(literals.split())
    either = "|".join(map(re.escape, words))
    return _Key(entity, words, re.compile(f"{_START}(?:{either}){rest}"), random)


_WORD = "[A-Za-z0-9]"
_DASHED = "[A-Za-z0-9_-]"
_KEYS = (
    _key("sk-ant-", _DASHED + "{20,}", random=True),  # Anthropic
    _key("sk-proj- sk-svcacct- sk-admin- sk-None- sk-or-v1-", _DASHED + "{20,}", random=True),  # OpenAI, OpenRouter
    _key("sk-", _WORD + "{20,}", random=True),  # OpenAI before projects, and everyone who copied it
    _key("AKIA ASIA ABIA ACCA", "[A-Z0-9]{16}(?![A-Za-z0-9])"),  # AWS
    _key("ghp_ gho_ ghu_ ghs_ ghr_", _WORD + "{30,255}", random=True),  # GitHub
    _key("github_pat_", "[A-Za-z0-9_]{22,255}", random=True),
    _key("glpat- gldt- glrt- glptt- glcbt- glsoat- glft- glagent-", _DASHED + "{20,}", random=True),  # GitLab
    _key("xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp-", "[A-Za-z0-9-]{10,}", random=True),  # Slack
    _key("hooks.slack.com/services/", "T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{16,32}"),
    _key("AIza", _DASHED + "{35}(?![A-Za-z0-9_-])"),  # Google
    _key("ya29.", _DASHED + "{20,}", random=True),
    _key("GOCSPX-", _DASHED + "{20,}", random=True),
    _key("sk_live_ rk_live_ sk_test_ rk_test_ whsec_", _WORD + "{16,}", random=True),  # Stripe
    _key("npm_", _WORD + "{36}(?![A-Za-z0-9])", random=True),
    _key("pypi-", _DASHED + "{40,}", random=True),
    _key("hf_ api_org_", _WORD + "{30,}", random=True),  # Hugging Face
    _key("SG.", _DASHED + r"{16,32}\." + _DASHED + "{16,64}", random=True),  # SendGrid
    _key("SK", "[0-9a-f]{32}(?![A-Za-z0-9])", random=True),  # Twilio
    _key("dop_v1_ doo_v1_ dor_v1_", "[a-f0-9]{64}", random=True),  # DigitalOcean
    _key("shpat_ shpca_ shppa_ shpss_", "[a-fA-F0-9]{32}", random=True),  # Shopify
    _key("sq0csp- sq0atp- EAAAE", _DASHED + "{22,}", random=True),  # Square
    _key(
        "dckr_pat_ dckr_oat_ figd_ pplx- xai- gsk_ r8_ lin_api_ ntn_ tskey- fo1_ dapi nvapi-",
        _DASHED + "{26,}",
        random=True,
    ),
    _key("hvs. hvb. hvr.", _DASHED + "{24,}", random=True),  # Vault
    _key("AccountKey= SharedAccessKey=", "[A-Za-z0-9+/]{40,90}={0,2}", random=True),  # Azure
    _Key(
        "API_KEY", (":AA",), re.compile(r"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{32,36}(?![A-Za-z0-9_-])"), random=True
    ),  # Telegram
    _key("AGE-SECRET-KEY-1", "[0-9A-Z]{50,60}", entity="PRIVATE_KEY"),
    _Key(
        "JWT", ("eyJ",), re.compile(_NOT_IN_TOKEN + r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")
    ),
    _Key(
        "JWT", ("eyJ",), re.compile(_NOT_IN_TOKEN + r"eyJ[A-Za-z0-9_-]{16,}\.(?:[A-Za-z0-9_-]*\.){3}[A-Za-z0-9_-]{8,}")
    ),
)
BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_BODY = re.compile(r"(?:\s|\\[nr])*[A-Za-z0-9+/=]{40,}(?:[A-Za-z0-9+/=]|\s|\\[nr])*")
_MATERIAL = re.compile(r"[A-Za-z0-9+/]{24}")


class Secrets(BuiltIn):
    """The module `secrets`; made by `build`."""

    def __init__(self, entities: tuple[str, ...]) -> None:
        """Take the entities to report, of `ENTITIES`."""
        self._entities = frozenset(entities)
        self._keys = tuple(key for key in _KEYS if key.entity in self._entities)
        self._literals: dict[str, list[tuple[str, int]]] = {}
        """Literals and the keys that have them, by a sign in the literal; those without one are under nothing."""
        for index, key in enumerate(self._keys):
            for literal in key.literals:
                sign = next((sign for sign in _SIGNS if sign in literal), "")
                self._literals.setdefault(sign, []).append((literal, index))
        self._wants_assigned = bool(self._entities & {"API_KEY", "PASSWORD"})

    def look(self, contents: Text) -> list[Finding]:
        """Report the credentials in a text."""
        text = contents.text
        promising = dict.fromkeys(self._promising("\n".join(_long(contents))))
        found = [finding for index in promising for finding in _matches(self._keys[index], text)]
        if "PRIVATE_KEY" in self._entities and "PRIVATE KEY" in text:
            found += [Finding(start, end, "PRIVATE_KEY", KNOWN, "secrets") for start, end in _private_keys(text)]
        if self._wants_assigned:
            for start, end, entity, score in assignments(contents):
                if entity in self._entities:
                    found.append(Finding(start, end, entity, score, "secrets"))
        return found

    def _promising(self, long: str) -> Iterator[int]:
        """The keys of which a literal stands in some words."""
        for sign, literals in self._literals.items():
            if sign in long:
                for literal, index in literals:
                    if literal in long:
                        yield index


def _long(contents: Contents) -> Iterator[str]:
    """What of a text a key can be: one holds nothing but `_KEY_CHARACTERS`, and is not shorter than the shortest."""
    runs = contents.shadow.translate(_RUNS)
    start = runs.find(_SHORTEST_RUN)
    while start >= 0:
        end = runs.find(b" ", start)
        end = end if end >= 0 else len(runs)
        yield contents.text[start:end]
        start = runs.find(_SHORTEST_RUN, end)


def build(options: Mapping[str, object], language: str) -> Secrets:
    """Make the module for `entities` (all of `ENTITIES` if absent). Raises: GuardrailError for a wrong option."""
    del language
    read = Options("secrets", options)
    entities = read.texts("entities", ENTITIES)
    read.done()
    if not entities or not set(entities) <= set(ENTITIES):
        raise read.wrong("entities", f"a list of some of {', '.join(ENTITIES)}")
    return Secrets(entities)


def _matches(key: _Key, text: str) -> Iterator[Finding]:
    for match in key.pattern.finditer(text):
        if not key.random or looks_random(match.group()):
            yield Finding(match.start(), match.end(), key.entity, KNOWN if key.entity != "JWT" else SHAPED, "secrets")


def _private_keys(text: str) -> Iterator[tuple[int, int]]:
    done = 0
    for begin in BEGIN.finditer(text):
        if begin.start() < done:
            continue
        end = END.search(text, begin.end(), begin.end() + PRIVATE_KEY_CHARACTERS)
        # A key cut off before its end is as good as whole to whoever knows RSA: cover what is there.
        body = _BODY.match(text, begin.end()) if end is None else None
        if end is not None and _MATERIAL.search(text, begin.end(), end.start()):
            done = end.end()
            yield begin.start(), done
        elif body is not None:
            done = body.end()
            yield begin.start(), done
