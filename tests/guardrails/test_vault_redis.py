"""The vault in Redis does what the one in memory does, for several gateways, and holds nothing that anybody can read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from guardrails.errors import VaultError
from guardrails.vault import EMPTY, Recalled, Restorable, WrongTenant
from guardrails.vault_keys import Keyring
from guardrails.vault_redis import RedisVault, Server
from tests.redis_server import RedisServer, is_down, redis_server

A, B, C = "<EMAIL_ADDRESS_aaaaaaaa>", "<EMAIL_ADDRESS_aaaabbbb>", "<PERSON_cccccccc>"
EMAIL = "ada.lovelace@example.com"
NAME = "Ada Löveläce 🜂"
KNOWN = Restorable({A: EMAIL})
SECRET, BEFORE, OTHER = b"a vault secret of this test", b"the secret of before", b"somebody else's secret"

Make = Callable[..., RedisVault]
Script = Callable[[Make], Awaitable[None]]


def run(redis: RedisServer, script: Script) -> list[str]:
    """Run a script that makes vaults; gives what they told of failures."""
    failures: list[str] = []

    async def main() -> None:
        async with AsyncExitStack() as stack:

            def make(*secrets: bytes, ttl: float = 60.0, most: int = 100) -> RedisVault:
                keyrings = [Keyring(secret) for secret in secrets or (SECRET,)]
                made = RedisVault(Server(redis.url).client(), keyrings, ttl=ttl, max_sets=most, failed=failures.append)
                stack.push_async_callback(made.close)
                return made

            await script(make)

    asyncio.run(main())
    return failures


def tick(redis: RedisServer) -> None:
    """Wait for the next millisecond of Redis' own clock: what is used within one is used at the same time."""
    with redis.client() as client:
        before = client.time()[1] // 1000
        while client.time()[1] // 1000 == before:
            pass


async def values(vault: RedisVault, name: str, tenant: str = "team-a") -> dict[str, str] | None:
    found = await vault.recall(tenant, name)
    return None if found is None else dict(found.values.values)


