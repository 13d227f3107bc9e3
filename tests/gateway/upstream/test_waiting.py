"""What waits for a reader is bounded in number and in size, and nobody who waits to write is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from gateway.upstream.waiting import LENGTH, SIZE, Waiting


@pytest.mark.parametrize(("event", "most"), [("", LENGTH), ("x", LENGTH), ("x" * (SIZE // 4), 4), ("x" * 9 * SIZE, 1)])
def test_so_many_events_wait_and_no_more(event: str, most: int) -> None:
    async def main() -> None:
        waiting: Waiting[str] = Waiting()
        for _ in range(most):
            assert not waiting.full()
            await waiting.put(event)
        with pytest.raises(asyncio.QueueFull):
            waiting.put_nowait(event)

    asyncio.run(main())


def test_everybody_who_waits_to_write_comes_to_it() -> None:
    async def main() -> None:
        waiting: Waiting[str | None] = Waiting()
        said = ["x" * SIZE, "", "y" * SIZE, *map(str, range(100)), "z" * 3 * SIZE, "end"]

        async def say(part: list[str]) -> None:
            for one in part:
                await waiting.put(one)

        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            for start in range(4):
                tasks.create_task(say(said[start::4]))
            heard = [await waiting.get() for _ in said]
        assert sorted(map(str, heard)) == sorted(said)
        await waiting.put(None)
        assert await waiting.get() is None

    asyncio.run(main())
