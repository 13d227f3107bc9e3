"""The runner lets nothing pile up, and leaves nothing behind. Both ends are in memory."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from gateway.inbox import BYTES, EXAMINING, LENGTH
from gateway.session.states import Bounds
from tests.gateway.ends import World, run, settled
from tests.kit import EMAIL

# Back-pressure


def test_a_client_that_does_not_read_slows_the_provider_down() -> None:
    async def script(world: World) -> None:
        await world.begin()
        world.client.reads.clear()
        for number in range(1000):
            world.provider.say("output_text.delta", output_index=0, delta=f"{number} ")
        await settled()
        taken = 1000 - world.provider.sends.qsize()
        assert taken <= LENGTH + 2, "nothing piles up in between"
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
        assert world.client.sends.qsize() >= 1000 - LENGTH - 2
        world.client.reads.set()
        for _ in range(1000):
            assert (await world.client.next())["type"] == "error"
        world.client.leave()

    run(World, script)


def test_what_waits_is_bounded_in_bytes_too_and_one_large_message_passes() -> None:
    async def script(world: World) -> None:
        await world.begin()
        world.client.reads.clear()
        large = "x" * (BYTES // 4)
        for _ in range(20):
            world.provider.say("output_text.delta", output_index=0, delta=large)
        await settled()
        assert 20 - world.provider.sends.qsize() <= 8
        world.client.reads.set()
        for _ in range(20):
            assert (await world.client.next())["delta"] == large
        world.provider.say("output_text.delta", output_index=0, delta=large * 5)
        assert len((await world.client.next())["delta"]) == 5 * len(large)
        world.client.leave()

    run(World, script)


def test_while_much_is_being_examined_nothing_more_is_read() -> None:
    async def script(world: World) -> None:
        world.detection.pooled = True
        for number in range(500):
            world.client.create("x", stream_id=f"lane-{number % 10}")
        await settled()
        assert len(world.detection.asked) <= EXAMINING + LENGTH + 2
        assert world.client.sends.qsize() >= 500 - EXAMINING - LENGTH - 2
        world.detection.answers.set()
        for _ in range(500):
            await world.provider.next()
        world.client.leave()

    run(lambda: World(bounds=Bounds(queued=100)), script)


def test_a_provider_that_is_left_while_its_messages_wait_takes_their_room_with_it() -> None:
    async def script(world: World) -> None:
        world.client.create("x")
        await world.provider.next()
        world.client.reads.clear()
        world.provider.begin()
        await settled()
        world.provider.sends.put_nowait("not an event")
        for _ in range(LENGTH - 1):
            world.provider.say("in_progress", response={"id": "resp_1"})
        world.provider.say("output_text.delta", output_index=0, delta="x" * (2 * BYTES))
        await settled()
        assert world.runner._inbox.full
        world.client.reads.set()
        assert (await world.client.next())["type"] == "response.created"
        assert (await world.client.next())["type"] == "error"
        await settled()
        assert world.runner._inbox.held == 0
        world.client.create("again")
        await settled()
        assert (await world.provider.next())["input"] == "again"
        world.client.leave()

    run(World, script)


def test_a_provider_that_sends_what_is_no_event_is_left_and_dialled_again() -> None:
    async def script(world: World) -> None:
        await world.begin("a")
        old = world.provider
        old.sends.put_nowait("not an event")
        old.say("output_text.delta", output_index=0, delta="of the old answer")
        assert (await world.client.next())["type"] == "error"
        await settled()
        assert old.closed
        world.client.create("b")
        await settled()
        assert (await world.provider.next())["input"] == "b"
        old.end()
        await settled()
        assert world.client.got.empty(), "nothing of the old one reaches the next"
        world.client.leave()

    run(World, script)


# Ends


def test_a_client_that_leaves_ends_everything_and_what_was_under_way_has_rows() -> None:
    async def script(world: World) -> None:
        world.detection.pooled = True
        world.client.create("never answered", stream_id="a")
        await settled()
        world.detection.pooled = False
        await world.begin()
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
        session: Any = world.session
        session.client_frame = lambda data, now: [object(), object()]
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