def test_what_one_gateway_keeps_another_finds(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        one, other = make(), make()
        await one.remember("team-a", "resp_1", Restorable({A: EMAIL, C: NAME}), "eu")
        found = await other.recall("team-a", "resp_1")
        assert found is not None
        assert dict(found.values.values) == {A: EMAIL, C: NAME}
        assert found.deployment == "eu"
        assert await other.recall("team-a", "resp_2") is None

    assert run(redis, script) == []


def test_an_empty_set_is_kept_as_one(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        await make().remember("team-a", "resp_1", EMPTY)
        assert await make().recall("team-a", "resp_1") == Recalled(EMPTY)

    run(redis, script)


def test_sets_grow_and_a_deployment_stays_known(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        vault = make()
        await vault.remember("team-a", "conversation", KNOWN, "eu")
        await asyncio.gather(
            vault.remember("team-a", "conversation", Restorable({B: "somebody"})),
            make().remember("team-a", "conversation", Restorable({C: NAME})),
        )
        await vault.remember("team-a", "conversation", EMPTY)
        assert await values(vault, "conversation") == {A: EMAIL, B: "somebody", C: NAME}
        found = await vault.recall("team-a", "conversation")
        assert found is not None and found.deployment == "eu"
        await vault.remember("team-a", "conversation", EMPTY, "us")
        found = await vault.recall("team-a", "conversation")
        assert found is not None and found.deployment == "us"

    run(redis, script)


def test_the_same_values_are_kept_once(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        for _ in range(3):
            await make().remember("team-a", "resp_1", Restorable({A: EMAIL, B: "somebody"}))
        with redis.client() as client:
            [kept] = client.scan_iter(_type="hash")
            assert client.hlen(kept) == 3  # about, owners, one field of values

    run(redis, script)


def test_another_tenant_is_refused_and_one_with_the_same_id_has_its_own(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        await make().remember("team-a", "resp_1", KNOWN)
        with pytest.raises(WrongTenant) as caught:
            await make().recall("team-b", "resp_1")
        assert "resp_1" not in str(caught.value)
        await make().remember("team-b", "resp_1", Restorable({B: "somebody"}))
        assert await values(make(), "resp_1") == {A: EMAIL}
        assert await values(make(), "resp_1", "team-b") == {B: "somebody"}

    run(redis, script)


def test_nothing_in_redis_can_be_read_or_guessed(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        await make().remember("team-a", "resp_1", Restorable({A: EMAIL, C: NAME}), "openai-eu", after="resp_0")
        dump = redis.dump()
        for word in (EMAIL, "lovelace", "Ada", NAME, A, "EMAIL", "team-a", "resp_1", "resp_0", "openai-eu", "PERSON"):
            assert word.encode() not in dump
        assert await make(OTHER).recall("team-a", "resp_1") is None, "names need the secret, too"
        assert len(dump) > 200, "there was something to look at"

    run(redis, script)


def test_everything_ends_after_its_time_and_each_use_renews_it(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        await make().remember("team-a", "resp_1", KNOWN, after="resp_0")
        with redis.client() as client:
            keys = client.keys()
            assert len(keys) == 3
            assert all(0 < client.pttl(key) <= 60_000 for key in keys)
            for key in keys:
                client.pexpire(key, 5_000)
            assert await values(make(), "resp_1") == {A: EMAIL}
            assert all(client.pttl(key) > 50_000 for key in keys)
            for key in keys:
                client.pexpire(key, 1)
            while client.dbsize():  # Redis itself looks ten times a second
                pass
        assert await make().recall("team-a", "resp_1") is None
        assert await make().recall("team-b", "resp_1") is None, "nobody owns what is forgotten"

    run(redis, script)


def test_a_tenant_with_too_many_loses_those_used_longest_ago_and_no_other_tenant_does(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        vault = make(most=2)
        await vault.remember("team-b", "resp_0", KNOWN)
        for number in (1, 2):
            await vault.remember("team-a", f"resp_{number}", KNOWN)
            tick(redis)
        await vault.recall("team-a", "resp_1")
        tick(redis)
        await vault.remember("team-a", "resp_3", KNOWN)
        assert await vault.recall("team-a", "resp_2") is None
        assert await vault.recall("team-b", "resp_2") is None, "nor does anybody own it"
        assert await values(vault, "resp_1") == await values(vault, "resp_3") == {A: EMAIL}
        assert await values(vault, "resp_0", "team-b") == {A: EMAIL}

    run(redis, script)


def test_what_was_kept_under_the_secret_before_is_found_and_kept_under_the_new_one(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        await make(BEFORE).remember("team-a", "resp_1", KNOWN, "eu")
        both = make(SECRET, BEFORE)
        with pytest.raises(WrongTenant):
            await both.recall("team-b", "resp_1")
        found = await both.recall("team-a", "resp_1")
        assert found is not None and (dict(found.values.values), found.deployment) == ({A: EMAIL}, "eu")
        await both.remember("team-a", "resp_1", Restorable({B: "somebody"}))
        assert await values(make(SECRET), "resp_1") == {A: EMAIL, B: "somebody"}
        assert await values(make(BEFORE), "resp_1") == {A: EMAIL}
        assert await values(both, "resp_1") == {A: EMAIL, B: "somebody"}

    run(redis, script)


def test_what_somebody_moved_or_changed_in_redis_does_not_open(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        vault = make()
        await vault.remember("team-a", "resp_1", KNOWN)
        with redis.client() as client:
            [mine] = client.scan_iter(_type="hash")
            await vault.remember("team-a", "resp_2", Restorable({B: "somebody"}))
            [other] = set(client.scan_iter(_type="hash")) - {mine}
            fields = client.hgetall(mine)
            [values_field] = fields.keys() - {b"about", b"owners"}
            client.hset(other, values_field, fields[values_field])
            with pytest.raises(VaultError, match="cannot be opened"):
                await vault.recall("team-a", "resp_2")
            client.hset(mine, values_field, fields[values_field][:-1] + bytes([fields[values_field][-1] ^ 1]))
            with pytest.raises(VaultError, match="cannot be opened"):
                await vault.recall("team-a", "resp_1")
            client.hdel(mine, "about")
            with pytest.raises(VaultError, match="cannot be opened"):
                await vault.recall("team-a", "resp_1")

    assert run(redis, script) == ["recall"] * 3


def test_a_redis_that_is_gone_is_an_error_and_one_that_is_back_is_used_again(
    redis: RedisServer,
) -> None:
    async def script(make: Make) -> None:
        vault = make()
        await vault.remember("team-a", "resp_1", KNOWN)
        assert await vault.ready()
        redis.stop()
        assert is_down(redis)
        assert not await vault.ready()
        with pytest.raises(VaultError, match="cannot be reached") as caught:
            await vault.recall("team-a", "resp_1")
        assert "6379" not in str(caught.value) and EMAIL not in str(caught.value)
        with pytest.raises(VaultError, match="cannot be reached"):
            await vault.remember("team-a", "resp_2", KNOWN)
        redis.start()
        assert await vault.ready()
        assert await values(vault, "resp_1") == {A: EMAIL}, "it was on Redis' disk"

    assert run(redis, script) == ["recall", "remember"]


@asynccontextmanager
async def name_for(servers: list[RedisServer]) -> AsyncIterator[str]:
    """An address that leads to the last of some servers; who is connected already stays where he is."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", servers[-1].port)
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


def test_who_is_connected_to_what_has_become_a_copy_asks_where_the_name_leads_now(
    redis: RedisServer, tmp_path: Path
) -> None:
    async def main(other: RedisServer) -> None:
        servers = [redis]
        async with name_for(servers) as url, AsyncExitStack() as stack:
            vault = RedisVault(Server(url).client(), [Keyring(SECRET)], ttl=60.0)
            stack.push_async_callback(vault.close)
            await vault.remember("team-a", "resp_1", KNOWN)
            servers.append(other)
            with redis.client() as client:
                client.replicaof("127.0.0.1", str(other.port))
                stack.callback(client.replicaof, "NO", "ONE")
                await vault.remember("team-a", "resp_2", KNOWN)
                assert await vault.ready()
                assert await values(vault, "resp_2") == {A: EMAIL}

    with redis_server(tmp_path) as other:
        asyncio.run(main(other))


def test_a_redis_that_takes_no_more_is_not_ready_and_keeps_what_it_has(redis: RedisServer) -> None:
    async def script(make: Make) -> None:
        vault = make()
        await vault.remember("team-a", "resp_1", KNOWN)
        with redis.client() as client:
            client.config_set("maxmemory", "1mb")
            try:
                assert not await vault.ready()
                with pytest.raises(VaultError):
                    await vault.remember("team-a", "resp_2", KNOWN)
            finally:
                client.config_set("maxmemory", "0")
        assert await vault.ready()

    assert run(redis, script) == ["remember"]


def test_a_recall_and_a_remember_are_one_command_each(redis: RedisServer) -> None:
    """Not one for each value: what a turn waits for is one round trip."""

    async def script(make: Make) -> None:
        vault = make(SECRET, BEFORE)
        many = Restorable({f"<A_{number:08}>": f"value {number}" for number in range(2_000)})
        await vault.remember("team-a", "resp_0", many)
        await vault.recall("team-a", "resp_0")  # connected, and both scripts known
        with redis.client() as client:
            before = client.info("commandstats")
            await vault.remember("team-a", "resp_1", many, "eu", after="resp_0")
            assert await values(vault, "resp_1") == dict(many.values)
            after = client.info("commandstats")
        sent = after["cmdstat_evalsha"]["calls"] - before["cmdstat_evalsha"]["calls"]
        assert sent == 2
        assert "cmdstat_get" not in after

    run(redis, script)
