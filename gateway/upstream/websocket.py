"""A provider over its own WebSocket."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.protocol import State

from gateway.errors import UpstreamError
from gateway.upstream.frames import Frames

DIAL_SECONDS: Final = 5.0
"""Clients give up on their own handshake after ten, and it waits for this one."""
_CLOSE_SECONDS: Final = 2.0

_silent: Final = logging.getLogger("gateway.upstream.websocket")
# At DEBUG the library logs whole frames and the Authorization header: it gets a logger that writes nothing.
_silent.disabled = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to dial. The URL comes out of the configuration only."""

    url: str
    max_bytes: int
    ca_file: Path | None = None


class _Connect(connect):
    """Dials where the configuration says, and nowhere else: a redirect would take the frames to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow none."""
        return exc


class Upstream:
    """A connection to a provider. `close()` it at the end."""

    __slots__ = ("_socket", "headers")

    def __init__(self, socket: Frames) -> None:
        self._socket = socket
        response = socket.response
        self.headers: Final[Mapping[str, str]] = (
            {name.lower(): value for name, value in response.headers.raw_items()} if response is not None else {}
        )

    async def send(self, data: str) -> None:
        """Send one frame.

        Raises:
            UpstreamError: the provider has left.

        """
        socket = self._socket
        try:
            if socket.state is not State.OPEN:
                await socket.send(data)  # which waits for the end, and says so
            # What the library's own `send` does for a text, without its generator and its two contexts.
            socket.protocol.send_text(data.encode())
            socket.send_data()
            await socket.drain()
        except (ConnectionClosed, OSError):
            raise UpstreamError("The connection to the provider was lost.") from None

    async def receive(self) -> list[str]:
        """Wait for the next frames: all that are there.

        Raises:
            UpstreamError: the provider has left, or sent what is not text.

        """
        try:
            data = await self._socket.recv()
        except ConnectionClosed:
            raise UpstreamError("The provider closed the connection before the response was complete.") from None
        if isinstance(data, bytes):
            raise UpstreamError("The provider sent something that is not text.")
        return [data, *self._socket.ready()]

    async def close(self) -> None:
        """Close the connection. It is fine when it is closed already."""
        await self._socket.close()


async def dial(endpoint: Endpoint, headers: Mapping[str, str]) -> Upstream:
    """Connect to a provider.

    Raises:
        UpstreamError: it cannot be reached, its certificate is not good, or it refused; the text says which.

    """
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        # Not every version of the library refuses a line end, which would begin another header.
        raise UpstreamError("A header for the provider holds what a header cannot carry.")
    secure = tls(endpoint) if endpoint.url.startswith("wss:") else None
    try:
        socket = await _Connect(
            endpoint.url,
            additional_headers=dict(headers),
            user_agent_header=None,
            compression=None,
            max_size=endpoint.max_bytes,
            open_timeout=DIAL_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            logger=_silent,
            ssl=secure,
            create_connection=Frames,
        )
    except InvalidStatus as exc:
        raise UpstreamError(_refusal(exc.response.status_code)) from None
    except ssl.SSLCertVerificationError:
        raise UpstreamError("The provider's certificate is not valid.") from None
    except TimeoutError:
        raise UpstreamError("The provider did not answer in time.") from None
    except (OSError, InvalidHandshake, InvalidURI, WebSocketException, ValueError):
        raise UpstreamError("The provider cannot be reached.") from None
    if not isinstance(socket, Frames):
        raise AssertionError("the library makes the connection it was asked for")
    socket.max_bytes = endpoint.max_bytes
    return Upstream(socket)


def tls(endpoint: Endpoint) -> ssl.SSLContext:
    """What a provider's certificate is checked with.

    Raises:
        UpstreamError: the file of certificate authorities cannot be read.

    """
    try:
        return ssl.create_default_context(cafile=endpoint.ca_file)
    except OSError:
        raise UpstreamError("The file of certificate authorities cannot be read.") from None


def _refusal(status: int) -> str:
    if status == 401:
        return "The provider refused the credentials."
    if status in (403, 404):
        return f"The provider refused the connection (HTTP {status}): the deployment's url or its key may be wrong."
    if status == 429:
        return "The provider has too many requests at the moment."
    return f"The provider refused the connection (HTTP {status})."
