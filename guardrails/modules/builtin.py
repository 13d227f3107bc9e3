"""What the built-in modules have in common: they look at one text together, so that what one finds out others know."""

from __future__ import annotations

from abc import ABC, abstractmethod

from guardrails.findings import Finding
from guardrails.modules.islands import Text


class BuiltIn(ABC):
    """A module that can share what it finds out about a text; a module of your own needs only `find`."""

    def find(self, text: str) -> list[Finding]:
        """Report what the text contains; see `guardrails.modules.Module`."""
        return self.look(Text(text))

    @abstractmethod
    def look(self, contents: Text) -> list[Finding]:
        """The same, with what other modules have found out about the text."""
