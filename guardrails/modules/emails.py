"""The matches of Presidio's e-mail pattern in linear time.

The pattern as it stands is quadratic: at every character it runs to the end of the characters a local part may have,
and 50 KB of base64 with one `@` take it 20 seconds. But every match holds exactly one `@`, the local part cannot reach
back over another `@`, and what follows the `@` does not depend on where the match began. So: for each `@`, the run of
local-part characters before it, the first of them at which a match may begin, and the domain after it. The result is
the same, which the differential test against Presidio shows.

Most addresses stand between blanks and have nothing odd in them, so that every definition of an address sees the same.
`plain` finds those, once for all who look for addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import regex

PATTERN = (
    r"\b((([!#$%&'*+\-/=?^_`{|}~\w])|([!#$%&'*+\-/=?^_`{|}~\w][!#$%&'*+\-/=?^_`{|}~\.\w]{0,}"
    r"[!#$%&'*+\-/=?^_`{|}~\w]))[@]\w+(?:-+\w+)*(?:\.\w+(?:-+\w+)*)+)\b"
)
"""The pattern this module stands in for; a Presidio that has another one is run as it is."""

_SIGN = regex.compile(r"@(?=\w)")
_RUN_BEFORE = regex.compile(r"(?r)[!#$%&'*+\-/=?^_`{|}~.\w]+")
_BEGIN = regex.compile(r"\b[!#$%&'*+\-/=?^_`{|}~\w]")
_DOMAIN = regex.compile(r"\w+(?:-+\w+)*(?:\.\w+(?:-+\w+)*)+\b")


LONGEST_LOCAL, LONGEST_DOMAIN = 64, 63
"""Characters before and after the `@` of a plain address."""
_LABEL = "[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*"
_PLAIN_DOMAIN = re.compile(rf"@{_LABEL}(?:\.{_LABEL})+(?=[\s,;:!?)>\]\"'|]|\Z|\.(?:\s|\Z))")
_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_PLAIN_BEFORE = regex.compile(r"(?r)(?<![^\s<(\",:;\[>])[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


def plain(text: str) -> dict[int, tuple[int, int]]:
    """Where addresses stand that are nothing but letters, digits, dots and hyphens, by the place of their `@`.

    A blank, a bracket, a quote or a comma stands before each and after it, so it can be no part of anything longer.
    """
    found: dict[int, tuple[int, int]] = {}
    for domain in _PLAIN_DOMAIN.finditer(text):
        at, end = domain.span()
        earliest = max(at - LONGEST_LOCAL - 1, 0)
        start = text.rfind(" ", earliest, at) + 1
        if (start == 0 < earliest or _PLAIN_LOCAL.fullmatch(text, start, at) is None) and at > 0:
            before = _PLAIN_BEFORE.match(text, earliest, at)
            start = at if before is None else before.start()
        if start < at and end - at <= LONGEST_DOMAIN + 1 and at - start <= LONGEST_LOCAL:
            found[at] = start, end
    return found


def spans(text: str, plain: Mapping[int, tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield where `PATTERN` matches, in order. `plain` is what `plain()` gave for the text."""
    if len(plain) == text.count("@"):
        yield from plain.values()
        return
    done = 0
    for at in _signs(text):
        known = plain.get(at)
        if known is not None:
            done = known[1]
            yield known
            continue
        start = _begin(text, done, at)
        domain = _DOMAIN.match(text, at + 1) if start is not None else None
        if start is not None and domain is not None:
            done = domain.end()
            yield start, done


def _signs(text: str) -> Iterator[int]:
    """Where each `@` stands after which a domain may follow."""
    at = text.find("@")
    if at < 0 or text.find("@", at + 1) < 0:
        return iter((at,) if at >= 0 else ())
    return (match.start() for match in _SIGN.finditer(text))


def _begin(text: str, done: int, at: int) -> int | None:
    """The first place in the run before the `@` where a match may begin, or None."""
    if at == done or text[at - 1] == ".":
        return None
    run = _RUN_BEFORE.match(text, done, at)
    first = _BEGIN.search(text, run.start(), at) if run is not None else None
    return first.start() if first is not None else None
