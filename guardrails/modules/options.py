"""Reading a module's options: every key known, every value of the type it should have, errors that name the key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from guardrails.errors import GuardrailError


class Options:
    """The options one module was given; read each with its type, then call `done()` to refuse what is left."""

    def __init__(self, module: str, values: Mapping[str, object]) -> None:
        """Take the module's name, for messages, and its options."""
        self._module = module
        self._values = dict(values)
        self._known: list[str] = []

    def number(self, key: str, default: float) -> float:
        """A number from 0 to 1. Raises: GuardrailError."""
        return self._score(key, self._take(key, default))

    def numbers(self, key: str) -> dict[str, float]:
        """A mapping of names to numbers from 0 to 1; empty if absent. Raises: GuardrailError."""
        value = self._take(key, {})
        if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value):
            raise self.wrong(key, "a mapping of entity names to numbers")
        return {str(k): self._score(f"{key}.{k}", v) for k, v in value.items()}

    def text(self, key: str) -> str | None:
        """A text that is not empty, or None if absent. Raises: GuardrailError."""
        value = self._take(key, None)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.wrong(key, "a text")
        return value

    def flag(self, key: str) -> bool:
        """True or false; false if absent. Raises: GuardrailError."""
        value = self._take(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """A list of texts that is not empty, unless it is absent and has a default. Raises: GuardrailError."""
        value = self._take(key, default)
        if isinstance(value, str) or not isinstance(value, Sequence) or (not value and default is None):
            raise self.wrong(key, "a list of texts with at least one entry")
        if not all(isinstance(entry, str) and entry for entry in value):
            raise self.wrong(key, "a list of texts")
        return tuple(dict.fromkeys(value))

    def mappings(self, key: str) -> tuple[Mapping[str, object], ...]:
        """A list of mappings with at least one entry. Raises: GuardrailError."""
        value = self._take(key, None)
        if isinstance(value, str) or not isinstance(value, Sequence) or not value:
            raise self.wrong(key, "a list of mappings with at least one entry")
        if not all(isinstance(entry, Mapping) for entry in value):
            raise self.wrong(key, "a list of mappings")
        return tuple(value)

    def done(self) -> None:
        """Refuse options that nobody read. Raises: GuardrailError, naming the key and the nearest valid one."""
        for key in self._values:
            near = difflib.get_close_matches(key, self._known, 1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(sorted(self._known))}"
            raise GuardrailError(f"module {self._module}: unknown option '{key}'{hint}")

    def wrong(self, key: str, expected: str) -> GuardrailError:
        """The error for an option of the wrong type or value, to be raised by the caller."""
        return GuardrailError(f"module {self._module}: option '{key}' must be {expected}")

    def _take(self, key: str, default: object) -> object:
        self._known.append(key)
        return self._values.pop(key, default)

    def _score(self, key: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.wrong(key, "a number from 0 to 1")
        return float(value)
