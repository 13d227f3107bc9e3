"""A model of the operator's own is used through Presidio; one that is not there keeps the policy from loading.

The model is trained here, in a moment, on sentences made here, and loaded from the disk as an installed one is.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import spacy
from spacy.training import Example

from guardrails.detector import build
from guardrails.errors import GuardrailError, ModuleNotAvailable
from guardrails.modules import create
from policies.load import load_text
from policies.model import Policy

PERSONS = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Mary Shelley")
PLACES = ("London", "Paris", "Berlin", "Madrid")
COMPANIES = ("Globex", "Initech", "Hooli", "Vandelay")
SENTENCES = ("{PERSON} lives in {GPE}", "the firm {ORG} hired {PERSON}", "{GPE} is home to the firm {ORG}")
EPOCHS = 14


def example(nlp: spacy.Language, draw: random.Random, sentence: str) -> Example:
    values = {"PERSON": draw.choice(PERSONS), "GPE": draw.choice(PLACES), "ORG": draw.choice(COMPANIES)}
    text = sentence.format(**values)
    spans = [(text.find(v), text.find(v) + len(v), label) for label, v in values.items() if v in text]
    return Example.from_dict(nlp.make_doc(text), {"entities": spans})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    spacy.util.fix_random_seed(0)
    nlp, draw = spacy.blank("en"), random.Random(0)
    nlp.add_pipe("ner")
    examples = [example(nlp, draw, SENTENCES[n % len(SENTENCES)]) for n in range(36)]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(EPOCHS):
        nlp.update(examples, sgd=optimizer)
    path = tmp_path_factory.mktemp("models") / "trained"
    nlp.to_disk(path)
    return str(path)


def policy(model: str, *, entities: str = "PERSON, LOCATION, ORGANIZATION") -> Policy:
    return load_text(
        f"""\
version: 1
detect:
  modules:
    - {{use: presidio, entities: [EMAIL_ADDRESS]}}
    - {{use: presidio, model: '{model}', entities: [{entities}]}}
"""
    )


def test_a_trained_model_on_disk_is_used_by_a_policy_beside_the_patterns(model: str) -> None:
    text = "Grace Hopper lives in Berlin, write to grace@example.com. The firm Initech hired Ada Lovelace"
    (found,) = build(policy(model)).detect([text])
    assert {(f.entity, text[f.start : f.end]) for f in found} == {
        ("PERSON", "Grace Hopper"),
        ("LOCATION", "Berlin"),
        ("EMAIL_ADDRESS", "grace@example.com"),
        ("ORGANIZATION", "Initech"),
        ("PERSON", "Ada Lovelace"),
    }


def test_only_what_a_policy_asks_for_is_reported(model: str) -> None:
    (found,) = build(policy(model, entities="PERSON")).detect(["Grace Hopper lives in Berlin"])
    assert [f.entity for f in found] == ["PERSON"]


def test_a_policy_whose_model_is_not_installed_does_not_load_and_says_how_to_install_it() -> None:
    with pytest.raises(ModuleNotAvailable, match="python -m spacy download en_core_web_lg"):
        build(policy("en_core_web_lg"))


def test_an_entity_that_the_model_does_not_know_keeps_the_policy_from_loading(model: str) -> None:
    with pytest.raises(GuardrailError, match="NRP"):
        build(policy(model, entities="NRP"))


def test_a_model_that_needs_a_package_says_which_to_install(model: str, tmp_path: Path) -> None:
    broken = tmp_path / "transformer"
    nlp = spacy.load(model)
    nlp.to_disk(broken)
    for name in ("config.cfg", "meta.json"):
        path = broken / name
        path.write_text(path.read_text("utf-8").replace('factory = "ner"', 'factory = "transformer"'), "utf-8")
    assert json.loads((broken / "meta.json").read_text("utf-8"))["lang"] == "en"
    with pytest.raises(ModuleNotAvailable, match="pip install spacy-transformers"):
        create("presidio", {"entities": ["PERSON"], "model": str(broken)}, "en")


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GuardrailError, match="cannot be loaded"):
        create("presidio", {"entities": ["PERSON"], "model": str(tmp_path)}, "en")
