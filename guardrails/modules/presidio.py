"""Microsoft Presidio: its recognisers, its scores and its context words, without its costs.

What comes out is what `AnalyzerEngine.analyze` returns for the same recognisers and the same tokens (the differential
test holds that), but three things are done differently:

* a recogniser runs only where the text contains what any match of it must contain (gates.py);
* the text is cut into tokens only when some finding's score depends on the words before it (context.py);
* e-mail addresses and phone numbers are looked for in linear time (emails.py, phone_scan.py).

Presidio's own ways to be unsafe are closed: it would download a spaCy model and a list of domain suffixes, log the
text it examines, ignore an entity it does not know, and skip a pattern that takes longer than a minute.

Nothing of Presidio or spaCy is imported before a module is built: that takes more than a second.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeAlias

from guardrails.errors import GuardrailError, ModuleNotAvailable
from guardrails.findings import Finding, made
from guardrails.modules.builtin import BuiltIn
from guardrails.modules.context import BlankNlp, Words, boosted
from guardrails.modules.gates import Gate
from guardrails.modules.islands import Text
from guardrails.modules.options import Options

THRESHOLD = 0.4

Span: TypeAlias = tuple[int, int, float]
Promising: TypeAlias = Callable[[int, int], bool]
"""Whether a finding that begins between two places can score enough to be reported."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One recogniser, ready to run."""

    entity: str
    gate: Gate
    context: tuple[str, ...]
    """Its context words in lower case; empty if its scores never depend on them."""
    strongest: float
    """The highest score it can give without context."""
    spans: Callable[[Text, Promising | None], Sequence[Span]]
    """Its spans in a text. Those that begin where the second argument says no may be left out."""


class _Tokens(Protocol):
    def may_support(self, context: Sequence[str]) -> bool: ...

    @property
    def words(self) -> Words: ...

    def named(self) -> Iterable[tuple[str, Span]]: ...


class Nlp(Protocol):
    """Where tokens, and with a model named entities, come from."""

    def windows(self, text: str) -> Iterable[tuple[int, str]]:
        """Pieces of the text with their offsets, overlapping, each of a size it can take."""
        ...

    def tokens(self, contents: Text) -> _Tokens:
        """The tokens of one piece."""
        ...


class Presidio(BuiltIn):
    """The module `presidio`; made by `build`."""

    def __init__(self, scans: Sequence[Scan], thresholds: Mapping[str, float], nlp: Nlp) -> None:
        """Take the recognisers, the lowest score reported for each entity, and where tokens come from."""
        self._scans = tuple(scans)
        self._thresholds = dict(thresholds)
        self._nlp = nlp

    def look(self, contents: Text) -> list[Finding]:
        """Report what the recognisers see in a text, as Presidio would."""
        windows = list(self._nlp.windows(contents.text))
        if len(windows) == 1:
            return list(self._window(contents, 0))
        # Windows overlap.
        return list(dict.fromkeys(f for offset, piece in windows for f in self._window(Text(piece), offset)))

    def _window(self, contents: Text, offset: int) -> Iterator[Finding]:
        tokens = self._nlp.tokens(contents)
        by_entity: dict[str, list[Span]] = {}
        for scan in self._scans:
            if scan.gate.open(contents):
                spans = self._scored(scan, contents, tokens)
                if spans:
                    by_entity.setdefault(scan.entity, []).extend(spans)
        for entity, named in tokens.named():
            if entity in self._thresholds:
                by_entity.setdefault(entity, []).append(named)
        for entity, spans in by_entity.items():
            least = self._thresholds[entity]
            for start, end, score in outermost(spans):
                if score >= least:
                    yield made((start + offset, end + offset, entity, score, "presidio"))

    def _scored(self, scan: Scan, contents: Text, tokens: _Tokens) -> Sequence[Span]:
        """What one recogniser sees, with the scores that the words before give."""
        least = self._thresholds[scan.entity]
        # A span under the threshold cannot hide one over it, so nothing is lost by not looking for it.
        weak = scan.strongest < least
        if not weak:
            spans = scan.spans(contents, None)
            # Whether there is a word of context is asked only now: most recognisers see nothing in most texts, and
            # what a checksum has proven cannot score more.
            if not scan.context or all(span[2] >= 1.0 for span in spans) or not tokens.may_support(scan.context):
                return spans
        elif not scan.context or not tokens.may_support(scan.context):
            return ()
        else:
            spans = scan.spans(contents, lambda start, end: tokens.words.near(start, end, scan.context))
        return [
            (start, end, boosted(score))
            if score < 1.0 and boosted(score) >= least and tokens.words.support(start, scan.context)
            else (start, end, score)
            for start, end, score in spans
        ]


def outermost(spans: Iterable[Span]) -> list[Span]:
    """Drop what lies inside a span with an equal or higher score, as Presidio's `remove_duplicates` does."""
    ordered = sorted(set(spans))
    if all(left[1] < right[0] for left, right in pairwise(ordered)):
        return [span for span in ordered if span[2] != 0]
    ordered.sort(key=lambda s: (s[0], s[0] - s[1], -s[2]))
    kept: list[Span] = []
    active: list[Span] = []
    for span in ordered:
        if span[2] == 0:
            continue
        active = [a for a in active if a[1] >= span[0]]
        if not any(a[0] <= span[0] and span[1] <= a[1] and span[2] <= a[2] for a in active):
            kept.append(span)
            active.append(span)
    return kept


def build(options: Mapping[str, object], language: str) -> Presidio:
    """Make the module for `entities`, `threshold`, `thresholds`, `regions` (of telephone numbers) and `model`.

    Raises: GuardrailError for a wrong option or an entity nothing here detects; ModuleNotAvailable for a model that is
    not installed, with the command that installs it.
    """
    read = Options("presidio", options)
    entities = read.texts("entities")
    threshold, thresholds, model = read.number("threshold", THRESHOLD), read.numbers("thresholds"), read.text("model")
    regions = read.texts("regions", ())
    read.done()
    if not all(re.fullmatch(r"[A-Z]{2}", region) for region in regions):
        raise read.wrong("regions", "a list of two-letter country codes")
    from guardrails.modules import presidio_engine

    strange = [e for e in thresholds if e not in entities]
    if strange:
        raise GuardrailError(f"module presidio: thresholds for entities that are not asked for: {', '.join(strange)}")
    if model is not None and not _installed(model):
        raise ModuleNotAvailable(
            f"the spaCy model '{model}' is not installed: python -m spacy download {model}"
            f" (or: pip install {model.replace('_', '-')}, from where you keep it)"
        )
    nlp: Nlp = BlankNlp(language)
    named: frozenset[str] = frozenset()
    if model is not None:
        from guardrails.modules import presidio_model

        with_model = presidio_model.ModelNlp(model, language)
        nlp, named = with_model, with_model.entities
    scans = presidio_engine.scans(entities, language, named, regions)
    least = {e: thresholds.get(e, threshold) for e in entities}
    return Presidio(scans, least, nlp)


def _installed(model: str) -> bool:
    if Path(model).is_dir():
        return True
    return model.isidentifier() and importlib.util.find_spec(model) is not None
