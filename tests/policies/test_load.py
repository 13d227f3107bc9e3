"""Loading: where policies are found, and that every mistake is told with file, line and key, and without its value."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.load import PolicyError, PolicyNotFound, is_path, load, load_text, names

CONTRACT = r"""
version: 1
name: default
mode: enforce                      # enforce | observe
detect:
  language: en
  budget: 2s
  modules:
    - use: presidio
      entities: [EMAIL_ADDRESS, CREDIT_CARD, US_SSN, PHONE_NUMBER, IP_ADDRESS, IBAN_CODE, CRYPTO]
      threshold: 0.4
      thresholds: {PHONE_NUMBER: 0.6}
    - use: presidio
      model: en_core_web_lg
      entities: [PERSON, LOCATION]
    - use: secrets
    - use: patterns
      patterns: [{entity: EMPLOYEE_ID, regex: 'EMP-\d{6}', score: 0.9, context: [employee]}]
    - use: acme_privacy:Detector
  allow: ['support@acme.example', 're:^10\.0\.']
  deny:  [{entity: PROJECT, text: 'Project Falcon'}]
  fold: true
  decode: [base64, percent, html, json]
actions:
  default:     {input: mask, output: restore}
  CREDIT_CARD: {input: mask, output: mask}
  US_SSN:      {input: block}
operators:
  CREDIT_CARD: {use: mask, from_end: true, keep: 4}
input:
  attachments: block
output:
  mask: new
  delivery: replay
  heartbeat: 5s
  restore_in: {text: true, tool_arguments: true, urls: false}
tokens: {style: angle}
audit: {content: masked}
"""
MINIMAL = "version: 1\ndetect: {modules: [{use: secrets}]}\n"
CANARY = "k4n4ry-secret"


def mistakes(text: str) -> PolicyError | None:
    try:
        load_text(text, file="p.yaml")
    except PolicyError as error:
        return error
    return None


def problems_of(text: str) -> list[str]:
    with pytest.raises(PolicyError) as error:
        load_text(text, file="p.yaml")
    assert error.value.__context__ is None  # pydantic's own error holds the input
    assert error.value.__cause__ is None
    return str(error.value).splitlines()


def test_the_policy_of_the_contract_loads() -> None:
    policy = load_text(CONTRACT)
    assert policy.output.mask == "new"
    assert policy.rule("US_SSN").input == "block"
    assert policy.rule("US_SSN").output == "restore"
    assert policy.detect.allow[1] == r"re:^10\.0\."
    assert policy.detect.deny[0].text == "Project Falcon"


# --- where policies are found


def test_a_built_in_policy_is_found_by_its_name() -> None:
    assert load("default").name == "default"


def test_a_policy_is_found_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MINIMAL)
    assert load(file).name == "mine"
    assert load(str(file)).name == "mine"
    assert load("./mine.yaml", base=tmp_path).name == "mine"
    assert load("mine.yaml", base=tmp_path).name == "mine"


def test_a_name_in_the_file_counts_more_than_the_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text(MINIMAL + "name: yours")
    assert load(file).name == "yours"


def test_folders_are_searched_in_order_and_before_the_built_in_policies(tmp_path: Path) -> None:
    for folder, ending in (("a", "yml"), ("b", "yaml")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"default.{ending}").write_text(MINIMAL + f"name: {folder}")
    assert load("default", folders=[tmp_path / "a", tmp_path / "b"]).name == "a"
    assert load("default", folders=[tmp_path / "b", tmp_path / "a"]).name == "b"
    assert load("strict", folders=[tmp_path / "a"]).name == "strict"


def test_names_lists_what_load_finds(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(MINIMAL)
    (tmp_path / "notes.txt").write_text("")
    assert names() == ("default", "observe", "strict")
    assert names(folders=[tmp_path, tmp_path / "missing"]) == ("default", "mine", "observe", "strict")


def test_an_unknown_name_suggests_the_nearest_and_is_not_repeated() -> None:
    with pytest.raises(PolicyNotFound) as error:
        load("defalt")
    assert str(error.value) == "policy: no such policy; did you mean 'default'?"
    with pytest.raises(PolicyNotFound) as error:
        load(CANARY)
    assert str(error.value) == "policy: no such policy; known here: default, observe, strict"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyNotFound, match=r"gone\.yaml: no such file"):
        load(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    ("text", "path"),
    [("default", False), ("my.policy", False), ("./x", True), ("a/b", True), ("x.yaml", True), ("x.yml", True)],
)
def test_a_slash_or_an_ending_makes_a_path(text: str, path: bool) -> None:
    assert is_path(text) is path


# --- what is told about mistakes


def test_every_mistake_is_told_with_file_line_and_key() -> None:
    assert problems_of("""\
