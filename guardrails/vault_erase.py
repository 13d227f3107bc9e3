"""Erase from a vault in Redis, beside the gateways that use it: a conversation, a value, or all of a key.

Erasing a conversation or a value takes the values and leaves the sets: that a response is its tenant's, and where it
is, stays known, so that nobody else may go on from it. Whatever a gateway is about to keep at that moment can come
after the erasure: a turn under way keeps its values until it is over.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from guardrails.decode import readings
from guardrails.errors import DetectionError, VaultError
from guardrails.normalise import fold
from guardrails.vault_keys import PREFIX, Keyring, TenantKeys
from guardrails.vault_redis import ABOUT, PLAIN, opened, sealed, tenant_and_deployment, values_in

_BATCH: Final = 200
"""Sets that are read at a time: of the usual size some hundred kilobytes."""

_DECODERS: Final = ("base64", "percent", "html", "json")
_WRITTEN: Final = re.compile(r"[\s()-]+")
_GROUPED: Final = re.compile(r"[\s()./-]+")
"""How numbers are grouped."""
_DIGITS: Final = 5
"""Of a number that is looked for within others and however it is grouped: a shorter one is a part of too many."""

# A set that ended meanwhile must not come back without an end.
_REWRITE: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[1], ARGV[3])
if ARGV[1] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 1
"""

# A script, and no transaction: a server that is full takes none, and what is erased is what frees it. The owners are as
# they are now; and the list stays, for a gateway may have added to it meanwhile.
_REMOVE: Final = """
local owners = redis.call('HGET', KEYS[1], 'owners')
if owners then redis.call('SREM', owners, ARGV[1]) end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
"""

Set: TypeAlias = tuple[str, dict[bytes, bytes]]
"""What a set is called, and its fields."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased of one tenant: how many sets were changed, and the tokens that they lost, with their values."""

    tenant: str
    sets: int = 0
    values: Mapping[str, str] = field(default_factory=dict, repr=False)


