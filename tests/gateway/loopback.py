"""A gateway behind a real server and a small provider behind another, both on loopback, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from gateway.config import Settings, load_config, resolve
from gateway.serve import uvicorn_config
from tests.kit import PATTERNS

POLICY = f"version: 1\nname: test\ndetect:\n  fold: false\n  decode: []\n  modules:{PATTERNS}"
KEY = "gw-team-a-0a1b2c3d4e5f6071"
OTHER_KEY = "gw-team-b-8192a3b4c5d6e7f8"
PROVIDER_KEY = "sk-provider-7f6e5d4c3b2a1908"
ENVIRONMENT = {
    "TEAM_A_KEY": KEY,
    "TEAM_B_KEY": OTHER_KEY,
    "PROVIDER_KEY": PROVIDER_KEY,
    "VAULT_SECRET": "a vault secret of some length",
    "AUDIT_SECRET": "an audit secret of some length",
}
SECONDS = 20.0


@dataclass
class Provider:
    """Echoes what it was asked, as a response; keeps handshakes and frames. `script` may answer in its place."""

    url: str = ""
    handshakes: list[Request] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    open: set[ServerConnection] = field(default_factory=set)
    headers: dict[str, str] = field(default_factory=dict)
    script: Callable[[ServerConnection, dict[str, Any]], Awaitable[None]] | None = None
    before: Callable[[], Awaitable[None]] | None = None
    status: int | None = None
    _number: int = 0

    async def serve(self, socket: ServerConnection) -> None:
        """One connection."""
        self.open.add(socket)
        with contextlib.suppress(ConnectionClosed):
            async for data in socket:
                frame = json.loads(data)
                self.frames.append(frame)
                await (self.script or self.echo)(socket, frame)
        self.open.discard(socket)

    async def echo(self, socket: ServerConnection, frame: dict[str, Any]) -> None:
        """Answer a frame with its own input, in pieces."""
        self._number += 1
        identity = f"resp_{self._number}"
        lane = {"stream_id": frame["stream_id"]} if "stream_id" in frame else {}
        text = str(frame.get("input"))
        at = {"item_id": "msg", "output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": text, "annotations": []}
        item = {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [part]}
        usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
        events: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": identity, "output": []}}]
        events += (
            {"type": "response.output_text.delta", **at, "delta": text[index : index + 7]}
            for index in range(0, len(text), 7)
        )
        events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
        events.append({"type": "response.completed", "response": {"id": identity, "output": [item], "usage": usage}})
        for event in events:
            await socket.send(json.dumps({**event, **lane}))

    async def request(self, connection: ServerConnection, request: Request) -> Response | None:
        """A handshake."""
        if self.before is not None:
            await self.before()
        self.handshakes.append(request)
        return None if self.status is None else connection.respond(self.status, "no\n")

    def response(self, connection: ServerConnection, request: Request, response: Response) -> None:
        """Its answer."""
        response.headers.update(self.headers)


@asynccontextmanager
async def provider(secure: ssl.SSLContext | None = None) -> AsyncIterator[Provider]:
    """A provider that listens."""
    made = Provider()
    async with serve(
        made.serve,
        "127.0.0.1",
        0,
        ssl=secure,
        process_request=made.request,
        process_response=made.response,
        max_size=None,
        ping_interval=None,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        made.url = f"{'ws' if secure is None else 'wss'}://127.0.0.1:{port}/v1/responses"
        yield made


@dataclass
class Gateway:
    """A gateway that listens."""

    port: int
    settings: Settings
    folder: Path
    scheme: str = "ws"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"{self.scheme}://127.0.0.1:{self.port}/v1/responses"

    def connect(self, key: str | None = KEY, query: str = "", **more: Any) -> connect:
        """A client's connection; await it or enter it."""
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return connect(self.url + query, additional_headers=headers, proxy=None, max_size=None, **more)

    def rows(self) -> list[dict[str, Any]]:
        """The audit."""
        path = self.folder / "audit.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    async def rows_once(self, count: int) -> list[dict[str, Any]]:
        """The audit, once it has so many rows: they are in a file, so there is nothing to wait for but its length."""
        while len(rows := self.rows()) < count:
            await asyncio.sleep(0.01)
        return rows

    async def post(self, body: dict[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A request for a response, and its connection: for a client that does not stay to read it."""
        sent = json.dumps(body).encode()
        head = f"POST /v1/responses HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(sent)}"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{head}\r\n\r\n".encode() + sent)
        return reader, writer

    async def http(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        """A plain HTTP request; gives status, headers and body."""
        sent = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", "Content-Length": str(len(body))}
        sent |= headers or {}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write("\r\n".join(lines).encode() + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        head, _, content = answer.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        return (
            int(first.split()[1]),
            {name.lower(): value for name, _, value in (r.partition(": ") for r in rest)},
            content,
        )


def configuration(url: str, **more: Any) -> dict[str, Any]:
    """A gateway.yaml with two keys and two models at one provider."""
    deployment = {"name": "test", "url": url, "auth": "key", "api_key_env": "PROVIDER_KEY"}
    key = {"id": "team-a", "secret_env": "TEAM_A_KEY", "models": ["gpt-5.1", "gpt-5.1-mini"], "policy": "./policy.yaml"}
    return {
        "listen": {"port": 0},
        "keys": [key, {**key, "id": "team-b", "secret_env": "TEAM_B_KEY", "models": ["gpt-5.1"]}],
        "models": {
            "gpt-5.1": {"deployments": [deployment]},
            "gpt-5.1-mini": {"deployments": [{**deployment, "model": "azure-mini"}]},
        },
        "vault": {"secret_env": "VAULT_SECRET"},
        "audit": {"path": "./audit.jsonl", "secret_env": "AUDIT_SECRET"},
        **more,
    }


def configuration_of_two(one: str, two: str, way: str) -> dict[str, Any]:
    """A gateway.yaml with one model that two stand-ins serve, named `one` and `two`, spoken to over ws or http."""
    deployments = [
        {"auth": "none", "model": "gpt-5.1", "name": name, "url": f"{url.replace('http', way)}/responses"}
        for name, url in (("one", one), ("two", two))
    ]
    config = configuration(one, models={"gpt-5.1": {"deployments": deployments}})
    for key in config["keys"]:
        key["models"] = ["gpt-5.1"]
    return config


def settings_of(folder: Path, config: dict[str, Any], rest: str = "") -> Settings:
    """The settings of a configuration, with a policy of which `rest` is more YAML."""
    (folder / "policy.yaml").write_text(POLICY + rest, "utf-8")
    (folder / "gateway.yaml").write_text(json.dumps(config), "utf-8")
    return resolve(load_config(folder / "gateway.yaml"), ENVIRONMENT)


@asynccontextmanager
async def gateway(folder: Path, config: dict[str, Any], rest: str = "") -> AsyncIterator[Gateway]:
    """A gateway of a configuration; all of it is over when this ends."""
    settings = settings_of(folder, config, rest)
    options = uvicorn_config(settings, workers=0)
    options.load()
    server = uvicorn.Server(options)
    server.lifespan = options.lifespan_class(options)
    await server.startup()
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Gateway(port, settings, folder, "wss" if options.is_ssl else "ws")
    finally:
        await server.shutdown()


def run(script: Awaitable[None], seconds: float = SECONDS) -> None:
    """Run a script to its end, in an event loop of its own."""

    async def main() -> None:
        async with asyncio.timeout(seconds):
            await script

    asyncio.run(main())


def play(folder: Path, script: Callable[[Gateway, Provider], Awaitable[None]], rest: str = "", **config: Any) -> None:
    """Run a script with a gateway and its provider."""

    async def main() -> None:
        async with provider() as upstream, gateway(folder, configuration(upstream.url, **config), rest) as made:
            await script(made, upstream)

    run(main())


async def ask(socket: ClientConnection, text: str = "hello", **more: Any) -> list[dict[str, Any]]:
    """Ask for a response, and read it to its end."""
    await socket.send(json.dumps({"type": "response.create", "input": text, **more}))
    return await read(socket)


async def read(socket: ClientConnection) -> list[dict[str, Any]]:
    """Events up to the end of a response."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in ("response.completed", "error"):
        events.append(json.loads(await socket.recv()))
    return events


def text_of(events: list[dict[str, Any]]) -> str:
    """The text of a response in pieces, which is the same as whole."""
    joined = "".join(event["delta"] for event in events if event["type"].endswith(".delta"))
    assert joined == events[-1]["response"]["output"][0]["content"][0]["text"]
    return joined


def sha256(text: str) -> str:
    """The hex digest that a configuration may have instead of a key."""
    return hashlib.sha256(text.encode()).hexdigest()


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    """Pieces of some bytes."""
    return (data[at : at + size] for at in range(0, len(data), size))
