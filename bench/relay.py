"""What the gateway is measured against: the plainest relay that `websockets` makes, on asyncio's own event loop.

It stands in the same place in the path and does nothing to a frame. `--uvloop` runs it on uvloop, to compare with.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


async def pump(source: Connection, target: Connection) -> None:
    """Pass every message on, and the end of the connection."""
    with contextlib.suppress(ConnectionClosed):
        async for message in source:
            await target.send(message)
    await target.close()


async def relay(client: ServerConnection) -> None:
    """Connect upstream and pass messages both ways."""
    upstream = connect(sys.argv[2], compression=None, max_size=None, proxy=None)
    async with upstream as server, asyncio.TaskGroup() as group:
        group.create_task(pump(client, server))
        group.create_task(pump(server, client))


async def main() -> None:
    """Serve until killed."""
    server = await serve(relay, "127.0.0.1", int(sys.argv[1]), compression=None, max_size=None)
    print(f"ready on http://127.0.0.1:{sys.argv[1]}", flush=True)
    await server.serve_forever()


if "--uvloop" in sys.argv:
    uvloop.run(main())
else:
    asyncio.run(main())