class Eraser:
    """Erases what gateways keep under one secret, and under the one before it."""

    def __init__(self, client: Redis, keyrings: Sequence[Keyring]) -> None:
        self._client: Final = client
        # What is found under the secret of before is kept again under the current one, so that one comes last.
        self._keyrings: Final = tuple(reversed(keyrings))
        self._rewrite: Final = client.register_script(_REWRITE)
        self._remove: Final = client.register_script(_REMOVE)

    async def conversation(self, tenant: str, name: str) -> Erased:
        """Take the values of a response or a conversation, and of all that it goes on from or that goes on from it.

        Raises:
            VaultError: the store cannot be reached or read; some of it may be erased.

        """
        with_secret = [ring.of(tenant) for ring in self._keyrings]
        roots: set[bytes] = set()
        async with _reached():
            for keys in with_secret:
                member = keys.member(name)
                root = await cast("Awaitable[bytes | None]", self._client.hget(keys.place(member), "root"))
                roots |= {member.encode(), root or member.encode()}
            sets, values = 0, dict[str, str]()
            for keys in with_secret:
                async for member, fields in self._sets(keys):
                    if fields.get(b"root", member.encode()) in roots or member.encode() in roots:
                        lost = await self._without(keys, member, fields, None)
                        sets, values = sets + bool(lost), values | lost
        return Erased(tenant, sets, values)

    async def value(self, value: str, tenant: str | None = None) -> list[Erased]:
        """Take a value, however it is written, out of all sets of a tenant, or of every one.

        Capitals, spaces, dashes, parentheses and obfuscation do not count, nor what stands between the groups of a
        number. What holds it, as it is or encoded, goes as a whole.

        Raises:
            VaultError: the store cannot be reached or read; some of it may be erased.

        """
        if not _plain(value):
            return []
        sought = _Sought(value)
        found: dict[str, Erased] = {}
        spoiled = 0
        async with _reached():
            for ring in self._keyrings:
                for tag in await self._tags(ring, tenant):
                    keys = ring.of_tag(tag)
                    async for member, fields in self._sets(keys):
                        try:
                            lost = await self._without(keys, member, fields, sought.is_in)
                            whose, _ = tenant_and_deployment(keys, keys.place(member), fields) if lost else ("", "")
                        except VaultError:
                            spoiled += 1
                            continue
                        if lost:
                            before = found.get(whose, Erased(whose))
                            found[whose] = Erased(whose, before.sets + 1, {**before.values, **lost})
        if spoiled:
            raise VaultError(
                f"{spoiled} sets cannot be opened: somebody has changed them. From all others it is erased."
            )
        return list(found.values())

    async def all_of(self, tenant: str) -> Erased:
        """Take away everything of a tenant, its responses included: from then on nobody knows whose those were.

        Raises:
            VaultError: the store cannot be reached or read; some of it may be erased.

        """
        sets, values = 0, dict[str, str]()
        async with _reached():
            for ring in self._keyrings:
                keys = ring.of(tenant)
                async for member, fields in self._sets(keys):
                    with suppress(VaultError):  # what somebody has changed cannot be counted, but goes, too
                        values |= opened(keys, keys.place(member), fields).values.values
                    await self._remove(keys=[keys.place(member), keys.registry], args=[keys.tag, member])
                    sets += 1
        return Erased(tenant, sets, values)

    async def _tags(self, ring: Keyring, tenant: str | None) -> Iterable[str]:
        """What the store calls a tenant, or each one whose sets this secret opens."""
        if tenant is not None:
            return [ring.tag(tenant)]
        every = {key async for key in self._client.scan_iter(match=f"{PREFIX}:*", count=1000, _type="zset")}
        tags = sorted(key.decode("ascii", "replace").partition(":")[2] for key in every)
        return [tag for tag in tags if await self._opens(ring.of_tag(tag))]

    async def _opens(self, keys: TenantKeys) -> bool:
        """Whether a tenant is of this secret. Of its sets one may be changed, but hardly the first hundreds."""
        tried = 0
        async for member, fields in self._sets(keys):
            tried += 1
            with suppress(VaultError):
                tenant_and_deployment(keys, keys.place(member), fields)
                return True
            if tried == _BATCH:
                break
        return False

    async def _sets(self, keys: TenantKeys) -> AsyncIterator[Set]:
        """A tenant's sets that are still there."""
        every = await cast("Awaitable[list[bytes]]", self._client.zrange(keys.registry, 0, -1))
        members = [member.decode("ascii", "replace") for member in every]
        for at in range(0, len(members), _BATCH):
            batch = members[at : at + _BATCH]
            pipe = self._client.pipeline(transaction=False)
            for member in batch:
                pipe.hgetall(keys.place(member))
            for member, fields in zip(batch, await pipe.execute(), strict=True):
                if fields:
                    yield member, fields

    async def _without(
        self, keys: TenantKeys, member: str, fields: dict[bytes, bytes], goes: Callable[[str], bool] | None
    ) -> dict[str, str]:
        """Take the values that go, or all of them, out of a set; gives the tokens that it lost, with their values."""
        place, lost = keys.place(member), dict[str, str]()
        for name, content in fields.items():
            if name == ABOUT or name in PLAIN:
                continue
            held: dict[str, str] = {}
            try:
                held = values_in(keys, place, name, content)
            except VaultError:
                if goes is not None:
                    raise
            left = {token: value for token, value in held.items() if goes is not None and not goes(value)}
            if goes is None or len(left) < len(held):
                new: tuple[str, bytes] = sealed(keys, place, left.items()) if left else ("", b"")
                await self._rewrite(keys=[place], args=[*new, name])
                lost |= {token: held[token] for token in held.keys() - left.keys()}
        return lost


class _Sought:
    """A value that is looked for in those that are held: a URL may have an address inside, a number be grouped."""

    def __init__(self, value: str) -> None:
        self._plain: Final = _plain(value)
        number = _GROUPED.sub("", fold(value).text).removeprefix("+")
        before, between, after = r"(?<![\w.+-])", _WRITTEN.pattern, r"(?![\w-]|\.\w)"
        characters = self._plain
        self._alone: Final = number.isdecimal() and len(number) < _DIGITS
        if number.isdecimal():
            characters, (before, between, after) = number, (r"(?<!\d)", _GROUPED.pattern, r"(?!\d)")
        self._written: Final = re.compile(before + f"(?:{between})?".join(map(re.escape, characters)) + after)

    def is_in(self, held: str) -> bool:
        """Whether a value that is held is this one, or has it within, also within what it decodes to."""
        if _plain(held) == self._plain:
            return True
        if not self._alone and self._written.search(fold(held).text.casefold()) is not None:
            return True
        try:
            return any(self._plain in _plain(view.text) for view in readings(held, _DECODERS, folding=False))
        except DetectionError:
            return True  # it decodes to more than anybody looks at: it is not to stay for that


def _plain(value: str) -> str:
    """A value without what people write in one way or another."""
    return _WRITTEN.sub("", fold(value).text.casefold())


@asynccontextmanager
async def _reached() -> AsyncIterator[None]:
    """Say plainly when Redis cannot be reached."""
    try:
        yield
    except (RedisError, OSError) as exc:
        raise VaultError(f"The vault cannot be reached ({type(exc).__name__}).") from None
