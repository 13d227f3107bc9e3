"""The module `names` finds people, places and organisations, and leaves everything else alone."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from guardrails.detector import build as build_detector
from guardrails.errors import GuardrailError
from guardrails.modules import create
from guardrails.modules.names import ENTITIES
from guardrails.modules.names.module import Names, make
from policies.load import load_text


@pytest.fixture(scope="module")
def module() -> Names:
    return make({}, "en")


def found(module: Names, text: str) -> list[tuple[str, str]]:
    return sorted((f.entity, text[f.start : f.end]) for f in module.find(text))


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("My name is Priya Raghunathan.", [("PERSON", "Priya Raghunathan")]),
        ("Please call Dr. Okonkwo.", [("PERSON", "Okonkwo"), ("TITLE", "Dr.")]),
        ("I live in Rotterdam.", [("LOCATION", "Rotterdam")]),
        ("hi, i am maria gonzalez from lisbon", [("LOCATION", "lisbon"), ("PERSON", "maria gonzalez")]),
        ('{"name": "Wei Zhang", "city": "Toronto"}', [("LOCATION", "Toronto"), ("PERSON", "Wei Zhang")]),
        ("Anna Kowalska's invoice", [("PERSON", "Anna Kowalska")]),
        ("# Author: Tomasz Nowak, 2019", [("PERSON", "Tomasz Nowak")]),
        ("She works for Meyer Logistics GmbH.", [("ORGANIZATION", "Meyer Logistics GmbH")]),
        ("Ship to 42 Maple Street", [("LOCATION", "42 Maple Street")]),
        ("Ask Maria Gonzalez. Gonzalez knows.", [("PERSON", "Gonzalez"), ("PERSON", "Maria Gonzalez")]),
        ("He is German.", [("NRP", "German")]),
        ("Due on 2024-03-05 at the latest.", [("DATE_TIME", "2024-03-05")]),
        ("born on March 5, 1980", [("DATE_TIME", "March 5, 1980")]),
        ("a 45 year old man", [("AGE", "45")]),
        ("zip code: 90210", [("ZIP_CODE", "90210")]),
    ],
)
def test_what_is_said_about_people_is_found(module: Names, text: str, findings: list[tuple[str, str]]) -> None:
    assert found(module, text) == findings


@pytest.mark.parametrize(
    "text",
    [
        "Will you mark the page and bill the client in May? April and June are fine.",
        "## Getting Started\n\n## Known Issues\n\n## Release Notes",
        "def mark(bill, rose):\n    return bill.frank(rose)",
        "Translate this into French, please, and then into plain English.",
        "Use Docker and Kubernetes on Linux; Python 3.11 is needed.",
        "How do I sort a list of tuples in Python?",
        "version 1.2.3, section 4.5, 10 years of support",
        "SELECT name, city FROM customers ORDER BY name;",
        "Monday, Tuesday and Friday are busy.",
        "the quick brown fox jumps over the lazy dog",
    ],
)
def test_common_words_code_products_months_and_headings_stay_untouched(module: Names, text: str) -> None:
    assert found(module, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "see https://example.com/people/maria-gonzalez and john.smith@example.com",
        "get_john_smith(JohnSmithService)",
        "/home/mary/report.txt",
        "@mariagonzalez",
        "self.john.smith",
    ],
)
def test_names_inside_urls_addresses_and_identifiers_stay_whole(module: Names, text: str) -> None:
    assert found(module, text) == []


def test_a_name_once_found_is_found_again_where_nothing_around_tells(module: Names) -> None:
    text = "My name is Priya Raghunathan.\n\nRaghunathan\n\nPriya"
    assert found(module, text).count(("PERSON", "Raghunathan")) == 1
    assert ("PERSON", "Priya") in found(module, text)


def test_a_row_of_names_is_several_persons(module: Names) -> None:
    text = "Attendees: Laura Martin Peter Novak Maria Gonzalez"
    assert found(module, text) == [("PERSON", name) for name in ("Laura Martin", "Maria Gonzalez", "Peter Novak")]


def test_each_entity_can_be_left_out() -> None:
    text = "Dr. Maria Gonzalez, a 45 year old German from Toronto, joined Meyer GmbH on 2024-03-05; zip code 90210."
    everything = {f.entity for f in make({}, "en").find(text)}
    assert everything == set(ENTITIES)
    for entity in ENTITIES:
        assert {f.entity for f in make({"entities": [entity]}, "en").find(text)} <= {entity}
        rest = [other for other in ENTITIES if other != entity]
        assert entity not in {f.entity for f in make({"entities": rest}, "en").find(text)}


def test_a_threshold_drops_what_scores_lower_and_no_name_outscores_a_checked_number() -> None:
    text = "Dr. Maria Gonzalez of Toronto was born on 2024-03-05."
    everything = make({}, "en").find(text)
    assert min(f.score for f in everything) >= 0.3 and max(f.score for f in everything) <= 0.7
    assert make({"threshold": 0.71}, "en").find(text) == []
    fewer = make({"thresholds": {"PERSON": 0.71}}, "en").find(text)
    assert {f.entity for f in fewer} == {f.entity for f in everything} - {"PERSON", "TITLE"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"entities": []}, "entities"),
        ({"entities": ["PERSONS"]}, "entities"),
        ({"threshold": 2}, "threshold"),
        ({"thresholds": {"URL": 0.5}}, "thresholds"),
        ({"entities": ["PERSON"], "thresholds": {"AGE": 0.5}}, "thresholds"),
        ({"treshold": 0.5}, "did you mean 'threshold'"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, object], told: str) -> None:
    with pytest.raises(GuardrailError, match=told):
        create("names", options, "en")


def test_the_same_text_gives_the_same_findings_whatever_was_examined_before() -> None:
    texts = ["Maria Gonzalez of Toronto", "a line of prose", "JOHN SMITH AND MARY", "john smith and mary"]
    one, other = make({}, "en"), make({}, "en")
    first = [one.find(text) for text in texts]
    assert [other.find(text) for text in reversed(texts)] == first[::-1]
    assert [one.find(text) for text in texts] == first


def test_paragraphs_are_examined_alike_alone_and_together(module: Names) -> None:
    paragraphs = ["My name is Priya Raghunathan.", "Please send it to Toronto.", "The cat sat on the mat."]
    alone = [found(module, paragraph) for paragraph in paragraphs]
    assert found(module, "\n\n".join(paragraphs)) == sorted(finding for one in alone for finding in one)


@pytest.mark.parametrize(
    "piece",
    [
        "John Smith ",
        "Aa ",
        "john ",
        "1",
        "1 ",
        " ",
        "\n",
        "Smith,",
        "J.",
        "Mr. ",
        "New York ",
        "a.b-",
        "Jan 5 ",
        "1 Ab ",
        "age 5 ",
        "é",
        "\u4e2d",
        "zip 1",
        "German ",
    ],
)
def test_a_hostile_text_takes_time_in_proportion_to_its_length(module: Names, piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length]
        start = time.process_time()
        module.find(text)
        return time.process_time() - start

    seconds(1_000)
    assert seconds(200_000) < 10.0, "on a busy machine it takes up to 3; its square would take minutes"


def test_words_that_are_all_different_take_time_in_proportion(module: Names) -> None:
    text = " ".join(f"Ab{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676 % 26)}c" for n in range(15_000))
    start = time.process_time()
    module.find(text)
    assert time.process_time() - start < 3


def test_a_policy_that_names_it_masks_with_it() -> None:
    policy = load_text("version: 1\ndetect:\n  modules: [{use: names, entities: [PERSON]}]\n")
    text = "My name is Priya Raghunathan and I live in Toronto."
    (findings,) = build_detector(policy).detect([text])
    assert [(text[f.start : f.end], f.entity, f.module) for f in findings] == [("Priya Raghunathan", "PERSON", "names")]


def test_nothing_of_it_is_imported_before_a_policy_names_it() -> None:
    code = (
        "import sys, gateway.cli, guardrails.detector, guardrails.pool, guardrails.modules.names;"
        "print({'numpy', 'guardrails.modules.names.tagger', 'guardrails.modules.names.module'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_it_loads_in_a_moment() -> None:
    code = (
        "import time; start = time.process_time(); from guardrails.modules.names import build;"
        "build({}, 'en').find('My name is Priya Raghunathan.'); print(time.process_time() - start)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 1.5
