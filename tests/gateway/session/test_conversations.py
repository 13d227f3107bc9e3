"""The provider's conversations: one restorable set for all responses of one, and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.session.affinity import conversation_name
from gateway.session.effects import Effect, Recall, Remember
from gateway.session.refusals import not_recalled
from guardrails.errors import VaultError
from guardrails.vault import WrongTenant
from tests.kit import CARD, EMAIL, SSN, Wire, token

DELTA = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0}


class Watched(Wire):
    """A wire that keeps what is remembered, and can refuse to recall."""

    error: VaultError | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.remembered: list[Remember] = []
        self.recalled: list[str] = []

    def _one(self, effect: Effect) -> list[Effect]:
        if isinstance(effect, Remember):
            self.remembered.append(effect)
        if isinstance(effect, Recall):
            self.recalled.append(effect.name)
            if self.error is not None:
                return self.session.recall_failed(effect.ticket, not_recalled(self.error), self.now)
        return super()._one(effect)


def complete(wire: Wire, response_id: str) -> None:
    wire.begin(response_id)
    wire.provider({"type": "response.completed", "response": {"id": response_id, "output": []}})


@pytest.mark.parametrize(
    "named",
    [
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"conversation": " conv_1 "},
        {"response": {"conversation": "conv_1"}},
        {"conversation": None, "response": {"conversation": {"id": "conv_1"}}},
    ],
)
def test_a_conversation_restores_what_any_of_its_responses_was_sent(named: dict[str, Any]) -> None:
    wire = Watched()
    wire.create(f"mail {EMAIL}", conversation="conv_1")
    complete(wire, "resp_1")
    wire.create(f"card {CARD}", conversation="conv_1")
    complete(wire, "resp_2")
    again = Watched(vault=wire.vault)
    again.create("say it", **named)
    again.begin("resp_3")
    said = again.provider({**DELTA, "delta": f"{token(wire, EMAIL)}, {token(wire, CARD)}"})
    assert said[0]["delta"] == f"{EMAIL}, {CARD}"


def test_a_response_adds_to_its_conversation_only_what_is_new() -> None:
    wire = Watched()
    wire.create(f"mail {EMAIL}", conversation="conv_1")
    complete(wire, "resp_1")
    wire.create(f"mail {EMAIL}, card {CARD}", conversation="conv_1")
    complete(wire, "resp_2")
    wire.create("nothing", conversation="conv_1")
    complete(wire, "resp_3")
    of_it = [one for one in wire.remembered if one.name == conversation_name("conv_1")]
    assert [sorted(one.values.values.values()) for one in of_it] == [[EMAIL], [CARD], []]
    responses = [one for one in wire.remembered if one.name.startswith("resp_")]
    assert [one.after for one in responses] == [conversation_name("conv_1")] * 3
    assert sorted(responses[2].values.values.values()) == [CARD, EMAIL]


def test_a_conversation_is_claimed_only_when_the_provider_has_taken_it() -> None:
    wire = Watched()
    wire.create(f"mail {EMAIL}", conversation="conv_1")
    assert wire.remembered == []
    wire.provider({"type": "error", "status": 404, "error": {"message": "no such conversation"}})
    assert wire.remembered == []


def test_what_joins_a_response_under_way_is_in_its_conversation_too() -> None:
    wire = Watched()
    wire.create(f"mail {EMAIL}", conversation="conv_1")
    wire.begin("resp_1")
    wire.client({"type": "response.steer", "previous_response_id": "resp_1", "input": f"rather {SSN}"})
    wire.provider({"type": "response.completed", "response": {"id": "resp_1", "output": []}})
    for name in ("resp_1", conversation_name("conv_1")):
        assert sorted(wire.vault[name].values.values()) == [SSN, EMAIL]


def test_the_successor_of_a_steered_response_is_of_its_conversation() -> None:
    wire = Watched()
    wire.create(f"mail {EMAIL}", conversation="conv_1")
    wire.begin("resp_1")
    details = {"reason": "steered"}
    whole = {"id": "resp_1", "output": [], "incomplete_details": details}
    wire.provider({"type": "response.incomplete", "response": whole})
    wire.begin("resp_2")
    assert wire.remembered[-1].name == conversation_name("conv_1")
    assert wire.remembered[-2].after == conversation_name("conv_1")


@pytest.mark.parametrize("successor", [{"previous_response_id": "resp_2"}, {}], ids=["named", "unnamed"])
def test_what_a_failed_turn_brought_is_not_of_the_next_one_on_its_lane(successor: dict[str, Any]) -> None:
    wire = Watched()
    wire.create(f"mail {EMAIL}", conversation="conv_1")
    [sent] = wire.sent_up
    wire.provider({"type": "error", "status": 400, "error": {"code": "x", "message": "no"}})
    wire.create(f"card {CARD} {str(sent['input']).split()[-1]}", conversation="conv_2")
    complete(wire, "resp_2")
    wire.provider({"type": "response.created", "response": {"id": "resp_3", "output": [], **successor}})
    said = wire.provider({**DELTA, "delta": f"{sent['input']} {token(wire, CARD)}."})
    assert said[-1]["delta"] == f"{sent['input']} {CARD}."
    assert EMAIL not in wire.vault["resp_3"].values.values()


def test_what_is_begun_after_its_turn_had_failed_is_of_that_conversation_and_not_of_the_one_before() -> None:
    wire = Watched()
    wire.create(f"card {CARD}", conversation="conv_1")
    complete(wire, "resp_1")
    wire.create(f"mail {EMAIL}", conversation="conv_2")
    wire.provider({"type": "error", "status": 400, "error": {"code": "x", "message": "no"}})
    wire.begin("resp_2")
    assert set(wire.vault["resp_2"].values.values()) == {EMAIL}
    assert next(what for what in wire.remembered if what.name == "resp_2").after is None


def test_another_keys_conversation_is_not_found() -> None:
    wire = Watched()
    wire.error = WrongTenant("no")
    assert wire.create("go on", conversation="conv_other") == []
    (told,) = wire.sent_down
    error: Any = told["error"]
    assert (error["code"], error["param"]) == ("invalid_prompt", "conversation")
    assert error["message"] == "The conversation was not found."
    assert wire.rows[-1].decision == "refused"


def test_a_conversation_that_cannot_be_looked_up_is_refused() -> None:
    wire = Watched()
    wire.error = VaultError("down")
    assert wire.create("go on", conversation="conv_1") == []
    assert wire.rows[-1].decision == "failed"


@pytest.mark.parametrize(
    "more",
    [
        {"conversation": "conv_1", "previous_response_id": "resp_0"},
        {"conversation": "conv_1", "response": {"previous_response_id": "resp_0"}},
        {"conversation": "conv_1", "response": {"conversation": "conv_2"}},
        {"conversation": 7},
        {"conversation": {"name": "conv_1"}},
        {"conversation": ["conv_1"]},
    ],
)
def test_a_message_that_names_no_one_lineage_is_refused(more: dict[str, Any]) -> None:
    """A provider might take what the vault was not asked about."""
    wire = Watched()
    assert wire.create("go on", **more) == []
    assert wire.sent_down[0]["error"]["param"] == "conversation"  # type: ignore[index, call-overload]
    assert wire.recalled == []


@pytest.mark.parametrize("kind", ["response.create", "response.steer", "response.inject"])
def test_an_id_that_nobody_would_give_is_refused_before_the_vault_hears_of_it(kind: str) -> None:
    wire = Watched()
    assert wire.client({"type": kind, "previous_response_id": "r" * 1025, "input": EMAIL}) == []
    assert wire.sent_down[0]["error"]["param"] == "previous_response_id"  # type: ignore[index, call-overload]
    assert wire.recalled == [] and wire.remembered == []


def test_an_id_within_an_item_gives_no_values_only_a_place_to_go() -> None:
    wire = Watched(deployments=("east", "west"))
    wire.create(f"mail {EMAIL}", conversation="conv_1")
    wire.begin("resp_1")
    whole = {"id": "resp_1", "output": [], "conversation": {"id": "conv_1"}}
    wire.provider({"type": "response.completed", "response": whole})
    again = Watched(deployments=("west", "east"), vault=wire.vault, homes=wire.homes)
    again.create([{"type": "message", "role": "user", "content": "x", "conversation_id": "conv_1"}])
    assert again.dialled == ["east"]
    again.begin("resp_2")
    assert again.provider({**DELTA, "delta": token(wire, EMAIL)})[0]["delta"] == token(wire, EMAIL)


def test_a_conversation_goes_where_it_is_and_nowhere_else() -> None:
    wire = Watched(deployments=("east", "west"))
    wire.create("hello", conversation="conv_1")
    complete(wire, "resp_1")
    again = Watched(deployments=("west", "east"), vault=wire.vault, homes=wire.homes)
    again.create("go on", conversation="conv_1")
    assert again.dialled == ["east"]
    told = again.provider({"type": "error", "status": 500, "error": {"code": "server_error", "message": "busy"}})
    assert told[0]["type"] == "error", "and no other deployment is asked"
