"""Both ends of a runner, in memory, and everything around it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.audit.record import Row, Who
from gateway.errors import AuditError, UpstreamError
from gateway.runner import Runner
from gateway.session.effects import Connect
from gateway.session.session import Session
from gateway.session.states import Bounds, Setup
from gateway.surroundings import Dialled, Surroundings
from guardrails.errors import VaultError
from guardrails.findings import Finding
from guardrails.redact import Masker
from guardrails.vault import Recalled, Restorable
from guardrails.vault_memory import MemoryVault
from policies.model import Policy
from tests.kit import RESTORE, detector


class Client:
    """The client's socket: what it sends is put in, what it gets is kept. `reads` is cleared to make it a slow one."""

    def __init__(self) -> None:
        self.sends: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.raw: list[str] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.closed: tuple[int, str] | None = None
        self.gone = False

    async def receive(self) -> str | bytes | None:
        return await self.sends.get()

    async def send(self, data: str) -> None:
        await self.reads.wait()
        if self.gone:
            raise OSError("the client has left")
        self.raw.append(data)
        self.got.put_nowait(json.loads(data))

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def create(self, text: str = "hello", **more: Any) -> None:
        self.sends.put_nowait(json.dumps({"type": "response.create", "input": text, **more}))

    def leave(self) -> None:
        self.sends.put_nowait(None)

    async def next(self) -> dict[str, Any]:
        """The next event that it gets."""
        return await self.got.get()


class Provider:
    """A connection to a provider, the same way round."""

    def __init__(self) -> None:
        self.sends: asyncio.Queue[str | UpstreamError] = asyncio.Queue()
        self.got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.closed = 0
        self.lost = False
        self.at_once = 1

    async def send(self, data: str) -> None:
        if self.lost:
            raise UpstreamError("The connection to the provider was lost.")
        self.got.put_nowait(json.loads(data))

    async def receive(self) -> list[str]:
        data = await self.sends.get()
        if isinstance(data, UpstreamError):
            raise data
        frames = [data]
        while len(frames) < self.at_once and isinstance(more := await self.sends.get(), str):
            frames.append(more)
        return frames

    async def close(self) -> None:
        self.closed += 1

    def say(self, kind: str, **more: Any) -> None:
        self.sends.put_nowait(json.dumps({"type": f"response.{kind}", **more}))

    def begin(self, response_id: str = "resp_1") -> None:
        self.say("created", response={"id": response_id, "output": []})

    def end(self, response_id: str = "resp_1") -> None:
        self.say("completed", response={"id": response_id, "output": []})

    def leave(self) -> None:
        self.sends.put_nowait(UpstreamError("The provider closed the connection."))

    async def next(self) -> dict[str, Any]:
        return await self.got.get()


class Detection:
    """Finds with the real detector: at once, or when `answers` is set; or fails."""

    def __init__(self, of: Policy) -> None:
        self._detector = detector(of)
        self.pooled = False
        self.answers = asyncio.Event()
        self.error: Exception | None = None
        self.asked: list[Sequence[str]] = []

    def inline(self, texts: Sequence[str]) -> Sequence[Sequence[Finding]] | None:
        self.asked.append(texts)
        if self.pooled:
            return None
        if self.error is not None:
            raise self.error
        return self._detector.detect(texts)

    async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Finding]]:
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return self._detector.detect(texts)


class Sink:
    """Keeps rows, or fails."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.works = True

    def write(self, row: Row) -> None:
        if not self.works:
            raise AuditError("The audit could not be written.")
        self.rows.append(row)


class Vault(MemoryVault):
    """The real one, which can be made to fail."""

    works = True

    async def recall(self, tenant: str, name: str) -> Recalled | None:
        if not self.works:
            raise VaultError("down")
        return await super().recall(tenant, name)

    async def remember(self, tenant: str, name: str, values: Restorable, *args: Any, **more: Any) -> None:
        if not self.works:
            raise VaultError("down")
        await super().remember(tenant, name, values, *args, **more)


class World:
    """A runner with everything around it."""

    def __init__(self, of: Policy = RESTORE, *, bounds: Bounds | None = None, idle: float = 60.0) -> None:
        self.client, self.provider, self.detection, self.sink = Client(), Provider(), Detection(of), Sink()
        self.vault = Vault(ttl=60.0, clock=lambda: 0.0)
        self.dials: list[str] = []
        self.given: list[Provider] = []
        self.reachable = True
        masker = Masker(of, tenant_secret=b"a tenant's own", audit_secret=b"the audit's own")
        who = Who("c0ffee", "team-a", of.name, of.digest)
        setup = Setup(of, masker, who, ("gpt-5.1", "gpt-5.1-mini"), "overwrite", bounds or Bounds())
        self.session = Session(setup)
        around = Surroundings(self._dial, self.detection, self.vault, self.sink, "team-a", idle)
        self.runner = Runner(self.session, self.client, around)

    async def begin(self, text: str = "x") -> None:
        """A response is asked for, and the client has got its beginning."""
        self.client.create(text)
        await self.provider.next()
        self.provider.begin()
        await self.client.next()

    async def _dial(self, asked: Connect) -> Dialled:
        self.dials.append(asked.model)
        if not self.reachable:
            raise UpstreamError("The provider cannot be reached.")
        return self.connection(asked.model)

    def connection(self, model: str) -> Dialled:
        """The first connection is there from the beginning; each further one is `provider` from now on."""
        if self.given:
            self.provider = Provider()
        self.given.append(self.provider)
        return Dialled(self.provider, f"provider-{model}", "deployment-1")


Script = Callable[[World], Awaitable[None]]


def run(world: Callable[[], World], script: Script, *, ahead: bool = False) -> World:
    """Run a script beside a runner, until the runner has ended; afterwards nothing of it may be left."""

    async def main() -> World:
        made = world()
        first = ("gpt-5.1", made.connection("gpt-5.1")) if ahead else None
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(made.runner.run(first))
            await script(made)
            await running
        assert asyncio.all_tasks() == {asyncio.current_task()}, "no task is left"
        assert not made.runner._timers, "no timer is left"
        assert all(one.closed for one in made.given), "no connection is left"
        assert made.client.closed is not None
        return made

    return asyncio.run(main())


async def settled() -> None:
    """Let everything that can run now run."""
    for _ in range(20):
        await asyncio.sleep(0)
