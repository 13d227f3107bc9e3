"""Sets in memory: who may have them, how many, and for how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from guardrails.vault import EMPTY, Recalled, Restorable, WrongTenant
from guardrails.vault_memory import MAX_KEPT, MemoryVault

A, B = "<EMAIL_ADDRESS_aaaaaaaa>", "<EMAIL_ADDRESS_aaaabbbb>"
EMAIL = "ada.lovelace@example.com"
KNOWN = Restorable({A: EMAIL})


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def vault(clock: Clock | None = None, *, ttl: float = 10.0, most: int = 100, size: int = MAX_KEPT) -> MemoryVault:
    return MemoryVault(ttl=ttl, clock=clock or Clock(), max_responses=most, max_bytes=size)


async def values(kept: MemoryVault, tenant: str, name: str) -> Restorable | None:
    found = await kept.recall(tenant, name)
    return None if found is None else found.values


def test_what_was_remembered_is_recalled_for_its_tenant_only() -> None:
    async def script() -> None:
        kept = vault()
        await kept.remember("team-a", "resp_1", KNOWN)
        assert await values(kept, "team-a", "resp_1") is KNOWN
        with pytest.raises(WrongTenant) as caught:
            await kept.recall("team-b", "resp_1")
        assert "resp_1" not in str(caught.value)
        assert await kept.recall("team-b", "resp_2") is None

    run(script())


def test_two_tenants_with_the_same_id_have_a_set_each() -> None:
    async def script() -> None:
        kept = vault()
        await kept.remember("team-a", "resp_1", KNOWN)
        await kept.remember("team-b", "resp_1", EMPTY)
        assert await values(kept, "team-a", "resp_1") is KNOWN
        assert await values(kept, "team-b", "resp_1") is EMPTY

    run(script())


def test_a_set_lives_as_long_as_it_is_used() -> None:
    async def script() -> None:
        clock = Clock()
        kept = vault(clock)
        await kept.remember("team-a", "resp_1", KNOWN)
        clock.now = 9.0
        assert await values(kept, "team-a", "resp_1") is KNOWN
        clock.now = 18.0
        assert await values(kept, "team-a", "resp_1") is KNOWN, "the use at 9 renewed it"
        clock.now = 28.0
        assert await kept.recall("team-a", "resp_1") is None
        assert await kept.recall("team-b", "resp_1") is None, "nobody owns what is forgotten"

    run(script())


def test_the_oldest_set_goes_when_there_are_too_many() -> None:
    async def script() -> None:
        kept = vault(most=2)
        for number in (1, 2):
            await kept.remember("team-a", f"resp_{number}", KNOWN)
        await kept.recall("team-a", "resp_1")
        await kept.remember("team-a", "resp_3", KNOWN)
        assert await kept.recall("team-a", "resp_2") is None
        assert await values(kept, "team-a", "resp_1") is KNOWN
        assert await values(kept, "team-a", "resp_3") is KNOWN

    run(script())


def test_a_tenant_with_many_sets_pushes_out_its_own_and_nobody_elses() -> None:
    async def script() -> None:
        kept = vault(most=4)
        await kept.remember("team-b", "resp_0", KNOWN)
        for number in range(1, 10):
            await kept.remember("team-a", f"resp_{number}", KNOWN)
        assert await values(kept, "team-b", "resp_0") is KNOWN
        with pytest.raises(WrongTenant):
            await kept.recall("team-a", "resp_0")
        assert [number for number in range(1, 10) if await kept.recall("team-a", f"resp_{number}")] == [7, 8, 9]

    run(script())


def test_a_tenant_with_large_values_loses_its_oldest_ones_and_owns_its_responses_still() -> None:
    async def script() -> None:
        kept = vault(size=10_000)
        await kept.remember("team-b", "resp_0", KNOWN)
        for number in range(1, 6):
            await kept.remember("team-a", f"resp_{number}", Restorable({A: str(number) * 3_000}), "eu")
            await kept.recall("team-a", "resp_1")
        held = [await kept.recall("team-a", f"resp_{number}") for number in range(1, 6)]
        assert [bool(one and one.values) for one in held] == [True, False, False, True, True]
        assert all(one is not None and one.deployment == "eu" for one in held)
        with pytest.raises(WrongTenant):
            await kept.recall("team-b", "resp_2")
        assert await values(kept, "team-b", "resp_0") is KNOWN
        await kept.remember("team-a", "resp_2", KNOWN)
        assert await values(kept, "team-a", "resp_2") is KNOWN, "one that was emptied may be filled again"
        await kept.remember("team-a", "resp_9", Restorable({A: "9" * 20_000}))
        assert await values(kept, "team-a", "resp_9") is EMPTY, "one that is too large by itself is not kept"
        assert await values(kept, "team-b", "resp_0") is KNOWN

    run(script())


def test_a_set_that_is_remembered_again_grows_and_is_forgotten_once() -> None:
    async def script() -> None:
        clock = Clock()
        kept = vault(clock)
        await kept.remember("team-a", "resp_1", EMPTY)
        await kept.remember("team-a", "resp_1", KNOWN)
        assert await values(kept, "team-a", "resp_1") is KNOWN
        clock.now = 20.0
        await kept.remember("team-a", "resp_2", KNOWN)
        assert await kept.recall("team-b", "resp_1") is None
        with pytest.raises(WrongTenant):
            await kept.recall("team-b", "resp_2")

    run(script())


def test_a_response_is_kept_with_the_deployment_that_has_it() -> None:
    async def script() -> None:
        kept = MemoryVault(ttl=10, clock=Clock())
        await kept.remember("team-a", "resp_1", EMPTY, "eu")
        await kept.remember("team-a", "resp_1", KNOWN)
        assert await kept.recall("team-a", "resp_1") == Recalled(KNOWN, "eu")
        assert await kept.recall("team-a", "resp_1") == Recalled(KNOWN, "eu"), "to look it up changes nothing"

    asyncio.run(script())


def test_what_is_remembered_of_a_name_is_added_to_what_is_known_of_it() -> None:
    async def script() -> None:
        kept = vault()
        await kept.remember("team-a", "conversation", KNOWN)
        await kept.remember("team-a", "conversation", Restorable({B: "somebody"}))
        await kept.remember("team-a", "conversation", EMPTY)
        found = await values(kept, "team-a", "conversation")
        assert found is not None and dict(found.values) == {A: EMAIL, B: "somebody"}

    run(script())


@pytest.mark.parametrize("loops", [1, 2])
def test_nothing_stays_in_memory_after_its_time_even_if_nobody_asks_for_it(loops: int) -> None:
    kept = MemoryVault(ttl=0.02, clock=time.monotonic)

    async def script() -> None:
        await kept.remember("team-a", "resp_1", KNOWN)
        await kept.remember("team-a", "resp_2", KNOWN)
        await kept.recall("team-a", "resp_1")
        while kept._kept:
            await asyncio.sleep(0)
        assert not kept._owners and not kept._of and not kept._bytes

    async def leave() -> None:
        await kept.remember("team-a", "resp_1", KNOWN)

    if loops == 2:
        run(leave())
    run(script())


def test_a_vault_that_is_closed_holds_nothing() -> None:
    async def script() -> None:
        kept = vault()
        await kept.remember("team-a", "resp_1", KNOWN)
        await kept.close()
        assert not kept._kept and not kept._owners and not kept._of and not kept._bytes
        assert await kept.ready()

    run(script())
