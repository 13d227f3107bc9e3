"""Values that were found once, wherever else they stand.

Much is found by the words around it: a password by `password=`, a telephone number without a country code by "phone",
a name by its sentence. The same value stands elsewhere without them, in the arguments of a call, say, that the client
was given a value back in and sends again. So what was found once in a message, or is a value of its conversation, is
looked for in all texts of the message as it is written (decision 0027).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

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
"""What may be stuck to anything, if it has letters and digits: `-pZx91kQpLm2v`."""
_FEW: Final = 64
"""Values that are looked for one by one; with more of them it is faster to look at each word of the texts."""
_MOST: Final = 200_000_000
"""Characters to look at, once for each value that may be stuck to anything: about a quarter of a second."""
_WORD: Final = re.compile(r"[^\W_]+")

_Index: TypeAlias = dict[str, dict[tuple[int, int], dict[str, str]]]
"""Values with their entities: by their first word, and by where in them that is and how long they are."""
_NONE: Final[Mapping[tuple[int, int], dict[str, str]]] = {}


def again(
    texts: Sequence[str],
    findings: Sequence[Sequence[Finding]],
    held: Mapping[str, str],
    acts: Callable[[str], bool],
) -> Sequence[Sequence[Finding]]:
    """The findings of some texts, with those of the same values elsewhere in them.

    `held` are values of the conversation, with their entities. `acts` says of an entity whether the policy keeps its
    values back at all: what it lets through neither makes a value one that is looked for, nor hides one. It takes time
    in proportion to the texts.

    Raises:
        DetectionError: there are too many keys and passwords to look for in so much text, and then no text may go on.

    """
    entities = {finding.entity for found in findings for finding in found}
    kept_back = set(filter(acts, entities))
    if not held and kept_back <= EVIDENT:
        return findings
    acting = [[finding for finding in found if finding.entity in kept_back] for found in findings]
    values, known = _values(texts, acting, held)
    if not values:
        return findings
    everything = "\n".join(texts)
    if len(values) <= _FEW:
        values = {value: entity for value, entity in values.items() if everything.count(value) > known[value]}
        if not values:
            return findings
    stuck = {value: entity for value, entity in values.items() if _may_be_stuck(entity, value)}
    if len(stuck) * len(everything) > _MOST:
        raise DetectionError("too many values to look for in so much text")
    index: _Index = {}
    for value, entity in values.items():
        first = _WORD.search(value)
        if value not in stuck and first is not None:
            shape = (first.start(), len(value))
            index.setdefault(first[0], {}).setdefault(shape, {})[value] = entity
    return [
        _with(found, _more(text, kept, stuck, index)) for text, found, kept in zip(texts, findings, acting, strict=True)
    ]


def _values(
    texts: Sequence[str], findings: Sequence[Sequence[Finding]], held: Mapping[str, str]
) -> tuple[dict[str, str], Counter[str]]:
    """The values that are looked for, with their entities, and how often each value was found."""
    values, known = dict(held), Counter[str]()
    for text, found in zip(texts, findings, strict=True):
        for finding in found:
            value = text[finding.start : finding.end]
            if looked_for(finding.entity, value):
                values.setdefault(value, finding.entity)
        known.update(text[start:end] for start, end in {(finding.start, finding.end) for finding in found})
    return values, known


def looked_for(entity: str, value: str) -> bool:
    """Whether a value is looked for wherever it stands."""
    return entity not in EVIDENT and len(value) >= LEAST and any(map(str.isalnum, value))


def _with(found: Sequence[Finding], more: Sequence[Finding]) -> Sequence[Finding]:
    return sorted((*found, *more), key=lambda finding: (finding.start, finding.end)) if more else found


def _more(text: str, found: Sequence[Finding], stuck: Mapping[str, str], index: _Index) -> Sequence[Finding]:
    """The places of values in a text that none of its findings covers."""
    places = {(at, at + len(value)): entity for value, entity in stuck.items() for at in _anywhere(text, value)}
    if index:
        places |= _alone(text, index)
    if not places:
        return ()
    covered = _covered(found)
    return [
        Finding(start, end, entity, SCORE, MODULE)
        for (start, end), entity in places.items()
        if (at := bisect_right(covered, start, key=lambda span: span[0])) == 0 or covered[at - 1][1] < end
    ]


def _anywhere(text: str, value: str) -> Iterator[int]:
    at = text.find(value)
    while at >= 0:
        yield at
        at = text.find(value, at + len(value))


def _alone(text: str, index: _Index) -> dict[tuple[int, int], str]:
    """Where values stand by themselves, not as a part of a longer word or number: then their first word is one here."""
    places: dict[tuple[int, int], str] = {}
    for word in _WORD.finditer(text):
        for (offset, length), values in index.get(word[0], _NONE).items():
            start = word.start() - offset
            end = start + length
            entity = values.get(text[start:end]) if start >= 0 else None
            if entity is not None and not (text[end - 1].isalnum() and text[end : end + 1].isalnum()):
                places[start, end] = entity
    return places


def _covered(found: Sequence[Finding]) -> list[tuple[int, int]]:
    """The spans of findings, in order, those that overlap as one."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted((finding.start, finding.end) for finding in found):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _may_be_stuck(entity: str, value: str) -> bool:
    return entity in _RANDOM and any(map(str.isalpha, value)) and any(map(str.isdigit, value))
