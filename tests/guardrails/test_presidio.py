"""The module `presidio` reports exactly what Presidio does, and closes what is unsafe about it."""

from __future__ import annotations

import logging
import random
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from guardrails.errors import GuardrailError
from guardrails.modules import presidio
from guardrails.modules.presidio import Presidio, outermost

# ruff: noqa: SIM905 - a hundred pairs of quotes would not read better
DEFAULT_ENTITIES = (
    "CREDIT_CARD CRYPTO DATE_TIME EMAIL_ADDRESS IBAN_CODE IP_ADDRESS MAC_ADDRESS MEDICAL_LICENSE UK_NHS PHONE_NUMBER"
    " URL US_BANK_NUMBER US_ITIN US_DRIVER_LICENSE US_PASSPORT US_SSN UUID"
).split()
SHIPPED_ENTITIES = (
    "US_MBI US_NPI ABA_ROUTING_NUMBER UK_NINO UK_POSTCODE IN_PAN IN_AADHAAR AU_TFN ZA_MOBILE_NUMBER".split()
)
COMMON = ["EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN", "PHONE_NUMBER", "IP_ADDRESS", "IBAN_CODE", "CRYPTO"]

# Pieces that hurt: valid, nearly valid, and of other scripts.
VALUES = """jane.doe@example.com|a.b-c+d@sub.example.co.uk|.x@example.com|x.@example.com|a@b@example.org|user@localhost
|Ünï@exämple.de|-a.b-@xn--80ak6aa92e.com|4111 1111 1111 1111|4111-1111-1111-1111|4111111111111111
|378282246310005|٤١١١ ١١١١ ١١١١ ١١١١|536-22-1234|536 22 1234|536.22.1234|536221234|123-45-6789|(212) 555-0199
|+1 212 555 0199|+44 20 7946 0958|020 7946 0958|+49 30 901820|030/901820|212-555-0199 x123|1/1/1/1/1/2
|2024-05-12 10:30|12/05/2024|0011 44 20 7946 0958|1700000000|1700000000123|DE89370400440532013000
|GB82 WEST 1234 5698 7654 32|de89370400440532013000|DE89370400440532013000 2 days|192.168.1.1|10.0.0.1/24
|fe80::1|::1|a::b|::ffff:1.2.3.4|std::vector|2001:db8::8a2e:370:7334|00:1A:2B:3C:4D:5E|0012.3456.789A
|1BoatSLRHtKNngkdXEeobR76b53LETtpyT|bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq|https://www.example.com/a?b=c
|example.com|file.py|AB1234567|A1234567|943 476 5919|9434765919|912-70-1234|123456789|12345678
|550e8400-e29b-41d4-a716-446655440000|1EG4-TE5-MK73|QQ123456C|SW1A 1AA|ABCDE1234F|BB1388568|ſ123456789
|K12345678
""".replace("\n", "").split("|")
WORDS = (
    "my the call phone number: telephone cell mobile ssn social security card credit bank account iban ip address email"
    " date birthday passport license driver 100 a, . ; - x ext. tel: (and) is https:// :) a:b the:x be -PRON- Iİ ΣΑΣ ß"
    " don't U.S. v1.2.3 é 2024 12:30 wallet nhs tax mac uuid"
).split(" ")
GLUE = [" ", " ", " ", "", ", ", "\n", "  ", ": ", ".", "\t", "\u00a0", " \u00a0", "\u200b"]


def generated(seed: int, texts: int) -> list[str]:
    dice = random.Random(seed)
    return ["".join(_pieces(dice)) for _ in range(texts)]


def _pieces(dice: random.Random) -> list[str]:
    pieces: list[str] = []
    for _ in range(dice.randint(1, 14)):
        pieces += (dice.choice(VALUES if dice.random() < 0.45 else WORDS), dice.choice(GLUE))
    if dice.random() < 0.1:
        pieces.insert(dice.randrange(len(pieces)), dice.choice("@.:-/()+0١٣xXſK\u200b"))
    return pieces


class Stock:
    """Presidio as it comes, with the same recognisers and tokens: the oracle."""

    def __init__(self, entities: Sequence[str], language: str = "en") -> None:
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
        from presidio_analyzer.recognizer_registry import RecognizerRegistry

        from guardrails.modules.context import blank
        from guardrails.modules.presidio_engine import recognizers

        nlp = SpacyNlpEngine(models=[{"lang_code": language, "model_name": "blank"}])
        nlp.nlp = {language: blank(language)}  # type: ignore[assignment]
        registry = RecognizerRegistry(recognizers(entities, language), supported_languages=[language])
        self._engine = AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=[language])
        self._entities = list(entities)
        self._language = language

    def find(self, text: str, thresholds: Mapping[str, float]) -> set[tuple[str, int, int, float]]:
        results = self._engine.analyze(text, self._language, entities=self._entities, score_threshold=0)
        return {(r.entity_type, r.start, r.end, r.score) for r in results if r.score >= thresholds[r.entity_type]}


