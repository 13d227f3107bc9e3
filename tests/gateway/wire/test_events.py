"""The table of server events holds every event of the installed SDK, and says what each does to a text."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from openai.types.responses import ResponsesClientEvent, ResponsesServerEvent
from pydantic import BaseModel

from gateway.wire.events import CLIENT_EVENTS, EVENT_NAMES, EVENTS, POSITION, UNLISTED, Class, event


def by_name(union: Any) -> dict[str, type[BaseModel]]:
    models: tuple[type[BaseModel], ...] = get_args(get_args(union)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in models}


SERVER = by_name(ResponsesServerEvent)
OUTSIDE_THE_UNION = {
    "codex.rate_limits",
    "codex.response.metadata",
    "keepalive",
    "response.error",
    "response.inject.created",
    "response.inject.failed",
    "response.metadata",
    "responsesapi.websocket_timing",
}


def fields(name: str) -> set[str]:
    return set(SERVER[name].model_fields)


def named(*classes: Class) -> list[str]:
    return sorted(name for name in SERVER if event(name).cls in classes)


def test_the_table_holds_exactly_the_events_of_the_sdk_and_those_seen_outside_it() -> None:
    assert set(EVENTS) == set(SERVER) | OUTSIDE_THE_UNION


def test_a_client_may_send_what_the_sdk_may_and_inject() -> None:
    assert {*by_name(ResponsesClientEvent), "response.inject"} == CLIENT_EVENTS
    assert set(EVENTS) | CLIENT_EVENTS == EVENT_NAMES
    assert not CLIENT_EVENTS & set(EVENTS)


@pytest.mark.parametrize("name", [name for name in SERVER if "response" in SERVER[name].model_fields])
def test_an_event_with_a_whole_response_is_a_response_or_its_end(name: str) -> None:
    ends = name.rsplit(".", 1)[1] in ("completed", "incomplete", "failed")
    assert event(name).cls is (Class.TERMINAL if ends else Class.RESPONSE)


@pytest.mark.parametrize("name", [name for name in SERVER if "delta" in SERVER[name].model_fields])
def test_an_event_with_a_delta_brings_a_piece_of_a_text_or_of_a_sound(name: str) -> None:
    assert event(name).cls is (Class.BLOB if name == "response.audio.delta" else Class.DELTA)


@pytest.mark.parametrize("name", named(Class.DELTA))
def test_the_piece_of_a_delta_stands_in_the_field_that_the_table_names(name: str) -> None:
    row = event(name)
    assert row.text in fields(name)
    assert row.json == ("arguments" in name), "only arguments are JSON source"
    runs = ("arguments", "input", "code", "command")
    assert row.tool == (name.split(".")[1].rsplit("_", 1)[-1] in runs), "a tool runs it"


@pytest.mark.parametrize("name", named(Class.DELTA))
def test_every_text_that_comes_in_pieces_is_repeated_whole_at_the_same_position(name: str) -> None:
    done = name.rsplit(".", 1)[0] + ".done"
    assert event(done).cls is Class.DONE
    position = set(POSITION) & fields(name)
    assert position == set(POSITION) & fields(done)


@pytest.mark.parametrize("name", named(Class.PART))
def test_a_part_stands_at_a_position_within_its_item(name: str) -> None:
    assert "part" in fields(name)
    assert fields(name) & {"content_index", "summary_index"}


@pytest.mark.parametrize("name", named(Class.ITEM_ADDED, Class.ITEM_DONE))
def test_an_event_with_an_item_has_it_and_its_index(name: str) -> None:
    assert {"item", "output_index"} <= fields(name)


@pytest.mark.parametrize("name", named(Class.LIFECYCLE))
def test_an_event_that_says_how_far_an_item_is_holds_no_text(name: str) -> None:
    assert fields(name) <= {"type", "sequence_number", "stream_id", "item_id", "output_index", "agent"}


def test_an_unlisted_delta_is_a_piece_of_text_and_any_other_unlisted_event_a_notice() -> None:
    row = event("response.haiku.delta")
    assert (row.cls, row.text, row.json, row.tool) == (Class.DELTA, "delta", False, False)
    assert event("response.haiku.done") is UNLISTED
    assert event("") is UNLISTED
    assert UNLISTED.cls is Class.NOTICE
