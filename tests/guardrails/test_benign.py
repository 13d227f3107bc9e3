"""What the default policy leaves alone, and what it never does.

`tests/corpus/benign` holds texts as people really send them, in which nothing is personal: they must come out as they
went in. `tests/corpus/must_catch.txt` holds sentences with something in them that must not go out.

Decided for network addresses: a public address is masked, in logs too; loopback, private addresses that nobody calls an
IP, versions such as 1.2.3.4 and `a::b` are not.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guardrails.detector import PolicyDetector, build
from guardrails.joining import Question
from policies.load import load

CORPUS = Path(__file__).parent.parent / "corpus"
BENIGN = sorted((CORPUS / "benign").glob("*.txt"))
MUST_CATCH = [
    line.replace("\\n", "\n")
    for line in (CORPUS / "must_catch.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture(scope="session")
def default() -> PolicyDetector:
    return build(load("default"))


def test_the_benign_corpus_has_at_least_two_hundred_documents() -> None:
    assert len(BENIGN) >= 200


@pytest.mark.parametrize("path", BENIGN, ids=lambda path: path.stem)
def test_the_default_policy_finds_nothing_in_a_benign_document(path: Path, default: PolicyDetector) -> None:
    text = path.read_text("utf-8")
    assert [(f.entity, f.module, text[f.start : f.end]) for f in default.detect([text])[0]] == []


@pytest.mark.parametrize("path", BENIGN, ids=lambda path: path.stem)
def test_nothing_is_found_over_the_boundaries_of_its_lines_and_words(path: Path, default: PolicyDetector) -> None:
    text = path.read_text("utf-8")
    for pieces in (text.splitlines(), text.split(), text.split("\n\n")):
        question = Question(pieces, [range(len(pieces))])
        found = default.detect(question.asked)
        assert question.answer(found) == found[: len(pieces)]


@pytest.mark.parametrize("line", MUST_CATCH)
def test_the_default_policy_covers_every_character_of_what_it_must_catch(line: str, default: PolicyDetector) -> None:
    entity, _, marked = line.partition(" | ")
    text = marked.replace("[[", "").replace("]]", "")
    covered = {at for f in default.detect([text])[0] for at in range(f.start, f.end)}
    removed = 0
    for match in re.finditer(r"\[\[(.*?)\]\]", marked, re.DOTALL):
        start = match.start() - removed
        removed += 4
        missed = [text[at] for at in range(start, start + len(match[1])) if at not in covered]
        assert not any(map(str.isalnum, missed)), entity


@pytest.mark.parametrize("line", MUST_CATCH)
def test_what_must_be_caught_is_called_by_its_name(line: str, default: PolicyDetector) -> None:
    entity, _, marked = line.partition(" | ")
    text = marked.replace("[[", "").replace("]]", "")
    assert entity in {f.entity for f in default.detect([text])[0]}
