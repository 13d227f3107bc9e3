"""One client WebSocket, from the handshake to its end: who calls, which model, dial the provider, accept, run."""

from __future__ import annotations

import logging
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from gateway.conversation import Conversation, Denied, Gateway, admit
from gateway.errors import UpstreamError
from gateway.runner import Runner
from gateway.session.effects import Connect
from gateway.session.refusals import error_body
from gateway.surroundings import Dialled
from gateway.wire.frame import encode

_log: Final = logging.getLogger(__name__)


class _Socket:
    """The client's side of an ASGI WebSocket."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._gone = False

    async def receive(self) -> str | bytes | None:
        """The next message; None when the client has left. ASGI gives text or bytes, and the other may be absent."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self._gone = True
            return None
        text: str | None = message.get("text")
        data: bytes | None = message.get("bytes")
        return text if text is not None else data or b""

    async def send(self, data: str) -> None:
        """Send a text message."""
        await self._send({"type": "websocket.send", "text": data})

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; nothing when the client has left."""
        if self._gone:
            return
        self._gone = True
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):
            return  # it left while it was told to


async def serve_socket(gateway: Gateway, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one WebSocket from its handshake to its end."""
    await receive()
    try:
        caller, asked = admit(gateway, scope)
    except Denied as exc:
        gateway.metrics.denied(exc.code)
        _log.warning("a handshake was answered with %d: %s", exc.status, exc)
        await _deny(scope, send, exc)
        return
    place = gateway.take_place(caller.key.key.id)
    try:
        await _run(Conversation(gateway, caller, scope["headers"]), caller.key.key.models[0], asked, receive, send)
    finally:
        place.give_back()


async def _deny(scope: Scope, send: Send, denied: Denied) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    body = encode(error_body(str(denied), denied.code)).encode()
    start: Message = {
        "type": "websocket.http.response.start",
        "status": denied.status,
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
    }
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body})


async def _run(conversation: Conversation, default: str, asked: str | None, receive: Receive, send: Send) -> None:
    """Dial, accept, and run the session to its end.

    The provider is dialled first, because what it answers belongs into our own answer. When it cannot be reached
    the client is let in all the same, and told with its first frame: a refused handshake would send it elsewhere.
    """
    model = asked or default
    first: tuple[str, Dialled] | None = None
    try:
        headers, dialled = await conversation.dial(Connect(model))
    except UpstreamError:
        await send({"type": "websocket.accept", "headers": []})
    else:
        first = (model, dialled)
        accepted = False
        try:
            down = await conversation.downward(headers, model_kept=asked is not None and asked == dialled.model)
            await send({"type": "websocket.accept", "headers": down})
            accepted = True
        finally:
            if not accepted:  # the client may have left meanwhile
                await dialled.provider.close()
    runner = Runner(conversation.session(asked), _Socket(receive, send), conversation.around())
    await runner.run(first)
