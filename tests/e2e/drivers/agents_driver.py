"""Runs in the environment of its own that openai-agents needs; prints one JSON line for each turn.

Arguments: base URL, run | streamed, ws | http, then a model for each size of delta. The key is in OPENAI_API_KEY.
"""

import asyncio
import json
import os
import sys
from typing import Any

from agents import Agent, ModelSettings, Runner, function_tool, set_tracing_disabled
from agents.models.openai_responses import OpenAIResponsesModel, OpenAIResponsesWSModel
from openai import AsyncOpenAI

PROMPT = "I am Ada, mail ada.lovelace@example.com, card 4111 1111 1111 1111"
executed: list[str] = []


@function_tool
def send_mail(to: str, body: str) -> str:
    """Send an e-mail."""
    executed.append(body)
    return f"sent {body} to {to}"


async def turn(agent: Agent[Any], prompt: str, *, streamed: bool, previous: str | None = None) -> str | None:
    """Run one turn, print what came of it, and return the id of its response."""
    executed.clear()
    deltas = ""
    result: Any
    if streamed:
        result = Runner.run_streamed(agent, prompt, previous_response_id=previous)
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                deltas += event.data.delta
    else:
        result = await Runner.run(agent, prompt, previous_response_id=previous)
    line = {"prompt": prompt, "answer": result.final_output, "deltas": deltas, "executed": executed}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    return str(result.last_response_id) if result.last_response_id else None


async def main(base_url: str, mode: str, way: str, *models: str) -> None:
    """Have the same four-part conversation with each model."""
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=base_url, api_key=os.environ["OPENAI_API_KEY"], max_retries=0)
    for name in models:
        kind = OpenAIResponsesWSModel if way == "ws" else OpenAIResponsesModel
        model = kind(model=name, openai_client=client)
        plain = Agent(name="plain", instructions="You are kind.", model=model)
        caller: Agent[Any] = Agent(name="caller", model=model, tools=[send_mail], model_settings=ModelSettings())
        last = await turn(plain, PROMPT, streamed=mode == "streamed")
        await turn(plain, "RECALL", streamed=mode == "streamed", previous=last)
        await turn(plain, f"REASON {PROMPT}", streamed=mode == "streamed")
        await turn(caller, f"TOOL {PROMPT}", streamed=mode == "streamed")
        await model.close()
    await client.close()


asyncio.run(main(*sys.argv[1:]))
