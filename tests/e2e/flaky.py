"""A network that stops carrying WebSockets in the middle of a conversation, as some proxies do."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Network:
    """Forwards to a server on loopback. After a response that calls a tool it cuts the WebSocket, and lets in none."""

    def __init__(self, port: int, listener: socket.socket) -> None:
        self._target = port
        self._listener = listener
        self.cut = False
        self.posts = 0

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (piece := client.recv(65536)):
                    return
                head += piece
            upgrades = b"upgrade: websocket" in head.lower()
            if upgrades and self.cut:
                client.sendall(_REFUSED)
                return
            self.posts += head.startswith(b"POST")
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                server.sendall(head)
                back = threading.Thread(target=self._back, args=(server, client, upgrades), daemon=True)
                back.start()
                while piece := client.recv(65536):
                    server.sendall(piece)
                server.shutdown(socket.SHUT_WR)
                back.join()

    def _back(self, server: socket.socket, client: socket.socket, upgrades: bool) -> None:
        seen, called = b"", False
        with contextlib.suppress(OSError):
            while piece := server.recv(65536):
                client.sendall(piece)
                seen = seen[-64:] + piece
                called = called or b'"function_call"' in seen
                if upgrades and called and b'"response.completed"' in seen:
                    self.cut = True
                    break
            client.shutdown(socket.SHUT_RDWR)
            server.shutdown(socket.SHUT_RDWR)


@contextmanager
def network(url: str) -> Iterator[tuple[Network, str]]:
    """The network in front of a server, and the URL to use in its place."""
    port = int(url.split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Network(port, listener)
        threading.Thread(target=made.serve, daemon=True).start()
        yield made, url.replace(str(port), str(listener.getsockname()[1]))
        listener.shutdown(socket.SHUT_RDWR)
