"""What a module reports, and how overlapping reports become one list that covers the same characters.

The rule: no character that any finding covers may stay uncovered, because what stays uncovered is forwarded. So two
overlapping findings never cancel each other. They are ranked (score, then length, then start, then entity name), the
higher one keeps its whole span, and what sticks out of the lower one stays a finding of the lower one. A rest of
nothing but punctuation or spaces tells nobody anything and is dropped, if the text is given to see that.

At every character the highest-ranked finding over it wins, so one sweep with a heap does it in O(n log n); placing
findings one after the other would be quadratic where many long ones lie over many short ones.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Final, NamedTuple


class Finding(NamedTuple):
    """One piece of a text that a module recognised: `text[start:end]` is an `entity`. Offsets are code points."""

    start: int
    end: int
    entity: str
    score: float
    module: str


made: Final[Callable[[tuple[int, int, str, float, str]], Finding]] = partial(tuple.__new__, Finding)
"""A finding of its fields, in a third of the time, for those who make many."""


def _rank(finding: Finding) -> tuple[float, int, int, str]:
    return (-finding.score, finding.start - finding.end, finding.start, finding.entity)


def apart(findings: Iterable[Finding]) -> bool:
    """Whether findings are in order, none is empty, and none overlaps another."""
    done = 0
    for finding in findings:
        if finding[0] < done or finding[1] <= finding[0]:
            return False
        done = finding[1]
    return True


def resolve(findings: Iterable[Finding], text: str | None = None) -> list[Finding]:
    """Make overlapping findings one sorted list without overlaps that leaves none of their characters uncovered.

    With `text`, pieces cut off a lower-ranked finding that hold no letter or digit are dropped. The caller may replace
    the spans from left to right.
    """
    given = list(findings)
    if apart(given):
        return given
    ordered = sorted((f for f in given if f.end > f.start), key=lambda f: f.start)
    if apart(ordered):
        return ordered
    pieces = _sweep(ordered)
    return [p for p in (_piece(*piece, text) for piece in pieces) if p is not None]


def _sweep(ordered: list[Finding]) -> list[tuple[int, int, Finding]]:
    """Cut the line into pieces, each owned by the highest-ranked finding over it."""
    edges = sorted({f.start for f in ordered} | {f.end for f in ordered})
    heap: list[tuple[tuple[float, int, int, str], int]] = []
    pieces: list[tuple[int, int, Finding]] = []
    upcoming = 0
    for left, right in pairwise(edges):
        while upcoming < len(ordered) and ordered[upcoming].start <= left:
            heapq.heappush(heap, (_rank(ordered[upcoming]), upcoming))
            upcoming += 1
        while heap and ordered[heap[0][1]].end <= left:
            heapq.heappop(heap)
        if not heap:
            continue
        owner = ordered[heap[0][1]]
        if pieces and pieces[-1][2] is owner and pieces[-1][1] == left:
            pieces[-1] = (pieces[-1][0], right, owner)
        else:
            pieces.append((left, right, owner))
    return pieces


def _piece(start: int, end: int, owner: Finding, text: str | None) -> Finding | None:
    if start == owner.start and end == owner.end:
        return owner
    if text is not None and not any(map(str.isalnum, text[start:end])):
        return None
    return Finding(start, end, owner.entity, owner.score, owner.module)
