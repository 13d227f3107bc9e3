"""One place decides the model, and nothing in a frame gets another name through."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gateway.errors import Refused
from gateway.session.model import asked, choose, drop_foreign, enforce
from tests.kit import Wire

MODELS = ("gpt-5.1", "gpt-5.1-mini")
FOREIGN = "gpt-9-expensive"


def create(**more: Any) -> dict[str, Any]:
    return {"type": "response.create", "input": "hello", **more}


def refusal(wire: Wire) -> Any:
    """The error that the client got last; nothing went up with it."""
    frame: Any = wire.sent_down[-1]
    assert (frame["type"], frame["status"]) == ("error", 400)
    return frame["error"]


# Which model a connection has


def test_the_model_in_the_url_wins_over_the_first_frames() -> None:
    wire = Wire(asked="gpt-5.1-mini")
    (sent,) = wire.client(create(model="gpt-5.1"))
    assert sent["model"] == "gpt-5.1-mini"
    assert wire.session.model == "gpt-5.1-mini"


def test_without_one_in_the_url_the_first_frame_chooses() -> None:
    wire = Wire()
    assert wire.session.model is None
    (sent,) = wire.client(create(model="gpt-5.1-mini"))
    assert sent["model"] == "gpt-5.1-mini"
    assert wire.session.model == "gpt-5.1-mini"


def test_without_either_it_is_the_keys_first() -> None:
    (sent,) = Wire().client(create())
    assert sent["model"] == "gpt-5.1"


def test_the_first_frame_may_choose_in_the_nested_form() -> None:
    wire = Wire()
    (sent,) = wire.client({"type": "response.create", "response": {"model": "gpt-5.1-mini", "input": "hello"}})
    assert sent["model"] == sent["response"]["model"] == "gpt-5.1-mini"  # type: ignore[index, call-overload]


def test_every_later_frame_carries_the_connections_model() -> None:
    wire = Wire()
    wire.client(create(model="gpt-5.1-mini"))
    frames = (create(), create(model="gpt-5.1"), create(model=FOREIGN), create(model=None), create(model=["x"]))
    for lane, frame in enumerate(frames):
        (sent,) = wire.client({**frame, "stream_id": f"lane-{lane}"})
        assert sent["model"] == "gpt-5.1-mini"
    assert FOREIGN not in "".join(wire.raw_up)


@pytest.mark.parametrize("model", [FOREIGN, "GPT-5.1", "gpt-5.1 ", "", 5, ["gpt-5.1"], {"id": "gpt-5.1"}, False])
def test_a_first_frame_that_names_another_model_is_refused_and_the_next_may_choose(model: Any) -> None:
    wire = Wire()
    assert wire.client(create(model=model)) == []
    error = refusal(wire)
    assert (error["code"], error["param"]) == ("invalid_prompt", "model")
    assert str(model) not in error["message"] or not model
    assert wire.rows[-1].decision == "refused"
    assert wire.rows[-1].model_asked is None
    (sent,) = wire.client(create(model="gpt-5.1-mini"))
    assert sent["model"] == "gpt-5.1-mini"


def test_the_provider_gets_its_own_name_for_the_model() -> None:
    wire = Wire(provider_models={"gpt-5.1": "azure-deployment-7"})
    (flat,) = wire.client(create(model="gpt-5.1"))
    (nested,) = wire.client({"type": "response.create", "response": {"model": "gpt-5.1"}, "stream_id": "b"})
    assert flat["model"] == "azure-deployment-7"
    assert nested["response"] == {"model": "azure-deployment-7"}
    assert [(row.model_asked, row.model_used) for row in wire.rows] == [("gpt-5.1", "gpt-5.1")] * 2


def test_the_row_says_which_allowed_model_was_asked_for_and_which_was_used() -> None:
    wire = Wire(asked="gpt-5.1")
    wire.client(create(model="gpt-5.1-mini"))
    wire.client(create(model=FOREIGN, stream_id="b"))
    assert [(row.model_asked, row.model_used) for row in wire.rows] == [("gpt-5.1-mini", "gpt-5.1"), (None, "gpt-5.1")]


# With on_model_mismatch: reject


@pytest.mark.parametrize(
    "frame",
    [
        create(model="gpt-5.1-mini"),
        create(model=FOREIGN),
        {"type": "response.create", "response": {"model": "gpt-5.1-mini"}},
        {"type": "response.create", "model": "gpt-5.1", "response": {"model": FOREIGN}},
        create(model="gpt-5.1", tools=[{"type": "image_generation", "model": FOREIGN}]),
        create(model="gpt-5.1", fallback_models=[FOREIGN]),
        create(Model=FOREIGN),
        {"type": "response.steer", "previous_response_id": "resp_1", "input": "x", "model": FOREIGN},
        {"type": "response.inject", "response_id": "resp_1", "input": [], "fallback_model": FOREIGN},
    ],
)
def test_a_frame_that_names_another_model_is_refused_where_the_configuration_says_so(frame: Any) -> None:
    wire = Wire(asked="gpt-5.1", mismatch="reject")
    assert wire.client(frame) == []
    assert refusal(wire)["param"] == "model"
    assert FOREIGN not in "".join(wire.raw_down)
    assert wire.create("still here")


@pytest.mark.parametrize(
    "frame",
    [
        create(),
        create(model="gpt-5.1"),
        create(model="gpt-5.1", tools=[{"type": "image_generation", "model": "gpt-5.1-mini"}]),
        create(metadata={"model": FOREIGN, "fallback_models": FOREIGN}),
        create(tools=[{"type": "function", "name": "f", "parameters": {"properties": {"model": {"enum": [FOREIGN]}}}}]),
        create(input=f"which is better, gpt-5.1 or {FOREIGN}?"),
        {"type": "response.steer", "previous_response_id": "resp_1", "input": "x"},
    ],
)
def test_a_frame_that_names_no_other_model_is_not_refused(frame: Any) -> None:
    wire = Wire(asked="gpt-5.1", mismatch="reject")
    assert len(wire.client(frame)) == 1


# Look-alikes


LOOK_ALIKES: dict[str, dict[str, Any]] = {
    "another case": {"Model": FOREIGN},
    "a zero-width space": {"mo\u200bdel": FOREIGN},
    "a soft hyphen": {"mo\u00addel": FOREIGN},
    "full width": {"\uff4d\uff4f\uff44\uff45\uff4c": FOREIGN},
    "a space": {" model": FOREIGN},
    "a list": {"fallback_models": [FOREIGN, FOREIGN]},
    "a list of lists": {"models": [[FOREIGN], [["x", [FOREIGN]]]]},
    "objects in a list": {"fallback_models": [{"name": FOREIGN}, {"provider": {"id": FOREIGN}}]},
    "an object": {"models": {"primary": FOREIGN, "others": [FOREIGN]}},
    "deep": {"haiku": {"verses": [{"x": {"model_id": FOREIGN}}]}},
    "an engine": {"engine": FOREIGN},
    "a deployment": {"deployment_id": FOREIGN},
    "a router": {"router": {"fallbacks": [FOREIGN]}},
    "a tool": {"tools": [{"type": "image_generation", "model": FOREIGN}]},
    "a tool, deep": {"tools": [{"type": "haiku", "settings": {"image_model": FOREIGN}}]},
    "a tool, a list of lists": {"tools": [{"type": "function", "name": "f", "model": [[FOREIGN]]}]},
    "an item": {"input": [{"type": "message", "role": "user", "content": "x", "model": FOREIGN}]},
    "moderation": {"moderation": {"model": FOREIGN}},
    "nested form": {"response": {"model": FOREIGN, "fallback_models": [FOREIGN], "tools": [{"model": FOREIGN}]}},
    "a nested form in a nested form": {"response": {"response": {"model": FOREIGN}}},
}


@pytest.mark.parametrize("more", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_no_key_that_may_be_read_as_a_model_gets_a_foreign_name_through(more: dict[str, Any]) -> None:
    wire = Wire()
    (sent,) = wire.client(create(model="gpt-5.1", **copy.deepcopy(more)))
    assert FOREIGN not in wire.raw_up[-1]
    assert sent["model"] == "gpt-5.1"


@pytest.mark.parametrize("kind", ["response.steer", "response.inject"])
@pytest.mark.parametrize("more", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_neither_does_steering_or_injecting(more: dict[str, Any], kind: str) -> None:
    wire = Wire()
    wire.client({"type": kind, "previous_response_id": "resp_1", "model": FOREIGN, "input": "x", **copy.deepcopy(more)})
    assert len(wire.raw_up) == 1
    assert FOREIGN not in wire.raw_up[0]


def test_names_in_the_keys_list_stay_where_they_are() -> None:
    more = {"fallback_models": ["gpt-5.1-mini", FOREIGN], "tools": [{"type": "image_generation", "model": "gpt-5.1"}]}
    (sent,) = Wire().client(create(**more))
    assert sent["fallback_models"] == ["gpt-5.1-mini"]
    assert sent["tools"] == [{"type": "image_generation", "model": "gpt-5.1"}]


@pytest.mark.parametrize("key", ["modalities", "modality", "mode", "module"])
def test_a_key_that_is_no_models_keeps_its_value(key: str) -> None:
    (sent,) = Wire().client(create(**{key: FOREIGN}))
    assert sent[key] == FOREIGN


def test_the_users_own_json_may_speak_of_models() -> None:
    frame = create(metadata={"model": FOREIGN}, client_metadata={"fallback_models": FOREIGN})
    (sent,) = Wire().client(copy.deepcopy(frame))
    assert sent["metadata"] == frame["metadata"]
    assert sent["client_metadata"] == frame["client_metadata"]


def test_numbers_and_flags_under_a_models_key_stay() -> None:
    frame = create(model_settings={"depth": 3, "fast": True, "none": None})
    (sent,) = Wire().client(copy.deepcopy(frame))
    assert sent["model_settings"] == {"depth": 3, "fast": True, "none": None}


def test_a_value_under_a_models_key_is_examined_like_any_text() -> None:
    email = "ada.lovelace@example.com"
    for value in ([[email]], [{"name": email}], {"name": [email]}, [[[{"a": [email]}]]]):
        wire = Wire(models=("gpt-5.1", email))
        wire.client(create(model="gpt-5.1", tools=[{"type": "function", "name": "f", "model": value}]))
        assert len(wire.raw_up) == 1
        assert email not in wire.raw_up[0]


# The functions themselves


def test_what_a_frame_asks_for_is_flat_or_else_nested() -> None:
    assert asked({"model": "a", "response": {"model": "b"}}) == "a"
    assert asked({"model": None, "response": {"model": "b"}}) == "b"
    assert asked({"response": "x"}) is None


def test_choosing_takes_a_name_from_the_list_only() -> None:
    assert choose(None, MODELS) == "gpt-5.1"
    assert choose("gpt-5.1-mini", MODELS) == "gpt-5.1-mini"
    with pytest.raises(Refused) as caught:
        choose(FOREIGN, MODELS)
    assert FOREIGN not in str(caught.value)


def test_enforcing_says_whether_the_frame_had_named_another_model() -> None:
    assert enforce({"model": "a"}, "gpt-5.1", "gpt-5.1", MODELS, "overwrite")
    assert not enforce({"model": "gpt-5.1"}, "gpt-5.1", "gpt-5.1", MODELS, "overwrite")
    assert not enforce({}, "gpt-5.1", "gpt-5.1", MODELS, "overwrite")


def test_dropping_takes_the_key_away_when_nothing_is_left() -> None:
    frame: Any = {"model": FOREIGN, "models": [FOREIGN], "fallback_models": [FOREIGN, "gpt-5.1"]}
    drop_foreign(frame, MODELS, "overwrite")
    assert frame == {"fallback_models": ["gpt-5.1"]}
