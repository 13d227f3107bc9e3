"""Modules that see events: what they are shown, what becomes of what they answer, and that it is no way round."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import NotExamined
from gateway.session.effects import Show
from policies.model import Policy
from tests.kit import EMAIL, LIVE, REPLAY, RESTORE, SSN, SUPPRESS, Wire, noted, policy, token
from tests.properties.streams import chunks, one, sequence

Event = dict[str, Any]

INVENTED = "invented.person@example.com"
BLOCKING = policy("output: {mask: new}\nactions: {US_SSN: {output: block}}\n")
EVERY = pytest.mark.parametrize("of", [RESTORE, REPLAY, SUPPRESS, LIVE], ids=["restore", "replay", "suppress", "live"])


class Module:
    """Keeps what it is shown, and answers with what `make` makes of it."""

    def __init__(self, make: Any = None) -> None:
        self.make = make or (lambda event: event)
        self.seen: list[Event] = []

    def __call__(self, event: Event) -> object:
        self.seen.append(json.loads(json.dumps(event)))
        return self.make(event)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.seen]


def message(text: str) -> Event:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def answer(wire: Wire, text: str, *, lane: Event | None = None) -> list[Event]:
    """The provider answers with a text in two pieces; what the client got."""
    before = len(wire.sent_down)
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    more = lane or {}
    middle = len(text) // 2
    wire.begin(**more)
    for piece in (text[:middle], text[middle:]):
        wire.provider({"type": "response.output_text.delta", **at, "delta": piece, **more})
    wire.provider({"type": "response.output_text.done", **at, "text": text, **more})
    wire.provider({"type": "response.output_item.done", "output_index": 0, "item": message(text), **more})
    whole = {"id": "resp_1", "status": "completed", "output": [message(text)]}
    wire.provider({"type": "response.completed", "response": whole, **more})
    return wire.sent_down[before:]


def last_text(events: list[Event]) -> str:
    text = events[-1]["response"]["output"][0]["content"][0]["text"]
    assert isinstance(text, str)
    return text


def shouts(event: Event) -> Event:
    """Write every text of an event in capitals, but for tokens."""

    def loud(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: loud(v) if k not in ("type", "id", "role", "status") else v for k, v in value.items()}
        if isinstance(value, list):
            return [loud(child) for child in value]
        return value.replace("hello", "HELLO") if isinstance(value, str) else value

    new = loud(event)
    assert isinstance(new, dict)
    return new


def told(wire: Wire) -> str:
    """The last refusal."""
    frame = wire.sent_down[-1]
    assert frame["type"] == "error"
    error = frame["error"]
    assert isinstance(error, dict)
    return str(error["message"])


@EVERY
def test_a_module_sees_tokens_and_never_a_value_and_the_client_gets_the_value(of: Policy) -> None:
    module = Module()
    wire = Wire(of, on_event=module)
    wire.create(f"hello {EMAIL}")
    wire.begin("resp_0")
    name = token(wire, EMAIL)
    events = answer(wire, f"hello {name} and {name}")
    assert last_text(events) == f"hello {EMAIL} and {EMAIL}"
    assert EMAIL not in json.dumps(module.seen)
    assert name in json.dumps(module.seen)


def test_a_module_sees_every_event_in_order_where_the_policy_only_restores() -> None:
    module = Module()
    wire = Wire(on_event=module)
    wire.create("hello")
    events = answer(wire, "hello you")
    assert module.types == [event["type"] for event in events]
    assert events == module.seen


@pytest.mark.parametrize("of", [REPLAY, SUPPRESS], ids=["replay", "suppress"])
def test_where_answers_are_masked_a_module_sees_them_masked_and_no_pieces(of: Policy) -> None:
    module = Module()
    wire = Wire(of, on_event=module)
    wire.create("hello")
    events = answer(wire, f"write to {INVENTED}")
    assert module.types == ["response.created", "response.output_item.done", "response.completed"]
    assert INVENTED not in json.dumps(module.seen) + json.dumps(events)
    assert "<EMAIL_ADDRESS_" in last_text(events)
    (row,) = [row for row in wire.rows if row.direction == "output"]
    assert row.decision == "masked"
    assert [one.entity for one, _ in noted(row)] == ["EMAIL_ADDRESS"], "noted once"


@EVERY
def test_what_a_module_makes_of_an_event_takes_its_place(of: Policy) -> None:
    wire = Wire(of, on_event=Module(shouts))
    wire.create(f"hello {EMAIL}")
    wire.begin("resp_0")
    events = answer(wire, f"hello {token(wire, EMAIL)}")
    assert last_text(events) == f"HELLO {EMAIL}"
    if of is not SUPPRESS:
        assert "".join(event["delta"] for event in events if "delta" in event) == f"HELLO {EMAIL}"


@pytest.mark.parametrize("of", [REPLAY, SUPPRESS], ids=["replay", "suppress"])
def test_what_a_module_brings_in_is_masked_like_the_providers_own(of: Policy) -> None:
    def write(event: Event) -> Event:
        new: Event = json.loads(json.dumps(event).replace("hello", f"write to {INVENTED}, {SSN}"))
        return (
            {**new, INVENTED: {"note": SSN}, "response": {**new["response"], "x": INVENTED}}
            if "response" in new
            else new
        )

    wire = Wire(of, on_event=Module(write))
    wire.create("hi")
    events = answer(wire, "hello you")
    assert INVENTED not in json.dumps(events)
    assert SSN not in json.dumps(events)
    assert "write to <EMAIL_ADDRESS_" in last_text(events)
    (row,) = [row for row in wire.rows if row.direction == "output"]
    assert {one.entity for one, _ in noted(row)} == {"EMAIL_ADDRESS", "US_SSN"}
    assert INVENTED not in json.dumps(row.as_json())


def test_a_token_that_a_module_writes_comes_back_only_if_the_conversation_has_it() -> None:
    other = Wire()
    other.create(f"mail {INVENTED}")
    other.begin()
    foreign, names = token(other, INVENTED), []

    def write(event: Event) -> Event:
        new: Event = json.loads(json.dumps(event).replace("you", f"{foreign} {names[0]} you"))
        return new

    wire = Wire(on_event=Module(write))
    wire.create(f"mail {EMAIL}")
    names.append("")
    wire.begin("resp_0")
    names[0] = token(wire, EMAIL)
    assert last_text(answer(wire, "hello you")) == f"hello {foreign} {EMAIL} you"


def test_changing_an_event_in_place_is_changing_it() -> None:
    def change(event: Event) -> Event:
        if "delta" in event:
            event["delta"] = "x"
        return event

    wire = Wire(on_event=Module(change))
    wire.create("hello")
    assert [event["delta"] for event in answer(wire, "hello you") if "delta" in event] == ["x", "x"]


@EVERY
def test_an_event_for_which_a_module_gives_none_is_dropped(of: Policy) -> None:
    wire = Wire(of, on_event=Module(lambda event: None if event["type"] == "codex.rate_limits" else event))
    wire.create("hello")
    wire.begin("resp_0")
    assert wire.provider({"type": "codex.rate_limits", "plan": "x"}) == []
    assert answer(wire, "hello you")[-1]["type"] == "response.completed"


@EVERY
def test_the_end_of_a_response_cannot_be_dropped(of: Policy) -> None:
    wire = Wire(of, on_event=Module(lambda event: None if event["type"] == "response.completed" else event))
    wire.create("hello")
    answer(wire, "hello you")
    assert told(wire) == "A module of policy test dropped the end of the response."
    assert wire.rows[-1].decision == "blocked"
    wire.create("again")
    assert len(wire.sent_up) == 2, "the lane is free"


def fails(event: Event) -> Event:
    if event["type"] in ("response.output_text.delta", "response.output_item.done"):
        raise NotExamined("A module of the policy failed on the answer, so it was not sent.")
    return event


@EVERY
def test_a_module_that_fails_refuses_the_response_and_the_connection_lives_on(of: Policy) -> None:
    module = Module(fails)
    wire = Wire(of, on_event=module)
    wire.create("hello")
    events = answer(wire, "hello you")
    assert [event["type"] for event in events if event["type"] == "response.completed"] == []
    assert [event["type"] for event in events].count("error") == 1
    assert told(wire) == "A module of the policy failed on the answer, so it was not sent."
    assert wire.rows[-1].decision == "failed"
    seen = len(module.seen)
    assert seen < 6, "nothing more of it is shown"
    module.make = lambda event: event
    wire.create("again")
    wire.begin("resp_2")
    wire.provider({"type": "response.completed", "response": {"id": "resp_2", "output": [message("fine")]}})
    assert last_text(wire.sent_down) == "fine"


def deep(event: Event) -> Event:
    value: Any = "x"
    for _ in range(200):
        value = [value]
    return {**event, "x": value}


@pytest.mark.parametrize(
    "make",
    [
        lambda event: {**event, "type": "response.other"},
        lambda event: {**event, "stream_id": "lane-2"},
        lambda event: {key: value for key, value in event.items() if key != "type"},
        lambda event: [event],
        lambda event: "event",
        lambda event: {**event, "x": object()},
        lambda event: {**event, "x": "\ud800"},
        lambda event: {**event, 3: "x"},
        deep,
    ],
    ids=["type", "lane", "no type", "list", "text", "object", "surrogate", "key", "deep"],
)
@EVERY
def test_an_answer_that_is_not_the_event_refuses_the_response(make: Any, of: Policy) -> None:
    wire = Wire(of, on_event=Module(lambda event: make(event) if event["type"] != "response.created" else event))
    wire.create("hello")
    answer(wire, "hello you")
    assert told(wire) == "A module of the policy answered with something that is not the event it was shown."
    assert wire.rows[-1].decision == "failed"
    assert not [event for event in wire.sent_down if event["type"] == "response.completed"]


def test_what_a_policy_blocks_in_an_answer_is_blocked_before_a_module_sees_it() -> None:
    module = Module(lambda event: json.loads(json.dumps(event).replace(SSN, "hidden")))
    wire = Wire(BLOCKING, on_event=module)
    wire.create("hello")
    answer(wire, f"the number is {SSN}")
    assert told(wire) == "Policy test does not let US_SSN through in an answer."
    assert wire.rows[-1].decision == "blocked"
    assert module.types == ["response.created"]


def test_pictures_are_not_shown_where_the_policy_blocks_attachments() -> None:
    module = Module()
    wire = Wire(REPLAY, on_event=module)
    wire.create("hello")
    wire.begin("resp_1")
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBORw0KGgo" * 40}
    wire.provider({"type": "response.output_item.done", "output_index": 0, "item": item})
    assert "iVBORw0KGgo" not in json.dumps(module.seen)


def test_events_of_a_lane_wait_for_each_other_and_lanes_do_not() -> None:
    wire = Wire(on_event=Module())
    wire.hold_shows = True
    for lane in ("a", "b"):
        wire.create("hello", stream_id=lane)
        wire.begin(f"resp_{lane}", stream_id=lane)
    wire.provider({"type": "response.completed", "response": {"id": "resp_a", "output": []}, "stream_id": "a"})
    assert len(wire.shows) == 3
    wire.show(2)
    assert wire.sent_down == [], "answered, but it is not its turn"
    wire.show(1)
    assert [event["stream_id"] for event in wire.sent_down] == ["b"]
    wire.show(0)
    assert [event["type"] for event in wire.sent_down[1:]] == ["response.created", "response.completed"]


@pytest.mark.parametrize("of", [REPLAY, SUPPRESS], ids=["replay", "suppress"])
def test_events_are_shown_in_order_though_a_later_one_is_examined_first(of: Policy) -> None:
    module = Module()
    wire = Wire(of, on_event=module)
    wire.create("hello")
    wire.hold = True
    wire.begin("resp_1", note="some text")
    wire.provider({"type": "response.output_item.done", "output_index": 0, "item": message("hello")})
    assert len(wire.questions) == 2
    wire.answer(1)
    assert module.seen == []
    wire.answer(0)
    assert module.types == ["response.created", "response.output_item.done"]


def test_detection_that_fails_before_an_event_is_shown_refuses_the_response() -> None:
    module = Module()
    wire = Wire(REPLAY, on_event=module)
    wire.create("hello")
    wire.hold = True
    wire.begin("resp_1", note="some text")
    wire.fail()
    assert wire.sent_down[-1]["type"] == "error"
    assert module.seen == []


def test_a_provider_that_leaves_takes_its_events_with_it() -> None:
    wire = Wire(on_event=Module())
    wire.create("hello")
    wire.hold_shows = True
    wire.begin("resp_1")
    assert not wire.session.idle
    wire.provider("not an event")
    assert told(wire) == "The provider sent something that is not an event."
    assert wire.disconnected == 1
    wire.show()
    assert wire.sent_down[-1]["type"] == "error", "a late answer is about nothing"
    assert wire.session.idle


def test_events_that_wait_for_modules_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.session.showing._MAX_WAITING", 3)
    wire = Wire(on_event=Module())
    wire.create("hello")
    wire.hold_shows = True
    for _ in range(6):
        wire.begin("resp_1")
    assert len(wire.shows) == 3
    for _ in range(3):
        wire.show()
    assert told(wire) == "The provider sends faster than its answers can be examined."


@pytest.mark.parametrize("way", ["module", "provider"])
def test_another_deployment_is_asked_also_where_modules_see_the_error(way: str) -> None:
    module = Module()
    wire = Wire(on_event=module, deployments=("a", "b"))
    wire.create(f"hello {EMAIL}")
    wire.hold_shows = way == "provider"
    wire.provider({"type": "error", "status": 503, "error": {"code": "server_error", "message": "down"}})
    if way == "provider":
        wire.show()
        wire.hold_shows = False
    assert wire.dialled == ["a", "b"]
    assert len(wire.sent_up) == 2
    assert wire.sent_down == []
    assert last_text(answer(wire, "hello you")) == "hello you"
    assert module.types[0] == "error"


def test_without_such_modules_nothing_stands_between_the_provider_and_the_session() -> None:
    session = Wire().session
    assert session._showing is None
    assert session._from_provider == session._outbound.frame
    assert session.shown(1, {}, 0.0) == []
    assert session.show_failed(1, NotExamined("no"), 0.0) == []


def test_the_event_that_is_shown_is_a_copy() -> None:
    wire = Wire(on_event=Module())
    wire.create("hello")
    wire.hold_shows = True
    wire.begin("resp_1")
    (question,) = wire.shows
    assert isinstance(question, Show)
    assert isinstance(question.event, dict)
    question.event["type"] = "response.failed"
    wire.show()
    assert wire.sent_down[-1]["type"] == "error", "what it was shown is known, whatever the module does to it"


def test_under_live_nothing_of_an_item_goes_out_before_a_module_has_seen_it() -> None:
    """It may drop the item, or change it: no piece of that may be with the client by then."""
    module = Module(lambda event: None if event["type"] == "response.output_item.done" else event)
    wire = Wire(LIVE, on_event=module)
    wire.create(f"mail {EMAIL}")
    wire.begin("resp_main")
    got: list[Event] = []
    for event in sequence([one("text", chunks(f"Ask {INVENTED} or {token(wire, EMAIL)}. " * 20, 9))])[:-1]:
        got += wire.provider(event)
    assert got == []
    assert module.types == ["response.created", "response.output_item.done"]
    assert INVENTED not in str(module.seen)
