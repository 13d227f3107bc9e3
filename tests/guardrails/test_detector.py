"""One policy's modules, allow list, deny list, other readings and tokens, together."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from types import ModuleType, SimpleNamespace

import pytest

from guardrails.detector import Allowed, PolicyDetector, build
from guardrails.errors import DetectionError, DetectionTimeout, ModuleNotAvailable
from guardrails.findings import Finding
from policies.load import load_text

DIGITS = "{use: patterns, patterns: [{entity: NUMBER, regex: '\\d{4,}', score: 0.5}]}"
WORDS = "{use: patterns, patterns: [{entity: WORD, regex: 'alpha beta', score: 0.9}]}"


def detector(modules: str = DIGITS, rest: str = "", actions: str = "") -> PolicyDetector:
    text = f"version: 1\ndetect:\n  fold: false\n  decode: []\n  modules: [{modules}]\n{rest}\n{actions}"
    return build(load_text(text))


def found(made: PolicyDetector, text: str) -> list[tuple[str, str, str]]:
    return [(f.entity, f.module, text[f.start : f.end]) for f in made.detect([text])[0]]


def test_each_text_gets_a_list_of_its_own_in_order() -> None:
    lists = detector().detect(["", "none", "1234 and 5678", "99999"])
    assert [len(one) for one in lists] == [0, 0, 2, 1]


def test_all_modules_are_asked() -> None:
    assert found(detector(f"{DIGITS}, {WORDS}"), "alpha beta 1234") == [
        ("WORD", "patterns", "alpha beta"),
        ("NUMBER", "patterns", "1234"),
    ]


def test_a_text_on_the_allow_list_is_no_finding() -> None:
    made = detector(rest="  allow: ['1234']")
    assert found(made, "1234 12345") == [("NUMBER", "patterns", "12345")]


def test_a_finding_in_which_an_expression_of_the_allow_list_matches_is_none() -> None:
    made = detector(rest="  allow: ['re:^10', 're:99$']")
    assert found(made, "1099 2199 2110") == [("NUMBER", "patterns", "2110")]


EXPRESSIONS = [
    *(r"@v?\d+(\.\d+)+$", "^a", "b$", "a|^b", "(a|b){2,3}?c", "[^a]+b", r"\bb", r"\Wa", "a.b", "(?s)a.b", "a++b"),
    *(r"a\Z", r"\Ab", "(?<!x)a", "(?<=^)a", "b(?!c)", r"(a)\1", "(?>a|ab)b", "a{e<=1}b", "(?m)^c", r"[\W]b", "[^-]$"),
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_of_many_values_an_expression_allows_those_that_it_allows_one_by_one(expression: str) -> None:
    made = detector(
        "{use: patterns, patterns: [{entity: A, regex: '[abcx@v0-9.\\-\\n]+'}]}", f"  allow: ['re:{expression}']"
    )
    dice = random.Random(3)
    for _ in range(300):
        values = ["".join(dice.choices("abcx@v1.-\n", k=dice.randint(1, 5))) for _ in range(dice.randint(4, 9))]
        alone = [value for value in values if made.detect([value])[0]]
        assert [value for _, _, value in found(made, " ".join(values))] == alone


VERBS = ["^a[^b]*(*PRUNE)$", r"^\S\D\D(*SKIP)$", "a(*FAIL)|b", "a(*F)|b"]


@pytest.mark.parametrize("expression", [*EXPRESSIONS, *VERBS])
def test_what_is_asked_about_all_values_is_not_denied_where_one_of_them_matches(expression: str) -> None:
    allowed = Allowed(expression)
    dice = random.Random(5)
    for _ in range(500):
        values = ["".join(dice.choices("abcx@v1.:-\n", k=dice.randint(1, 5))) for _ in range(dice.randint(4, 9))]
        if any(map(allowed.expression.search, values)):
            assert allowed.may_match(values, 1.0), values


@pytest.mark.parametrize("first", ["re:c$", "{value}"])
def test_an_expression_is_not_asked_about_what_is_allowed_already(first: str) -> None:
    value = "a" * 100 + "c"
    made = detector(
        "{use: patterns, patterns: [{entity: A, regex: 'a+c'}]}",
        rest=f"  allow: ['{first.format(value=value)}', 're:^(a|aa)+$']",
    )
    assert made.detect([value]) == [[]]


def test_an_expression_of_the_allow_list_that_runs_wild_refuses_the_text() -> None:
    made = detector("{use: patterns, patterns: [{entity: A, regex: 'a+c'}]}", rest="  allow: ['re:^(a|aa)+$']")
    with pytest.raises(DetectionTimeout):
        made.detect(["a" * 100 + "c"])


@pytest.mark.parametrize("text", ["Project Falcon", "project falcon", "PROJECT  FALCON", "on Project\nFalcon!"])
def test_a_denied_text_is_found_in_any_case_and_spacing(text: str) -> None:
    made = detector(rest="  deny: [{entity: PROJECT, text: Project Falcon}]")
    [finding] = made.detect([text])[0]
    assert (finding.entity, finding.module, finding.score) == ("PROJECT", "deny", 1.0)


@pytest.mark.parametrize("text", ["Project Falconer", "myProject Falcon", "ProjectFalcon"])
def test_a_denied_text_is_not_found_inside_a_longer_word(text: str) -> None:
    assert found(detector(rest="  deny: [{entity: PROJECT, text: Project Falcon}]"), text) == []


def test_a_denied_text_that_begins_with_punctuation_is_found_after_a_letter() -> None:
    assert len(found(detector(rest="  deny: [{entity: TAG, text: '#x#'}]"), "a#x#b")) == 1


def test_denied_texts_that_overlap_are_both_covered() -> None:
    made = detector(rest="  deny: [{entity: A, text: one two}, {entity: B, text: two three}]")
    assert [value for _, _, value in found(made, "one two three")] == ["one ", "two three"]


def test_a_denied_text_is_found_even_if_it_is_also_allowed() -> None:
    made = detector(rest="  allow: [falcon]\n  deny: [{entity: PROJECT, text: falcon}]")
    assert len(found(made, "falcon")) == 1


TOKEN_WORDS = "{use: patterns, patterns: [{entity: ID, regex: '[a-z2-7]{8,16}|\\d{4,}'}]}"
NAMES = "  deny: [{entity: EMAIL_ADDRESS, text: qq}, {entity: US_SSN, text: qq}, {entity: A, text: qq}]"


@pytest.mark.parametrize(
    "token", ["<EMAIL_ADDRESS_k7x2m9qa>", "[US_SSN_k7x2m2qa]", "{A_2345672a}", "<A_k7x2m3qak7x2m3qa>"]
)
def test_what_lies_inside_one_of_the_gateways_own_tokens_is_no_finding(token: str) -> None:
    text = token.replace("9", "3")
    assert found(detector(TOKEN_WORDS, NAMES), f"see {text} there") == []


def test_what_names_no_entity_of_the_policy_is_no_token() -> None:
    assert len(found(detector(TOKEN_WORDS), "see <US_SSN_k7x2m2qa> there")) == 1


@pytest.mark.parametrize(
    "token",
    [
        "<A_23456723>",
        "<A_k7x2m3q>",
        "<a_k7x2m3qa>",
        "<A_k7x2m3qa]",
        "<SSN536221234_k7x2m3qa>",
        "<A_k7x2m3qak7x2m3qak>",
        "A_k7x2m3qa",
    ],
)
def test_what_only_looks_like_a_token_hides_nothing(token: str) -> None:
    made = detector("{use: patterns, patterns: [{entity: ID, regex: '[a-zA-Z0-9_]{7,}'}]}")
    assert len(found(made, token)) == 1


def test_a_finding_that_reaches_out_of_a_token_stays() -> None:
    made = detector("{use: patterns, patterns: [{entity: ID, regex: '[a-z2-7]{8}> \\d+'}]}")
    assert len(found(made, "<A_k7x2m3qa> 1234")) == 1


def test_findings_are_resolved_so_that_none_overlap() -> None:
    made = detector(rest="  deny: [{entity: X, text: '23'}]", modules=DIGITS)
    assert [value for _, _, value in found(made, "1234 a#23#")] == ["1234", "23"]


def test_an_allowed_finding_does_not_hide_one_that_is_acted_upon() -> None:
    modules = f"{DIGITS}, {{use: patterns, patterns: [{{entity: LOUD, regex: 'x\\d+', score: 1.0}}]}}"
    made = detector(modules, actions="actions: {LOUD: {input: allow, output: allow}}")
    assert {(entity, value) for entity, _, value in found(made, "x12345")} == {("LOUD", "x12345"), ("NUMBER", "12345")}


def test_folded_and_decoded_readings_are_examined_and_findings_mapped_back() -> None:
    text = "version: 1\ndetect:\n  modules: [{use: patterns, patterns: [{entity: E, regex: 'jane@example\\.com'}]}]"
    made = build(load_text(text))
    for hidden in ("jane＠example.com", "jane%40example.com", "jane&#64;example.com", "amFuZUBleGFtcGxlLmNvbSBpcw=="):
        whole = f"mail {hidden} now"
        [finding] = made.detect([whole])[0]
        assert whole[finding.start : finding.end] == hidden


class Broken:
    """A module that does what it should not, with the text in its exception."""

    def __init__(self, *, how: str) -> None:
        self.how = how

    def find(self, text: str) -> Iterable[Finding]:
        if self.how == "raises":
            raise ValueError(f"cannot read {text}")
        if self.how == "late":
            return (Finding(0, 1 // (len(text) - len(text)), "X", 1.0, "x") for _ in range(1))
        if self.how == "outside":
            return [Finding(0, len(text) + 1, "X", 1.0, "x")]
        if self.how == "nameless":
            return [Finding(0, 1, None, 1.0, "x"), Finding(0, 1, "X", 1.0, "x")]  # type: ignore[arg-type]  # on purpose
        if self.how == "unscored":
            return [Finding(0, 1, "X", "much", "x"), Finding(0, 1, "X", 1.0, "x")]  # type: ignore[arg-type]  # on purpose
        if self.how == "own":
            return [SimpleNamespace(start=0, end=1, entity="X", score=1, module="own")]  # type: ignore[list-item]  # on purpose
        if self.how == "backwards":
            return [Finding(3, 1, "X", 1.0, "x")]
        return [text]  # type: ignore[list-item]  # on purpose


@pytest.mark.parametrize("how", ["raises", "late", "outside", "backwards", "nonsense", "nameless", "unscored"])
def test_whatever_a_module_does_wrong_is_a_detection_error_without_the_text(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = ModuleType("broken_module")
    package.__dict__.update(Broken=Broken)
    monkeypatch.setitem(sys.modules, "broken_module", package)
    made = detector(f"{{use: 'broken_module:Broken', how: {how}}}")
    with pytest.raises(DetectionError, match="broken_module:Broken") as caught:
        made.detect(["jane@example.com"])
    assert "jane" not in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_what_a_module_reports_may_be_of_a_class_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("broken_module")
    package.__dict__.update(Broken=Broken)
    monkeypatch.setitem(sys.modules, "broken_module", package)
    made = detector("{use: 'broken_module:Broken', how: own}, {use: 'broken_module:Broken', how: own}")
    assert made.detect(["jane"]) == [[Finding(0, 1, "X", 1.0, "own")]]


def test_a_module_that_is_not_installed_is_refused_when_the_detector_is_built() -> None:
    with pytest.raises(ModuleNotAvailable, match="no_such_module"):
        detector("{use: no_such_module}")
