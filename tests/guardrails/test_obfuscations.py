"""Each way of hiding a value that the default policy sees through, by its name.

The address, the card and the number stand in a sentence; whatever was done to them, no letter or digit of what they have
become may stay uncovered.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest

from guardrails.detector import PolicyDetector, build
from policies.load import load

EMAIL, CARD, SSN = "ada.lovelace@example.com", "4111 1111 1111 1111", "536-22-1234"
ENTITIES = {EMAIL: "EMAIL_ADDRESS", CARD: "CREDIT_CARD", SSN: "US_SSN"}
SECRET = f"My address is {EMAIL}."


@pytest.fixture(scope="session")
def default() -> PolicyDetector:
    return build(load("default"))


def between(character: str) -> Callable[[str], str]:
    """Put something between each three characters and the next."""
    return lambda value: re.sub("(...)(?=.)", rf"\1{character}", value)


def shifted(first: str, letters: str = "abcdefghijklmnopqrstuvwxyz") -> Callable[[str], str]:
    return lambda value: "".join(chr(ord(first) + letters.index(c)) if c in letters else c for c in value)


def swapped(table: dict[str, str]) -> Callable[[str], str]:
    return lambda value: value.translate(str.maketrans(table))


def full_width(value: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value)


FOLDED: dict[str, tuple[str, Callable[[str], str]]] = {
    "zero-width space": (EMAIL, between("\u200b")),
    "zero-width non-joiner": (CARD, between("\u200c")),
    "zero-width joiner": (SSN, between("\u200d")),
    "word joiner": (EMAIL, between("\u2060")),
    "byte order mark": (SSN, between("\ufeff")),
    "soft hyphen": (EMAIL, between("\u00ad")),
    "combining grapheme joiner": (EMAIL, between("\u034f")),
    "right-to-left mark": (SSN, between("\u200f")),
    "right-to-left override": (CARD, between("\u202e")),
    "invisible times": (CARD, between("\u2062")),
    "Mongolian vowel separator": (EMAIL, between("\u180e")),
    "Hangul filler": (EMAIL, between("\u3164")),
    "variation selector": (EMAIL, between("\ufe0f")),
    "tag character": (EMAIL, between("\U000e0041")),
    "control character": (EMAIL, between("\x01")),
    "ANSI colour": (EMAIL, between("\x1b[31m")),
    "combining stroke": (EMAIL, between("\u0336")),
    "full width": (EMAIL, full_width),
    "full-width digits": (CARD, full_width),
    "mathematical bold": (EMAIL, shifted("\U0001d41a")),
    "mathematical monospace": (EMAIL, shifted("\U0001d68a")),
    "circled letters": (EMAIL, shifted("\u24d0")),
    "superscript digits": (SSN, swapped({"1": "\u00b9", "2": "\u00b2", "3": "\u00b3", "5": "\u2075"})),
    "Arabic-Indic digits": (CARD, shifted("\u0660", "0123456789")),
    "Devanagari digits": (CARD, shifted("\u0966", "0123456789")),
    "Cyrillic homoglyphs": (EMAIL, swapped({"a": "\u0430", "e": "\u0435", "o": "\u043e", "c": "\u0441"})),
    "Greek homoglyphs": (EMAIL, swapped({"o": "\u03bf", "v": "\u03bd"})),
    "small capitals": (EMAIL, swapped({"e": "\u1d07", "m": "\u1d0d"})),
    "no-break space": (CARD, swapped({" ": "\u00a0"})),
    "figure space": (CARD, swapped({" ": "\u2007"})),
    "thin space": (CARD, swapped({" ": "\u2009"})),
    "ideographic space": (CARD, swapped({" ": "\u3000"})),
    "hyphen U+2010": (SSN, swapped({"-": "\u2010"})),
    "no-break hyphen": (SSN, swapped({"-": "\u2011"})),
    "en dash": (SSN, swapped({"-": "\u2013"})),
    "minus sign": (SSN, swapped({"-": "\u2212"})),
    "ideographic full stop": (EMAIL, swapped({".": "\u3002"})),
    "full-width at": (EMAIL, swapped({"@": "\uff20"})),
    "small at": (EMAIL, swapped({"@": "\ufe6b"})),
}


@pytest.mark.parametrize(("value", "hide"), FOLDED.values(), ids=FOLDED)
def test_a_value_in_disguise_is_found(value: str, hide: Callable[[str], str], default: PolicyDetector) -> None:
    hidden = hide(value)
    assert hidden != value
    text = f"It is {hidden}, thanks."
    covered = {at for f in default.detect([text])[0] for at in range(f.start, f.end)}
    start = text.index(hidden)
    assert [c for at, c in enumerate(hidden, start) if c.isalnum() and at not in covered] == []
    assert ENTITIES[value] in {f.entity for f in default.detect([text])[0]}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def wrapped(text: str) -> str:
    return "\n".join(re.findall(".{1,20}", b64(text)))


def percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


DECODED: dict[str, str] = {
    "base64": b64(SECRET),
    "base64 for URLs": base64.urlsafe_b64encode(f"{SECRET}???>>>".encode()).decode(),
    "base64 without padding": b64(SECRET).rstrip("="),
    "base64 in lines": wrapped(SECRET * 2),
    "base64 in a data: URL": f"data:text/plain;base64,{b64(SECRET)}",
    "base64 of base64": b64(b64(SECRET)),
    "percent": quote(EMAIL),
    "percent for every byte": percent(EMAIL),
    "percent twice": quote(quote(EMAIL)),
    "named HTML entities": EMAIL.replace("@", "&commat;").replace(".", "&period;"),
    "decimal HTML entities": "".join(f"&#{ord(c)};" for c in EMAIL),
    "hexadecimal HTML entities": "".join(f"&#x{ord(c):x};" for c in EMAIL),
    "JSON escapes": "".join(f"\\u{ord(c):04x}" for c in EMAIL),
    "JSON in a string": '"{\\"to\\": \\"' + EMAIL.replace("@", "\\\\u0040") + '\\"}"',
    "base64 with percent": quote(b64(SECRET + "??"), safe=""),
    "HTML entities in JSON": '{"to": "' + EMAIL.replace("@", "\\u0026#64;") + '"}',
    "tag characters": "".join(chr(0xE0000 + ord(c)) for c in SECRET),
    "full width in percent": quote(full_width(EMAIL)),
}


@pytest.mark.parametrize("encoded", DECODED.values(), ids=DECODED)
def test_a_value_in_an_encoding_is_found(encoded: str, default: PolicyDetector) -> None:
    found = default.detect([f"Note: {encoded} end"])[0]
    assert "EMAIL_ADDRESS" in {f.entity for f in found}
    text = f"Note: {encoded} end"
    masked = "".join(c for at, c in enumerate(text) if not any(f.start <= at < f.end for f in found))
    assert "lovelace" not in masked
    assert encoded not in masked
