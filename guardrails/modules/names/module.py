"""The module `names`: a small sequence model with name lists, and rules for what needs none.

Everything it needs is in this package and loads in a moment; nothing is fetched. The same text always gives the same
findings: a line's words are labelled by what stands around them, and a name that a text surely holds is found wherever
it stands in that text. What is inside a URL, an e-mail address, a path or an identifier is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from guardrails.errors import GuardrailError
from guardrails.findings import Finding
from guardrails.modules.names import ENTITIES, LANGUAGES, dates, lexicon, phrases, spans, tagger
from guardrails.modules.names.words import Cutter, Words
from guardrails.modules.options import Options

THRESHOLD: Final = 0.3
BIAS: Final = -0.5
"""Below zero: rather a word too many than a name that goes out."""
_SCORE: Final = 0.6
_OF_MODEL = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "TITLE"})


class Names:
    """The module `names`; made by `make`. Not safe for several threads."""

    def __init__(self, thresholds: Mapping[str, float]) -> None:
        """Take the lowest score reported for each entity; entities without one are not looked for."""
        self._thresholds = dict(thresholds)
        self._lexicon = lexicon.shipped()
        self._cutter = Cutter()
        self._tagger = tagger.Tagger(tagger.shipped(), self._lexicon, BIAS)
        self._model = not _OF_MODEL.isdisjoint(thresholds)
        self._words = self._model or "NRP" in thresholds

    def find(self, text: str) -> list[Finding]:
        """Report the names and the rest of what was asked for."""
        found = self._by_pattern(text)
        if self._words:
            words = self._cutter.words(text)
            for mention in self._by_words(words):
                found.append(
                    Finding(
                        words.starts[mention.first],
                        words.ends[mention.last - 1],
                        mention.entity,
                        mention.score,
                        "names",
                    )
                )
        least = self._thresholds
        return [f for f in dict.fromkeys(found) if f.score >= least.get(f.entity, 2.0)]

    def _by_words(self, words: Words) -> list[spans.Mention]:
        found: list[spans.Mention] = []
        if "NRP" in self._thresholds:
            found += phrases.nations(words, self._lexicon)
        if self._model:
            named = [
                m
                for m in spans.mentions(words, self._tagger.names(words), self._lexicon)
                if m.score >= self._thresholds.get(m.entity, 0)
            ]
            nations = {mention.first for mention in found}
            named = [m for m in named if not (m.last - m.first == 1 and m.first in nations)]
            named += list(spans.again(words, named, self._lexicon))
            found += named
            if "TITLE" in self._thresholds:
                found += phrases.titles(words, named, lexicon.jobs())
        return found

    def _by_pattern(self, text: str) -> list[Finding]:
        asked = self._thresholds
        places: list[tuple[str, tuple[int, int]]] = []
        if "DATE_TIME" in asked:
            places += (("DATE_TIME", place) for place in dates.dates(text))
        if "LOCATION" in asked:
            places += (("LOCATION", place) for place in phrases.streets(text))
        if "AGE" in asked:
            places += (("AGE", place) for place in dates.ages(text))
        if "ZIP_CODE" in asked:
            places += (("ZIP_CODE", place) for place in phrases.postcodes(text))
        return [Finding(start, end, entity, _SCORE, "names") for entity, (start, end) in places]


def make(options: Mapping[str, object], language: str) -> Names:
    """Make the module for `entities` (all of `ENTITIES` if absent), `threshold` and `thresholds`.

    Raises: GuardrailError for a wrong option, or a language other than those of `LANGUAGES`.
    """
    read = Options("names", options)
    entities: Sequence[str] = read.texts("entities", ENTITIES)
    threshold, thresholds = read.number("threshold", THRESHOLD), read.numbers("thresholds")
    read.done()
    if not entities or not set(entities) <= set(ENTITIES):
        raise read.wrong("entities", f"a list of some of {', '.join(ENTITIES)}")
    if not set(thresholds) <= set(entities):
        raise read.wrong("thresholds", "for entities that are asked for")
    if language not in LANGUAGES:
        raise GuardrailError(
            f"module names: it knows the language {', '.join(LANGUAGES)}, not '{language}':"
            " use presidio with a model for that language"
        )
    return Names({entity: thresholds.get(entity, threshold) for entity in entities})
