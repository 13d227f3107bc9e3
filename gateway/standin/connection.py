"""One WebSocket connection to the stand-in: lanes, each in order and all at once; steering and injecting."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.errors import FrameError
from gateway.standin.memory import Seen, printable
from gateway.standin.plan import as_items, plan
from gateway.standin.tools import Object
from gateway.standin.turn import ENDS, Close, Cut, Signal, Turn, identifier
from gateway.wire.frame import Json, decode, encode

if TYPE_CHECKING:
    from gateway.standin.server import StandIn

LANES: Final = 32
"""Named lanes a connection may open, as the provider documents."""
IN_FLIGHT: Final = 16
"""Responses a connection may have in flight, waiting ones included, as the provider documents."""
_LANE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")


@dataclass(slots=True)
class _Steer:
    """An accepted steering input that no response has taken up yet."""

    steer_id: str
    previous: str
    items: list[Json]


@dataclass(slots=True)
class _Active:
    """A response in flight, what steers it, and the event a paused one waits for."""

    turn: Turn
    steers: list[_Steer] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)


class Connection:
    """Serves one WebSocket: await `run` once."""

    def __init__(self, standin: StandIn, socket: WebSocket, number: int) -> None:
        self._standin = standin
        self._socket = socket
        self._number = number
        self._lanes: dict[str | None, asyncio.Queue[Object]] = {}
        self._in_flight = 0
        self._active: dict[str, _Active] = {}
        self._finished: set[str] = set()
        self._waiting: dict[str, list[_Steer]] = {}
        self._sequence = -1

    async def run(self) -> None:
        """Answer frames until the client leaves or a turn ends the connection.

        Returning without a close frame makes the server drop the transport: that is how a `Cut` looks to the client.
        """
        is_closing = False
        try:
            async with asyncio.TaskGroup() as group:
                workers = await self._read(group)
                for worker in workers:
                    worker.cancel()
        except* Cut:
            pass
        except* Close:
            is_closing = True
        except* WebSocketDisconnect:
            pass
        if is_closing:
            await self._socket.close(code=1008, reason="policy")

    async def _read(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Read frames until the client leaves; return the lanes' tasks, which the caller must cancel."""
        workers: list[asyncio.Task[None]] = []
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self._standin.seen.add(Seen(self._number, "close", str(message.get("code"))))
                return workers
            raw = message["text"] if message.get("text") is not None else message["bytes"]
            self._standin.seen.add(Seen(self._number, "ws", printable(raw)))
            lane = await self._accept(raw)
            if lane is not None:
                workers.append(group.create_task(self._work(lane)))

    async def _accept(self, raw: str | bytes) -> asyncio.Queue[Object] | None:
        """Take one frame in; return a lane that nobody works on yet, if this frame opened one."""
        try:
            frame = decode(raw) if isinstance(raw, str) else None
        except FrameError:
            frame = None
        if not isinstance(frame, dict):
            await self._send(refusal("invalid_json", "Could not parse the message as a JSON object."))
            return None
        match frame.get("type"):
            case "response.create":
                return await self._enqueue(frame)
            case "response.steer":
                await self._steer(frame)
            case "response.inject":
                await self._inject(frame)
            case _:
                await self._send(refusal("unknown_event", "Unsupported event type.", param="type"))
        return None

    async def _enqueue(self, request: Object) -> asyncio.Queue[Object] | None:
        lane = request.get("stream_id")
        if lane is not None and not (isinstance(lane, str) and _LANE_NAME.fullmatch(lane)):
            await self._send(refusal("invalid_stream_id", "Invalid stream_id.", param="stream_id"))
            return None
        is_new = lane not in self._lanes
        named = sum(1 for name in self._lanes if name is not None)
        if self._in_flight >= IN_FLIGHT or (is_new and lane is not None and named >= LANES):
            await self._send(refusal("websocket_stream_limit_reached", "Too many streams.", status=429, lane=lane))
            return None
        queue = self._lanes.setdefault(lane, asyncio.Queue())
        self._in_flight += 1
        queue.put_nowait(request)
        return queue if is_new else None

    async def _work(self, lane: asyncio.Queue[Object]) -> None:
        while True:
            request: Object | None = await lane.get()
            while request is not None:
                request = await self._respond(request)
            self._in_flight -= 1

    async def _respond(self, request: Object) -> Object | None:
        """Answer one request; return the request of the automatic successor if the response was steered into one."""
        waiting = self._waiting.pop(str(request.get("previous_response_id")), [])
        if waiting:
            steered = [item for steer in waiting for item in steer.items]
            request = {**request, "input": [*steered, *as_items(request.get("input"))]}
        known = self._standin.conversation(request, connection=self._number)
        problem = self._standin.problem(request, known)
        if problem is not None or known is None:
            await self._send(problem or refusal("server_error", "No conversation."))
            return None
        active = _Active(Turn(request, plan(request, known), self._standin.chunks))
        self._active[active.turn.response_id] = active
        try:
            await self._write(active, known)
        finally:
            del self._active[active.turn.response_id]
            self._finished.add(active.turn.response_id)
        return await self._succeed(active)

    async def _write(self, active: _Active, known: list[Json]) -> None:
        for event in active.turn.events():
            if isinstance(event, Signal):
                await active.moved.wait()
                continue
            if event.get("type") in ENDS:  # whoever reads it may go on from it at once, over another connection
                self._standin.remember(active.turn, known, connection=self._number)
            await self._send(event)
            # Sending seldom suspends: without this one lane would write its whole response at once.
            await asyncio.sleep(0)

    async def _succeed(self, active: _Active) -> Object | None:
        """Settle the steers of a finished response: into an automatic successor, or waiting for the tool's output."""
        turn, steers = active.turn, active.steers
        if not steers:
            return None
        if turn.waits_for_tool and not turn.is_steered:
            self._waiting[turn.response_id] = steers
            calls = [item for item in turn.output if isinstance(item, dict) and "call_id" in item]
            stubs: list[Json] = [{"type": f"{call['type']}_output", "call_id": call["call_id"]} for call in calls]
            for steer in steers:
                reason: Object = {"reason": "waiting_for_required_input", "required_input": stubs}
                await self._send(turn.event("response.steer.pending", steer=_named(steer), **reason))
            return None
        items = [item for steer in steers for item in steer.items]
        return {**turn.request, "input": items, "previous_response_id": turn.response_id}

    async def _steer(self, frame: Object) -> None:
        target, given = str(frame.get("previous_response_id")), frame.get("input")
        active = self._active.get(target)
        if active is None:
            code = "response_already_completed" if target in self._finished else "response_not_found"
            error: Object = {"type": "invalid_request_error", "code": code, "message": "The response is not running."}
            failed: Object = {"previous_response_id": target, "input": given}
            await self._send(self._event("response.steer.failed", error=error, steer=failed))
            return
        items: list[Json] = [*as_items(given)]
        steer = _Steer(identifier("steer"), target, items)
        active.steers.append(steer)
        await self._send(active.turn.event("response.steer.accepted", steer=_named(steer)))
        # A response that ends in a call of the client's tool is not cut short: the steer waits for the tool.
        active.turn.is_steered = not active.turn.waits_for_tool
        active.moved.set()

    async def _inject(self, frame: Object) -> None:
        target, given = str(frame.get("response_id")), frame.get("input")
        active = self._active.get(target)
        if active is None:
            code = "response_already_completed" if target in self._finished else "response_not_found"
            error: Object = {"code": code, "message": "The response is not running."}
            await self._send(self._event("response.inject.failed", response_id=target, error=error, input=given))
            return
        active.turn.injected.extend(as_items(given))
        await self._send(active.turn.event("response.inject.created", response_id=target))
        active.moved.set()

    def _event(self, kind: str, **fields: Json) -> Object:
        self._sequence += 1
        return {"type": kind, "sequence_number": self._sequence, **fields}

    async def _send(self, event: Object) -> None:
        await self._socket.send_text(encode(event))


def _named(steer: _Steer) -> Object:
    return {"id": steer.steer_id, "previous_response_id": steer.previous}


def refusal(code: str, message: str, *, status: int = 400, param: str | None = None, lane: Json = None) -> Object:
    """Make the error frame of the WebSocket mode."""
    error: Object = {"type": "invalid_request_error", "code": code, "message": message, "param": param}
    event: Object = {"type": "error", "status": status, "error": error}
    return event if lane is None else {**event, "stream_id": lane}
