"""The vault in Redis: for conversations that outlive a restart, or move between replicas.

What stands there, all of it for `ttl` after its last use:

    gg:TENANT:NAME   hash: the set of a response or a conversation. `about` holds tenant and deployment, each other
                     field some of its values, sealed; `owners` and `root` are names
    gg:TENANT        sorted set: the tenant's sets and when each ends, so that they can be counted and erased
    gg:o:NAME        set: the tenants that have something of this name

Every name is an HMAC and everything else is sealed (`guardrails.vault_keys`). A recall is one round trip and so is a
remember: each is a script, which the server runs as a whole, so nothing is lost between two gateways.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ReadOnlyError, RedisError

from guardrails.errors import VaultError
from guardrails.vault import Recalled, Restorable, WrongTenant, joined, union
from guardrails.vault_keys import PREFIX, Keyring, TenantKeys, pack, unpack

ABOUT: Final = b"about"
PLAIN: Final = frozenset({b"owners", b"root"})
"""Fields of a set that are names, and hold nothing."""
MAX_SETS: Final = 50_000
"""Sets of one tenant, the same number as in memory: with more of them those go whose last use is longest ago."""
_SECONDS: Final = 1.0
"""How long an answer may take. A turn waits for it, and Redis answers within a millisecond or is in trouble."""
_CONNECTIONS: Final = 64
_PORT: Final = 6379

# A tenant's list says when each of its sets ends. It has to be there for as long as the last of them: gateways may have
# different times to keep, one after the other at the least, and what is not in the list is not erased.
_LISTED: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function list(tenant, member, ttl)
    redis.call('ZADD', tenant, now + ttl, member)
    redis.call('PEXPIREAT', tenant, redis.call('ZRANGE', tenant, -1, -1, 'WITHSCORES')[2])
end
"""

_RECALL: Final = f"""{_LISTED}
local answers = {{}}
for first = 1, #KEYS, 3 do
    local set = redis.call('HGETALL', KEYS[first])
    if #set == 0 then
        answers[#answers + 1] = redis.call('EXISTS', KEYS[first + 1])
    else
        if first == 1 then  -- what is under the secret of before is not to stay there
            for key = 1, 2 do redis.call('PEXPIRE', KEYS[key], ARGV[1]) end
            list(KEYS[3], ARGV[2], ARGV[1])
        end
        answers[#answers + 1] = set
    end
end
return answers
"""

_REMEMBER: Final = f"""{_LISTED}
local set, owners, tenant, before = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ttl, most, tag, member, about = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
redis.call(ARGV[6] == '1' and 'HSET' or 'HSETNX', set, 'about', about)
redis.call('HSET', set, 'owners', owners)
if ARGV[7] ~= '' then redis.call('HSETNX', set, 'root', redis.call('HGET', before, 'root') or ARGV[7]) end
if ARGV[8] then redis.call('HSET', set, ARGV[8], ARGV[9]) end
redis.call('SADD', owners, tag)
for _, key in ipairs({{set, owners}}) do redis.call('PEXPIRE', key, ttl) end
list(tenant, member, ttl)
redis.call('ZREMRANGEBYSCORE', tenant, '-inf', now)
local over = redis.call('ZCARD', tenant) - most
if over > 0 then
    local oldest = redis.call('ZPOPMIN', tenant, over)
    for at = 1, #oldest, 2 do
        local old = tenant .. ':' .. oldest[at]
        local of = redis.call('HGET', old, 'owners')
        if of then redis.call('SREM', of, tag) end
        redis.call('DEL', old)
    end
end
"""


@dataclass(frozen=True, slots=True)
class Server:
    """Where Redis is: `redis://[USER@]HOST[:PORT][/NUMBER]`; with `rediss://` over TLS, trusting `ca_file`."""

    url: str
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def client(self) -> Redis:
        """A client that connects when it is used. What was connected before Redis went is tried once more, at once.

        So is what was connected to a server that has become a copy of another: the name may lead to that one by now.
        """
        parts = urlsplit(self.url)
        secure = parts.scheme == "rediss"
        pool = BlockingConnectionPool(
            max_connections=_CONNECTIONS,
            timeout=_SECONDS,
            connection_class=SSLConnection if secure else Connection,
            host=parts.hostname or "",
            port=parts.port or _PORT,
            db=int(parts.path.strip("/") or 0),
            username=unquote(parts.username) if parts.username else None,
            password=self.password,
            socket_timeout=_SECONDS,
            socket_connect_timeout=_SECONDS,
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionLost, ReadOnlyError)),
            **({"ssl_ca_certs": str(self.ca_file)} if secure and self.ca_file else {}),  # type: ignore[arg-type]  # goes to the connection
        )
        return Redis.from_pool(pool)


