"""`guardrails.Guard` with the installed SDK against a provider on loopback: what it gets, and what the provider saw."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from httpx2 import TransportError
from openai import AsyncOpenAI, OpenAI, OpenAIError

from gateway.standin import INVENTED, StandIn, leaked
from guardrails import Guard, Refused
from policies.model import Policy
from tests.gateway.guards import served
from tests.gateway.test_inprocess import POLICIES, TOOL, WORDS, shape
from tests.kit import EMAIL, RESTORE, SUPPRESS


@pytest.fixture(scope="module")
def provider() -> StandIn:
    return StandIn(chunk=3)


@pytest.fixture(scope="module")
def url(provider: StandIn) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, served(provider) as url:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield url


def in_threads(made: Guard, url: str, arguments: dict[str, Any], *, streams: bool) -> Any:
    with OpenAI(base_url=url, api_key="sk-0a1b2c3d4e5f6071", max_retries=0) as client:
        request = made.request(arguments, stream=streams)
        answer: Any = client.responses.create(**request.body)
        return list(request.events(answer)) if streams else request.response(answer)


def in_a_loop(made: Guard, url: str, arguments: dict[str, Any], *, streams: bool) -> Any:
    async def main() -> Any:
        async with AsyncOpenAI(base_url=url, api_key="sk-0a1b2c3d4e5f6071", max_retries=0) as client:
            request = await made.arequest(arguments, stream=streams)
            answer: Any = await client.responses.create(**request.body)
            return [event async for event in request.events(answer)] if streams else await request.aresponse(answer)

    return asyncio.run(main())


@pytest.mark.parametrize("words", WORDS)
@POLICIES
def test_every_way_of_calling_gets_the_same_and_the_provider_sees_no_value(
    words: str, of: Policy, url: str, provider: StandIn
) -> None:
    made, got = Guard(of, secret="a secret of some length"), []
    arguments = {"model": "gpt-5.1", "input": WORDS[words], "tools": [TOOL]}
    for way in (in_threads, in_a_loop):
        events = way(made, url, arguments, streams=True)
        response = way(made, url, arguments, streams=False)
        got += [shape(events[-1].response), shape(response)]
        if of is not SUPPRESS:
            done = [event.item.to_dict() for event in events if event.type == "response.output_item.done"]
            assert done == [item.to_dict() for item in events[-1].response.output]
        assert type(response) is type(events[-1].response)
    assert all(one == got[0] for one in got)
    assert (EMAIL in str(got[0])) or words == "failed"
    if of is not RESTORE:
        assert leaked([INVENTED[0], INVENTED[2]], [str(got[0])]) == []
    assert leaked([EMAIL], [seen.raw for seen in provider.seen if seen.kind == "post"]) == []


@pytest.mark.parametrize("way", [in_threads, in_a_loop])
def test_a_stream_that_the_provider_cuts_is_refused_at_its_end_or_raises_what_the_sdk_raises(
    way: Any, url: str
) -> None:
    made = Guard(RESTORE, secret="a secret of some length")
    with pytest.raises((Refused, OpenAIError, TransportError)) as caught:
        way(made, url, {"model": "gpt-5.1", "input": f"DROPME {EMAIL}"}, streams=True)
    assert EMAIL not in repr(caught.value)
