"""Does a text end within a link? What is put there can be carried away: an image is fetched without anybody's click.

The rule errs on one side: where a reader of Markdown or HTML might see the next character as a part of a link, an image
or a URL, the answer is yes. It looks at what stands before only, so a stream and a whole text get the same answer.
"""

from __future__ import annotations

import html
import re
from typing import Final

LOOK_BACK: Final = 8192
"""Characters that are looked at. A longer run without a space counts as a link."""

_SPACES: Final = (" ", "\n", "\t", "\r")
_LINK: Final = re.compile(
    r"https?:|wss?:|ftp:|javascript:|vbscript:|data:\w+/|mailto:\S*\?|[/\\]{2}|\]\(|www\.|[a-z0-9-]\.[a-z]{2,}[/?#]",
    re.IGNORECASE,
)
_ATTRIBUTE: Final = re.compile(
    r"(?:src|href|srcset|action|formaction|data|poster|background|style|content|cite|ping|url)\s*=\s*([\"'])",
    re.IGNORECASE,
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def in_link(before: str, tokens: re.Pattern[str], *, json_source: bool) -> bool:
    """Whether what follows `before` would stand in a link.

    `tokens` are left out of consideration: their brackets neither open nor close anything. In JSON source only the
    string that is open at the end counts, as it reads without its escapes.
    """
    window = before[-LOOK_BACK:]
    cut = len(before) >= LOOK_BACK
    if json_source:
        start = _string_start(window)
        window, cut = _unescaped(window[start:]), cut and start == 0
    start = max(map(window.rfind, _SPACES)) + 1
    if start == 0 and cut:
        return True
    run = window[start:]
    if _LINK.search(run) is not None or ("&" in run and _LINK.search(html.unescape(run)) is not None):
        return True
    return _in_construct(window, tokens)


def _in_construct(window: str, tokens: re.Pattern[str]) -> bool:
    """Whether a link that may hold spaces is still open: Markdown's `](…)` and `[…]: …`, an attribute of HTML."""
    if "](" not in window and "]:" not in window and "=" not in window:
        return False
    window = tokens.sub("", window)
    return _in_destination(window) or _in_definition(window) or _in_attribute(window)


def _in_destination(window: str) -> bool:
    at = window.rfind("](")
    if at < 0:
        return False
    rest = window[at + 2 :]
    if "\n\n" in rest:
        return False
    if rest.lstrip().startswith("<"):
        return ">" not in rest
    depth = 1
    for match in re.finditer(r"\\.|[()]", rest, re.DOTALL):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0:
            return False
    return True


def _in_definition(window: str) -> bool:
    at = window.rfind("]:")
    if at < 0:
        return False
    rest = window[at + 2 :].lstrip()
    if rest.startswith("<"):
        return ">" not in rest
    return not any(map(str.isspace, rest)) and any(mark in html.unescape(rest) for mark in "./:")


def _in_attribute(window: str) -> bool:
    opened = list(_ATTRIBUTE.finditer(window))
    return bool(opened) and opened[-1][1] not in window[opened[-1].end() :]


def _string_start(window: str) -> int:
    """Where the string begins that is open at the end of JSON source: after the last quote that is not escaped."""
    at = len(window)
    while (at := window.rfind('"', 0, at)) >= 0:
        slashes = at - len(window[:at].rstrip("\\"))
        if slashes % 2 == 0:
            return at + 1
    return 0


def _unescaped(text: str) -> str:
    return (
        _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPED.get(m[2], m[2]), text) if "\\" in text else text
    )
