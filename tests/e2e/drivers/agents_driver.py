"""Runs in the environment of its own that openai-agents needs, which takes seconds to import: one process for many runs.

Reads a JSON line for each run: `url`, `key`, `mode` (run | streamed), `way` (ws | http), and `models`, one for each size
of delta. Answers with one: `turns`, or an `error`. Ends with its input.
"""

import asyncio
import json
import sys
import traceback
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


async def turn(
    agent: Agent[Any], prompt: str, *, streamed: bool, previous: str | None = None
) -> tuple[dict[str, Any], str | None]:
    """Run one turn; what came of it, and the id of its response."""
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
    came = {"prompt": prompt, "answer": result.final_output, "deltas": deltas, "executed": [*executed]}
    return came, result.last_response_id


async def converse(*, url: str, key: str, mode: str, way: str, models: list[str]) -> list[dict[str, Any]]:
    """Have the same four-part conversation with each model."""
    turns: list[dict[str, Any]] = []
    streamed = mode == "streamed"
    client = AsyncOpenAI(base_url=url, api_key=key, max_retries=0)
    for name in models:
        kind = OpenAIResponsesWSModel if way == "ws" else OpenAIResponsesModel
        model = kind(model=name, openai_client=client)
        plain = Agent(name="plain", instructions="You are kind.", model=model)
        caller: Agent[Any] = Agent(name="caller", model=model, tools=[send_mail], model_settings=ModelSettings())
        came, last = await turn(plain, PROMPT, streamed=streamed)
        turns.append(came)
        turns.append((await turn(plain, "RECALL", streamed=streamed, previous=last))[0])
        turns.append((await turn(plain, f"REASON {PROMPT}", streamed=streamed))[0])
        turns.append((await turn(caller, f"TOOL {PROMPT}", streamed=streamed))[0])
        await model.close()
    await client.close()
    return turns


def main() -> None:
    """Run what is asked for, one after the other, each in an event loop and with a client of its own."""
    set_tracing_disabled(True)
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"turns": asyncio.run(converse(**json.loads(line)))}
        except Exception:  # noqa: BLE001  the test that asked for it shows it
            answer = {"error": traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main()
