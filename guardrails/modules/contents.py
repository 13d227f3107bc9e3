"""What one text contains, each fact found out at most once: so cheap that most expressions need not run."""

from __future__ import annotations

import re

import regex

from guardrails.modules.emails import plain
from guardrails.modules.shadow import shadow
from guardrails.modules.urls import hosts

_DIGIT = regex.compile(r"\d")
_ASCII_DIGITS = b"0123456789"
_LETTERS_AND_DIGITS = bytes(97 if chr(code) in "0abcdefghijklmnopqrstuvwxyz" else 32 for code in range(256))
"""Of a shadow: `a` for what is a letter or a digit there, blank for the rest."""

SEPARATORS = ":.-"
MARKS = "/+%]"
_OTHER = re.compile(r"[^0-9:.\-/+%\]\s]")


class Contents:
    """What one text contains, each fact found out at most once."""

    # No cached_property: in Python 3.11 it takes a lock, which costs more than most of these facts.
    __slots__ = (
        "_addresses",
        "_counts",
        "_digit_run",
        "_digits",
        "_held",
        "_host",
        "_letter_runs",
        "_lower",
        "_no_digit_run",
        "_others",
        "_outlined",
        "_run",
        "_runs",
        "_separators",
        "_shadow",
        "reported",
        "text",
    )

    def __init__(self, text: str) -> None:
        """Take the text; nothing is computed yet."""
        self.text = text
        self._digits = -1
        self._run = -1
        self._separators = -1
        self._others: bool | None = None
        self._lower: str | None = None
        self._shadow: bytes | None = None
        self._runs: bytes | None = None
        self._digit_run, self._no_digit_run = 0, 1 << 62
        self._letter_runs: dict[int, bool] = {}
        self._host: bytes | None = None
        self._counts: dict[str, int] = {}
        self.reported: frozenset[str] = frozenset()
        """Domains, with their `@`, of which a module has reported every plain address as certain: others need not."""
        self._outlined: dict[bytes, bool] = {}
        self._held: dict[str, bool] = {}
        self._addresses: dict[int, tuple[int, int]] | None = None

    @property
    def digits(self) -> int:
        """How many characters `\\d` matches."""
        if self._digits < 0:
            if self._shadow is not None and self.text.isascii():
                self._digits = self._shadow.count(b"0")
            elif self.text.isascii():
                self._digits = len(self.text) - len(self.text.encode("ascii").translate(None, _ASCII_DIGITS))
            else:
                self._digits = len(_DIGIT.findall(self.text))
        return self._digits

    @property
    def run(self) -> int:
        """The length of the longest run without white space."""
        if self._run < 0:
            self._run = max(map(len, self.text.split()), default=0)
        return self._run

    @property
    def separators(self) -> int:
        """How many of `SEPARATORS` there are."""
        if self._separators < 0:
            self._separators = sum(map(self.text.count, SEPARATORS))
        return self._separators

    @property
    def others(self) -> bool:
        """Whether there is anything but ASCII digits, `SEPARATORS`, `MARKS` and white space."""
        if self._others is None:
            self._others = _OTHER.search(self.text) is not None
        return self._others

    @property
    def lower(self) -> str:
        """The text in lower case."""
        if self._lower is None:
            self._lower = self.text.lower()
        return self._lower

    @property
    def shadow(self) -> bytes:
        """The text with one byte for each character, see shadow.py."""
        if self._shadow is None:
            self._shadow = shadow(self.text)
        return self._shadow

    def together(self, digits: int, letters: int) -> bool:
        """Whether there are so many digits in a row, and so many letters or digits, after ignoring case."""
        if digits > self._digit_run:
            if digits >= self._no_digit_run:
                return False
            if b"0" * digits not in self.shadow:
                self._no_digit_run = digits
                return False
            self._digit_run = digits
        if letters <= max(self._digit_run, 1):
            return True
        found = self._letter_runs.get(letters)
        if found is None:
            if self._runs is None:
                self._runs = self.shadow.translate(_LETTERS_AND_DIGITS)
            found = self._letter_runs[letters] = b"a" * letters in self._runs
        return found

    def outlined(self, outline: re.Pattern[bytes]) -> bool:
        """Whether the shadow holds what `outline` describes."""
        found = self._outlined.get(outline.pattern)
        if found is None:
            found = self._outlined[outline.pattern] = outline.search(self.shadow) is not None
        return found

    @property
    def addresses(self) -> dict[int, tuple[int, int]]:
        """Where addresses stand that everybody reads alike, by the place of their `@`; see `emails.plain`."""
        if self._addresses is None:
            self._addresses = plain(self.text)
        return self._addresses

    @property
    def host(self) -> bytes:
        """The text as `urls` looks at it."""
        if self._host is None:
            self._host = hosts(self.text)
        return self._host

    def has(self, word: str) -> bool:
        """Whether `word` stands in the text in lower case."""
        known = self._held.get(word)
        if known is None:
            known = self._held[word] = word in self.lower
        return known

    def count(self, character: str) -> int:
        """How often `character` stands in the text."""
        known = self._counts.get(character)
        if known is None:
            known = self._counts[character] = self.text.count(character)
        return known