class RedisVault:
    """Keeps sets in Redis; see `guardrails.vault.Vault`.

    What was kept under the secret before the first of `keyrings` is still found, and from then on kept under that.
    """

    def __init__(
        self,
        client: Redis,
        keyrings: Sequence[Keyring],
        *,
        ttl: float,
        max_sets: int = MAX_SETS,
        failed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`ttl` is in seconds. `failed` is told what could not be done: `recall` or `remember`."""
        self._client: Final = client
        self._keyrings: Final = tuple(keyrings)
        self._ttl: Final = max(1, int(ttl * 1000))
        self._max: Final = max_sets
        self._failed: Final = failed
        self._recall: Final = client.register_script(_RECALL)
        self._remember: Final = client.register_script(_REMEMBER)

    async def recall(self, tenant: str, name: str) -> Recalled | None:
        """See `Vault`."""
        every = [ring.of(tenant) for ring in self._keyrings]
        members = [keys.member(name) for keys in every]
        places = [
            (keys.place(member), ring.owners(name), keys.registry)
            for ring, keys, member in zip(self._keyrings, every, members, strict=True)
        ]
        try:
            answers = await self._recall(keys=[key for place in places for key in place], args=[self._ttl, members[0]])
            sets = [pairs(answer) if isinstance(answer, list) else {} for answer in answers]
            found = [
                opened(keys, place[0], fields) if fields else None
                for keys, place, fields in zip(every, places, sets, strict=True)
            ]
        except (RedisError, OSError, VaultError) as exc:
            raise self._unreachable("recall", exc) from None
        current = known = found[0]
        for fields, member, older in zip(sets[1:], members[1:], found[1:], strict=True):
            if older is not None:
                known = older if known is None else _both(known, older)
                if current is None or known.values is not current.values:
                    root = fields.get(b"root", member.encode()).decode("ascii", "replace")
                    await self._keep(tenant, name, known, before="", root=root)
        if known is None and any(answers):
            raise WrongTenant("The response belongs to another key.")
        return known

    async def remember(
        self, tenant: str, name: str, values: Restorable, deployment: str | None = None, *, after: str | None = None
    ) -> None:
        """See `Vault`."""
        keys = self._keyrings[0].of(tenant)
        root = "" if after is None else keys.member(after)
        before = keys.place(root) if root else ""
        await self._keep(tenant, name, Recalled(values, deployment), before=before, root=root)

    async def _keep(self, tenant: str, name: str, what: Recalled, *, before: str, root: str) -> None:
        """Keep something. Its root is that of the set `before`, or else `root`."""
        ring = self._keyrings[0]
        keys = ring.of(tenant)
        member = keys.member(name)
        place = keys.place(member)
        about = keys.seal(pack((tenant, what.deployment or "")), place, "about")
        told = int(what.deployment is not None)
        arguments: list[int | str | bytes] = [self._ttl, self._max, keys.tag, member, about, told, root]
        if what.values:
            arguments += sealed(keys, place, what.values.values.items())
        try:
            await self._remember(keys=[place, ring.owners(name), keys.registry, before], args=arguments)
        except (RedisError, OSError) as exc:
            raise self._unreachable("remember", exc) from None

    async def ready(self) -> bool:
        """See `Vault`: something can be written. A server that is full, or only a copy, could still be asked."""
        try:
            await cast("Awaitable[object]", self._client.set(f"{PREFIX}:ready", "1", px=1000))
        except (RedisError, OSError):
            return False
        return True

    async def close(self) -> None:
        """See `Vault`."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    def _unreachable(self, what: str, exc: Exception) -> VaultError:
        self._failed(what)
        if isinstance(exc, VaultError):
            return exc
        return VaultError(f"The vault cannot be reached ({type(exc).__name__}).")


def pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """The fields of a hash, out of what a script gives: names and values by turns."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def sealed(keys: TenantKeys, place: str, values: Iterable[tuple[str, str]]) -> tuple[str, bytes]:
    """Tokens and their values as a field of a set: its name and its content."""
    packed = pack(text for pair in sorted(values) for text in pair)
    name = keys.field(packed)
    return name, keys.seal(packed, place, name)


def values_in(keys: TenantKeys, place: str, name: bytes, content: bytes) -> dict[str, str]:
    """The tokens and values of one field.

    Raises:
        VaultError: it cannot be opened.

    """
    texts = unpack(keys.open(content, place, name.decode("ascii", "replace")))
    return dict(zip(texts[::2], texts[1::2], strict=True))


def opened(keys: TenantKeys, place: str, fields: dict[bytes, bytes]) -> Recalled:
    """What the fields of a set say.

    Raises:
        VaultError: they cannot be opened.

    """
    _, deployment = tenant_and_deployment(keys, place, fields)
    contents = [values_in(keys, place, name, fields[name]) for name in fields if name != ABOUT and name not in PLAIN]
    return Recalled(joined(contents), deployment or None)


def tenant_and_deployment(keys: TenantKeys, place: str, fields: dict[bytes, bytes]) -> tuple[str, str]:
    """Whose a set is, and which deployment has what it is about; empty where nobody knows.

    Raises:
        VaultError: it cannot be opened.

    """
    tenant, deployment = unpack(keys.open(fields.get(ABOUT, b""), place, "about"))
    return tenant, deployment


def _both(known: Recalled, older: Recalled) -> Recalled:
    return Recalled(union(known.values, older.values), known.deployment or older.deployment)
