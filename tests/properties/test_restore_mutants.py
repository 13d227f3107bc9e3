"""Each property of restoring, failing on a deliberate mutant of the code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pytest

from gateway.session import restoring
from guardrails import restore, stream
from guardrails.restore import Restorer
from guardrails.stream import RestoreStream
from guardrails.vault import Restorable
from tests.properties.restored import (
    check_every_offset,
    check_every_size,
    check_json,
    check_lanes,
    check_links,
    check_many_interleaved,
    check_one_pass,
    check_strangers,
)


def test_without_holding_back_the_cuts_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: every piece goes out at once."""
    monkeypatch.setattr(RestoreStream, "feed", lambda self, piece: self._restore(piece))
    for check in (check_every_offset, check_every_size):
        with pytest.raises(AssertionError):
            check("text")
    with pytest.raises(AssertionError):
        check_json("arguments", "plain")


def test_holding_back_only_an_open_bracket_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: only a bracket at the very end is held back."""
    monkeypatch.setattr(Restorable, "may_be", lambda _self, text: not text)
    with pytest.raises(AssertionError):
        check_every_offset("text")


def test_forgetting_what_is_held_back_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: what is held back at the end of a text is not given."""
    monkeypatch.setattr(RestoreStream, "holding", property(lambda _self: False))
    with pytest.raises(AssertionError):
        check_every_offset("text")


def test_restoring_in_a_loop_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: `str.replace` for one token after another, which rewrites what a value brought in."""

    def loop(self: Restorer, text: str, known: Restorable, *, escape: bool = False, before: str = "") -> str:
        for name, value in known.values.items():
            text = text.replace(name, restore._escape(value) if escape else value)
        return text

    check_one_pass()
    monkeypatch.setattr(Restorer, "whole", loop)
    with pytest.raises(AssertionError):
        check_one_pass()


def test_values_that_are_not_escaped_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: values go into JSON as they are."""
    monkeypatch.setattr(restore, "_escape", lambda value: value)
    with pytest.raises(json.JSONDecodeError):
        check_json("arguments", "plain")


def test_brackets_written_as_escapes_that_are_not_seen_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: an escape may be cut in two."""
    monkeypatch.setattr(stream, "_UNFINISHED", re.compile(r"(?!)"))
    with pytest.raises(AssertionError):
        check_json("arguments", "html")


def test_an_escaped_backslash_that_is_not_seen_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: the second backslash of two begins an escape."""
    monkeypatch.setattr(restore, "is_escaped", lambda _text, _at: False)
    with pytest.raises((AssertionError, ValueError)):
        check_json("arguments", "ascii")


def test_one_stream_for_all_texts_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: pieces of different items go into one stream."""
    monkeypatch.setattr(restoring, "position", lambda _frame: ())
    with pytest.raises(AssertionError):
        check_many_interleaved(range(20))


def test_ending_all_parts_of_an_item_at_once_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: the end of one part gives what is held back of the others."""
    monkeypatch.setattr(restoring, "_PLACE", ("output_index",))
    with pytest.raises(AssertionError):
        check_many_interleaved(range(40))


def test_values_shared_by_all_lanes_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: whatever anybody sent restores everywhere."""
    everything: dict[str, str] = {}
    init, look = Restorable.__init__, Restorer.one

    def remember(self: Restorable, values: Mapping[str, str]) -> None:
        everything.update(values)
        init(self, everything)

    monkeypatch.setattr(Restorable, "__init__", remember)
    for check in (check_strangers, lambda: check_lanes(3)):
        everything.clear()
        with pytest.raises(AssertionError):
            check()
    assert look is Restorer.one


def test_links_that_are_not_seen_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: no text is a link."""
    monkeypatch.setattr("guardrails.restore.in_link", lambda *_args, **_more: False)
    with pytest.raises(AssertionError):
        check_links("text", 3)


def test_forgetting_what_went_by_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: a stream judges links by the piece it has at hand."""
    monkeypatch.setattr(RestoreStream, "_passed", lambda _self, _text, _new: None)
    with pytest.raises(AssertionError):
        check_links("text", 3)
