"""Measures findings against annotated texts, as the tables of docs/names.md have it.

* found: an annotated span counts as found when the findings of its entity that overlap it cover the same characters up
  to a share (their intersection over their union); a finding counts as right when it is part of one found;
* F1 and F2 of both, F2 with recall counting four times as much as precision;
* masked: the share of annotated spans of which at least nine tenths are covered by findings of whatever entity. What
  is not masked leaks.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from guardrails.detector import PolicyDetector, build
from policies.load import load
from training.corpus import Row, Span, read

Detect: TypeAlias = Callable[[str], Sequence[Span]]

POLICY = Path(__file__).parent / "whole.yaml"
ENOUGH = 0.9
OF_NAMES = ("PERSON", "LOCATION", "ORGANIZATION")
_CALLED = {"DOMAIN_NAME": "URL", "DATE_OF_BIRTH": "DATE_TIME"}


class Score:
    """Counts for each entity."""

    def __init__(self, share: float, entities: Sequence[str] | None) -> None:
        """`share` is how much of a span a finding has to hit; with `entities` only those count, except for masking."""
        self._share, self._entities = share, entities
        self.counts: dict[str, Counter[str]] = {}

    def add(self, row: Row, found: Sequence[Span]) -> None:
        """Count one text."""
        visible = [not character.isspace() for character in row.text]
        asked = self._entities
        gold = [s for s in row.spans if asked is None or s.entity in asked]
        mine = [f for f in found if asked is None or f.entity in asked]
        covered = {at for f in found for at in range(f.start, f.end)}
        right: set[Span] = set()
        for span in gold:
            count = self.counts.setdefault(span.entity, Counter())
            count["gold"] += 1
            own = [f for f in mine if f.entity == span.entity and f.start < span.end and f.end > span.start]
            if own and _overlap(span, own, visible) >= self._share:
                count["found"] += 1
                right.update(own)
            places = [at for at in range(span.start, span.end) if visible[at]]
            count["masked"] += sum(at in covered for at in places) >= ENOUGH * len(places)
        for finding in mine:
            count = self.counts.setdefault(finding.entity, Counter())
            count["reported"] += 1
            count["right"] += finding in right

    def table(self) -> str:
        """The counts as a table, all entities together last."""
        total = sum(self.counts.values(), Counter())
        rows = sorted(self.counts.items(), key=lambda item: (-item[1]["gold"], item[0]))
        lines = [f"{'entity':20}{'gold':>6}{'found':>7}{'P':>7}{'R':>7}{'F1':>7}{'F2':>7}{'masked':>8}"]
        for entity, c in (*rows, ("all", total)):
            precision, recall = c["right"] / (c["reported"] or 1), c["found"] / (c["gold"] or 1)
            figures = (precision, recall, _f(precision, recall, 1), _f(precision, recall, 4))
            lines.append(
                f"{entity:20}{c['gold']:6}{c['found']:7}"
                + "".join(f"{figure:7.3f}" for figure in figures)
                + f"{c['masked'] / (c['gold'] or 1):8.3f}"
            )
        return "\n".join(lines)


def _overlap(span: Span, found: Sequence[Span], visible: Sequence[bool]) -> float:
    def size(start: int, end: int) -> int:
        return sum(visible[start:end])

    both = sum(size(max(span.start, f.start), min(span.end, f.end)) for f in found)
    either = size(span.start, span.end) + sum(size(f.start, f.end) for f in found) - both
    return both / either if either else 0.0


def _f(precision: float, recall: float, weight: int) -> float:
    return (1 + weight) * precision * recall / (weight * precision + recall) if precision + recall else 0.0


def detector() -> Detect:
    """What the whole policy whole.yaml finds."""
    made: PolicyDetector = build(load(str(POLICY)))
    return lambda text: [Span(f.start, f.end, _CALLED.get(f.entity, f.entity)) for f in made.detect([text])[0]]


def report(path: Path) -> None:
    """Print how well the package does on a file: names leniently, and everything strictly where it is annotated."""
    rows, detect = read(path), detector()
    start = time.process_time()
    found = [detect(row.text) for row in rows]
    seconds = time.process_time() - start
    characters = sum(len(row.text) for row in rows)
    print(f"\n{path.stem}: {len(rows)} texts, {characters:,} characters, {characters / seconds:,.0f} a second")
    wholes = {span.entity for row in rows for span in row.spans} > set(OF_NAMES)
    for share, entities in ((0.5, OF_NAMES), *(((0.9, None),) if wholes else ())):
        score = Score(share, entities)
        for row, findings in zip(rows, found, strict=True):
            score.add(row, findings)
        print(
            f"half of a span, names only\n{score.table()}" if entities else f"nine tenths, everything\n{score.table()}"
        )
