"""Another deployment answers what one did not begin to answer, and nothing that one did."""

from __future__ import annotations

import pytest

from gateway.errors import UpstreamError
from gateway.session.effects import Connect, Effect
from gateway.wire.frame import Json
from tests.kit import CARD, EMAIL, REPLAY, Wire, token

TWO = ("east", "west")
ERROR: dict[str, Json] = {"type": "error", "status": 503, "error": {"code": "server_error", "message": "busy"}}
ERROR_LEFT = UpstreamError("The provider left.")
COMPLETED: dict[str, Json] = {
    "type": "response.completed",
    "response": {"id": "resp_1", "status": "completed", "output": []},
}


def complete(wire: Wire, **more: Json) -> list[dict[str, Json]]:
    return wire.provider({"type": "response.completed", "response": {**COMPLETED["response"], **more}})  # type: ignore[dict-item]


@pytest.mark.parametrize("failure", ["leaves", "error", "garbage"])
def test_what_one_deployment_does_not_begin_to_answer_another_is_asked(failure: str) -> None:
    wire = Wire(deployments=TWO, provider_models={"east": "model-e", "west": "model-w"})
    wire.create(f"write to {EMAIL}")
    told = {"leaves": wire.leave, "error": lambda: wire.provider(ERROR), "garbage": lambda: wire.provider("[]")}[
        failure
    ]()
    assert told == [], "the client learns nothing of it"
    assert wire.dialled == ["east", "west"]
    first, second = wire.sent_up
    assert (first["model"], second["model"]) == ("model-e", "model-w")
    assert {**first, "model": None} == {**second, "model": None}, "the same was asked, and masked"
    assert EMAIL not in str(wire.raw_up)
    wire.begin()
    assert complete(wire)[0]["type"] == "response.completed"
    shown = [(row.direction, row.deployment, row.attempt, row.decision) for row in wire.rows]
    assert shown == [("input", "east", 1, "masked"), ("input", "west", 2, "masked"), ("output", "west", 1, "forwarded")]


def test_values_come_back_from_the_deployment_that_answers() -> None:
    wire = Wire(deployments=TWO)
    wire.create(f"write to {EMAIL}")
    wire.leave()
    wire.begin()
    text = f"to {token(wire, EMAIL)}"
    assert wire.provider({"type": "response.output_text.delta", "delta": text})[0]["delta"] == f"to {EMAIL}"


@pytest.mark.parametrize("failure", ["leaves", "error"])
def test_an_answer_that_has_begun_is_not_asked_for_again(failure: str) -> None:
    wire = Wire(deployments=TWO)
    wire.create()
    wire.begin()
    told = wire.leave() if failure == "leaves" else wire.provider(ERROR)
    assert [event["type"] for event in told] == ["error"]
    assert len(wire.sent_up) == 1


def test_a_provider_that_refuses_what_was_asked_is_believed() -> None:
    wire = Wire(deployments=TWO)
    wire.create()
    told = wire.provider({"type": "error", "status": 400, "error": {"code": "invalid_prompt", "message": "no"}})
    assert (told[0]["type"], wire.dialled) == ("error", ["east"])


@pytest.mark.parametrize(
    "status", [401, 403, 404, 408, 429, 500, 503, None], ids=lambda status: f"HTTP {status}" if status else "no status"
)
def test_an_error_of_the_provider_itself_moves_the_turn(status: int | None) -> None:
    wire = Wire(deployments=TWO)
    wire.create()
    error: dict[str, Json] = {"type": "error", "error": {"code": "server_error", "message": "busy"}}
    assert wire.provider({**error, "status": status} if status is not None else error) == []
    assert wire.dialled == ["east", "west"]


def test_what_continues_a_response_stays_where_that_is() -> None:
    wire = Wire(deployments=TWO)
    wire.create()
    wire.begin()
    complete(wire)
    wire.create(previous_response_id="resp_1")
    assert wire.provider(ERROR)[0]["type"] == "error"
    assert set(wire.dialled) == {"east"}


