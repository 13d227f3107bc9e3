"""The tables of the wire hold every field, word and event of the installed `openai` package.

A new version of the package that adds one fails here until somebody has said what it holds (decision 0002).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from gateway.wire import events, schema, synth
from gateway.wire.events import EVENTS, Class
from gateway.wire.frame import Json, encode
from gateway.wire.schema import Context, Kind
from gateway.wire.synth import item_events
from tests.properties.sdk import (
    BETA_EVENTS,
    CLIENT_EVENTS,
    CREATE_PARAMS,
    INPUT_ITEMS,
    ITEMS,
    OUTPUT_ITEMS,
    SERVER_EVENTS,
    TOOLS,
    Either,
    Free,
    Leaf,
    Many,
    Model,
    Record,
    Shape,
    Words,
    examples,
    type_of,
)

UNREAD: Final = {
    "base64.data": Kind.BLOB,
    "input_file.file_data": Kind.BLOB,
    "input_image.image_url": Kind.BLOB,
    "input_image_mask.image_url": Kind.BLOB,
    "computer_screenshot.image_url": Kind.BLOB,
    "image.url": Kind.BLOB,
    "image_generation_call.result": Kind.BLOB,
    "response.image_generation_call.partial_image.partial_image_b64": Kind.BLOB,
    "response.audio.delta.delta": Kind.BLOB,
    "reasoning.encrypted_content": Kind.OPAQUE,
    "compaction.encrypted_content": Kind.OPAQUE,
    "encrypted_content.encrypted_content": Kind.OPAQUE,
    "mcp.authorization": Kind.SECRET,
    "mcp.headers": Kind.SECRET,
    "domain_secrets.value": Kind.SECRET,
    "function_call.arguments": Kind.JSON,
    "mcp_call.arguments": Kind.JSON,
    "mcp_approval_request.arguments": Kind.JSON,
    "multi_agent_call.arguments": Kind.JSON,
    "response.function_call_arguments.delta.delta": Kind.JSON,
    "response.function_call_arguments.done.arguments": Kind.JSON,
    "response.mcp_call_arguments.delta.delta": Kind.JSON,
    "response.mcp_call_arguments.done.arguments": Kind.JSON,
}
"""The only strings of the package that are not read as they stand, each with the reason why."""

TYPED_ANY: Final = {"and.filters", "allowed_tools.tools"}
"""What the package leaves open and is an object of the protocol nevertheless."""

USER_NUMBERS: Final = {"eq.value"}
"""Numbers of the user's own, which are scanned like texts."""

NO_ITEM: Final = {"response.audio.transcript.delta", "response.audio.transcript.done"}
"""Streamed texts that belong to no item, so that no item can bring them."""


