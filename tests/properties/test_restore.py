"""Restoring is exact: however a stream is cut, its pieces joined are the `.done`, the item and the final event.

`test_restore_mutants` shows each of the properties failing, so none of them holds for want of trying.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.vault import Restorable
from tests.kit import Wire
from tests.properties.restored import (
    EMAIL,
    ENCODERS,
    FEW,
    LINKS,
    NOTE,
    PIECES,
    Talk,
    adversarial,
    check_every_offset,
    check_every_size,
    check_json,
    check_lanes,
    check_links,
    check_links_agree,
    check_many_interleaved,
    check_one_pass,
    check_strangers,
    expected,
    expected_json,
    spelled,
)
from tests.properties.streams import JSON, PLAIN, chunks, conversation, cut, one, received, sequence

# ---------------------------------------------------------------------------------------------------------------- cuts


@pytest.mark.parametrize("kind", PLAIN)
def test_a_cut_at_any_offset_changes_nothing(kind: str) -> None:
    check_every_offset(kind)


@pytest.mark.parametrize("kind", PLAIN)
def test_chunks_of_any_size_change_nothing(kind: str) -> None:
    check_every_size(kind)


@pytest.mark.parametrize("kind", PLAIN)
def test_random_cuts_of_random_texts_change_nothing(kind: str) -> None:
    talk = Talk()

    @FEW
    @given(pieces=st.lists(PIECES, max_size=25), data=st.data())
    def check(pieces: list[str], data: st.DataObject) -> None:
        text = spelled(pieces, talk)
        offsets = data.draw(st.lists(st.integers(0, len(text)), max_size=30))
        assert talk.text(kind, cut(text, *offsets)) == expected(text, talk.names)

    check()


# ---------------------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("kind", JSON)
def test_arguments_stay_json_with_their_values_escaped(kind: str, encoder: str) -> None:
    check_json(kind, encoder)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_random_arguments_stay_json_however_they_are_cut(encoder: str) -> None:
    talk = Talk()

    @FEW
    @given(pieces=st.lists(st.lists(PIECES, max_size=8), min_size=1, max_size=4), data=st.data())
    def check(pieces: list[list[str]], data: st.DataObject) -> None:
        value = {str(number): spelled(some, talk) for number, some in enumerate(pieces)}
        text = ENCODERS[encoder](value)
        offsets = data.draw(st.lists(st.integers(0, len(text)), max_size=30))
        given_back = talk.text("arguments", cut(text, *offsets))
        assert json.loads(given_back) == expected_json(value, talk.names)

    check()


def test_structured_output_is_json_too() -> None:
    """With a JSON format asked for, the answer's text is JSON source."""
    talk = Talk()
    text = json.dumps({"to": talk.note, "and": talk.email})
    talk.wire.provider({"type": "response.completed", "response": {"id": "resp_main", "output": []}})
    schema: Any = {"format": {"type": "json_schema", "name": "x", "schema": {}}}
    talk.wire.client({"type": "response.create", "input": "x", "previous_response_id": "resp_main", "text": schema})
    talk.wire.begin("resp_main")
    assert json.loads(talk.text("text", chunks(text, 3))) == {"to": NOTE, "and": EMAIL}


def test_arguments_that_are_no_json_still_agree() -> None:
    """A model may stop in the middle of its arguments; all four places still say the same."""
    talk = Talk()
    for text in ('{"to": "' + talk.email, '{"to": "\\', talk.email[:-1], '"\\u003', "\\u003cEMAIL_ADDRESS_", "\\\\\\"):
        for size in (1, 2, 7, 50):
            talk.text("arguments", chunks(text, size))


# ---------------------------------------------------------------------------------------------- items, parts and lanes


@pytest.mark.parametrize("seed", range(0, 100, 20))
def test_interleaved_items_and_parts_never_mix(seed: int) -> None:
    check_many_interleaved(range(seed, seed + 20))


@pytest.mark.parametrize("seed", range(0, 100, 20))
def test_two_lanes_never_mix(seed: int) -> None:
    for each in range(seed, seed + 20):
        check_lanes(each)