@dataclass
class Pair:
    module: Presidio
    stock: Stock
    thresholds: Mapping[str, float]

    def differences(self, text: str) -> set[tuple[str, int, int, float]]:
        ours = {(f.entity, f.start, f.end, f.score) for f in self.module.find(text)}
        return ours ^ self.stock.find(text, self.thresholds)


def pair(entities: Sequence[str], threshold: float, language: str = "en", **thresholds: float) -> Pair:
    options = {"entities": list(entities), "threshold": threshold, "thresholds": thresholds}
    least = {entity: thresholds.get(entity, threshold) for entity in entities}
    return Pair(presidio.build(options, language), Stock(entities, language), least)


@pytest.fixture(scope="session")
def pairs() -> list[Pair]:
    return [
        pair(DEFAULT_ENTITIES + SHIPPED_ENTITIES, 0.0),
        pair(COMMON, 0.4, PHONE_NUMBER=0.6),
        pair(["PHONE_NUMBER", "US_BANK_NUMBER", "US_DRIVER_LICENSE", "DATE_TIME", "US_SSN"], 0.5),
    ]


@pytest.fixture(scope="session")
def common() -> Presidio:
    return presidio.build({"entities": COMMON, "thresholds": {"PHONE_NUMBER": 0.6}}, "en")


def test_a_long_text_is_cut_into_the_tokens_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from guardrails.modules import context

    text = " \n\n ".join(generated(7, 40)) + "\u00a0\u2003 the:3 end  "
    nlp = context.BlankNlp("en")
    whole = nlp.cut(text)
    for long in (1, 7, 100):
        monkeypatch.setattr(context, "LONG", long)
        pieces = nlp.cut(text)
        assert (pieces._ends, pieces._lemmas, pieces._counting) == (whole._ends, whole._lemmas, whole._counting)


@pytest.mark.parametrize("seed", range(30))
def test_entities_places_and_scores_are_those_of_stock_presidio(seed: int, pairs: list[Pair]) -> None:
    for text in generated(seed, 10):
        for one in pairs:
            assert one.differences(text) == set(), text


@pytest.mark.parametrize("value", VALUES)
def test_each_value_alone_and_in_context_is_seen_as_stock_presidio_sees_it(value: str, pairs: list[Pair]) -> None:
    for text in (value, f"phone number {value}", f"{value} phone", f"my ssn card bank ip {value}."):
        assert pairs[0].differences(text) == set()


def test_every_default_recogniser_is_understood_and_none_searches_a_whole_text_with_its_own_pattern() -> None:
    from presidio_analyzer import PatternRecognizer

    from guardrails.modules import emails, urls
    from guardrails.modules.presidio_engine import IBAN, place_of, recognizers

    # A Python or Presidio whose patterns are no longer understood must be noticed here, not in production.
    patterns: list[str] = []
    for recognizer in recognizers(DEFAULT_ENTITIES, "en"):
        if isinstance(recognizer, PatternRecognizer):
            patterns += [p.regex for p in recognizer.patterns]  # type: ignore[has-type]  # as in presidio_engine
    whole = [p for p in patterns if place_of(p) is None and urls.understood(p) is None]
    assert len(patterns) > 40
    assert set(whole) == {emails.PATTERN, IBAN}


def test_a_word_of_context_before_a_finding_raises_its_score(common: Presidio) -> None:
    def scores(text: str) -> list[float]:
        return [round(f.score, 2) for f in common.find(text)]

    assert scores("536-22-1234") == [0.5]
    assert scores("my ssn is 536-22-1234") == [0.85]
    assert scores("(212) 555-0199") == []
    assert scores("phone (212) 555-0199") == [0.75]


def test_a_spanish_policy_finds_a_nif() -> None:
    module = presidio.build({"entities": ["ES_NIF", "EMAIL_ADDRESS", "CREDIT_CARD"]}, "es")
    assert {f.entity for f in module.find("Mi NIF es 12345678Z, tarjeta 4111 1111 1111 1111")} == {
        "ES_NIF",
        "CREDIT_CARD",
    }