class Gaps:
    """Walks shapes as the walker walks frames, and notes what the schema does not say."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._seen: set[tuple[Model, Context, str]] = set()

    def of(self, model: Model, context: Context = Context.TYPED, hung: str = "") -> None:
        """Look at the fields of a class whose objects hang on the key `hung`."""
        if (model, context, hung) in self._seen:
            return
        self._seen.add((model, context, hung))
        holder = type_of(model) or hung
        for key, shape in Record(model).fields.items():
            rule = schema.rule(context, holder, key, hung=hung)
            place = f"{holder}.{key}"
            if key not in schema.KNOWN or rule == schema.UNKNOWN:
                self.found[place] = "no rule"
                continue
            self._value(shape, rule, place, key)

    def _value(self, shape: Shape, rule: schema.Rule, place: str, key: str) -> None:
        if rule.below is Context.CONTENT and rule.kind is Kind.TEXT:
            return  # every key and value below is scanned
        if rule.below is Context.SECRETS:
            rule = schema.SECRET
        match shape:
            case Either(options):
                for option in options:
                    self._value(option, rule, place, key)
            case Many(element):
                self._value(element, rule, place, key)
            case Record(model):
                self.of(model, rule.below, key)
            case Words(values):
                self._words(values, rule, place, key)
            case Free():
                if UNREAD.get(place) is not rule.kind and place not in TYPED_ANY:
                    self.found[place] = "holds the user's own keys, but is not listed so"
            case Leaf(kind):
                self._leaf(kind, rule, place)

    def _words(self, values: tuple[str, ...], rule: schema.Rule, place: str, key: str) -> None:
        if rule.kind is Kind.MODEL:
            return
        for value in values:
            if not value.isdigit() and not schema.is_structural(rule.kind, key, value):
                self.found[f"{place}={value}"] = "a word nobody listed"

    def _leaf(self, kind: str, rule: schema.Rule, place: str) -> None:
        if kind == "any" and place not in TYPED_ANY and rule.kind is not Kind.JSON:
            self.found[place] = "holds anything, but its keys are read as the protocol's"
        if kind in ("int", "float") and rule.kind not in (Kind.NUMBER, Kind.WORD) and place not in USER_NUMBERS:
            self.found[place] = "a number that is read as text"
        hides = rule.kind in (Kind.BLOB, Kind.OPAQUE, Kind.SECRET, Kind.JSON)
        if kind == "str" and (hides or place in UNREAD) and UNREAD.get(place) is not rule.kind:
            self.found[place] = f"a string that is read as {rule.kind.name}"


def gaps() -> dict[str, str]:
    """What of the package the schema does not place, with the reason."""
    found = Gaps()
    for model in (*CLIENT_EVENTS, CREATE_PARAMS, *SERVER_EVENTS, *BETA_EVENTS):
        found.of(model)
    for model in (*INPUT_ITEMS, *OUTPUT_ITEMS, *ITEMS):
        found.of(model, hung="input")
    for model in TOOLS:
        found.of(model, Context.TOOLS, "tools")
    return found.found


def event_gaps() -> dict[str, str]:
    """The server events that the table of events lacks, or has in the wrong class."""
    found: dict[str, str] = {}
    for model in (*SERVER_EVENTS, *BETA_EVENTS):
        name, fields = type_of(model), Record(model).fields
        if name in events.CLIENT_EVENTS:
            continue
        row = EVENTS.get(name)
        if row is None:
            found[name] = "not in the table"
        elif row.cls not in _classes(name, set(fields)):
            found[name] = f"is {row.cls.name}"
        elif row.cls is Class.DELTA and row.text not in fields:
            found[name] = f"has no {row.text}"
        elif row.cls is Class.DELTA and row.json != ("arguments" in name):
            found[name] = "JSON or not JSON"
    return found


def _classes(name: str, fields: set[str]) -> set[Class]:
    """What an event can be, by its name and fields."""
    if name.endswith(".delta"):
        return {Class.BLOB} if name == "response.audio.delta" else {Class.DELTA}
    if "response" in fields:
        ends = name.endswith((".completed", ".incomplete", ".failed"))
        return {Class.TERMINAL if ends else Class.RESPONSE}
    for field, classes in (
        ("item", {Class.ITEM_ADDED if name.endswith(".added") else Class.ITEM_DONE}),
        ("part", {Class.PART}),
        ("annotation", {Class.ANNOTATION}),
        ("partial_image_b64", {Class.BLOB}),
        ("command", {Class.DELTA if name.endswith(".added") else Class.DONE}),
    ):
        if field in fields:
            return classes
    if name.endswith(".done"):
        return {Class.DONE, Class.BLOB}
    return {Class.LIFECYCLE, Class.NOTICE, Class.ERROR}


def synth_gaps() -> set[str]:
    """The events that stream a part of an item and that replaying an item does not bring."""
    streams = {Class.DELTA, Class.DONE, Class.PART, Class.ANNOTATION}
    wanted = {type_of(model) for model in SERVER_EVENTS}
    wanted = {name for name in wanted if EVENTS[name].cls in streams} - NO_ITEM
    return wanted - {str(event["type"]) for item in _output_items() for event in item_events(item, 0)}


def _output_items() -> Iterator[dict[str, Json]]:
    for model in OUTPUT_ITEMS:
        for item in examples(Record(model)):
            assert isinstance(item, dict)
            yield item


def test_every_field_and_word_of_the_package_is_placed() -> None:
    """No field or word is unknown, and none that a person could write in is kept from being read."""
    assert gaps() == {}


def test_every_server_event_of_the_package_is_in_the_table() -> None:
    """Each event is there, in the class that its fields ask for."""
    assert event_gaps() == {}


def test_every_streamed_part_of_an_item_is_replayed() -> None:
    """What the provider can stream, a whole item brings again."""
    assert synth_gaps() == set()


@pytest.mark.parametrize("place", sorted(UNREAD))
def test_every_exception_is_needed(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The list of strings that are not read holds nothing that the package does not have."""
    monkeypatch.delitem(UNREAD, place)
    assert set(gaps()) == {place}


