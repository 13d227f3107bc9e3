"""Annotated texts become words with labels, and what must not be trained on is not."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from guardrails.modules.names.words import Cutter
from training.corpus import Row, Span, read, recased, sequences, training
from training.corpus import labels as labels_of


def written(folder: Path, name: str, *rows: tuple[str, list[tuple[int, int, str]]]) -> None:
    lines = [
        orjson.dumps({"text": text, "spans": [{"start": a, "end": b, "type": kind} for a, b, kind in spans]})
        for text, spans in rows
    ]
    (folder / f"{name}.jsonl").write_bytes(b"\n".join(lines))


def test_each_word_has_the_label_of_the_span_it_is_in() -> None:
    text = "Ada Lovelace's aunt, of New York"
    words = Cutter().words(text)
    spans = (Span(0, 12, "PERSON"), Span(24, 32, "LOCATION"))
    assert dict(zip(words.texts, labels_of(words, spans), strict=True)) == {
        "Ada": "B-P", "Lovelace": "I-P", "'s": "O", "aunt": "O", ",": "O", "of": "O", "New": "B-L", "York": "I-L",
    }  # fmt: skip


def test_handles_roles_and_nationalities_are_no_names(tmp_path: Path) -> None:
    written(
        tmp_path,
        "train_x",
        ("@ada met the Borrower, a German", [(0, 4, "PERSON"), (13, 21, "PERSON"), (25, 31, "LOCATION")]),
        ("Ada", [(0, 3, "PERSON")]),
    )
    ((name, rows),) = training(tmp_path, ["german"])
    assert name == "train_x"
    assert [row.spans for row in rows] == [(), (Span(0, 3, "PERSON"),)]


def test_only_files_to_train_on_are_trained_on(tmp_path: Path) -> None:
    written(tmp_path, "dev_ewt", ("Ada", [(0, 3, "PERSON")]))
    written(tmp_path, "dev_presidio_generated", ("Ada", [(0, 3, "PERSON")]))
    assert list(training(tmp_path, [])) == []
    assert read(tmp_path / "dev_ewt.jsonl") == [Row("Ada", (Span(0, 3, "PERSON"),))]


def test_the_english_web_treebank_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "train_ewt", ("Ada", [(0, 3, "PERSON")]))
    with pytest.raises(ValueError, match="train_ewt"):
        list(training(tmp_path, []))


def test_some_texts_are_repeated_in_another_case_with_the_same_spans() -> None:
    rows = [Row(f"Ada {number}", (Span(0, 3, "PERSON"),)) for number in range(200)]
    again = list(recased(rows, 1))
    assert again == list(recased(rows, 1))
    assert 20 < len(again) < 80
    assert {row.text[:3] for row in again} == {"ada", "ADA"}
    assert {row.spans for row in again} == {(Span(0, 3, "PERSON"),)}


def test_a_text_without_words_is_no_sequence() -> None:
    assert list(sequences([Row(" \n", ())])) == []
