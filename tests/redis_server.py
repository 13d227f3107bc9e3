"""A Redis of a test's own: a process that listens on loopback, keeps nothing on disk, and can be killed and come back."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.retry import Retry


@dataclass
class RedisServer:
    """A server in a folder. With `keeps` what it holds is there again after `stop()` and `start()`."""

    program: str
    folder: Path
    port: int
    keeps: bool = True
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `vault.store` says."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        """A client for the test itself; it waits for a server that is just starting."""
        return Redis(port=self.port, retry=Retry(ConstantBackoff(0.02), 250, supported_errors=(ConnectionLost,)))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        options += ["--appendonly", "yes" if self.keeps else "no", "--appendfsync", "always", "--loglevel", "warning"]
        self._process = subprocess.Popen([self.program, *options], stdout=subprocess.DEVNULL)
        with self.client() as client:
            client.ping()

    def stop(self) -> None:
        """Kill it, as a machine that dies would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def dump(self) -> bytes:
        """Everything in it, names and values."""
        with self.client() as client:
            kept: list[bytes] = []
            for name in client.scan_iter(count=1000):
                kept.append(name)
                match client.type(name):
                    case b"hash":
                        kept += (part for pair in client.hgetall(name).items() for part in pair)
                    case b"zset":
                        kept += client.zrange(name, 0, -1)
                    case b"set":
                        kept += client.smembers(name)
                    case b"string":
                        kept.append(client.get(name) or b"")
                    case other:
                        raise AssertionError(other)
            return b"\n".join(kept)


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A server that runs until the end; skips the test where there is no Redis, and fails where nothing may skip."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed here")
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisServer(program, folder, _free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    """A port below those that systems hand out: one of those would be another test's while nothing listens on it."""
    while True:
        port = secrets.choice(range(20_000, 30_000))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def is_down(server: RedisServer) -> bool:
    """Whether nobody answers there."""
    try:
        with Redis(port=server.port, retry=Retry(ConstantBackoff(0), 0)) as client:
            client.ping()
    except RedisError:
        return True
    return False