@pytest.mark.parametrize("key", ["review_target", "instructions", "command", "logprob", "network_policy"])
def test_a_field_taken_from_the_schema_is_reported(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """A mutant: the schema without one of its keys."""
    rules = {name: rule for name, rule in schema._RULES.items() if name != key}
    monkeypatch.setattr(schema, "_RULES", rules)
    monkeypatch.setattr(schema, "KNOWN", frozenset(rules))
    assert "no rule" in gaps().values()


@pytest.mark.parametrize(("key", "word"), [("type", "apply_patch_call"), ("effort", "xhigh"), ("status", "searching")])
def test_a_word_taken_from_the_schema_is_reported(monkeypatch: pytest.MonkeyPatch, key: str, word: str) -> None:
    """A mutant: the schema without one of its words."""
    monkeypatch.setitem(schema.WORDS, key, schema.WORDS[key] - {word})
    assert any(place.endswith(f".{key}={word}") for place in gaps())


@pytest.mark.parametrize("key", ["text", "instructions", "stdout"])
@pytest.mark.parametrize("kind", [Kind.OPAQUE, Kind.SECRET, Kind.BLOB])
def test_a_text_that_is_kept_from_being_read_is_reported(monkeypatch: pytest.MonkeyPatch, key: str, kind: Kind) -> None:
    """A mutant: a text listed as if it could not be read."""
    monkeypatch.setitem(schema._RULES, key, schema.Rule(kind, Context.TYPED))
    assert any(reason == f"a string that is read as {kind.name}" for reason in gaps().values())


@pytest.mark.parametrize("key", ["metadata", "parameters"])
def test_the_users_own_json_read_as_the_protocols_is_reported(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """A mutant: an object with the user's keys listed as one of the protocol's."""
    monkeypatch.setitem(schema._RULES, key, schema.Rule(Kind.TEXT, Context.TYPED))
    assert any("own keys" in reason or "anything" in reason for reason in gaps().values())


@pytest.mark.parametrize("name", sorted({type_of(model) for model in SERVER_EVENTS}))
def test_an_event_taken_from_the_table_is_reported(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A mutant: the table without one of its rows."""
    monkeypatch.delitem(EVENTS, name)
    assert event_gaps() == {name: "not in the table"}


@pytest.mark.parametrize("name", ["response.output_text.delta", "response.mcp_call_arguments.delta"])
def test_a_delta_in_a_wrong_class_is_reported(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A mutant: a piece of a text listed as a notice."""
    monkeypatch.setitem(EVENTS, name, events.UNLISTED)
    assert event_gaps() == {name: "is NOTICE"}


def test_an_item_that_is_not_replayed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: replay without one of its rows."""
    monkeypatch.delitem(synth.FIELDS, "mcp_call")
    assert synth_gaps() == {"response.mcp_call_arguments.delta", "response.mcp_call_arguments.done"}


def test_examples_can_be_written() -> None:
    """Every example built from the package is JSON."""
    assert all(encode(item) for item in _output_items())
