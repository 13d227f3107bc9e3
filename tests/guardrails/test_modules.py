"""Finding and making the modules a policy names."""

from __future__ import annotations

import sys
from importlib import metadata
from types import ModuleType

import pytest

from guardrails import modules
from guardrails.errors import GuardrailError, ModuleNotAvailable
from guardrails.findings import Finding
from guardrails.modules import BUILT_IN, Module, create
from guardrails.modules.contents import Contents
from guardrails.modules.gates import OPEN, Gate, either, gate


class Acme:
    """A module of somebody's own."""

    def __init__(self, *, word: str = "acme") -> None:
        if not word:
            raise ValueError("a secret value")
        self.word = word

    def find(self, text: str) -> list[Finding]:
        at = text.find(self.word)
        return [] if at < 0 else [Finding(at, at + len(self.word), "ACME", 1.0, "acme")]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> str:
    made = ModuleType("acme_privacy")
    made.__dict__.update(Detector=Acme, NotOne=lambda: object(), NUMBER=3)
    monkeypatch.setitem(sys.modules, "acme_privacy", made)
    return "acme_privacy"


@pytest.mark.parametrize(
    ("use", "options"),
    [
        ("secrets", {}),
        ("shapes", {}),
        ("patterns", {"patterns": [{"entity": "X", "regex": "x"}]}),
        ("presidio", {"entities": ["EMAIL_ADDRESS"]}),
    ],
)
def test_every_built_in_module_is_made_by_its_name(use: str, options: dict[str, object]) -> None:
    assert use in BUILT_IN
    assert isinstance(create(use, options, "en"), Module)


def test_an_import_path_is_called_with_the_options(package: str) -> None:
    module = create(f"{package}:Detector", {"word": "falcon"}, "en")
    assert list(module.find("the falcon")) == [Finding(4, 10, "ACME", 1.0, "acme")]


def test_an_entry_point_is_found_by_its_name(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("acme", f"{package}:Detector", modules.GROUP)
    monkeypatch.setattr(modules, "entry_points", lambda *, group, name: [point] if name == "acme" else [])
    assert isinstance(create("acme", {}, "en"), Acme)


@pytest.mark.parametrize("use", ["no_such_module", "no_such_package:Detector", "acme_privacy:NoSuch"])
def test_what_is_not_there_is_not_available_and_the_message_says_what_to_install(use: str, package: str) -> None:
    with pytest.raises(ModuleNotAvailable, match=r"install|has no"):
        create(use, {}, "en")


@pytest.mark.parametrize("use", ["acme_privacy:NotOne", "acme_privacy:NUMBER"])
def test_what_has_no_find_is_refused(use: str, package: str) -> None:
    with pytest.raises(GuardrailError):
        create(use, {}, "en")


@pytest.mark.parametrize("options", [{"word": ""}, {"no_such_option": 1}])
def test_a_module_that_cannot_be_made_is_refused_without_the_exceptions_text(
    options: dict[str, object], package: str
) -> None:
    with pytest.raises(GuardrailError) as caught:
        create(f"{package}:Detector", options, "en")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "demanded"),
    [
        (r"\b\d{3}-\d{2}-\d{4}\b", Gate(9, 11, (("-", 2),), together=4, letters=4)),
        (r"[0-9]{3}[- ][0-9]{2}", Gate(5, 0, (), together=3, letters=3)),
        (r"(?:\d{2}|\d{4})\.", Gate(2, 3, ((".", 1),), together=2, letters=2)),
        (r"(?i)[a-z]+@x", Gate(0, 3, (("@", 1),))),
        (r"\d(?:\d\d){2}-?[A-F0-9]{2}[a-z_]", Gate(5, 8, (), together=5, letters=5)),
        (r"[a-f]{2}(?:\d{3}|x)y?\d", Gate(1, 4, (), letters=4)),
        (r"(?:a\d){3}\d{0,4}1", Gate(4, 7, (), together=2, letters=7)),
        (r"(?<=\d)x(?!\d{4})", Gate(0, 1, ())),
        (r"\s+a", Gate(0, 0, ())),
        (r"(a)\1", Gate(0, 0, ())),
        (r"(?:-\d)*", Gate(0, 0, ())),
        (r"\p{L}-", OPEN),
        (r"[[:digit:]]-", OPEN),
        (r"(?:abc){e<=1}-", OPEN),
        (r"(", OPEN),
    ],
)
def test_a_gate_demands_what_every_match_contains_and_nothing_it_is_not_sure_of(pattern: str, demanded: Gate) -> None:
    assert gate(pattern) == demanded


def test_either_demands_only_what_all_demand() -> None:
    assert either([Gate(9, 11, (("-", 2),)), Gate(4, 20, (("-", 1), (".", 3)))]) == Gate(4, 11, (("-", 1),))
    assert either([]) == OPEN


def test_digits_of_every_script_count() -> None:
    assert Contents("12 ٣٤ ５").digits == 5
    assert Contents("12 34").digits == 4
