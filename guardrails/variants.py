"""What models make of tokens: other letters, spaces for `_`, entities for brackets, no brackets, emphasis within.

A token is known by its id, which must stand there exactly as it was made; nobody writes eight such letters by chance.
Around it the entity's name may be in any case, with `_`, `\\_`, `*` or, within brackets, a space between its words. The
brackets may be escaped as HTML, Markdown or JSON do, have spaces or emphasis inside, or be missing. Whatever of them is
there is taken away with the name. Decision 23 says why so much, and no more.

In JSON source only the exact form counts, with its brackets as they are or as JSON escapes them (tokens.py).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from guardrails.tokens import MAX_ENTITY, MAX_ID_LENGTH, SPACED_ID, entity_of
from guardrails.vault import FEW, Restorable

LONGEST: Final = 2 * MAX_ENTITY + MAX_ID_LENGTH + 32
"""Characters of the longest variant: a name with `\\_` for each `_`, brackets as escapes, and what may be inside."""

LEAD: Final = 3
"""Characters before a name that say whether it stands alone: two `_`, and what they stand behind."""
_EXACT: Final = MAX_ENTITY
"""Characters after a bracket among which a variant with spaces has its first."""
_ESCAPE: Final = len(r"\u003c")
"""Characters of the longest escape of a bracket."""
_INSIDE: Final = r"[ *`]{0,3}"
_WORDS: Final = r"\\?[_*]"
_WORDS_INSIDE: Final = r"(?:\\?[_*]| )"
_SEPARATOR: Final = re.compile(r"\\?[_*]| ")
_SEPARATORS: Final = frozenset("\\* ")
"""What separates words otherwise than a token does."""
_RUN: Final = string.ascii_letters + string.digits + "_\\*"
"""What a token without brackets consists of."""
_PLAIN_CLOSING: Final = {"<": ">", "[": "]", "{": "}"}
_OPENING: Final = {
    "<": r"(?:<|&lt;|&#60;|&#[xX]3[cC];|\\u003[cC])",
    "[": r"(?:\[|&#91;)",
    "{": r"(?:\{|&#123;)",
}
_CLOSING: Final = {
    "<": r"(?:\\?>|&gt;|&#62;|&#[xX]3[eE];|\\u003[eE])",
    "[": r"(?:\\?\]|&#93;)",
    "{": r"(?:\\?\}|&#125;)",
}
_BEGUN: Final = re.compile(r"(?:&(?:[lg]t?|#[0-9xX][0-9a-fA-F]{0,2}|#)?|\\(?:u0{0,2}3?)?)\Z")
"""An escape of a bracket that is not all there."""
_SIGNS: Final = ("_", "&", "\\", "*")


@lru_cache(maxsize=1024)
def _before(entity: str, opening: str) -> re.Pattern[str]:
    """What stands before an id: a bracket and the name, or the name alone, at the end of a text."""
    parts = [re.escape(part) for part in entity.split("_")]
    inside, alone = _WORDS_INSIDE.join([*parts, ""]), _WORDS.join([*parts, ""])
    return re.compile(
        rf"(?:(?P<open>{_OPENING[opening]}){_INSIDE}{inside}|(?<![A-Za-z0-9_\\])_{{0,2}}(?P<name>{alone}))\Z",
        re.IGNORECASE,
    )


@lru_cache(maxsize=8)
def _after(opening: str) -> re.Pattern[str]:
    return re.compile(_INSIDE + _CLOSING[opening])


@lru_cache(maxsize=8)
def _opened(opening: str) -> re.Pattern[str]:
    return re.compile(_OPENING[opening])


def found(text: str, known: Restorable, opening: str, *, before: str = "") -> Iterator[tuple[int, int, str]]:
    """Where tokens of a conversation stand in a text, as they are or in a variant, in order, with the token itself.

    `before` is what of the text went ahead; its last `LEAD` characters count.
    """
    if not known or not may_hold(text, opening):
        return
    lead = before[-LEAD:]
    for start, end, identity in _ids(text, known, opening):
        for token in known.by_id[identity]:
            span = _span(lead, text, start, end, token, opening)
            if span is not None:
                yield (*span, token)
                break


def _ids(text: str, known: Restorable, opening: str) -> list[tuple[int, int, str]]:
    """Where ids of the conversation stand, in order: after a space only behind a bracket, as words stand after one."""
    ids = known.by_id
    if len(ids) > FEW:
        runs = SPACED_ID.finditer(text)
        met = [(run.start(1), run.end(1), run[1]) for run in runs if run[1] in ids]
    else:
        met = sorted((at, at + len(identity), identity) for identity in ids for at in _places(text, identity))
    return [one for one in met if text[one[0] - 1] != " " or _is_inside(text, one[0], one[1], opening)]


def _places(text: str, identity: str) -> Iterator[int]:
    at = text.find(identity)
    while at >= 0:
        end = at + len(identity)
        if at and text[at - 1] in "_* " and not (text[end : end + 1].isalnum() and text[end].isascii()):
            yield at
        at = text.find(identity, end)


def _is_inside(text: str, start: int, end: int, opening: str) -> bool:
    """Whether an id that stands after a space may be in brackets."""
    for opened in _opened(opening).finditer(text, max(0, end - LONGEST - _ESCAPE), start):
        first = text.find(" ", opened.end())
        if first < opened.end() + _EXACT and end <= opened.end() + LONGEST:
            return True
    return False


def may_hold(text: str, opening: str) -> bool:
    """Whether there can be a token in a text at all: no variant does without one of these."""
    return opening in text or any(sign in text for sign in _SIGNS)


def _span(lead: str, text: str, start: int, end: int, token: str, opening: str) -> tuple[int, int] | None:
    exact = end + 1 - len(token)
    if exact >= 0 and text.startswith(token, exact):
        return exact, end + 1
    low = max(0, start - LONGEST)
    ahead = (lead if low == 0 else text[low - 1]) + text[low:start]
    stands = _before(entity_of(token), opening).search(ahead)
    if stands is None:
        return None
    named = "open" if stands["open"] is not None else "name"
    first = stands.start(named) - len(ahead) + start
    if first < 0:
        return None
    closed = _after(opening).match(text, end) if named == "open" else None
    return first, end if closed is None else closed.end()


def unfinished(text: str, known: Restorable, opening: str, *, before: str = "") -> int:
    """From where on a text could still become a token, or more of one; its length when nothing of it can."""
    low = max(0, len(text) - LONGEST)
    escaped = "&" in text or "\\" in text
    for start, end in _openings(text, low, opening, escaped=escaped):
        rest = text[end:]
        # What is closed is a token or none, and stays what it is.
        if _PLAIN_CLOSING[opening] not in rest and _may_go_on(rest, known):
            return start
    at = max(low, len(text.rstrip(_RUN)))
    begun = _BEGUN.search(text, low) if escaped else None
    alone = _begins(text[at:], known, text[at - 1 : at] if at else before[-1:])
    starts = [] if alone is None else [at + alone]
    if begun is not None:
        starts.append(begun.start())
    return min(starts, default=len(text))


def _openings(text: str, low: int, opening: str, *, escaped: bool) -> Iterator[tuple[int, int]]:
    if escaped:
        yield from (opened.span() for opened in _opened(opening).finditer(text, low))
        return
    at = text.find(opening, low)
    while at >= 0:
        yield at, at + 1
        at = text.find(opening, at + 1)


def _begins(run: str, known: Restorable, lead: str) -> int | None:
    """From where on a run of letters, after `lead`, may be the beginning or all of a token without brackets."""
    follows = lead.isalnum() and lead.isascii()
    if run.isalnum():
        return 0 if not follows and known.may_be(run.upper()) else None
    # It begins where the run does, or after emphasis; `_` before the name is looked at, too.
    places = [at + 1 for at, sign in enumerate(run) if sign == "*"]
    for place in places if follows else (0, *places):
        rest = run[place:]
        name = rest.lstrip("_")
        if rest and name != "\\" and known.may_be(_plain(name)):
            return place
    return None


def _may_go_on(rest: str, known: Restorable) -> bool:
    """Whether what stands after a bracket may still become a token, or is one whose bracket may still close."""
    body = rest.lstrip(" *`")
    if not body:
        return len(rest) <= len("   ")
    if known.may_be(_plain(body)):
        return True
    begun = _BEGUN.search(body)
    ended = body[: begun.start()] if begun is not None else body
    name = ended.rstrip(" *`")
    return len(ended) - len(name) <= len("   ") and known.is_body(_plain(name))


def _plain(body: str) -> str:
    """A name as a token has it, in capital letters; a backslash at the end belongs to what is not there yet."""
    if _SEPARATORS.isdisjoint(body):
        return body.upper()
    return _SEPARATOR.sub("_", body.removesuffix("\\")).upper()
