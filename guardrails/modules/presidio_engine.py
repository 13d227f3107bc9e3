"""The part of the module `presidio` that touches Presidio: choosing recognisers and turning each into a `Scan`."""

from __future__ import annotations

import difflib
import importlib.resources
import inspect
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

import regex
import tldextract.tldextract
import yaml
from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, predefined_recognizers
from presidio_analyzer.nlp_engine import NlpArtifacts
from presidio_analyzer.predefined_recognizers import EmailRecognizer, IbanRecognizer, PhoneRecognizer, SpacyRecognizer
from presidio_analyzer.recognizer_registry import RecognizerRegistry

from guardrails.errors import GuardrailError
from guardrails.modules import Bound, emails, phone_words, urls
from guardrails.modules.contents import Contents
from guardrails.modules.context import LOOK_BACK
from guardrails.modules.gates import OPEN, Gate, either, gate
from guardrails.modules.islands import Islands, Text
from guardrails.modules.phone_scan import PhoneScan
from guardrails.modules.presidio import Promising, Scan, Span, outermost
from guardrails.modules.reach import reach
from guardrails.modules.spacing import spaces

PATTERN_SECONDS = 10.0
"""A single pattern that takes longer raises; the policy's budget normally ends the detection long before."""


MOST_DOMAINS = 4_096
"""Domains of addresses that are remembered, with what Presidio says of them."""
WORDS_OF_A_PHONE = 4
"""White spaces in a phone number where a word is among them, of an extension. A run of numbers is never cut."""

Place = Callable[[Text], Islands]

IBAN = (
    r"(?<![A-Z0-9])([A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,6})"
    r"((?:[ -]?[A-Z0-9]{4})?)((?:[ -]?[A-Z0-9]{1,3})?)(?![A-Z0-9])"
)
"""Presidio's pattern for IBANs, whose matches begin and go on as `islands.ibans` do."""

_NO_ARTIFACTS = NlpArtifacts([], [], [], [], None, "")  # type: ignore[arg-type]  # recognisers of patterns ignore it


def _silence() -> None:
    """Keep Presidio from logging the text it examines, whatever level the operator sets, and from the network."""
    for name in ("presidio-analyzer", "decision_process", "tldextract"):
        logger = logging.getLogger(name)
        if _drop not in logger.filters:
            logger.addFilter(_drop)
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def _drop(_record: logging.LogRecord) -> bool:
    return False


_silence()


def recognizers(
    entities: Sequence[str], language: str, named: Collection[str] = frozenset(), regions: Sequence[str] = ()
) -> list[EntityRecognizer]:
    """Presidio's recognisers for the entities: those it has on by default, else any it ships for the language.

    `named` are entities that a model detects; they need no recogniser of their own. `regions` are those of telephone
    numbers, if not the language's.
    Raises: GuardrailError, naming the entities for which there is none.
    """
    registry = RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language])
    present = [r for r in registry.recognizers if not isinstance(r, SpacyRecognizer)]
    chosen: list[EntityRecognizer] = []
    unknown: list[str] = []
    for entity in entities:
        fitting = [r for r in present if entity in r.supported_entities and r.supported_language == language]
        if not fitting and entity not in named:
            fitting = list(_shipped(entity, language))
        chosen.extend(r for r in fitting if r not in chosen)
        if not fitting and entity not in named:
            unknown.append(entity)
    if unknown:
        raise GuardrailError("module presidio: " + "; ".join(_explain(entity, language) for entity in unknown))
    return [_of_regions(r, language, regions) if type(r) is PhoneRecognizer else r for r in chosen]


def _of_regions(recognizer: PhoneRecognizer, language: str, regions: Sequence[str]) -> PhoneRecognizer:
    """Presidio's recogniser for the regions of a policy or a language, with what a number is called there."""
    labels = phone_words.labels(language)
    if not regions and not labels:
        return recognizer
    return PhoneRecognizer(
        # A phrase of several words is no context: Presidio compares words.
        context=[*(recognizer.context or ()), *(label for label in labels if " " not in label)],
        supported_language=language,
        supported_regions=tuple(regions) or phone_words.regions(language),
        leniency=recognizer.leniency,
    )


