"""Put the client's own values back where their tokens stand."""

from __future__ import annotations

import re
from typing import Final

from guardrails.tokens import BARE, Grammar
from guardrails.vault import Restorable

LOOK_BACK: Final = 8192
"""Characters before a token that decide whether it stands in a URL. A longer run without a space counts as one."""

_BREAK: Final = re.compile(r"""[\s"'`]""")
_BREAK_IN_JSON: Final = re.compile(r"""[\s"'`]|\\[nrtbf]""")
_LINK: Final = re.compile(r"https?:|ftp:|wss?:|(?:\\?/|\\u002f|\\){2}|\]\(|www\.", re.IGNORECASE)


class Restorer:
    """Restores under one grammar. With `urls`, also within links, images and URLs: a link can carry a value away."""

    __slots__ = ("grammar", "urls")

    def __init__(self, grammar: Grammar, *, urls: bool) -> None:
        self.grammar: Final = grammar
        self.urls: Final = urls

    def one(self, token: str, before: str, known: Restorable, *, escape: bool) -> str:
        """The value of one token, escaped for JSON when `escape`; the token itself where it must stay."""
        value = known.values.get(token)
        if value is None or not (self.urls or not self._in_url(before, escape=escape)):
            return token
        return _escape(value) if escape else value

    def whole(self, text: str, known: Restorable, *, escape: bool = False, before: str = "") -> str:
        """Restore a text; `before` is what of it went ahead."""
        if not known or self.grammar.opening not in text:
            return text
        pieces: list[str] = []
        done = 0
        for match in self.grammar.pattern.finditer(text):
            ahead = before + text[: match.start()] if before else text[: match.start()]
            pieces += (text[done : match.start()], self.one(match[0], ahead, known, escape=escape))
            done = match.end()
        return "".join((*pieces, text[done:])) if pieces else text

    def bare(self, text: str, known: Restorable) -> str:
        """Restore tokens that stand without brackets, in names and ids."""
        return BARE.sub(lambda match: known.values.get(match[0], match[0]), text)

    def _in_url(self, before: str, *, escape: bool) -> bool:
        # Tokens that stand before this one are taken out: their brackets must not end the run.
        window = self.grammar.pattern.sub("", before[-LOOK_BACK:])
        runs = (_BREAK_IN_JSON if escape else _BREAK).split(window)
        endless = len(runs) == 1 and len(before) >= LOOK_BACK
        return endless or _LINK.search(runs[-1]) is not None


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