@pytest.mark.parametrize(
    "held",
    [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA" + "b" * 80},
        {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1", "code": "", "outputs": None},
    ],
    ids=lambda item: str(item["type"]),
)
def test_what_only_one_deployment_has_takes_the_turn_there(held: dict[str, Json]) -> None:
    wire = Wire(deployments=TWO)
    wire.create()
    wire.leave()
    wire.begin()
    complete(wire, output=[held])
    assert wire.dialled == ["east", "west"]
    again = Wire(deployments=TWO, vault=wire.vault, homes=wire.homes)
    again.create([held, {"type": "message", "role": "user", "content": "go on"}])
    assert again.dialled == ["west"]
    assert again.provider(ERROR)[0]["type"] == "error", "and no other deployment is asked"


def test_each_deployment_is_asked_once_and_then_the_last_ones_error_is_told() -> None:
    wire = Wire(deployments=("east", "west", "south"))
    wire.create()
    assert wire.provider(ERROR) == []
    assert wire.leave() == []
    told = wire.provider({**ERROR, "error": {"code": "server_error", "message": "all of us are busy"}})
    assert [event["error"]["message"] for event in told] == ["all of us are busy"]  # type: ignore[index, call-overload]
    assert wire.dialled == ["east", "west", "south"]
    assert [(row.direction, row.attempt) for row in wire.rows] == [
        ("input", 1),
        ("input", 2),
        ("input", 3),
        ("output", 1),
    ]
    assert wire.timers == {}
    assert wire.create("again"), "the next turn dials anew"


def test_the_last_error_is_masked_like_every_answer() -> None:
    wire = Wire(REPLAY, deployments=TWO)
    wire.create()
    wire.provider(ERROR)
    told = wire.provider({**ERROR, "error": {"code": "server_error", "message": f"card {CARD}"}})
    assert told[0]["type"] == "error"
    assert CARD not in str(wire.raw_down)


def test_a_provider_that_leaves_last_is_told_as_such() -> None:
    wire = Wire(deployments=TWO)
    wire.create()
    wire.leave()
    told = wire.leave()
    assert [(event["type"], event["status"]) for event in told] == [("error", 400)]
    assert wire.rows[-1].decision == "failed"
    assert wire.session.idle


def test_a_turn_is_not_moved_while_another_lane_has_an_answer_under_way() -> None:
    wire = Wire(deployments=TWO)
    wire.create(stream_id="a")
    wire.begin(stream_id="a")
    wire.create(stream_id="b")
    assert wire.provider({**ERROR, "stream_id": "b"})[0]["type"] == "error"
    assert wire.dialled == ["east"]
    assert wire.provider({**COMPLETED, "stream_id": "a"})[0]["type"] == "response.completed"


def test_a_lost_connection_moves_every_turn_that_was_not_begun() -> None:
    wire = Wire(deployments=TWO)
    for lane in "abc":
        wire.create(f"in {lane}", stream_id=lane)
    wire.begin(stream_id="b")
    assert [event["stream_id"] for event in wire.leave()] == ["b"]
    assert [frame["stream_id"] for frame in wire.sent_up[3:]] == ["a", "c"]


def test_a_turn_that_takes_too_long_is_not_asked_of_anybody_else() -> None:
    wire = Wire(deployments=TWO, reachable=True)
    wire.create()
    effects = wire.session.upstream_frame('{"type":"error","status":503,"error":{"code":"x"}}', 0.0)
    assert [effect for effect in effects if isinstance(effect, Connect)] == [Connect("gpt-5.1", failed=("east",))]
    assert wire.ring()[-1]["type"] == "error"
    wire.perform(wire.session.connected("gpt-5.1", "gpt-5.1", 0.0, deployment="west"))
    assert len(wire.sent_up) == 1
    assert wire.session.idle


def test_a_row_that_cannot_be_written_keeps_the_turn_from_the_other_deployment() -> None:
    wire = Wire(deployments=TWO)
    wire.create()
    wire.audit_works = False
    told = wire.provider(ERROR)
    assert (len(wire.sent_up), [event["type"] for event in told]) == (1, ["error"])
    assert wire.session.idle


def left_while_another_waits() -> tuple[Wire, list[Effect]]:
    """The provider left the first of two turns, and the second one is ready; what is to be done about the first."""
    wire = Wire(deployments=TWO, hold=True)
    wire.create("first")
    wire.answer()
    wire.create("second")
    effects = wire.session.upstream_closed(ERROR_LEFT, 0.0)
    wire.answer()
    return wire, effects


def test_a_turn_that_waits_while_another_is_moved_is_sent_after_it() -> None:
    wire, effects = left_while_another_waits()
    wire.perform(effects)
    assert [frame["input"] for frame in wire.sent_up] == ["first", "first", "second"]


def test_where_nobody_else_can_be_reached_the_next_turn_is_not_refused_for_it() -> None:
    wire, effects = left_while_another_waits()
    wire.reachable = False
    connect = [effect for effect in effects if isinstance(effect, Connect)]
    assert connect
    answered = wire.session.connect_failed(ERROR_LEFT, 0.0)
    wire.reachable = True
    wire.perform(answered)
    assert [frame["input"] for frame in wire.sent_up] == ["first", "second"]
    assert [event["type"] for event in wire.sent_down] == ["error"]