def _shipped(entity: str, language: str) -> Iterator[EntityRecognizer]:
    for make, country, languages in _catalogue().get(entity, ()):
        # A recogniser of no country works in every language; only its context words are English.
        if language in languages or country is None:
            recognizer = make(supported_language=language)
            if isinstance(recognizer, PatternRecognizer) and not isinstance(recognizer, IbanRecognizer):
                recognizer.global_regex_flags = regex.DOTALL | regex.MULTILINE | regex.IGNORECASE
            yield recognizer


def bound(entities: Sequence[str], language: str) -> Bound | None:
    """How far the recognisers for the entities look; None where one may look at any amount of text.

    Raises: GuardrailError for an unknown entity.
    """
    counts = [_spacing(recognizer) for recognizer in recognizers(entities, language)]
    words = [count for count in counts if count is not None]
    return Bound(max(words, default=0), before=LOOK_BACK) if len(words) == len(counts) else None


def _spacing(recognizer: EntityRecognizer) -> int | None:
    """At most so many white spaces are in what a recogniser reports; None: any number."""
    if isinstance(recognizer, PhoneRecognizer):
        return WORDS_OF_A_PHONE
    if not isinstance(recognizer, PatternRecognizer):
        return None
    counts = [0 if pattern.regex == emails.PATTERN else spaces(pattern.regex) for pattern in _patterns(recognizer)]
    known = [count for count in counts if count is not None]
    return max(known, default=0) if len(known) == len(counts) else None


_OF_MODELS = frozenset({"AGE", "DATE_TIME", "ID", "LOCATION", "NRP", "ORGANIZATION", "PERSON", "TITLE"})
"""What language models report under Presidio's names."""


@cache
def _catalogue() -> Mapping[str, list[tuple[Callable[..., EntityRecognizer], str | None, frozenset[str]]]]:
    """Every recogniser in Presidio that needs no model or service: entity -> (class, country, languages)."""
    path = importlib.resources.files("presidio_analyzer") / "conf" / "default_recognizers.yaml"
    configured = {entry["name"]: entry for entry in yaml.safe_load(path.read_text("utf-8"))["recognizers"]}
    found: dict[str, list[tuple[Callable[..., EntityRecognizer], str | None, frozenset[str]]]] = {}
    for name, cls in vars(predefined_recognizers).items():
        if not inspect.isclass(cls) or not issubclass(cls, PatternRecognizer | PhoneRecognizer):
            continue
        defaults = {p.name: p.default for p in inspect.signature(cls).parameters.values()}
        languages = [
            x if isinstance(x, str) else x["language"] for x in configured.get(name, {}).get("supported_languages", [])
        ]
        entity = defaults.get("supported_entity")
        if isinstance(entity, str):
            supported = frozenset([*languages, str(defaults.get("supported_language"))])
            found.setdefault(entity, []).append((cls, cls.COUNTRY_CODE, supported))
    return found


def shipped_entities() -> frozenset[str]:
    """The entities that Presidio has a recogniser or a model for, of whatever language."""
    return frozenset(_catalogue()) | _OF_MODELS


def _explain(entity: str, language: str) -> str:
    catalogue = _catalogue()
    if entity in catalogue:
        languages = sorted({language for _, _, supported in catalogue[entity] for language in supported})
        return f"'{entity}' is detected in language {' or '.join(languages)}, not in '{language}'"
    if entity in SpacyRecognizer.ENTITIES:
        return f"'{entity}' needs a spaCy model (option 'model')"
    near = difflib.get_close_matches(entity, catalogue, 1)
    return f"unknown entity '{entity}'" + (f"; did you mean '{near[0]}'?" if near else "")


def scans(
    entities: Sequence[str], language: str, named: Collection[str] = frozenset(), regions: Sequence[str] = ()
) -> list[Scan]:
    """The recognisers for the entities, each made into a scan. Raises: GuardrailError for an unknown entity."""
    return [
        scan(recognizer, entity)
        for recognizer in recognizers(entities, language, named, regions)
        for entity in recognizer.supported_entities
        if entity in entities
    ]


