"""A provider that speaks Chat Completions only, as a stream: what it is told to do stands in the last user text.

The words are those of `gateway.standin.plan`, and what it answers is the same, as far as this API can say it. Its body
is cut into pieces of a few bytes, so that no event and no character comes whole. More words:

HTTP-nnn    an HTTP error of that status, which quotes the request
WEIRD       an event that is no JSON
VANISH      an end without a reason, and without `[DONE]`
SLOW        nothing more after the first piece, until the caller leaves
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.standin.memory import Seen
from gateway.standin.plan import Plan, Say, Think, plan
from gateway.standin.tools import Call

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@dataclass
class ChatStandIn:
    """`size` is how many characters a delta has, `bytes_` how many bytes come at a time."""

    size: int = 3
    bytes_: int = 11
    seen: list[Seen] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a caller went away within an answer."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when an answer has begun that does not go on."""
    cookie: str | None = None
    elsewhere: str | None = None
    """Where an error sends the caller."""

    @property
    def app(self) -> Starlette:
        """What to serve."""
        return Starlette(routes=[Route("/{path:path}", self.complete, methods=["POST", "GET"])])

    def bodies(self) -> list[dict[str, Any]]:
        """What was asked."""
        return [json.loads(one.raw) for one in self.seen]

    async def complete(self, request: Request) -> Response:
        """Answer one request, whatever its path."""
        body = (await request.body()).decode()
        self.seen.append(Seen(0, "post", body, (*request.headers.items(), ("", str(request.url)))))
        asked = json.loads(body)
        known = list(_items(asked.get("messages", [])))
        tools = [{"type": "function", **tool["function"]} for tool in asked.get("tools", ())]
        made = plan({"tools": tools}, known)  # type: ignore[dict-item]
        error = re.search(r"HTTP-(\d{3})", made.text)
        if error is not None or made.interruption == "error":
            status = int(error[1]) if error is not None else 400
            long = "LONG" in made.text
            reason = "This model's maximum context length is 8 tokens." if long else "Not this:"
            code = "context_length_exceeded" if long else "some_code"
            told = {"message": f"{reason} {body}", "type": "t", "param": None, "code": code}
            location = {"location": self.elsewhere} if self.elsewhere is not None else None
            return JSONResponse({"error": told}, status, location)
        headers = {"set-cookie": f"session={self.cookie}; Path=/"} if self.cookie is not None else None
        return StreamingResponse(self._body(made), media_type="text/event-stream", headers=headers)

    async def _body(self, made: Plan) -> AsyncIterator[bytes]:
        waiting = b""
        try:
            for number, chunk in enumerate(self._chunks(made)):
                waiting += f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()
                while len(waiting) > self.bytes_:
                    yield waiting[: self.bytes_]
                    waiting = waiting[self.bytes_ :]
                if number == 2:
                    yield waiting
                    waiting = b""
                    if made.interruption == "cut":
                        raise ConnectionResetError
                    if "WEIRD" in made.text:
                        yield b"data: {weird\n\n"
                    if "VANISH" in made.text:
                        return
                    if "SLOW" in made.text:
                        self.asked.set()
                        await asyncio.Event().wait()
            yield waiting + b"data: [DONE]\n\n"
        except (asyncio.CancelledError, GeneratorExit):
            self.left.set()
            raise

    def _chunks(self, made: Plan) -> Iterator[dict[str, Any]]:
        calls = 0
        refused = next((item.text for item in made.items if isinstance(item, Say) and item.refusal), None)
        # The library passes a refusal on in the first chunk of all, and drops it in any other.
        yield _chunk(
            {"role": "assistant", "content": ""} if refused is None else {"role": "assistant", "refusal": refused}
        )
        for item in made.items:
            if isinstance(item, Think):
                yield from (_chunk({"reasoning_content": piece}) for piece in self._cut(item.text))
            elif isinstance(item, Say) and not item.refusal:
                yield from (_chunk({"content": piece}) for piece in self._cut(item.text))
            elif isinstance(item, Call):
                call: dict[str, Any] = {"index": calls, "id": f"call_{calls}", "type": "function"}
                yield _chunk({"tool_calls": [{**call, "function": {"name": item.name, "arguments": ""}}]})
                for piece in self._cut(item.payload):
                    yield _chunk({"tool_calls": [{"index": calls, "function": {"arguments": piece}}]})
                calls += 1
        reason = "length" if made.ending == "incomplete" else "tool_calls" if calls else "stop"
        yield _chunk({}, reason)
        yield {**_chunk({}), "choices": [], "usage": USAGE}

    def _cut(self, text: str) -> Iterator[str]:
        return (text[at : at + self.size] for at in range(0, len(text), self.size))


def _chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _items(messages: list[dict[str, Any]]) -> Iterator[Any]:
    """Messages as the items that `plan` reads."""
    for message in messages:
        content = message.get("content") or ""
        parts = content if isinstance(content, list) else [{"text": content}]
        text = "".join(part.get("text", "") for part in parts)
        if message["role"] == "tool":
            yield {"type": "function_call_output", "output": text}
        elif message["role"] == "user":
            yield {"type": "message", "role": "user", "content": text}
        else:
            yield {"type": "message", "role": message["role"], "content": []}
