"""Put the client's own values back where their tokens stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from guardrails.links import LOOK_BACK, in_link
from guardrails.tokens import IN_NAME, Grammar, entity_of
from guardrails.variants import found
from guardrails.vault import Restorable


class Restorer:
    """Restores under one grammar. With `urls`, also within links, images and URLs: a link can carry a value away."""

    __slots__ = ("_restores", "grammar", "urls")

    def __init__(self, grammar: Grammar, *, urls: bool, restores: Callable[[str], bool] = lambda _: True) -> None:
        """`restores` says of an entity whether its values are given back at all."""
        self.grammar: Final = grammar
        self.urls: Final = urls
        self._restores = restores

    def one(self, token: str, before: str, known: Restorable, *, escape: bool) -> str:
        """The value of one token, escaped for JSON when `escape`; the token itself where it must stay."""
        value = known.values.get(token)
        if value is None or not self._restores(entity_of(token)):
            return token
        if not self.urls and in_link(before, self.grammar.pattern, json_source=escape):
            return token
        return _escape(value) if escape else value

    def whole(self, text: str, known: Restorable, *, escape: bool = False, before: str = "") -> str:
        """Restore a text; `before` is what of it went ahead."""
        if not known:
            return text
        pieces: list[str] = []
        done = 0
        tokens = self._in_json(text) if escape else found(text, known, self.grammar.opening, before=before)
        for start, end, token in tokens:
            ahead = text[max(0, start - LOOK_BACK) : start]
            if len(ahead) < LOOK_BACK:
                ahead = before + ahead
            value = self.one(token, ahead, known, escape=escape)
            pieces += (text[done:start], text[start:end] if value == token else value)
            done = end
        return "".join((*pieces, text[done:])) if pieces else text

    def _in_json(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where tokens stand in JSON source: as they are, or with their brackets escaped."""
        grammar = self.grammar
        if grammar.opening not in text and "\\u" not in text:
            return
        for match in grammar.in_json.finditer(text):
            if not is_escaped(text, match.start()):
                yield (*match.span(), f"{grammar.opening}{match[1]}{grammar.closing}")

    def bare(self, text: str, known: Restorable) -> str:
        """Restore tokens that stand without brackets, in names and ids."""
        return IN_NAME.sub(lambda match: self._bare(match, known), text)

    def _bare(self, match: re.Match[str], known: Restorable) -> str:
        """Restore one; what stands before it may look like a part of its entity (`GET_US_SSN_k7x2m9qa`)."""
        run, start = match[0], 0
        while run[start:] not in known.values:
            start = run.find("_", start) + 1
            if not start:
                return run
        before = match.string[: match.start() + start]
        return run[:start] + self.one(run[start:], before, known, escape=False)


def is_escaped(text: str, at: int) -> bool:
    """Whether what stands in JSON source is the second half of an escape: after an odd number of backslashes."""
    before = at
    while before and text[before - 1] == "\\":
        before -= 1
    return (at - before) % 2 == 1


def _escape(value: str) -> str:
    """A value as it stands within a JSON string."""
    return value.translate(_JSON)


_JSON: Final = {number: f"\\u{number:04x}" for number in range(32)} | {
    ord('"'): '\\"',
    ord("\\"): "\\\\",
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}