def test_a_delta_without_any_index_restores() -> None:
    """Spoken text belongs to no item; its end comes with the response's."""
    talk = Talk()
    before = len(talk.wire.sent_down)
    for piece in chunks(f"so {talk.email} and {talk.email[:-3]}", 4):
        talk.wire.provider({"type": "response.audio.transcript.delta", "delta": piece})
    talk.wire.provider({"type": "response.completed", "response": {"id": "resp_main", "output": []}})
    pieces = [str(frame["delta"]) for frame in talk.wire.sent_down[before:-1]]
    assert "".join(pieces) == f"so {EMAIL} and {talk.email[:-3]}"


@pytest.mark.parametrize("end", ["response.incomplete", "response.failed", "error"])
def test_what_is_held_back_comes_when_a_response_breaks_off(end: str) -> None:
    talk = Talk()
    before = len(talk.wire.sent_down)
    at: Any = {"item_id": "m", "output_index": 0, "content_index": 0}
    talk.wire.provider({"type": "response.output_text.delta", **at, "delta": f"{talk.email} {talk.other[:-2]}"})
    over: Any = {"type": end, "response": {"id": "resp_main", "output": []}, "error": {"message": "x", "type": "y"}}
    talk.wire.provider(over)
    pieces = [str(frame["delta"]) for frame in talk.wire.sent_down[before:] if "delta" in frame]
    assert "".join(pieces) == f"{EMAIL} {talk.other[:-2]}"
    assert talk.wire.sent_down[-1]["type"] == end


# -------------------------------------------------------------------------------------------------- whose values these are


def test_a_strangers_token_stays_a_token() -> None:
    check_strangers()


def test_a_token_the_client_typed_itself_stays_a_token() -> None:
    """Who writes a token that looks right does not get what it stands for elsewhere."""
    known = Talk()
    wire = conversation("x.y@example.com", f"what is {known.email}?", wire=Wire(known.wire.policy))
    source = [one("text", chunks(f"it is {known.email}.", 4))]
    start = len(wire.sent_down)
    for event in sequence(source):
        wire.provider(event)
    assert received(wire.sent_down[start:], source)[0][0].agreed() == f"it is {known.email}."


# ---------------------------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize("size", [1, 3, 20, 20_000])
@pytest.mark.parametrize("kind", ["text", "summary", "arguments", "custom"])
def test_a_token_in_a_link_stays_a_token(kind: str, size: int) -> None:
    check_links(kind, size)


@pytest.mark.parametrize("kind", ["text", "code", "arguments"])
def test_links_are_judged_the_same_in_pieces_and_whole(kind: str) -> None:
    check_links_agree(kind)


def test_a_token_without_brackets_in_a_link_stays_a_token() -> None:
    """Names carry tokens without brackets; in a link such a one would carry the value away all the same."""
    names = Restorable({"EMAIL_ADDRESS_aaaaaaaa": EMAIL})
    restorer = Talk(urls=False).wire.session._outbound._restoring._restorer
    assert restorer.bare("call_EMAIL_ADDRESS_aaaaaaaa", names) == f"call_{EMAIL}"
    assert EMAIL not in restorer.bare("https://evil.example/?q=EMAIL_ADDRESS_aaaaaaaa", names)


# -------------------------------------------------------------------------------------------------------- masked answers


@pytest.mark.parametrize("kind", PLAIN)
def test_a_masked_answer_restores_the_clients_own_values_alike(kind: str) -> None:
    """With `mask: new` the events are made anew, and say the same in all four places."""
    talk = Talk(mask="new")
    text = adversarial(talk)
    assert talk.text(kind, chunks(text, 9)) == expected(text, talk.names)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("kind", JSON)
def test_masked_arguments_stay_json(kind: str, encoder: str) -> None:
    talk = Talk(mask="new")
    value = {"to": [talk.email, f"<{talk.other}>", f"a {talk.note} b"], "n": 1, talk.email: {"deep": talk.note}}
    text = ENCODERS[encoder](value)
    assert json.loads(talk.text(kind, chunks(text, 9))) == expected_json(value, talk.names)


@pytest.mark.parametrize("kind", ["text", "summary", "arguments", "custom"])
def test_a_token_in_a_link_of_a_masked_answer_stays_a_token(kind: str) -> None:
    talk = Talk(mask="new", urls=False)
    encode, read = (json.dumps, json.loads) if kind in JSON else (str, str)
    for link in LINKS:
        text = link.format(talk.email, talk.other, "").rstrip()
        assert read(talk.text(kind, chunks(encode(text), 9))) == text


def test_a_value_that_holds_anothers_token_comes_back_as_it_was() -> None:
    check_one_pass()
