"""German, French, Spanish and Italian texts: their own identifiers, their telephone numbers and what those are called."""

from __future__ import annotations

import pytest
from presidio_analyzer.predefined_recognizers import PhoneRecognizer

from guardrails.detector import build
from guardrails.errors import GuardrailError
from guardrails.findings import Finding
from guardrails.modules import create, names, phone_words
from guardrails.modules.phone_scan import PhoneScan
from guardrails.modules.presidio import outermost
from guardrails.modules.shadow import shadow
from policies.load import load_text

PHONES = [
    ("de", "Meine Handynummer: 0151 23456789", "0151 23456789"),
    ("de", "Bitte um Rückruf, Telefon (089) 12345678", "089) 12345678"),
    ("fr", "Mon portable : 06 12 34 56 78", "06 12 34 56 78"),
    ("fr", "Téléphone 01 23 45 67 89", "01 23 45 67 89"),
    ("es", "Mi móvil: 612 34 56 78", "612 34 56 78"),
    ("es", "teléfono 912 345 678", "912 345 678"),
    ("it", "Il mio cellulare: 312 345 6789", "312 345 6789"),
    ("it", "telefono 06 1234 5678", "06 1234 5678"),
]
IDENTIFIERS = [
    ("de", "DE_TAX_ID", "Meine Steuer-ID ist 86095742719", "86095742719"),
    ("de", "DE_PLZ", "Postleitzahl 10115 Berlin", "10115"),
    ("de", "IBAN_CODE", "Konto DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
    ("fr", "IBAN_CODE", "Compte FR14 2004 1010 0505 0001 3M02 606", "FR14 2004 1010 0505 0001 3M02 606"),
    ("fr", "CREDIT_CARD", "Ma carte 4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("es", "ES_NIF", "Mi NIF es 12345678Z", "12345678Z"),
    ("es", "ES_NIE", "Mi NIE es X1234567L", "X1234567L"),
    ("it", "IT_FISCAL_CODE", "Codice fiscale RSSMRA85T10A562S", "RSSMRA85T10A562S"),
    ("it", "IT_VAT_CODE", "Partita IVA 01333550323", "01333550323"),
]


def values(found: list[Finding], text: str, entity: str) -> set[str]:
    return {text[f.start : f.end].strip("( ") for f in found if f.entity == entity}


@pytest.mark.parametrize(("language", "text", "number"), PHONES)
def test_a_number_is_found_after_what_it_is_called_in_the_language(language: str, text: str, number: str) -> None:
    assert number in values(list(create("shapes", {}, language).find(text)), text, "PHONE_NUMBER")


@pytest.mark.parametrize(("language", "text", "number"), PHONES)
def test_presidio_knows_the_word_for_a_number_as_context(language: str, text: str, number: str) -> None:
    module = create("presidio", {"entities": ["PHONE_NUMBER"], "threshold": 0.6}, language)
    assert number in values(list(module.find(text)), text, "PHONE_NUMBER")


@pytest.mark.parametrize(("language", "entity", "text", "value"), IDENTIFIERS)
def test_presidios_recognizers_of_a_language_are_used(language: str, entity: str, text: str, value: str) -> None:
    assert value in values(list(create("presidio", {"entities": [entity]}, language).find(text)), text, entity)


@pytest.mark.parametrize("language", ["de", "fr", "es", "it"])
def test_a_whole_policy_works_in_the_language(language: str) -> None:
    policy = load_text(
        f"version: 1\ndetect:\n  language: {language}\n  modules:\n"
        "    - {use: presidio, entities: [EMAIL_ADDRESS, PHONE_NUMBER]}\n    - {use: shapes}\n    - {use: secrets}\n"
    )
    assert {f.entity for f in build(policy).detect(["ada@example.com, tel 4111 1111 1111 1111"])[0]} == {
        "EMAIL_ADDRESS",
        "CREDIT_CARD",
    }


def test_the_regions_of_a_policy_are_the_only_ones() -> None:
    text = "call 0664 1234567"
    for module in ("presidio", "shapes"):
        options: dict[str, object] = {"entities": ["PHONE_NUMBER"], "regions": ["AT"]}
        assert values(list(create(module, options, "en").find(f"tel {text[5:]}")), f"tel {text[5:]}", "PHONE_NUMBER")
    assert not list(create("presidio", {"entities": ["PHONE_NUMBER"], "regions": ["US"]}, "en").find(text))


def test_a_region_is_a_code() -> None:
    with pytest.raises(GuardrailError, match="regions"):
        create("presidio", {"entities": ["PHONE_NUMBER"], "regions": ["Spain"]}, "en")


@pytest.mark.parametrize("language", ["de", "fr", "es", "it"])
def test_the_regions_of_a_language_give_what_stock_presidio_gives_for_them(language: str) -> None:
    regions = phone_words.regions(language)
    stock = PhoneRecognizer(supported_regions=regions, supported_language=language)
    for _, text, _ in PHONES:
        theirs = {(r.start, r.end) for r in stock.analyze(text, ["PHONE_NUMBER"], None)}  # type: ignore[arg-type]  # it uses no artifacts
        ours = outermost((start, end, 0.4) for start, end in PhoneScan(regions, 1).spans(text, shadow(text)))
        assert {(start, end) for start, end, _ in ours} == {
            (start, end) for start, end, _ in outermost((a, b, 0.4) for a, b in theirs)
        }


@pytest.mark.parametrize("language", ["de", "fr", "es", "it", "xx"])
def test_names_refuses_a_language_it_does_not_know_and_says_which_it_does(language: str) -> None:
    assert names.LANGUAGES == ("en",)
    with pytest.raises(GuardrailError, match=f"language en, not '{language}'"):
        create("names", {}, language)


def test_a_policy_with_names_in_another_language_does_not_load() -> None:
    policy = load_text("version: 1\ndetect:\n  language: de\n  modules: [{use: names}]\n")
    with pytest.raises(GuardrailError, match="names"):
        build(policy)
