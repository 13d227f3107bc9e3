"""The stand-in provider as an ASGI app, and a server for it on a free loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gateway.errors import FrameError
from gateway.standin.connection import Connection, refusal
from gateway.standin.memory import Log, Memory, Seen, named_conversation, printable
from gateway.standin.plan import as_items, plan
from gateway.standin.tools import Object
from gateway.standin.turn import ENDS, Chunk, Chunks, Signal, Turn
from gateway.wire.frame import Json, decode, encode

MODELS = ("gpt-5.1", "gpt-5.1-mini", "gpt-4.1")
"""What `GET /v1/models` lists; any other name is answered as well."""


class StandIn:
    """A provider that speaks the Responses API and answers with what it was sent.

    Serve `app` with any ASGI server (WebSockets included), or use `serve`. Then `seen` is what the provider saw.
    The words that choose its behaviour are listed in `gateway.standin.plan`.

    Args:
        chunk: characters per delta, or "rand" for 1 to 7 at random.
        seed: of those random sizes.
        log: a file that gets one JSON line for everything received.
        key: the API key to demand; with None any caller is served.
        streams: whether it streams over HTTP when it is asked to; some providers answer whole all the same.

    """

    def __init__(
        self,
        *,
        chunk: Chunk = 5,
        seed: int = 1,
        log: Path | None = None,
        key: str | None = None,
        streams: bool = True,
    ) -> None:
        self.seen = Log(log)
        self.chunks = Chunks(chunk, seed=seed)
        self._key = key
        self._streams = streams
        self._memory = Memory()
        self._kept: dict[str, Turn] = {}
        self._numbers = itertools.count(1)
        self.app = Starlette(
            routes=[
                WebSocketRoute("/v1/responses", self._websocket),
                Route("/v1/responses", self._post, methods=["POST"]),
                Route("/v1/responses/{id}", self._stored, methods=["GET", "DELETE"]),
                Route("/v1/responses/{id}/cancel", self._stored, methods=["POST"]),
                Route("/v1/responses/{id}/input_items", self._stored, methods=["GET"]),
                Route("/v1/models", self._models, methods=["GET"]),
            ]
        )

    def conversation(self, request: Object, *, connection: int) -> list[Json] | None:
        """Everything said up to and including this request; None where it continues what nobody here knows."""
        previous, new = request.get("previous_response_id"), as_items(request.get("input"))
        if previous is None:
            named = named_conversation(request)
            return [*(self._memory.recall(named, connection=None) or () if named else ()), *new]
        known = self._memory.recall(previous, connection=connection) if isinstance(previous, str) else None
        return None if known is None else [*known, *new]

    def problem(self, request: Object, known: list[Json] | None) -> Object | None:
        """The error frame that answers this request instead of a response, if it deserves one."""
        lane = request.get("stream_id")
        if known is None:
            message = "Previous response not found."
            return refusal("previous_response_not_found", message, param="previous_response_id", lane=lane)
        planned = plan(request, known)
        if planned.interruption == "error":
            # Providers quote the prompt in their errors: a guard must look here too.
            return refusal("invalid_prompt", f"Invalid prompt near: {planned.text}", lane=lane)
        return None

    def remember(self, turn: Turn, known: list[Json], *, connection: int) -> None:
        """Keep a finished response so that `previous_response_id` can name it."""
        is_stored = turn.request.get("store") is not False
        items = [*known, *turn.output]
        self._memory.remember(turn.response_id, items, connection=None if is_stored else connection)
        if is_stored:
            self._kept[turn.response_id] = turn
        named = named_conversation(turn.request)
        if named is not None:
            self._memory.remember(named, items, connection=None)

    async def _websocket(self, websocket: WebSocket) -> None:
        number = self._see("handshake", websocket)
        if not self._knows(websocket):
            await websocket.send_denial_response(_json(_UNAUTHORISED, status=401))
            return
        headers = [(b"x-request-id", f"req_{secrets.token_hex(16)}".encode()), (b"openai-version", b"2020-10-01")]
        await websocket.accept(headers=headers)
        await Connection(self, websocket, number).run()

    async def _post(self, request: Request) -> Response:
        body = await request.body()
        number = self._see("post", request, body)
        if not self._knows(request):
            return _json(_UNAUTHORISED, status=401)
        try:
            frame = decode(body)
        except FrameError:
            frame = None
        if not isinstance(frame, dict):
            return _json({"error": refusal("invalid_json", "The body is not a JSON object.")["error"]}, status=400)
        known = self.conversation(frame, connection=number)
        problem = self.problem(frame, known)
        if problem is not None or known is None:
            return _json({"error": problem["error"] if problem else None}, status=400)
        turn = Turn(frame, plan(frame, known), self.chunks)
        if frame.get("stream") is True and self._streams:
            return StreamingResponse(self._stream(turn, known), media_type="text/event-stream")
        last = [event for event in turn.events() if isinstance(event, dict)][-1]
        self.remember(turn, known, connection=number)
        return _json(last["response"])

    async def _stream(self, turn: Turn, known: list[Json]) -> AsyncIterator[str]:
        """Yield server-sent events. A `Cut` or `Close` raised here makes the server drop the connection."""
        for event in turn.events():
            if not isinstance(event, Signal):
                if event["type"] in ENDS:  # whoever reads it may go on from it at once
                    self.remember(turn, known, connection=0)
                yield f"event: {event['type']}\ndata: {encode(event)}\n\n"
                await asyncio.sleep(0)

    async def _stored(self, request: Request) -> Response:
        """Give, cancel or forget a response that was stored, or list what it was asked with."""
        self._see("stored", request)
        name = request.path_params["id"]
        turn = self._kept.get(name)
        if not self._knows(request) or turn is None:
            return _json({"error": refusal("not_found", f"Response with id '{name}' not found.")["error"]}, status=404)
        if request.method == "DELETE":
            del self._kept[name]
            return _json({"id": name, "object": "response.deleted", "deleted": True})
        if request.url.path.endswith("/input_items"):
            items = as_items(turn.request.get("input"))
            return _json({"object": "list", "data": [*items], "has_more": False})
        return _json(turn.response)

    async def _models(self, request: Request) -> Response:
        self._see("get", request)
        listed: list[Json] = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "openai"} for name in MODELS
        ]
        return _json({"object": "list", "data": listed})

    def _see(self, kind: str, connection: WebSocket | Request, body: bytes = b"") -> int:
        number = next(self._numbers)
        headers = tuple((name, value) for name, value in connection.headers.items())
        raw = printable(body) if body else f"{connection.url.path}?{connection.url.query}"
        self.seen.add(Seen(number, kind, raw, headers))
        return number

    def _knows(self, connection: WebSocket | Request) -> bool:
        return self._key is None or connection.headers.get("authorization") == f"Bearer {self._key}"


_UNAUTHORISED: Object = {
    "error": {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}
}


def _json(value: Json, *, status: int = 200) -> Response:
    return Response(encode(value), status_code=status, media_type="application/json")


class _Server(uvicorn.Server):
    """A server that says when it is ready and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()
        self.is_done = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()

    async def main_loop(self) -> None:
        await self.is_done.wait()  # the original looks ten times a second

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol, which `socket.create_server` does
    # not; with it on, small frames wait 40 ms for the client's acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.asynccontextmanager
async def serve(standin: StandIn, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve a stand-in while the block runs; yields its base URL, `http://127.0.0.1:PORT/v1`.

    Raises:
        OSError: the port is taken.

    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        standin.app,
        ws="websockets-sansio",
        ws_max_size=256 * 1024 * 1024,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve([listener]))
        await server.is_ready.wait()
        try:
            yield f"http://{host}:{listener.getsockname()[1]}/v1"
        finally:
            server.is_done.set()