def scan(recognizer: EntityRecognizer, entity: str) -> Scan:
    """Turn one recogniser into a scan that gives the same results."""
    context = tuple(dict.fromkeys(word.lower() for word in recognizer.context or ()))
    if type(recognizer) is PhoneRecognizer:
        return _phones(recognizer, entity, context)
    if not isinstance(recognizer, PatternRecognizer) or type(recognizer).analyze is not PatternRecognizer.analyze:
        return _as_it_is(recognizer, entity, context)
    patterns = [_Pattern(recognizer, pattern) for pattern in _patterns(recognizer)]
    validates = type(recognizer).validate_result is not PatternRecognizer.validate_result
    strongest = 1.0 if validates else max(pattern.score for pattern in patterns)

    by_place: dict[Place | None, list[_Pattern]] = {}
    for pattern in patterns:
        by_place.setdefault(pattern.place, []).append(pattern)
    groups = [(place, either([pattern.gate for pattern in group]), group) for place, group in by_place.items()]

    def spans(contents: Text, _promising: Promising | None) -> list[Span]:
        found: list[Span] = []
        for place, needs, group in groups:
            islands = place(contents) if place is not None else None
            within = contents if islands is None else islands.contents
            if within.text and needs.open(within):
                for pattern in group:
                    found.extend(pattern.spans(within, islands))
        return outermost(found) if len(found) > 1 else found

    needs = either([pattern.gate for pattern in patterns])
    if any(pattern.place for pattern in patterns):
        needs = _at_first(needs)
    return Scan(entity, needs, context, strongest, spans)


def _at_first(gate: Gate) -> Gate:
    """What to ask of a text before its islands are looked for: they have gates of their own, and open them less."""
    return Gate(digits=gate.digits, characters=gate.characters, together=gate.together, letters=gate.letters)


def _phones(recognizer: PhoneRecognizer, entity: str, context: tuple[str, ...]) -> Scan:
    phones = PhoneScan(recognizer.supported_regions, recognizer.leniency or 0)
    score = recognizer.SCORE

    def spans(contents: Text, promising: Promising | None) -> list[Span]:
        return outermost((start, end, score) for start, end in phones.spans(contents.text, contents.shadow, promising))

    return Scan(entity, Gate(digits=phones.fewest, outline=phones.outline), context, score, spans)


def _as_it_is(recognizer: EntityRecognizer, entity: str, context: tuple[str, ...]) -> Scan:
    """A recogniser with a search of its own is run as it is, behind its patterns if it has some."""
    if type(recognizer) is IbanRecognizer and [p.regex for p in _patterns(recognizer)] == [IBAN]:
        return _ibans(recognizer, entity, context)
    needs = OPEN
    first: list[regex.Pattern[str]] = []
    if isinstance(recognizer, PatternRecognizer):
        needs = either([gate(pattern.regex) for pattern in _patterns(recognizer)])
        first = [regex.compile(pattern.regex, recognizer.global_regex_flags or 0) for pattern in _patterns(recognizer)]

    def spans(contents: Text, _promising: Promising | None) -> list[Span]:
        text = contents.text
        if first and not any(pattern.search(text, timeout=PATTERN_SECONDS) for pattern in first):
            return []
        return [(r.start, r.end, r.score) for r in recognizer.analyze(text, [entity], _NO_ARTIFACTS)]

    return Scan(entity, needs, context, 1.0, spans)


def _ibans(recognizer: IbanRecognizer, entity: str, context: tuple[str, ...]) -> Scan:
    """Presidio's own search for IBANs, in their islands."""

    def spans(contents: Text, _promising: Promising | None) -> list[Span]:
        islands = contents.ibans
        found = recognizer.analyze(islands.contents.text, [entity], _NO_ARTIFACTS) if islands.contents.text else []
        return [(islands.place(r.start), islands.place(r.start) + r.end - r.start, r.score) for r in found]

    return Scan(entity, _at_first(gate(IBAN)), context, 1.0, spans)


