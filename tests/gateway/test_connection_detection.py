"""What a tenant has sent before is not examined again, and whoever asks much waits for himself."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from gateway.detection import CachedDetection
from guardrails.cache import FindingsCache, SeenTexts
from guardrails.errors import DetectionError, DetectionTimeout
from guardrails.findings import Finding
from policies.model import Policy
from tests.kit import EMAIL, RESTORE, detector, policy

QUICK = policy(detect="  budget: 20ms\n  fold: false\n  decode: []\n")


class Pool:
    """Finds with the real detector: at once, or when `answers` is set."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.cheap = True
        self.answers = asyncio.Event()
        self.error: Exception | None = None

    def inline(self, of: Policy, texts: Sequence[str]) -> Any:
        if not self.cheap:
            return None
        self.asked.append(list(texts))
        return detector(of).detect(texts)

    async def detect(self, of: Policy, texts: Sequence[str]) -> Any:
        self.asked.append(list(texts))
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return detector(of).detect(texts)


def run(script: Callable[[Pool, Callable[..., CachedDetection]], Awaitable[None]]) -> None:
    async def main() -> None:
        pool = Pool()
        cache, turns = FindingsCache(), defaultdict[str, asyncio.Lock](asyncio.Lock)

        def made(tenant: str = "team-a", of: Policy = RESTORE) -> CachedDetection:
            return CachedDetection(cast("Any", pool), SeenTexts(cache, of.digest, tenant), of, turns[tenant])

        async with asyncio.timeout(5):
            await script(pool, made)

    asyncio.run(main())


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def entities(found: Sequence[Sequence[Finding]] | None) -> list[list[str]]:
    assert found is not None
    return [[finding.entity for finding in one] for one in found]


def test_only_what_is_new_is_examined_and_the_answers_keep_their_order() -> None:
    async def script(pool: Pool, made: Callable[..., CachedDetection]) -> None:
        detection = made()
        assert entities(detection.inline(["a", f"to {EMAIL}"])) == [[], ["EMAIL_ADDRESS"]]
        assert entities(detection.inline(["b", f"to {EMAIL}", "a", "c"])) == [[], ["EMAIL_ADDRESS"], [], []]
        assert entities(made().inline(["c", "b"])) == [[], []], "on another connection of the tenant, too"
        assert pool.asked == [["a", f"to {EMAIL}"], ["b", "c"]]

    run(script)


def test_another_tenant_and_another_policy_have_answers_of_their_own() -> None:
    async def script(pool: Pool, made: Callable[..., CachedDetection]) -> None:
        for detection in (made(), made("team-b"), made(of=QUICK)):
            detection.inline(["a"])
        assert pool.asked == [["a"]] * 3

    run(script)


def test_what_is_dear_is_examined_elsewhere_once() -> None:
    async def script(pool: Pool, made: Callable[..., CachedDetection]) -> None:
        detection, pool.cheap = made(), False
        pool.answers.set()
        assert detection.inline(["a", EMAIL]) is None
        assert entities(await detection.detect(["a", EMAIL])) == [[], ["EMAIL_ADDRESS"]]
        assert entities(detection.inline([EMAIL, "a"])) == [["EMAIL_ADDRESS"], []]
        assert entities(await detection.detect(["a", EMAIL])) == [[], ["EMAIL_ADDRESS"]]
        assert pool.asked == [["a", EMAIL]]

    run(script)


def test_a_tenant_asks_one_question_at_a_time_and_no_other_waits_for_it() -> None:
    async def script(pool: Pool, made: Callable[..., CachedDetection]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(3):
                tasks.create_task(made().detect([f"a{number}"]))
            tasks.create_task(made("team-b").detect(["b"]))
            await settled()
            assert pool.asked == [["a0"], ["b"]]
            pool.answers.set()
        assert pool.asked == [["a0"], ["b"], ["a1"], ["a2"]]

    run(script)


def test_who_waits_longer_than_the_budget_is_refused() -> None:
    async def script(pool: Pool, made: Callable[..., CachedDetection]) -> None:
        first = asyncio.ensure_future(made(of=QUICK).detect(["a"]))
        await settled()
        with pytest.raises(DetectionTimeout):
            await made(of=QUICK).detect(["b"])
        assert pool.asked == [["a"]]
        pool.answers.set()
        await first
        await made(of=QUICK).detect(["c"])

    run(script)


@pytest.mark.parametrize("how", ["fails", "is given up"])
def test_a_question_that_ends_badly_makes_room_for_the_next(how: str) -> None:
    async def script(pool: Pool, made: Callable[..., CachedDetection]) -> None:
        first = asyncio.ensure_future(made().detect(["a"]))
        await settled()
        if how == "fails":
            pool.error = DetectionError("no")
            pool.answers.set()
        else:
            first.cancel()
        with pytest.raises((DetectionError, asyncio.CancelledError)):
            await first
        pool.error = None
        pool.answers.set()
        assert entities(await made().detect([EMAIL])) == [["EMAIL_ADDRESS"]]

    run(script)


def test_who_gives_up_waiting_leaves_the_turn_to_the_next() -> None:
    async def script(pool: Pool, made: Callable[..., CachedDetection]) -> None:
        asked = [asyncio.ensure_future(made().detect([f"a{number}"])) for number in range(3)]
        await settled()
        asked[1].cancel()
        await settled()
        pool.answers.set()
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(ended[1], asyncio.CancelledError)
        assert pool.asked == [["a0"], ["a2"]]

    run(script)
