"""Responses that the provider keeps: a key's own, restored or masked; for any other key there are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.standin import leaked
from gateway.standin.plan import INVENTED
from gateway.standin.server import StandIn
from tests.gateway.loopback import KEY, OTHER_KEY, Gateway
from tests.gateway.test_transports import EMAIL, NATIVE, REPLAY, ask, play

MASK_ALL = "output: {mask: all, delivery: replay}\n"


async def get(made: Gateway, path: str, *, method: str = "GET", key: str = KEY) -> tuple[int, dict[str, Any]]:
    status, _, body = await made.http(method, f"/v1/responses/{path}", headers={"Authorization": f"Bearer {key}"})
    return status, json.loads(body)


def about_responses(providers: list[StandIn]) -> list[str]:
    return [seen.raw for one in providers for seen in one.seen if seen.kind == "stored"]


@pytest.mark.parametrize("model", NATIVE)
def test_a_response_is_given_back_as_it_was(tmp_path: Path, model: str) -> None:
    async def script(made: Gateway, providers: list[StandIn]) -> None:
        first = await ask(made, "json", model, f"REASON TOOL {EMAIL}")
        for method, path in (("GET", first["id"]), ("POST", f"{first['id']}/cancel")):
            status, again = await get(made, path, method=method)
            assert (status, again) == (200, first)
        status, items = await get(
            made, f"{first['id']}/input_items?limit=20&order=asc&include[]=reasoning.encrypted_content"
        )
        assert status == 200
        assert items["data"][0]["content"] in (
            f"REASON TOOL {EMAIL}",
            [{"type": "input_text", "text": f"REASON TOOL {EMAIL}"}],
        )
        assert leaked([EMAIL], [seen.raw + str(seen.headers) for one in providers for seen in one.seen]) == []
        assert [row["direction"] for row in made.rows()] == ["input", "output", "output", "output", "output"]
        assert await get(made, first["id"], method="DELETE") == (
            200,
            {"id": first["id"], "object": "response.deleted", "deleted": True},
        )
        assert (await get(made, first["id"]))[0] == 404

    play(tmp_path, script)


@pytest.mark.parametrize("rest", [REPLAY, MASK_ALL], ids=["new", "all"])
def test_under_output_masking_it_comes_back_masked(tmp_path: Path, rest: str) -> None:
    async def script(made: Gateway, providers: list[StandIn]) -> None:
        first = await ask(made, "json", "sse", f"INVENT {EMAIL}")
        _, again = await get(made, first["id"])
        assert again["output"] == first["output"]
        assert leaked(INVENTED[:1], [json.dumps(again)]) == []
        assert (EMAIL in json.dumps(again)) == (rest == REPLAY)

    play(tmp_path, script, rest)


@pytest.mark.parametrize(
    "path",
    ["{id}", "{id}/input_items", "resp_unknown", "..%2Fmodels", "{id}%2F..", "{id}?stream=true", "{id}?include=a%20b"],
)
def test_what_is_not_this_keys_is_not_there_and_nobody_is_asked(tmp_path: Path, path: str) -> None:
    async def script(made: Gateway, providers: list[StandIn]) -> None:
        first = await ask(made, "json", "sse", f"I am {EMAIL}")
        status, told = await get(made, path.format(id=first["id"]), key=OTHER_KEY)
        assert status in (400, 404)
        assert first["id"] not in json.dumps(told)
        if "?" not in path:
            assert (status, told["error"]["message"]) == (404, told["error"]["message"])
        assert about_responses(providers) == []

    play(tmp_path, script)


def test_every_path_wants_a_key(tmp_path: Path) -> None:
    async def script(made: Gateway, providers: list[StandIn]) -> None:
        for method, path in (("GET", "r"), ("DELETE", "r"), ("POST", "r/cancel"), ("GET", "r/input_items")):
            assert (await get(made, path, method=method, key="wrong"))[0] == 401
        assert (await get(made, "r/else"))[0] == 404
        assert about_responses(providers) == []

    play(tmp_path, script)


@pytest.mark.parametrize(
    "query",
    [
        "after=123-45-6789",
        "include[]=4111111111111111",
        "before=ada.lovelace.example.com",
        "limit=415-555-0132",
        "order=ada",
        "include=ada.lovelace",
        "else=1",
        "stream=true",
    ],
)
def test_a_query_carries_nothing_away(tmp_path: Path, query: str) -> None:
    async def script(made: Gateway, providers: list[StandIn]) -> None:
        first = await ask(made, "json", "sse", f"I am {EMAIL}")
        assert (await get(made, f"{first['id']}/input_items?{query}"))[0] == 400
        assert about_responses(providers) == []

    play(tmp_path, script)
