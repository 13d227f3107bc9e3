"""YAML in: plain data and the line of every key out, with mistakes collected and no value in any message."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from policies.yaml_lines import MAX_FILE_BYTES, Lines, Problem, YamlError, parse_yaml, read_yaml, show_path, suggest

CANARY = "k4n4ry-secret"


def data_of(text: str) -> object:
    data, lines = parse_yaml(text, file="f.yaml")
    assert lines.problems == ()
    return data


def problems_of(text: str) -> list[str]:
    problems, chained = read(text)
    assert chained is None, "PyYAML's own errors show a piece of the file"
    return [str(problem) for problem in problems]


def read(text: str) -> tuple[tuple[Problem, ...], BaseException | None]:
    try:
        return parse_yaml(text, file="f.yaml")[1].problems, None
    except YamlError as error:
        return error.problems, error.__context__ or error.__cause__


@pytest.mark.parametrize(
    "word", ["off", "Off", "on", "yes", "no", "NO", "y", "n", "none", "1:30", "2001-01-01", "0x1f"]
)
def test_words_that_yaml_1_1_would_change_stay_words(word: str) -> None:
    assert data_of(f"key: {word}") == {"key": word}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("007", 7),
        ("0.4", 0.4),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("'true'", "true"),
        ('"12"', "12"),
        ("!!str 12", "12"),
        ("[a, [b]]", ["a", ["b"]]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ('"\\ud83d\\ude00"', "\U0001f600"),
    ],
)
def test_plain_values_are_read_as_yaml_1_2_reads_them(written: str, value: object) -> None:
    assert data_of(f"key: {written}") == {"key": value}


def test_json_is_yaml() -> None:
    assert data_of('{"a": [1, 2.5, true, null, "x\\/y"]}') == {"a": [1, 2.5, True, None, "x/y"]}


def test_keys_are_always_text() -> None:
    assert data_of("{5.1: a, true: b, null: c, off: d}") == {"5.1": "a", "true": "b", "null": "c", "off": "d"}


def test_an_empty_file_has_no_data() -> None:
    assert data_of("# nothing\n") is None


def test_every_key_and_item_has_its_line_and_a_missing_key_that_of_its_parent() -> None:
    _, lines = parse_yaml("a: 1\nb:\n  c:\n    - x\n    - d: 2\n      e: 3\n", file="f.yaml")
    assert lines.at(()) == 1
    assert lines.at(("a",)) == 1
    assert lines.at(("b", "c")) == 3
    assert lines.at(("b", "c", 0)) == 4
    assert lines.at(("b", "c", 1, "e")) == 6
    assert lines.at(("b", "c", 1, "missing")) == 5
    assert lines.at(("missing",)) == 1
    assert Lines("made up").at(("a",)) == 1


def test_a_duplicate_key_names_both_lines_and_the_first_value_counts() -> None:
    data, lines = parse_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", file="f.yaml")
    assert data == {"a": 1, "b": {"c": 1}}
    assert [str(problem) for problem in lines.problems] == [
        "f.yaml:4: b.c: duplicate key, already given in line 3",
        "f.yaml:5: a: duplicate key, already given in line 1",
    ]


def test_differently_quoted_keys_are_duplicates() -> None:
    assert problems_of("{a: 1, 'a': 2}") == ["f.yaml:1: a: duplicate key, already given in line 1"]


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [ls]", "!secret x", "!!binary aGk=", "!!set {a}"])
def test_tags_make_no_objects(tag: str) -> None:
    assert problems_of(f"key: {tag}") == ["f.yaml:1: key: tags (!…) are not supported"]


@pytest.mark.parametrize("written", [f"!!int {CANARY}", f"!!bool {CANARY}", "9" * 5000, '"\\ud800"'])
def test_what_cannot_be_read_is_a_mistake_at_its_key(written: str) -> None:
    assert problems_of(f"a: 1\nkey: {written}") == ["f.yaml:2: key: cannot be read as a number, a switch or a text"]


@pytest.mark.parametrize("key", ["[a, b]", "{a: b}", '"\\ud800"'])
def test_a_key_must_be_a_plain_word(key: str) -> None:
    assert problems_of(f"? {key}\n: 1") == ["f.yaml:1: a key must be a plain word"]


def test_aliases_are_expanded() -> None:
    assert data_of("a: &x {b: [1]}\nc: *x\n") == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_merge_keys_are_ordinary_keys() -> None:
    assert data_of("a: &x {b: 1}\nc: {<<: *x}\n") == {"a": {"b": 1}, "c": {"<<": {"b": 1}}}


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]",
        "a: &x {b: *x}",
        "[" * 40 + "]" * 40,
        "[" * 500,
        "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)),
    ],
    ids=["list in itself", "mapping in itself", "deep", "very deep", "billion laughs"],
)
def test_endless_nesting_is_refused(text: str) -> None:
    (problem,) = problems_of(text)
    assert "nested too deeply" in problem


@pytest.mark.parametrize(
    "text",
    [
        f"a: b: {CANARY}",
        f"a: [{CANARY}",
        f"a: '{CANARY}",
        f"a: *{CANARY}",
        f'a: "\\q{CANARY}"',
        f"a: {CANARY}\n\tb: c",
        f"a: @{CANARY}",
        f"a: !{CANARY}!x y",
        f"a: &{CANARY} 1\nb: &{CANARY} 2\n{CANARY}",
        f"{CANARY}: 1\n---\nb: 1",
        f"a: {CANARY}\x00",
        f"a: |{CANARY}\n b",
    ],
)
def test_broken_yaml_is_told_with_its_line_and_without_its_text(text: str) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith("f.yaml:")
    assert "is not valid YAML" in problem
    assert CANARY not in problem


def test_a_syntax_error_has_its_line() -> None:
    assert problems_of("a: 1\nb: [\n")[0].startswith("f.yaml:3: is not valid YAML")
    assert problems_of("a: [1\n") == ["f.yaml:2: is not valid YAML: expected ',' or ']', but got '<stream end>'"]
    assert problems_of("a:\n\tb: 1\n") == [
        "f.yaml:2: is not valid YAML: found character '\\t' that cannot start any token"
    ]
    assert problems_of("a: 1\nb: \x07\n") == ["f.yaml:2: is not valid YAML: a control character"]


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    for mark in (b"", b"\xef\xbb\xbf"):
        file.write_bytes(mark + "a: é".encode())
        assert read_yaml(file)[0] == {"a": "é"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"a: \xff", "is not UTF-8 text"), (b"#" * (MAX_FILE_BYTES + 1), "is larger than 1 MiB")],
)
def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(content)
    with pytest.raises(YamlError) as error:
        read_yaml(file)
    assert str(error.value) == f"{file}: {reason}"


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match="cannot be read"):
        read_yaml(tmp_path)
    with pytest.raises(YamlError, match="No such file"):
        read_yaml(tmp_path / "missing.yaml")


def test_a_path_is_shown_as_people_write_it() -> None:
    assert show_path(("detect", "modules", 0, "use")) == "detect.modules[0].use"
    assert show_path(()) == ""
    assert show_path(("a", "x" * 65, "b\nc")) == "a.(65 characters).(3 characters)"


def test_the_nearest_word_is_suggested_and_otherwise_all() -> None:
    assert suggest("modles", ["modules", "mode"]) == "; did you mean 'modules'?"
    assert suggest("MODE", ["modules", "mode"]) == "; did you mean 'mode'?"
    assert suggest("zzz", ["b", "a"]) == "; known here: a, b"
    assert suggest("zzz", []) == ""


def test_an_error_has_each_problem_once_and_pickles() -> None:
    problem = Problem("f.yaml", 3, "a.b", "is wrong")
    error = YamlError([problem, problem, Problem("g.yaml", None, "", "is gone")])
    assert str(error) == "f.yaml:3: a.b: is wrong\ng.yaml: is gone"
    again = pickle.loads(pickle.dumps(error))
    assert again.problems == error.problems
    assert str(again) == str(error)