version: 2
nmae: x
mode: enforc
mode: observe
detect:
  language: no!
  budget: 2 parsecs
  modules:
    - use: presidio
      entites: [URL]
      entities: [URL, lower]
      threshold: 1.5
      thresholds: {URL: .nan}
    - usee: presidio
    - {use: secrets, level: 1}
    - just a word
  fold: maybe
  decode: [base46]
actions: {bad: {input: mask}, US_SSN: {input: restore, otput: mask}}
operators: {A: {use: tokn}, B: token, C: {}, D: {use: mask, keep: 1, chars_to_mask: 2}, E: {use: redact, keep: 4}}
output: {heartbeat: 0s, restore_in: {text: 1}}
tokens: !evil {style: angle}
audit:
input: []
""") == [
        "p.yaml:1: version: must be 1",
        "p.yaml:2: nmae: unknown key; did you mean 'name'?",
        "p.yaml:3: mode: must be 'enforce' or 'observe'",
        "p.yaml:4: mode: duplicate key, already given in line 3",
        "p.yaml:6: detect.language: must be a language code such as en",
        "p.yaml:7: detect.budget: must be a duration such as 500ms, 2s, 5m, 24h or 7d",
        "p.yaml:10: detect.modules[0].entites: unknown key; did you mean 'entities'?",
        "p.yaml:11: detect.modules[0].entities[1]: must be an entity's name such as EMAIL_ADDRESS",
        "p.yaml:12: detect.modules[0].threshold: must be less than or equal to 1",
        "p.yaml:13: detect.modules[0].thresholds.URL: must be a finite number",
        "p.yaml:14: detect.modules[1].use: required key is missing; is it 'usee'?",
        "p.yaml:15: detect.modules[2].level: unknown key; known here: entities, use",
        "p.yaml:16: detect.modules[3]: must be a mapping of keys",
        "p.yaml:17: detect.fold: must be true or false",
        "p.yaml:18: detect.decode[0]: must be 'base64', 'percent', 'html' or 'json'",
        "p.yaml:19: actions.bad: must be 'default' or an entity's name such as EMAIL_ADDRESS",
        "p.yaml:19: actions.US_SSN.input: must be 'mask', 'block' or 'allow'",
        "p.yaml:19: actions.US_SSN.otput: unknown key; did you mean 'output'?",
        "p.yaml:20: operators.A.use: must be one of token, replace, redact, mask, hash, encrypt",
        "p.yaml:20: operators.B: must be a mapping of keys",
        "p.yaml:20: operators.C.use: must be one of token, replace, redact, mask, hash, encrypt",
        "p.yaml:20: operators.D.chars_to_mask: cannot stand beside 'keep': give one of them",
        "p.yaml:20: operators.E.keep: unknown key; known here: use",
        "p.yaml:21: output.heartbeat: must be longer than 0",
        "p.yaml:21: output.restore_in.text: must be true or false",
        "p.yaml:22: tokens: tags (!…) are not supported",
        "p.yaml:23: audit: must be a mapping of keys",
        "p.yaml:24: input: must be a mapping of keys",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "p.yaml:1: is empty"),
        ("- a", "p.yaml:1: must be a mapping of keys"),
        ("version: 1", "p.yaml:1: detect: required key is missing"),
        ("version: 1\ndetect: {}", "p.yaml:2: detect.modules: required key is missing"),
        ("version: 1\ndetect: {modules: []}", "p.yaml:2: detect.modules: must not be empty"),
        ("detect: {modules: [{use: secrets}]}", "p.yaml:1: version: required key is missing"),
        (MINIMAL.replace("1", "true", 1), "p.yaml:1: version: must be 1"),
        (MINIMAL.replace("1", "1.0", 1), "p.yaml:1: version: must be 1"),
        (MINIMAL + "name: [a]", "p.yaml:3: name: must be text (put it in quotes)"),
        (MINIMAL + "name: 5", "p.yaml:3: name: must be text (put it in quotes)"),
        (MINIMAL + "name: a b", "p.yaml:3: name: must be at most 64 letters, digits, '.', '-' and '_'"),
        (MINIMAL + "actions: []", "p.yaml:3: actions: must be a mapping of keys"),
        (MINIMAL + "dtect: {}", "p.yaml:3: dtect: unknown key; did you mean 'detect'?"),
        (MINIMAL + "? [a]\n: 1", "p.yaml:3: a key must be a plain word"),
    ],
)
def test_a_mistake_alone_is_told_alone(text: str, problem: str) -> None:
    assert problems_of(text) == [problem]


def detecting(module: str, rest: str = "") -> str:
    return f"version: 1\ndetect:\n  modules:\n    - {module}\n{rest}"


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        ("{use: presidio}", "entities: required key is missing"),
        ("{use: presidio, entities: []}", "entities: must not be empty"),
        ("{use: presidio, entities: URL}", "entities: must be a list"),
        ("{use: presidio, entities: [URL], threshold: true}", "threshold: must be a number"),
        ("{use: presidio, entities: [URL], threshold: '0.4'}", "threshold: must be a number"),
        ("{use: presidio, entities: [URL], threshold: -1}", "threshold: must be greater than or equal to 0"),
        (
            "{use: presidio, entities: [URL], thresholds: {US_SSN: 0.5}}",
            "thresholds: not in this module's entities: US_SSN",
        ),
        ("{use: presidio, entities: [URL], model: ''}", "model: must not be empty"),
        ("{use: patterns}", "patterns: required key is missing"),
        ("{use: patterns, patterns: []}", "patterns: must not be empty"),
        ("{use: patterns, patterns: [{entity: A}]}", "patterns[0].regex: required key is missing"),
        ("{use: patterns, patterns: [{entity: A, regex: ''}]}", "patterns[0].regex: must not be empty"),
        (
            f"{{use: patterns, patterns: [{{entity: A, regex: '({CANARY}'}}]}}",
            "patterns[0].regex: is not a valid regular expression",
        ),
        (
            f"{{use: patterns, patterns: [{{entity: A, regex: '(?P<{CANARY}>x)'}}]}}",
            "patterns[0].regex: is not a valid regular expression",
        ),
        (
            "{use: patterns, patterns: [{entity: A, regex: 'x*'}]}",
            "patterns[0].regex: matches the empty text, and so everything",
        ),
        (
            "{use: patterns, patterns: [{entity: A, regex: x, socre: 1}]}",
            "patterns[0].socre: unknown key; did you mean 'score'?",
        ),
        (
            "{use: names, entities: [PERSONS]}",
            "entities[0]: must be 'PERSON', 'LOCATION', 'ORGANIZATION', 'NRP', 'DATE_TIME', 'AGE', 'TITLE' or 'ZIP_CODE'",
        ),
        ("{use: names, thresholds: {URL: 0.5}}", "thresholds: not in this module's entities: URL"),
        (
            "{use: names, entities: [AGE], thresholds: {PERSON: 0.5}}",
            "thresholds: not in this module's entities: PERSON",
        ),
        ("{use: 5}", "use: must be text (put it in quotes)"),
        (
            "{use: 'not a module'}",
            "use: must be presidio, names, shapes, secrets, patterns, the name of an entry point, or package.module:Class",
        ),
    ],
)
def test_a_modules_mistake_is_told_at_its_key(module: str, problem: str) -> None:
    assert problems_of(detecting(module)) == [f"p.yaml:4: detect.modules[0].{problem}"]


@pytest.mark.parametrize("use", ["acme", "acme-privacy", "acme_privacy.eu", "a.b:C", "a:C.inner"])
def test_a_module_of_ones_own_is_taken_as_it_is(use: str) -> None:
    (module,) = load_text(detecting(f"{{use: '{use}', presidio: 1}}")).detect.modules
    assert (module.use, module.options) == (use, {"presidio": 1})


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("  allow: ['re:(']", "allow[0]: is not a valid regular expression"),
        ("  allow: [a, 're:.*']", "allow[1]: matches the empty text, and so everything"),
        ("  allow: ['re:']", "allow[0]: matches the empty text, and so everything"),
        ("  allow: ['']", "allow[0]: must not be empty"),
        ("  allow: [5]", "allow[0]: must be text (put it in quotes)"),
        ("  deny: [{entity: A, text: ' '}]", "deny[0].text: must have other characters than spaces"),
        ("  deny: [{entity: a, text: b}]", "deny[0].entity: must be an entity's name"),
        ("  deny: [a]", "deny[0]: must be a mapping of keys"),
        ("  budget: -1", "budget: must be a duration"),
        ("  budget: 0", "budget: must be longer than 0"),
    ],
)
def test_a_mistake_in_detection_is_told_at_its_key(rest: str, problem: str) -> None:
    (told,) = problems_of(detecting("{use: secrets}", rest))
    assert told.startswith(f"p.yaml:5: detect.{problem}")


@pytest.mark.parametrize("unbounded", ["sentences", "replay"])
def test_live_delivery_says_what_becomes_of_modules_without_bounds(unbounded: str) -> None:
    output = load_text(MINIMAL + f"output: {{delivery: live, unbounded: {unbounded}}}").output
    assert (output.delivery, output.unbounded) == ("live", unbounded)


@pytest.mark.parametrize("word", ["off", "'off'", "false", "False"])
def test_off_means_off_however_yaml_reads_it(word: str) -> None:
    assert load_text(MINIMAL + f"output: {{mask: {word}}}").output.mask == "off"


@pytest.mark.parametrize(
    ("word", "meaning"), [("yes", True), ("on", True), ("true", True), ("no", False), ("off", False), ("False", False)]
)
def test_a_switch_may_be_any_of_yamls_words(word: str, meaning: bool) -> None:
    assert load_text(MINIMAL + f"output: {{restore_in: {{urls: {word}}}}}").output.restore_in.urls is meaning


def test_norwegian_is_a_language() -> None:
    assert load_text(detecting("{use: secrets}", "  language: no")).detect.language == "no"


# --- no value in any message


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from leaves(child, (*path, key))


SAMPLE = yaml.safe_load(CONTRACT)


@pytest.mark.parametrize("path", list(leaves(SAMPLE)), ids=str)
def test_no_message_repeats_a_value_whatever_stands_at(path: tuple[str | int, ...]) -> None:
    for wrong in (CANARY, f"{CANARY} (", 987654321987, [CANARY], {"use": CANARY}, {"x": CANARY}, None, f"re:({CANARY}"):
        changed = copy.deepcopy(SAMPLE)
        parent = changed
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = wrong
        told = mistakes(yaml.safe_dump(changed))
        assert CANARY not in str(told)
        assert "987654321987" not in str(told)
        assert told is None or all(line.startswith("p.yaml:") for line in str(told).splitlines())


PIECES = st.sampled_from(
    [
        *("version: 1\n", "detect:\n", "  modules:\n", "    - use: ", "presidio", "secrets", "\n", "  ", "- ", ": "),
        *("{", "}", "[", "]", ",", "'", '"', "!!", "&a ", "*a", "<<: ", "? ", "|\n", "off", "~", "1e999", ".nan", "0x"),
        *(f"'{CANARY}'", "\t", "\x00", "\ud800".encode("utf-8", "replace").decode(), "%", "@", "#", "---\n", "...\n"),
        *("actions: ", "operators: ", "output: ", "mask: ", "US_SSN: ", "entities: ", "thresholds: ", "regex: ", "(?"),
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_any_text_is_a_policy_or_a_told_mistake(text: str) -> None:
    told = mistakes(text)
    assert told is None or (told.problems and told.__context__ is None)
