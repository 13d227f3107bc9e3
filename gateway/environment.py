"""Looks up what the configuration does not hold itself: keys and secrets, in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_bytes
from typing import Final

from policies.yaml_lines import KeyPath, Lines, Problem

SECRET_BYTES: Final = 16
"""The shortest vault or audit secret: 128 bits, so that guessing it is no way to a masked value."""


class Environment:
    """Looks variables up, and keeps what is wrong with them. Names them; never shows what is in them."""

    def __init__(self, environ: Mapping[str, str], lines: Lines) -> None:
        self._environ = environ
        self._lines = lines
        self.problems: list[Problem] = []

    def credential(self, name: str, where: KeyPath) -> str:
        """What a header can carry: visible ASCII."""
        value = self._environ.get(name, "")
        if not value:
            self._missing(name, where)
        elif not value.isascii() or not value.isprintable() or " " in value:
            self._refuse(where, f"the environment variable {name} holds spaces, line ends or other than ASCII")
            return ""
        return value

    def text(self, name: str, where: KeyPath) -> str:
        """Any text."""
        value = self._environ.get(name, "")
        if not value:
            self._missing(name, where)
        return value

    def secret(self, name: str | None, where: KeyPath) -> bytes:
        """A long secret; without a name, a random one for this run."""
        if name is None:
            return token_bytes(32)
        value = self._environ.get(name, "").encode("utf-8", "surrogateescape")
        if not value:
            self._missing(name, where)
        elif len(value) < SECRET_BYTES:
            self._refuse(where, f"the environment variable {name} holds fewer than {SECRET_BYTES} bytes")
        return value

    def _missing(self, name: str, where: KeyPath) -> None:
        self._refuse(where, f"the environment variable {name} is {'empty' if name in self._environ else 'not set'}")

    def _refuse(self, where: KeyPath, message: str) -> None:
        self.problems.append(self._lines.problem(where, message))
