"""The example module of the documents, as somebody else's code: in the gateway, over every transport."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.serve import build_all
from gateway.standin import leaked
from guardrails.events import event_modules
from policies.load import load_text
from tests.gateway import loopback
from tests.gateway.loopback import Gateway
from tests.gateway.test_transports import CLIENTS, EMAIL, PROVIDERS, REPLAY, ask, play
from tests.gateway.test_transports import _requests as requests

DOCUMENT = Path(__file__).parents[2] / "docs" / "policies.md"
MODULE = "    - {use: 'acme_privacy:HideReasoning', note: (not shown)}\n"
LIVE = "output: {mask: new, delivery: live}\n"
FAILS = "    - {use: 'acme_privacy:Fails'}\n"


class Fails:
    """A module that fails, with the text in its exception."""

    def find(self, text: str) -> list[Any]:
        return []

    def on_event(self, event: dict[str, object]) -> dict[str, object]:
        if event["type"] == "response.completed":
            raise ValueError(str(event))
        return event


@pytest.fixture(autouse=True)
def _acme(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module, as the documents have it."""
    (source,) = re.findall(r"^```python\n(class HideReasoning.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    made = ModuleType("acme_privacy")
    exec(source, made.__dict__)
    made.__dict__["Fails"] = Fails
    monkeypatch.setitem(sys.modules, "acme_privacy", made)


def texts(response: dict[str, Any]) -> list[str]:
    """What the items of a response say."""
    parts = [part for item in response["output"] for part in item.get("content") or item.get("summary") or ()]
    return [part["text"] for part in parts]


@pytest.mark.parametrize("rest", [MODULE, MODULE + REPLAY, MODULE + LIVE], ids=["restore", "replay", "live"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_module_of_somebodys_own_changes_answers_over_every_transport(client: str, rest: str, tmp_path: Path) -> None:
    async def script(made: Gateway, providers: Any) -> None:
        for model in PROVIDERS:
            response = await ask(made, client, model, f"REASON {EMAIL}")
            assert texts(response) == ["(not shown)", f"Echo: REASON {EMAIL}"], model
        assert len(requests(providers)) == len(PROVIDERS)
        assert not [raw for raw in requests(providers) if EMAIL in raw]

    play(tmp_path, script, rest)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_module_that_fails_refuses_the_answer_and_its_exception_is_seen_nowhere(
    client: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(made: Gateway, _: Any) -> None:
        response = await ask(made, client, "websocket", f"Write to {EMAIL}")
        assert response["error"]["message"] == "A module of the policy failed on the answer, so it was not sent."
        row = made.rows()[-1]
        assert (row["direction"], row["decision"]) == ("output", "failed")
        assert leaked([EMAIL], [str(made.rows())]) == []

    play(tmp_path, script, FAILS)
    (record,) = [one for one in caplog.records if one.name == "gateway.runner"]
    assert record.getMessage() == "module acme_privacy:Fails failed: ValueError"
    assert "Echo" not in caplog.text


def test_answers_that_a_module_sees_are_not_given_again(tmp_path: Path) -> None:
    async def script(made: Gateway, upstream: loopback.Provider) -> None:
        async with made.connect() as socket:
            for _ in range(2):
                await loopback.ask(socket, "hello")
        assert len(upstream.frames) == 2

    loopback.play(tmp_path, script, MODULE, replay={})


@pytest.mark.parametrize(
    ("rest", "notices"),
    [
        (
            "output: {mask: new, delivery: live}",
            ["policy test: answers are delivered as by replay; a module has on_event"],
        ),
        ("output: {mask: new, delivery: replay}", []),
        ("output: {mask: off, delivery: live}", []),
        ("output: {mask: new, delivery: live}\nmode: observe", []),
    ],
)
def test_an_operator_is_told_where_live_is_replay(rest: str, notices: list[str]) -> None:
    head = "version: 1\nname: test\ndetect: {modules: [{use: 'acme_privacy:HideReasoning'}]}\n"
    assert build_all([load_text(head + rest)]) == notices


def test_a_module_that_cannot_be_made_is_said_before_the_gateway_listens() -> None:
    policy = load_text("version: 1\ndetect: {modules: [{use: 'acme_privacy:HideReasoning', no_such: 1}]}")
    with pytest.raises(GatewayError, match="HideReasoning: it cannot be made"):
        build_all([policy])


def test_the_policy_of_the_documents_names_the_module_of_the_documents() -> None:
    (text,) = [one for one in re.findall(r"^```yaml\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S) if "Hide" in one]
    modules = event_modules(load_text(text))
    assert modules is not None
    modules.close()
