"""The linear search for URLs finds what Presidio's own patterns find."""

from __future__ import annotations

import random
from functools import cache

import pytest
import regex
from presidio_analyzer.predefined_recognizers import UrlRecognizer

from guardrails.modules import urls
from guardrails.modules.contents import Contents

FLAGS = regex.DOTALL | regex.MULTILINE | regex.IGNORECASE
PATTERNS = [pattern.regex for pattern in UrlRecognizer.PATTERNS]
PIECES = [*"/\"'<() \n_@:ſKİı٣7w-.", "www.", "www1.", "www١.", "www12٣.", "www1234.", ".com", ".c", ".corp.internal"]
PIECES += [
    ".co.uk",
    ".accountants",
    "..",
    "http://",
    "HTTPS://",
    "httpſ://",
    "/p?q=1",
    "\u00a0",
    "\x85",
    "\x1c",
    "mm12",
]
LONG = ["x" * n for n in (246, 249, 250, 252, 253, 254)] + ["." + "q" * 250]


@cache
def compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern, FLAGS)


def differs(text: str) -> bool:
    for pattern in PATTERNS:
        matches = urls.understood(pattern)
        assert matches is not None
        if [match.span() for match in compiled(pattern).finditer(text)] != list(matches(Contents(text))):
            return True
    return False


@pytest.mark.parametrize("seed", range(15))
def test_matches_are_those_of_the_pattern(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(20):
        text = "".join(dice.choice(PIECES) for _ in range(dice.randint(1, 14)))
        assert not differs(text), ascii(text)


@pytest.mark.parametrize("long", LONG)
def test_the_limit_of_253_characters_is_that_of_the_pattern(long: str) -> None:
    for before in ("", "www.", "www٣.", "https://www12."):
        text = f"{before}{long}.com"
        assert not differs(text), ascii(text)


def test_a_www_with_digits_of_another_script_begins_the_match() -> None:
    assert not differs("www١..mm12.bi")
    assert not differs(".cwb--www١..mm12.bi")


def test_a_pattern_that_is_not_presidios_is_left_alone() -> None:
    assert urls.understood(r"https?://\S+") is None
    assert urls.understood(PATTERNS[0] + "x") is None


def test_of_several_words_the_trie_takes_the_longest() -> None:
    match = regex.match(urls.trie(["co", "com", "community"]), b"communit")
    assert match is not None
    assert match.group() == b"com"
