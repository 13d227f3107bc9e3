"""Does a text end within a link? What is put there can be carried away: an image is fetched without anybody's click.

The rule errs on one side: where a reader of Markdown or HTML might see the next character as a part of a link, an image
or a URL, the answer is yes. It looks at what stands before only, so a stream and a whole text get the same answer.
"""

from __future__ import annotations

import html
import re
from typing import Final

LOOK_BACK: Final = 16_384
"""Characters that are looked at. A longer run without a space counts as a link. What holds spaces, and is longer, does
not, so it is more than anybody is likely to have a model write for that.
"""

_SPACES: Final = (" ", "\n", "\t", "\r")
_LINK: Final = re.compile(
    r"https?:|wss?:|ftp:|javascript:|vbscript:|data:\w+/|sms:|[/\\]{2}|\]\(|www\."
    r"|(?:[\w-]\.(?:[^\W\d_]{2,}|xn--[a-z\d-]+)|\d\.\d{1,3}\.\d{1,3}\.\d{1,3})(?::\d+)?[/?#]",
    re.IGNORECASE,
)
_ATTRIBUTES: Final = (
    *("src", "href", "srcset", "srcdoc", "action", "data", "poster", "background", "style", "content", "cite", "ping"),
    *("url", "longdesc", "manifest", "codebase", "archive", "classid", "profile", "usemap", "icon"),
)
"""How the names of attributes end that hold URLs."""
_QUOTED: Final = r"[ \t]*(?:\w+=)?(?:(?:https?|wss?|ftp):|[/\\]{2}[\w-]+\.)"
_IN_QUOTES: Final = re.compile(_QUOTED, re.IGNORECASE)
_IN_BRACKETS: Final = {
    closing: re.compile(rf"{re.escape(opening)}(?i:{_QUOTED})") for opening, closing in ("()", "{}", "[]", "<>")
}
"""A URL in quotes or brackets: `url("…")`, `\\href{…}`, `[[…]]`. It may hold spaces, up to what closes it."""
_SIGNS: Final = (":", "=", "/", "\\", "(")
"""Without one of these nothing that may hold spaces leads anywhere."""
_BEGINNINGS: Final = ("p:", "s:", "P:", "S:", "//", "/\\", "\\/", "\\\\")
"""Without one of these no URL begins in quotes or brackets."""
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED_SIGN: Final = re.compile(r"\\[!-/:-@\[-`{-~]")
"""What Markdown takes for itself, and for no end of anything."""
_BRACKETED: Final = re.compile(r"\](?:\(|:)\s*<")
_NESTING: Final = re.compile(r"\]\(|[()]|\n\n")
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
    return _holds_url(run) or ("&" in run and _holds_url(html.unescape(run))) or _in_construct(window, tokens)


def _holds_url(run: str) -> bool:
    """Whether a URL begins within a text without spaces; one for mail counts where something is sent with it."""
    return _LINK.search(run) is not None or "?" in run.lower().partition("mailto:")[2]


def _in_construct(window: str, tokens: re.Pattern[str]) -> bool:
    """Whether a link that may hold spaces is still open: Markdown's `](…)` and `[…]: …`, an attribute of HTML, a URL in
    quotes or brackets.

    Of those that begin, any may be the one that a reader sees, so each has to be over.
    """
    if not any(sign in window for sign in _SIGNS):
        return False
    window = tokens.sub("", window)
    # A blank line ends a destination.
    if "](" in window and _in_destination(_ESCAPED_SIGN.sub("", window[max(0, window.rfind("\n\n")) :])):
        return True
    if "]:" in window:
        unescaped = _ESCAPED_SIGN.sub("", window)
        if _in_destination(unescaped) or _in_definition(unescaped):
            return True
    if any(_in_quotes(window, sign) for sign in "\"'"):
        return True
    return any(sign in window for sign in _BEGINNINGS) and any(
        begins.search(window, window.rfind(closing) + 1) is not None for closing, begins in _IN_BRACKETS.items()
    )


def _in_quotes(window: str, sign: str) -> bool:
    """Whether the last quote of a kind opens a URL: any other is closed by it."""
    before, quote, after = window.rpartition(sign)
    if not quote:
        return False
    name = before.rstrip()
    if name.endswith("=") and name[:-1].rstrip().lower().endswith(_ATTRIBUTES):
        return True
    return _IN_QUOTES.match(after) is not None


def _in_destination(window: str) -> bool:
    if _BRACKETED.search(window, max(window.rfind(">"), window.rfind("\n\n")) + 1) is not None:
        return True
    opened: list[bool] = []
    for match in _NESTING.finditer(window):
        if match[0] == "\n\n":
            opened.clear()
        elif match[0] != ")":
            opened.append(match[0] == "](")
        elif opened:
            opened.pop()
    return any(opened)


def _in_definition(window: str) -> bool:
    at = window.rfind("]:")
    if at < 0:
        return False
    rest = window[at + 2 :].lstrip()
    return not any(map(str.isspace, rest)) and any(mark in html.unescape(rest) for mark in "./:")


def _string_start(window: str) -> int:
    """Where the string begins that is open at the end of JSON source: after the last quote that is not escaped."""
    at = len(window)
    while (at := window.rfind('"', 0, at)) >= 0:
        slashes = 0
        while slashes < at and window[at - slashes - 1] == "\\":
            slashes += 1
        if slashes % 2 == 0:
            return at + 1
    return 0


def _unescaped(text: str) -> str:
    return (
        _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPED.get(m[2], m[2]), text) if "\\" in text else text
    )
