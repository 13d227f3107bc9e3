"""Values that were found once, wherever else they stand.

Much is found by the words around it: a password by `password=`, a telephone number without a country code by "phone",
a name by its sentence. The same value stands elsewhere without them, in the arguments of a call, say, that the client
was given a value back in and sends again. So what was found once in a message, or is a value of its conversation, is
looked for in all texts of the message as it is written (decision 0027).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from guardrails.errors import DetectionError
from guardrails.findings import Finding

MODULE: Final = "again"
"""What the audit calls the module of such a finding."""
LEAST: Final = 5
"""Characters of the shortest value that is looked for: a shorter one stands for many things."""
EVIDENT: Final = frozenset({"EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "CRYPTO", "JWT", "PRIVATE_KEY"})
"""Entities that are found by what they look like, wherever they stand."""
SCORE: Final = 0.5
_RANDOM: Final = frozenset({"API_KEY", "PASSWORD"})
"""What may be stuck to anything: `-pZx91kQpLm2v`."""
_MOST: Final = 200_000_000
"""Characters to look at, once for each value: about a quarter of a second."""


def again(
    texts: Sequence[str], findings: Sequence[Sequence[Finding]], held: Mapping[str, str]
) -> Sequence[Sequence[Finding]]:
    """The findings of some texts, with those of the same values elsewhere in them.

    `held` are values of the conversation, with their entities.

    Raises:
        DetectionError: there is too much to look for in too much text, and then no text may go on.

    """
    values = dict(held)
    known: Counter[str] = Counter()
    for text, found in zip(texts, findings, strict=True):
        for finding in found:
            value = text[finding.start : finding.end]
            if looked_for(finding.entity, value):
                values.setdefault(value, finding.entity)
        known.update(text[start:end] for start, end in {(finding.start, finding.end) for finding in found})
    if not values:
        return findings
    everything = "\n".join(texts)
    if len(values) * len(everything) > _MOST:
        raise DetectionError("too many values to look for in so much text")
    missed = [(value, entity) for value, entity in values.items() if everything.count(value) > known[value]]
    if not missed:
        return findings
    return [_more(text, found, missed) for text, found in zip(texts, findings, strict=True)]


def looked_for(entity: str, value: str) -> bool:
    """Whether a value is looked for wherever it stands."""
    return entity not in EVIDENT and len(value) >= LEAST and any(map(str.isalnum, value))


def _more(text: str, found: Sequence[Finding], values: Sequence[tuple[str, str]]) -> Sequence[Finding]:
    places = {
        place: entity
        for value, entity in values
        for place in _places(text, value, glued=entity in _RANDOM and _is_random(value))
    }
    if not places:
        return found
    covered = _covered(found)
    more = [
        Finding(start, end, entity, SCORE, MODULE)
        for (start, end), entity in places.items()
        if (at := bisect_right(covered, start, key=lambda span: span[0])) == 0 or covered[at - 1][1] < end
    ]
    return sorted((*found, *more), key=lambda finding: (finding.start, finding.end)) if more else found


def _covered(found: Sequence[Finding]) -> list[tuple[int, int]]:
    """The spans of findings, in order, those that overlap as one."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted((finding.start, finding.end) for finding in found):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _places(text: str, value: str, *, glued: bool) -> Iterator[tuple[int, int]]:
    """Where a value stands by itself: not as a part of a longer word or number, unless `glued`."""
    start = text.find(value)
    while start >= 0:
        end = start + len(value)
        before, after = text[start - 1 : start] + value[0], value[-1] + text[end : end + 1]
        if glued or (not (start and before.isalnum()) and not (len(after) > 1 and after.isalnum())):
            yield start, end
            start = text.find(value, end)
        else:
            start = text.find(value, start + 1)


def _is_random(value: str) -> bool:
    return any(map(str.isalpha, value)) and any(map(str.isdigit, value))
