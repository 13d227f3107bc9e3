"""Where a text that is still being written may be cut: what stands before the cut is decided for good.

A cut is a place after white space of which all of this holds, so that whatever is written after the end of the text,
everything before the cut is found as it is now (decision 0022):

* After it, up to the last white space, stand as many words as the longest finding can have, and as many characters as
  anything looks ahead. The word that is being written counts for nothing.
* Nothing that was found reaches over it or up to it.
* No run that is searched as a whole is divided: numbers in a row, base64 over several lines, a private key; nor one
  that only another reading shows. A list of words, one on a line, is no base64 (`decode.list_breaks`).
* A piece of text that is read in another way as well (folded, unescaped) ends before the cut, or goes on after it for
  as long as the text itself.
* Where a module has no bound, a sentence ends there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from guardrails.decode import list_breaks, readings
from guardrails.findings import Finding
from guardrails.horizon import Horizon
from guardrails.modules.secrets import BEGIN, END, PRIVATE_KEY_CHARACTERS
from guardrails.normalise import CONTEXT

LONGEST_SENTENCE: Final = 1_000
"""Characters after which a sentence that does not end is cut between words."""
_QUIET: Final = 64
"""Characters without a digit that end whatever a pattern may have begun: the longest IBAN with spaces has 43."""
_LOOKED_FOR: Final = 2_048

# White space of any kind in a row is one gap for a pattern's `\s+`, but it ends where a word ends for everybody else.
GAP: Final = re.compile(r"(?<!\s)\s*[ \t\r\n]")
_ONE_BREAK: Final = re.compile(r"\r?\n[ \t]*")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_=-]")
_BEGINNING: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,60}\Z")
_SENTENCE_END: Final = re.compile(r"[.!?\u2026:;][\"'\u201d\u2019)\]*_]*\Z")
_SENTENCE_TAIL: Final = 6
_DIGIT: Final = re.compile(r"\d")


def cut(text: str, base: int, findings: Sequence[Finding] | None, bounds: Horizon) -> int:
    """The last place after `base` at which `text` may be cut; `base` when there is none.

    With no list of findings: at which it could be cut, if nothing is found that reaches over it.
    """
    gaps = list(GAP.finditer(text, base))
    closed: list[tuple[int, int]] | None = None
    for index in range(len(gaps) - 1 - bounds.words, -1, -1):
        place = gaps[index].end()
        if gaps[-1].start() - place < bounds.after or _together(text, gaps[index], bounds):
            continue
        if bounds.sentences and not _ends_sentence(text, base, gaps[index]):
            continue
        if closed is None and findings is not None:
            closed = [*_crossed(findings), *_views(text, bounds), *_keys(text, base, bounds)]
        if closed is None or not any(low < place <= high for low, high in closed):
            return place
    return base


def beginning(text: str, base: int, bounds: Horizon) -> int:
    """Where to begin when what stands after `base` is examined again: far enough, and where no search is under way."""
    far = reach = bounds.far if _DIGIT.search(text, base) else bounds.before
    start = _beginning(text, base - reach)
    while start and bounds.views and _hides(text[start:base], far, bounds):
        reach *= 2
        start = _beginning(text, base - reach)
    return start


def _beginning(text: str, latest: int) -> int:
    if latest <= 0:
        return 0
    earliest = max(latest - _LOOKED_FOR, 0)
    at = nearest = _space(text, earliest, latest)
    while at >= 0:
        if _DIGIT.search(text, max(at - _QUIET, 0), at + _QUIET // 2) is None:
            return at + 1
        at = _space(text, earliest, at)
    return earliest if nearest < 0 else nearest + 1


def _hides(text: str, far: int, bounds: Horizon) -> bool:
    """Whether another reading of a text, which may have begun before it, is too short: escapes take the room."""
    return any(
        view.start < 2 * CONTEXT and view.end == len(text) and len(view.text) < far
        for view in readings(text, bounds.escapes, folding=bounds.folds)
    )


def _space(text: str, earliest: int, latest: int) -> int:
    return max(text.rfind(space, earliest, latest) for space in " \n")


def _together(text: str, gap: re.Match[str], bounds: Horizon) -> bool:
    """Whether the words around a gap may be parts of one run: numbers, or lines of base64."""
    before, after = text[gap.start() - 1 : gap.start()], text[gap.end() : gap.end() + 1]
    if "\n" not in gap[0] and "\r" not in gap[0]:
        return _of_number(before) and _of_number(after)
    lines = bounds.base64 and _ONE_BREAK.fullmatch(gap[0]) is not None
    if not lines or _BASE64.match(before) is None or _BASE64.match(after) is None:
        return False
    return gap.span() not in list_breaks(text, *gap.span())


def _of_number(character: str) -> bool:
    """Whether a character may stand in a run of numbers: a digit, or what stands between digits."""
    if character.isalpha():
        return character in "xX"
    return character != "" and character not in ",;:!?'\"|"


def _ends_sentence(text: str, base: int, gap: re.Match[str]) -> bool:
    if gap.end() - base > LONGEST_SENTENCE or "\n" in gap[0]:
        return True
    return _SENTENCE_END.search(text, max(gap.start() - _SENTENCE_TAIL, 0), gap.start()) is not None


def _crossed(findings: Sequence[Finding]) -> Iterator[tuple[int, int]]:
    return ((finding.start, finding.end) for finding in findings)


def _views(text: str, bounds: Horizon) -> Iterator[tuple[int, int]]:
    """Where another reading is not to be divided: near its end, which may be far off as it is written, for an escape
    takes six characters; and within a run, of which only the reading may show that it goes on.
    """
    if not bounds.views:
        return
    for view in readings(text, bounds.escapes, folding=bounds.folds):
        length = len(view.text)
        near, _ = view.span(max(length - bounds.after, 0), length)
        yield max(view.start, min(near, view.end - bounds.after)), view.end - 1
        for gap in GAP.finditer(view.text):
            if _together(view.text, gap, bounds):
                yield view.span(max(gap.start() - 1, 0), gap.end() + 1)
        if bounds.keys and view.end > len(text) - bounds.after:
            yield from ((view.span(at, length)[0], len(text)) for at in _unended(view.text, 0))


def _keys(text: str, base: int, bounds: Horizon) -> Iterator[tuple[int, int]]:
    """Private keys whose end is still to come."""
    if bounds.keys:
        yield from ((at, len(text)) for at in _unended(text, base))


def _unended(text: str, base: int) -> Iterator[int]:
    if "-----BEGIN" not in text:
        return
    for begin in BEGIN.finditer(text, base):
        limit = begin.end() + PRIVATE_KEY_CHARACTERS
        if limit > len(text) and END.search(text, begin.end(), limit) is None:
            yield begin.start()
    unfinished = _BEGINNING.search(text, base)
    if unfinished is not None:
        yield unfinished.start()