def test_a_generic_recogniser_works_in_a_language_presidio_does_not_list_it_for() -> None:
    assert presidio.build({"entities": ["CREDIT_CARD"]}, "de").find("Karte 4111 1111 1111 1111")


def test_a_span_inside_an_equal_or_surer_one_of_its_entity_is_dropped() -> None:
    assert outermost([(0, 10, 0.5), (2, 5, 0.5), (3, 6, 0.6), (0, 10, 0.5), (20, 21, 0.0)]) == [
        (0, 10, 0.5),
        (3, 6, 0.6),
    ]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "entities"),
        ({"entities": []}, "entities"),
        ({"entities": "EMAIL_ADDRESS"}, "entities"),
        ({"entities": ["EMAIL_ADRESS"]}, "EMAIL_ADRESS.*EMAIL_ADDRESS"),
        ({"entities": ["EMAIL_ADDRESS", "NOSUCH"]}, "NOSUCH"),
        ({"entities": ["ES_NIF"]}, "ES_NIF.*es"),
        ({"entities": ["PERSON"]}, "PERSON.*model"),
        ({"entities": ["URL"], "threshold": 1.5}, "threshold"),
        ({"entities": ["URL"], "thresholds": {"URL": "high"}}, "URL"),
        ({"entities": ["URL"], "thresholds": {"CRYPTO": 0.5}}, "CRYPTO"),
        ({"entities": ["URL"], "treshold": 0.5}, "threshold"),
    ],
)
def test_what_presidio_would_ignore_is_refused_by_name(options: dict[str, object], named: str) -> None:
    with pytest.raises(GuardrailError, match=named):
        presidio.build(options, "en")


def test_a_language_spacy_does_not_have_is_refused() -> None:
    with pytest.raises(GuardrailError, match="zz"):
        presidio.build({"entities": ["EMAIL_ADDRESS"]}, "zz")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model on disk that knows one person and one city, standing in for one that takes 400 MB."""
    from spacy.pipeline import EntityRuler

    from guardrails.modules.context import blank

    nlp = blank("en")
    nlp.remove_pipe("guardrails_lower_lemma")
    ruler = nlp.add_pipe("entity_ruler")
    assert isinstance(ruler, EntityRuler)
    ruler.add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}, {"label": "GPE", "pattern": "London"}])
    path = tmp_path_factory.mktemp("model") / "tiny"
    nlp.to_disk(path)
    return str(path)


def test_a_model_sees_the_whole_of_a_text_longer_than_it_can_take(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from guardrails.modules import presidio_model

    monkeypatch.setattr(presidio_model, "WINDOW", 1_000)
    monkeypatch.setattr(presidio_model, "OVERLAP", 100)
    module = presidio.build({"entities": ["PERSON"], "model": model}, "en")
    text = "x" * 950 + "y " * 40 + "Ada Lovelace " + "word " * 400 + "Ada Lovelace"
    assert [text[f.start : f.end] for f in module.find(text)] == ["Ada Lovelace", "Ada Lovelace"]
    assert len(module.find("z" * 5_000)) == 0


def test_a_text_of_more_than_a_million_characters_is_examined() -> None:
    module = presidio.build({"entities": ["PHONE_NUMBER"], "threshold": 0.6}, "en")
    text = ("x" * 9_999 + " ") * 101 + "my phone number is (212) 555-0199"
    assert [text[f.start : f.end] for f in module.find(text)] == ["(212) 555-0199"]


def test_nothing_is_logged_and_nothing_dialled_whatever_the_level(
    common: Presidio, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dial(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("dialled")

    monkeypatch.setattr(socket.socket, "connect", dial)
    caplog.set_level(logging.DEBUG)
    for name in ("presidio-analyzer", "decision_process", "tldextract"):
        caplog.set_level(logging.DEBUG, logger=name)
    # The IBAN has a character its check cannot take, which Presidio logs together with the candidate.
    for text in ("DE٨٩370400440532013000 GB82WEST12345698765432", "jane@example.com phone (212) 555-0199"):
        common.find(text)
    assert caplog.text == ""


def test_importing_the_modules_imports_neither_presidio_nor_spacy() -> None:
    code = "import sys, guardrails.detector, guardrails.pool; print({'spacy', 'presidio_analyzer'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


@pytest.mark.parametrize("text", ["a.b-" * 10_000, "QUJD" * 12_500 + "@", "." * 2_000, "@" * 20_000, "1::1 " * 8_000])
def test_a_text_that_takes_stock_presidio_minutes_takes_a_moment(text: str, common: Presidio) -> None:
    start = time.perf_counter()
    common.find(text)
    assert time.perf_counter() - start < 2