def _patterns(recognizer: PatternRecognizer) -> list[Pattern]:
    patterns: list[Pattern] = recognizer.patterns  # type: ignore[has-type]  # Presidio's own annotations are partial
    return patterns


class _Pattern:
    """One pattern of a recogniser with the recogniser's own validation."""

    def __init__(self, recognizer: PatternRecognizer, pattern: Pattern) -> None:
        self.score: float = pattern.score
        self._validate: Callable[[str], bool | None] = recognizer.validate_result
        self._invalidate: Callable[[str], bool | None] = recognizer.invalidate_result
        self._by_domain = pattern.regex == emails.PATTERN and type(recognizer) is EmailRecognizer
        self._scores: dict[str, float] = {}
        self._matches = _finder(recognizer, pattern.regex)
        self.place = place_of(pattern.regex)
        self.gate = Gate(characters=(("@", 1),)) if isinstance(recognizer, EmailRecognizer) else gate(pattern.regex)
        if self.place is not None:
            matches = reach(pattern.regex)
            self.gate = replace(self.gate, separators=matches.separators, others=matches.others > 0)

    def spans(self, within: Contents, islands: Islands | None) -> Iterator[Span]:
        """Its spans in a text, or in the islands of one; places are those of the text."""
        if not self.gate.open(within):
            return
        if self._by_domain and islands is None and len(within.addresses) == within.count("@"):
            yield from self._plain(within)
            return
        validate = self._validate if not self._by_domain else _domains(self._validate)
        for start, end in self._matches(within):
            score = self._scored(within.text[start:end], validate)
            if score > 0:
                begin = start if islands is None else islands.place(start)
                yield begin, begin + end - start, score

    def _scored(self, match: str, validate: Callable[[str], bool | None]) -> float:
        valid = validate(match)
        score = self.score if valid is None else float(valid)
        return score if score > 0 and match and not self._invalidate(match) else 0.0

    def _plain(self, within: Contents) -> Iterator[Span]:
        """Its spans in a text of which every address is plain: whether one is valid is a matter of its domain."""
        scores = self._scores
        certain: set[str] = set()
        for at, (start, end) in within.addresses.items():
            domain = within.text[at:end]
            score = scores.get(domain)
            if score is None:
                if len(scores) >= MOST_DOMAINS:
                    scores.clear()
                score = scores[domain] = self._scored(within.text[start:end], self._validate)
            if score >= 1.0:  # no threshold is higher
                certain.add(domain)
            if score > 0:
                yield start, end, score
        within.reported = frozenset(certain)


def _domains(validate: Callable[[str], bool | None]) -> Callable[[str], bool | None]:
    """Presidio's validation of addresses, which asks for the host of one as if it were a URL: once for each domain."""
    known: dict[str, bool | None] = {}

    def valid(address: str) -> bool | None:
        local, _, domain = address.rpartition("@")
        if "/" in local or "?" in local or "#" in local:
            return validate(address)  # the host ends there
        if domain not in known:
            known[domain] = validate(address)
        return known[domain]

    return valid


def place_of(pattern: str) -> Place | None:
    """Where in a text the pattern has to be looked for; None if everywhere."""
    matches = reach(pattern)
    if matches.is_number():
        return _numbers
    return _words if matches.is_word() else None


def _numbers(text: Text) -> Islands:
    return text.numbers


def _words(text: Text) -> Islands:
    return text.words


def _finder(recognizer: PatternRecognizer, pattern: str) -> Callable[[Contents], Iterable[tuple[int, int]]]:
    if pattern == emails.PATTERN:
        return lambda contents: emails.spans(contents.text, contents.addresses)
    url = urls.understood(pattern)
    if url is not None:
        return url
    compiled = regex.compile(pattern, flags=recognizer.global_regex_flags or 0)
    # Presidio skips a pattern that times out and lets the text through; here the TimeoutError ends the detection.
    return lambda contents: (match.span() for match in compiled.finditer(contents.text, timeout=PATTERN_SECONDS))
