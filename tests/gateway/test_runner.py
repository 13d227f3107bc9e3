"""The runner performs what the session asks for, in order, and leaves nothing behind. Both ends are in memory."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from gateway.audit.record import Row, Who
from gateway.errors import AuditError, UpstreamError
from gateway.runner import _INBOX, Dialled, Runner, Surroundings
from gateway.session.session import Session
from gateway.session.states import Bounds, Setup
from guardrails.errors import DetectionError, DetectionTimeout, VaultError
from guardrails.findings import Finding
from guardrails.redact import Masker
from guardrails.vault import MemoryVault, Restorable
from policies.model import Policy
from tests.kit import EMAIL, RESTORE, SSN, detector, policy

MASKING = policy("output: {mask: new}\n")
HEARTBEAT = policy("output: {mask: new, heartbeat: 10ms}\n")


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

    async def send(self, data: str) -> None:
        if self.lost:
            raise UpstreamError("The connection to the provider was lost.")
        self.got.put_nowait(json.loads(data))

    async def receive(self) -> str:
        data = await self.sends.get()
        if isinstance(data, UpstreamError):
            raise data
        return data

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

    async def recall(self, tenant: str, response_id: str) -> Restorable | None:
        if not self.works:
            raise VaultError("down")
        return await super().recall(tenant, response_id)

    async def remember(self, tenant: str, response_id: str, values: Restorable) -> None:
        if not self.works:
            raise VaultError("down")
        await super().remember(tenant, response_id, values)


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

    async def _dial(self, model: str) -> Dialled:
        self.dials.append(model)
        if not self.reachable:
            raise UpstreamError("The provider cannot be reached.")
        return self.connection(model)

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


# Frames


@pytest.mark.parametrize("ahead", [False, True], ids=["dialled with the first frame", "dialled ahead"])
def test_a_turn_goes_up_masked_and_comes_back_restored(ahead: bool) -> None:
    async def script(world: World) -> None:
        world.client.create(f"mail {EMAIL}", model="gpt-5.1")
        sent = await world.provider.next()
        assert sent["model"] == "provider-gpt-5.1"
        assert EMAIL not in sent["input"]
        world.provider.begin()
        world.provider.say("output_text.delta", output_index=0, delta=f"{sent['input'][5:]}!")
        world.provider.end()
        assert (await world.client.next())["type"] == "response.created"
        assert (await world.client.next())["delta"] == f"{EMAIL}!"
        assert (await world.client.next())["type"] == "response.completed"
        assert await world.vault.recall("team-a", "resp_1") is not None
        world.client.leave()

    world = run(World, script, ahead=ahead)
    assert world.dials == ([] if ahead else ["gpt-5.1"])
    assert [row.decision for row in world.sink.rows] == ["masked", "forwarded"]
    assert world.client.closed == (1000, "")


def test_another_model_takes_the_place_of_the_one_dialled_ahead() -> None:
    async def script(world: World) -> None:
        ahead = world.provider
        world.client.create("x", model="gpt-5.1-mini")
        await settled()
        assert world.provider is not ahead
        assert (await world.provider.next())["model"] == "provider-gpt-5.1-mini"
        assert ahead.closed
        ahead.leave()
        world.provider.begin()
        assert (await world.client.next())["type"] == "response.created", "the old one's leaving is of no interest"
        world.client.leave()

    run(World, script, ahead=True)


def test_a_binary_message_is_refused_and_the_connection_lives_on() -> None:
    async def script(world: World) -> None:
        world.client.sends.put_nowait(b"")
        assert (await world.client.next())["error"]["code"] == "invalid_prompt"
        world.client.create()
        await world.provider.next()
        world.client.leave()

    run(World, script)


# Detection


def test_detection_elsewhere_does_not_hold_up_another_lane() -> None:
    async def script(world: World) -> None:
        world.detection.pooled = True
        world.client.create(f"slow {EMAIL}", stream_id="a")
        await settled()
        world.detection.pooled = False
        world.client.create("quick", stream_id="b")
        assert (await world.provider.next())["input"] == "quick"
        world.detection.answers.set()
        sent = await world.provider.next()
        assert sent["input"].startswith("slow <EMAIL_ADDRESS_")
        world.client.leave()

    world = run(World, script)
    assert all(row.detection >= 0 for row in world.sink.rows)


@pytest.mark.parametrize("pooled", [False, True], ids=["inline", "elsewhere"])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DetectionError(EMAIL), "The message could not be examined, so it was not sent."),
        (DetectionTimeout(EMAIL), "The message could not be examined in time, so it was not sent."),
    ],
)
def test_a_detection_that_fails_refuses_the_message_and_the_connection_lives_on(
    pooled: bool, error: DetectionError, message: str
) -> None:
    async def script(world: World) -> None:
        world.detection.pooled, world.detection.error = pooled, error
        world.detection.answers.set()
        world.client.create(f"mail {EMAIL}")
        refused = await world.client.next()
        assert (refused["status"], refused["error"]["message"]) == (400, message)
        world.detection.error = None
        world.client.create("again")
        await world.provider.next()
        world.client.leave()

    world = run(World, script)
    assert [row.decision for row in world.sink.rows][:2] == ["failed", "forwarded"]
    assert EMAIL not in "".join(world.client.raw)


def test_an_answer_is_examined_elsewhere_too() -> None:
    async def script(world: World) -> None:
        world.client.create("who?")
        await world.provider.next()
        world.provider.begin()
        await world.client.next()
        world.detection.pooled = True
        part = {"type": "output_text", "text": f"It is {SSN}", "annotations": []}
        item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
        world.provider.say("output_item.done", output_index=0, item=item)
        await settled()
        assert world.client.got.empty()
        world.detection.answers.set()
        assert (await world.client.next())["type"] == "response.output_item.added"
        await settled()
        assert SSN not in "".join(world.client.raw)
        assert "<US_SSN_" in world.client.raw[-1]
        world.client.leave()

    run(lambda: World(MASKING), script)


# The provider


def test_a_provider_that_cannot_be_reached_is_dialled_again_with_the_next_frame() -> None:
    async def script(world: World) -> None:
        world.reachable = False
        world.client.create("a")
        assert (await world.client.next())["error"]["message"] == "The provider cannot be reached."
        world.reachable = True
        world.client.create("b")
        await settled()
        assert (await world.provider.next())["input"] == "b"
        world.client.leave()

    world = run(World, script)
    assert world.dials == ["gpt-5.1", "gpt-5.1"]


def test_a_provider_that_leaves_ends_what_is_under_way_and_is_dialled_again() -> None:
    async def script(world: World) -> None:
        world.client.create("a")
        await world.provider.next()
        world.provider.begin()
        await world.client.next()
        old = world.provider
        old.leave()
        refused = await world.client.next()
        assert (refused["type"], refused["error"]["message"]) == ("error", "The provider closed the connection.")
        await settled()
        assert old.closed
        world.client.create("b")
        await settled()
        assert world.provider is not old
        assert (await world.provider.next())["input"] == "b"
        world.client.leave()

    world = run(World, script)
    decisions = [(row.direction, row.decision) for row in world.sink.rows]
    assert decisions == [("input", "forwarded"), ("output", "failed"), ("input", "forwarded"), ("output", "failed")]


def test_a_provider_that_is_lost_while_it_is_sent_to_refuses_that_message() -> None:
    async def script(world: World) -> None:
        world.client.create("a")
        await world.provider.next()
        world.provider.lost = True
        world.client.create("b", stream_id="lane-1")
        refused = await world.client.next()
        assert (refused["stream_id"], refused["status"]) == ("lane-1", 400)
        world.provider.leave()
        assert (await world.client.next())["error"]["message"] == "The provider closed the connection."
        world.client.create("c", stream_id="lane-1")
        await settled()
        assert (await world.provider.next())["input"] == "c"
        world.client.leave()

    run(World, script)


def test_a_provider_that_leaves_as_soon_as_it_is_dialled_is_dialled_again() -> None:
    """Even when the inbox is full, so that its leaving and its coming are a race."""

    async def script(world: World) -> None:
        world.provider.leave()
        world.client.reads.clear()
        world.client.sends.put_nowait("not json")
        await settled()
        for _ in range(2 * _INBOX):
            world.client.create("x")
        await settled()
        world.client.reads.set()
        await settled()
        while not world.client.got.empty():
            world.client.got.get_nowait()
        world.client.create("after all that", stream_id="lane-1")
        await settled()
        sent = [world.provider.got.get_nowait() for _ in range(world.provider.got.qsize())]
        assert "after all that" in [frame["input"] for frame in sent]
        world.client.leave()

    run(World, script)


# Audit and vault


def test_without_the_audit_nothing_is_forwarded_until_it_is_back() -> None:
    async def script(world: World) -> None:
        world.sink.works = False
        world.client.create(f"mail {EMAIL}")
        assert (await world.client.next())["error"]["message"] == "The audit could not be written."
        assert world.provider.got.empty()
        world.sink.works = True
        world.client.create("again")
        assert (await world.provider.next())["input"] == "again"
        world.sink.works = False
        world.provider.begin()
        await world.client.next()
        world.provider.end()
        assert (await world.client.next())["type"] == "error"
        world.sink.works = True
        world.client.leave()

    run(World, script)


def test_a_vault_that_is_down_refuses_what_needs_it_only(caplog: pytest.LogCaptureFixture) -> None:
    async def script(world: World) -> None:
        world.vault.works = False
        world.client.create("go on", previous_response_id="resp_0")
        refused = await world.client.next()
        assert "could not be looked up" in refused["error"]["message"]
        world.client.create(f"mail {EMAIL}")
        sent = await world.provider.next()
        world.provider.begin()
        await world.client.next()
        world.provider.say("output_text.delta", output_index=0, delta=f"{sent['input'][5:]}.")
        assert (await world.client.next())["delta"] == f"{EMAIL}.", "its own stream restores without the vault"
        world.client.leave()

    run(World, script)
    assert EMAIL not in caplog.text


def test_a_response_of_another_tenant_is_not_found() -> None:
    async def script(world: World) -> None:
        await world.vault.remember("team-b", "resp_0", Restorable({}))
        world.client.create("go on", previous_response_id="resp_0")
        assert (await world.client.next())["error"]["code"] == "previous_response_not_found"
        assert world.provider.got.empty()
        world.client.leave()

    run(World, script)


# Time


def test_a_response_that_takes_too_long_is_refused() -> None:
    async def script(world: World) -> None:
        world.client.create("x")
        await world.provider.next()
        assert "longer than" in (await world.client.next())["error"]["message"]
        world.client.leave()

    run(lambda: World(bounds=Bounds(response=0.01)), script)


def test_heartbeats_come_while_a_response_is_held_back() -> None:
    async def script(world: World) -> None:
        world.client.create("x")
        await world.provider.next()
        world.provider.begin()
        kinds = [(await world.client.next())["type"] for _ in range(3)]
        assert kinds == ["response.created", "response.in_progress", "response.in_progress"]
        world.provider.end()
        while (await world.client.next())["type"] != "response.completed":
            pass
        assert len(world.runner._timers) == 1, "only the idle watch is left"
        world.client.leave()

    run(lambda: World(HEARTBEAT), script)


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    async def script(world: World) -> None:
        world.client.create("x")
        await world.provider.next()
        world.provider.begin()
        await world.client.next()
        # The watch has looked at least once by now and found a response under way.
        before = world.runner._timers[0]
        while world.runner._timers.get(0) is before:
            await asyncio.sleep(0)
        assert world.client.closed is None
        world.provider.end()
        await world.client.next()

    world = run(lambda: World(idle=0.02), script)
    assert world.client.closed == (1001, "idle")
    assert len(world.sink.rows) == 2


def test_the_idle_watch_goes_on_while_frames_wait() -> None:
    async def script(world: World) -> None:
        world.client.reads.clear()
        for _ in range(2 * _INBOX):
            world.client.sends.put_nowait("not json")
        await settled()
        assert world.runner._inbox.full()
        world.runner._active -= 1000.0
        world.runner._watch()
        assert not world.runner._timers[0].cancelled()
        assert world.runner._timers[0].when() > asyncio.get_running_loop().time()
        world.client.reads.set()
        for _ in range(2 * _INBOX):
            await world.client.next()
        assert world.client.closed is None, "there was something to do all the time"
        world.client.leave()

    run(World, script)


# Back-pressure


def test_a_client_that_does_not_read_slows_the_provider_down() -> None:
    async def script(world: World) -> None:
        world.client.create("x")
        await world.provider.next()
        world.provider.begin()
        await world.client.next()
        world.client.reads.clear()
        for number in range(1000):
            world.provider.say("output_text.delta", output_index=0, delta=f"{number} ")
        await settled()
        taken = 1000 - world.provider.sends.qsize()
        assert taken <= _INBOX + 2, "nothing piles up in between"
        world.client.reads.set()
        assert [(await world.client.next())["delta"] for _ in range(1000)] == [f"{number} " for number in range(1000)]
        world.client.leave()

    run(World, script)


def test_a_client_that_floods_is_read_no_faster_than_its_frames_are_handled() -> None:
    async def script(world: World) -> None:
        world.client.reads.clear()
        for _ in range(1000):
            world.client.sends.put_nowait("not json")
        await settled()
        assert world.client.sends.qsize() >= 1000 - _INBOX - 2
        world.client.reads.set()
        for _ in range(1000):
            assert (await world.client.next())["type"] == "error"
        world.client.leave()

    run(World, script)


# Ends


def test_a_client_that_leaves_ends_everything_and_what_was_under_way_has_rows() -> None:
    async def script(world: World) -> None:
        world.detection.pooled = True
        world.client.create("never answered", stream_id="a")
        await settled()
        world.detection.pooled = False
        world.client.create("x")
        await world.provider.next()
        world.provider.begin()
        await world.client.next()
        world.client.leave()

    world = run(World, script)
    assert world.provider.closed
    assert [(row.direction, row.reason) for row in world.sink.rows][-1] == ("output", "The client left.")


def test_a_client_that_vanishes_while_it_is_sent_to_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def script(world: World) -> None:
        world.client.create("x")
        await world.provider.next()
        world.client.gone = True
        world.provider.begin()

    run(World, script)
    assert not caplog.records


def test_a_client_that_leaves_while_the_provider_is_dialled_leaves_no_connection() -> None:
    async def script(world: World) -> None:
        world.client.create("x")
        world.client.leave()

    run(World, script)


def test_a_client_whose_rows_cannot_be_written_any_more_still_ends(caplog: pytest.LogCaptureFixture) -> None:
    async def script(world: World) -> None:
        world.client.create("x")
        await world.provider.next()
        world.sink.works = False
        world.client.leave()

    run(World, script)
    assert "could not be written" in caplog.text


@pytest.mark.parametrize("where", ["inline", "elsewhere", "session", "dial", "vault"])
def test_a_mistake_in_the_gateway_closes_the_connection_and_logs_its_kind_only(
    where: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake = RuntimeError(f"about {EMAIL}")

    async def script(world: World) -> None:
        def fail(*args: Any, **more: Any) -> Any:
            raise mistake

        if where in ("inline", "elsewhere"):
            world.detection.pooled, world.detection.error = where == "elsewhere", mistake
            world.detection.answers.set()
        elif where == "session":
            monkeypatch.setattr(world.session, "client_frame", fail)
        elif where == "dial":
            object.__setattr__(world.runner._around, "dial", fail)
        else:
            monkeypatch.setattr(world.vault, "recall", fail)
        world.client.create(f"mail {EMAIL}", previous_response_id="resp_0")

    with caplog.at_level(logging.DEBUG):
        world = run(World, script)
    assert world.client.closed == (1011, "internal error")
    assert "RuntimeError" in caplog.text
    assert EMAIL not in caplog.text
    assert not any(record.exc_info for record in caplog.records)
    assert EMAIL not in "".join(world.client.raw)


def test_an_effect_that_nobody_performs_is_a_mistake() -> None:
    async def script(world: World) -> None:
        world.session.client_frame = lambda data, now: [object(), object()]  # type: ignore[method-assign, assignment, list-item, return-value]
        world.client.create("x")

    assert run(World, script).client.closed == (1011, "internal error")


def test_a_server_that_stops_closes_both_sides() -> None:
    async def main() -> None:
        world = World()
        running = asyncio.create_task(world.runner.run(None))
        world.client.create("x")
        await world.provider.next()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert world.client.closed is not None
        assert world.provider.closed
        assert not world.runner._timers
        assert [row.reason for row in world.sink.rows] == [None, "The client left."]

    asyncio.run(main())
