"""What is erased is nowhere any more, and everything else still is where it was."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from guardrails.errors import VaultError
from guardrails.vault import EMPTY, Restorable, WrongTenant
from guardrails.vault_erase import Eraser
from guardrails.vault_keys import Keyring, TenantKeys
from guardrails.vault_redis import RedisVault, Server
from tests.redis_server import RedisServer

A, B, C = "<EMAIL_ADDRESS_aaaaaaaa>", "<EMAIL_ADDRESS_aaaabbbb>", "<CREDIT_CARD_cccccccc>"
EMAIL, OTHER = "ada.lovelace@example.com", "grace@example.com"
SECRET, BEFORE, FOREIGN = b"a vault secret of this test", b"the secret of before", b"somebody else's secret"

Script = Callable[[RedisVault, Eraser], Awaitable[None]]


def run(redis: RedisServer, script: Script, *secrets: bytes) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            client = Server(redis.url).client()
            keyrings = [Keyring(secret) for secret in secrets or (SECRET,)]
            vault = RedisVault(client, keyrings, ttl=60.0)
            stack.push_async_callback(vault.close)
            await script(vault, Eraser(client, keyrings))

    asyncio.run(main())


async def values(vault: RedisVault, name: str, tenant: str = "team-a") -> dict[str, str] | None:
    found = await vault.recall(tenant, name)
    return None if found is None else dict(found.values.values)


async def two_conversations(vault: RedisVault) -> None:
    """One of three responses, of which two go on from the first, and one of a response by itself; and another team."""
    await vault.remember("team-a", "resp_1", Restorable({A: EMAIL}), "eu")
    await vault.remember("team-a", "resp_2", Restorable({A: EMAIL, B: OTHER}), "eu", after="resp_1")
    await vault.remember("team-a", "fork", Restorable({A: EMAIL, C: "4111 1111 1111 1111"}), after="resp_1")
    await vault.remember("team-a", "resp_9", Restorable({A: EMAIL}))
    await vault.remember("team-b", "resp_5", Restorable({B: EMAIL}))


@pytest.mark.parametrize("name", ["resp_1", "resp_2", "fork"])
def test_a_conversation_is_erased_from_any_of_its_responses_with_its_forks(redis: RedisServer, name: str) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await two_conversations(vault)
        erased = await eraser.conversation("team-a", name)
        assert (erased.tenant, erased.sets, set(erased.values)) == ("team-a", 3, {A, B, C})
        assert EMAIL not in repr(erased)
        for one in ("resp_1", "resp_2", "fork"):
            assert await values(vault, one) == {}
            with pytest.raises(WrongTenant):  # whose it is stays known
                await vault.recall("team-b", one)
        found = await vault.recall("team-a", "resp_2")
        assert found is not None and found.deployment == "eu"
        assert await values(vault, "resp_9") == {A: EMAIL}
        assert await values(vault, "resp_5", "team-b") == {B: EMAIL}

    run(redis, script)


def test_a_conversation_at_the_provider_is_erased_with_its_responses(redis: RedisServer) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-a", "conversation", Restorable({A: EMAIL}))
        await vault.remember("team-a", "resp_1", Restorable({A: EMAIL}), after="conversation")
        await vault.remember("team-a", "conversation", Restorable({B: OTHER}))
        await vault.remember("team-a", "resp_2", Restorable({A: EMAIL, B: OTHER}), after="resp_1")
        assert (await eraser.conversation("team-a", "conversation")).sets == 3
        for one in ("conversation", "resp_1", "resp_2"):
            assert await values(vault, one) == {}

    run(redis, script)


def test_a_value_is_erased_wherever_it_is_and_nothing_else(redis: RedisServer) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await two_conversations(vault)
        erased = {one.tenant: (one.sets, dict(one.values)) for one in await eraser.value(f" {EMAIL.upper()}")}
        assert erased == {"team-a": (4, {A: EMAIL}), "team-b": (1, {B: EMAIL})}
        assert await values(vault, "resp_1") == {}
        assert await values(vault, "resp_2") == {B: OTHER}
        assert await values(vault, "resp_5", "team-b") == {}
        assert await eraser.value(EMAIL) == []
        with redis.client() as client:
            assert all(client.pttl(key) > 0 for key in client.scan_iter()), "what was rewritten ends as before"

    run(redis, script)


@pytest.mark.parametrize(
    "written",
    [
        EMAIL,
        "Ada.Lovelace@Example.com",
        "ada.love\u200blace@example.com",
        "ａda.lovelace@example.com",
        base64.b64encode(f"mail {EMAIL} now".encode()).decode(),
        "ada.lovelace%40example.com",
        f"shop.example.org/?mail={EMAIL.upper()}&page=1",
        f"user={EMAIL}",
    ],
)
def test_a_value_is_found_however_it_was_written(redis: RedisServer, written: str) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-a", "resp_1", Restorable({A: written, B: "xada.lovelace@example.com"}))
        [erased] = await eraser.value(EMAIL, "team-a")
        assert dict(erased.values) == {A: written}
        assert await values(vault, "resp_1") == {B: "xada.lovelace@example.com"}

    run(redis, script)


@pytest.mark.parametrize(
    "other", ["x.ada@example.com", "ada@example.com.au", "ada@example.communications", "adaexamplecom"]
)
def test_what_only_has_the_same_letters_is_not_erased(redis: RedisServer, other: str) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-a", "resp_1", Restorable({A: other}))
        assert await eraser.value("ada@example.com") == []

    run(redis, script)


@pytest.mark.parametrize("phone", ["+1 (415) 555-0132", "+1 415.555.0132", "1/415/555 01 32", "tel:+1-415-555-0132"])
def test_a_number_is_found_whatever_stands_between_its_groups(redis: RedisServer, phone: str) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-a", "resp_1", Restorable({A: "4111 1111 1111 1111", B: phone}))
        assert len(await eraser.value("4111-1111-1111-1111")) == 1
        assert await eraser.value("415") == await eraser.value("1 41") == [], "a part of a number is another one"
        assert await eraser.value("14155550") == []
        assert len(await eraser.value("+14155550132")) == 1
        assert await values(vault, "resp_1") == {}
        assert await eraser.value(" - ") == []

    run(redis, script)


def test_one_teams_value_is_erased_without_anothers(redis: RedisServer) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await two_conversations(vault)
        assert [one.tenant for one in await eraser.value(EMAIL, "team-b")] == ["team-b"]
        assert await values(vault, "resp_1") == {A: EMAIL}

    run(redis, script)


def test_all_of_a_key_is_erased_and_nothing_of_another(redis: RedisServer) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-b", "resp_5", Restorable({B: EMAIL}))
        before = redis.dump()
        await two_conversations(vault)
        erased = await eraser.all_of("team-a")
        assert (erased.sets, set(erased.values)) == (4, {A, B, C})
        assert await vault.recall("team-a", "resp_1") is None
        assert await vault.recall("team-b", "resp_1") is None
        with redis.client() as client:
            assert len(list(client.scan_iter())) == 3, "the other team's set, its owner, its list"
        assert await values(vault, "resp_5", "team-b") == {B: EMAIL}
        assert len(redis.dump()) == len(before)

    run(redis, script)


def test_what_stands_under_the_secret_before_is_erased_too(redis: RedisServer) -> None:
    async def old(vault: RedisVault, eraser: Eraser) -> None:
        await two_conversations(vault)

    async def conversation(vault: RedisVault, eraser: Eraser) -> None:
        assert await values(vault, "resp_2") == {A: EMAIL, B: OTHER}  # so this one is under both
        await vault.remember("team-a", "resp_3", Restorable({A: EMAIL}), after="resp_2")
        erased = await eraser.conversation("team-a", "resp_3")
        assert erased.sets == 5
        for one in ("resp_1", "resp_2", "resp_3", "fork"):
            assert await values(vault, one) == {}
        assert await values(vault, "resp_9") == {A: EMAIL}

    async def value(vault: RedisVault, eraser: Eraser) -> None:
        assert {one.tenant for one in await eraser.value(EMAIL)} == {"team-a", "team-b"}
        assert await values(vault, "resp_9") == {}

    async def everything(vault: RedisVault, eraser: Eraser) -> None:
        for tenant in ("team-a", "team-b"):
            await eraser.all_of(tenant)
        with redis.client() as client:
            assert list(client.scan_iter()) == []

    run(redis, old, BEFORE)
    for script in (conversation, value, everything):
        run(redis, script, SECRET, BEFORE)


def meanwhile(monkeypatch: pytest.MonkeyPatch, *, call: int, work: Callable[[], Awaitable[object]]) -> None:
    """Do something right after the eraser has asked for the sets of a tenant, the `call`-th time it does."""
    listed, calls = Redis.zrange, [0]

    async def zrange(self: Redis, *args: object, **more: object) -> object:
        found = await listed(self, *args, **more)  # type: ignore[arg-type]  # as the eraser calls it
        calls[0] += 1
        if calls[0] == call:
            await work()
        return found

    monkeypatch.setattr(Redis, "zrange", zrange)


def test_a_turn_that_ends_while_a_key_is_erased_is_erased_by_doing_so_again(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-a", "resp_1", Restorable({A: EMAIL}))
        late = Restorable({A: EMAIL})
        meanwhile(monkeypatch, call=1, work=lambda: vault.remember("team-a", "resp_2", late, after="resp_1"))
        assert (await eraser.all_of("team-a")).sets == 1
        assert await values(vault, "resp_2") == {A: EMAIL}
        assert (await eraser.all_of("team-a")).sets == 1
        assert await vault.recall("team-a", "resp_2") is None

    run(redis, script)


def test_what_is_kept_under_the_new_secret_while_it_is_erased_is_erased_there(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def old(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-a", "resp_1", Restorable({A: EMAIL}))

    async def script(vault: RedisVault, eraser: Eraser) -> None:
        meanwhile(monkeypatch, call=1, work=lambda: vault.recall("team-a", "resp_1"))
        await eraser.conversation("team-a", "resp_1")
        assert await values(vault, "resp_1") == {}

    run(redis, old, BEFORE)
    run(redis, script, SECRET, BEFORE)


def test_sets_that_are_kept_for_longer_than_newer_ones_are_still_found(redis: RedisServer) -> None:
    """`vault.ttl` was lowered: what was kept before is there for as long as it was promised then."""

    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-a", "resp_1", Restorable({A: EMAIL}))
        client = Server(redis.url).client()
        shorter = RedisVault(client, [Keyring(SECRET)], ttl=0.001)
        for use in (shorter.remember("team-a", "resp_2", EMPTY), shorter.recall("team-a", "resp_2")):
            await use
            with redis.client() as looking:
                while looking.exists(*looking.scan_iter(_type="hash")) > 1:
                    pass
        await shorter.close()
        assert (await eraser.all_of("team-a")).sets == 1
        assert await vault.recall("team-a", "resp_1") is None

    run(redis, script)


def test_a_set_that_the_list_has_lost_is_in_it_again_once_it_is_used(redis: RedisServer) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-a", "resp_1", Restorable({A: EMAIL}))
        with redis.client() as client:
            client.delete(*client.scan_iter(_type="zset"))
        await vault.recall("team-a", "resp_1")
        assert (await eraser.all_of("team-a")).sets == 1

    run(redis, script)


def test_what_another_secret_has_in_the_same_redis_is_left_alone(redis: RedisServer) -> None:
    async def foreign(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-a", "resp_1", Restorable({A: EMAIL}))

    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await vault.remember("team-a", "resp_2", EMPTY)
        assert await eraser.value(EMAIL) == []
        assert (await eraser.all_of("team-a")).sets == 1

    async def still(vault: RedisVault, eraser: Eraser) -> None:
        assert await values(vault, "resp_1") == {A: EMAIL}

    run(redis, foreign, FOREIGN)
    run(redis, script)
    run(redis, still, FOREIGN)


def spoil(redis: RedisServer, keys: TenantKeys, name: str, *fields: bytes) -> None:
    """Change fields of a set, or those with values, as somebody who can write to Redis could."""
    place = keys.place(keys.member(name))
    with redis.client() as client:
        for field in fields or set(client.hkeys(place)) - {b"about", b"owners", b"root"}:
            client.hset(place, field, b"spoiled")


def test_what_somebody_has_changed_is_erased_with_the_rest(redis: RedisServer) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        keys = Keyring(SECRET).of("team-a")
        await two_conversations(vault)
        spoil(redis, keys, "resp_2")
        with pytest.raises(VaultError, match="1 sets cannot be opened"):
            await eraser.value(OTHER)
        assert await values(vault, "resp_9") == {A: EMAIL}
        with pytest.raises(VaultError, match="1 sets cannot be opened"):
            await eraser.value(EMAIL)
        for name in ("resp_1", "resp_9"):
            assert await values(vault, name) == {}, "nor does one keep the others"
        assert set((await eraser.conversation("team-a", "resp_1")).values) == {C}
        assert await values(vault, "resp_2") == {}, "it can be read again"
        spoil(redis, keys, "resp_9", b"about")
        assert (await eraser.all_of("team-a")).sets == 4

    run(redis, script)


def test_a_key_is_not_passed_over_for_one_set_that_somebody_has_changed(redis: RedisServer) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await two_conversations(vault)
        keys = Keyring(SECRET).of("team-a")
        with redis.client() as client:
            first = client.zrange(keys.registry, 0, 0)[0].decode()
            client.hset(keys.place(first), "about", b"spoiled")
        with pytest.raises(VaultError, match="cannot be opened"):
            await eraser.value(EMAIL)

    run(redis, script)


def test_a_redis_that_is_full_can_be_erased_from(redis: RedisServer) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        await two_conversations(vault)
        with redis.client() as client:
            client.config_set("maxmemory", "1mb")
            try:
                assert len(await eraser.value(EMAIL, "team-a")) == 1
                assert (await eraser.conversation("team-a", "resp_1")).sets == 2
                assert (await eraser.all_of("team-a")).sets == 4
            finally:
                client.config_set("maxmemory", "0")
        assert await vault.recall("team-b", "resp_1") is None

    run(redis, script)


def test_a_redis_that_is_gone_is_told(redis: RedisServer) -> None:
    async def script(vault: RedisVault, eraser: Eraser) -> None:
        redis.stop()
        try:
            for work in (eraser.value(EMAIL), eraser.all_of("team-a"), eraser.conversation("team-a", "resp_1")):
                with pytest.raises(VaultError, match="cannot be reached"):
                    await work
        finally:
            redis.start()

    run(redis, script)
