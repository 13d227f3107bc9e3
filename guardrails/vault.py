"""Which token stands for which value, for which response, and for how long.

A response can restore what the client's own text put into it: the values of the frame that asked for it and those of
the response, or the provider's conversation, that it goes on from. So the unit is the response, not the connection: two
conversations on one connection, or two keys that share a provider account, never see each other's values.

A set only grows: what is remembered is added to what is there. So a message that joins a response under way, and two
responses of one conversation at the same time, lose nothing, whichever is kept first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from guardrails.errors import VaultError
from guardrails.tokens import SPACED_ID

FEW: Final = 64
"""Ids that are looked for one by one; with more of them it is faster to look for what could be one."""
MAX_VALUES: Final = 20_000
"""Values one conversation may hold. About 4 MB; a conversation with more is a data set, and is refused."""


class Restorable:
    """An immutable set of tokens and their values. `has_bare`: some tokens have no brackets, for names and ids."""

    __slots__ = ("_bodies", "_by_id", "_known", "_sorted", "_starts", "has_bare", "values")

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values: Mapping[str, str] = MappingProxyType(dict(values))
        self.has_bare = any(token[:1].isalpha() for token in self.values)
        self._sorted: list[str] | None = None
        self._known: frozenset[str] | None = None
        self._by_id: dict[str, list[str]] | None = None
        self._bodies: list[str] | None = None
        self._starts: frozenset[str] | None = None

    @property
    def by_id(self) -> Mapping[str, Sequence[str]]:
        """The tokens that have brackets, by their ids."""
        if self._by_id is None:
            self._by_id = {}
            for token in self.values:
                if not token[:1].isalpha():
                    self._by_id.setdefault(token[token.rfind("_") + 1 : -1], []).append(token)
        return self._by_id

    def mentioned(self, text: str) -> bool:
        """Whether the id of a token that has brackets stands in a text."""
        if len(self.by_id) <= FEW:
            return any(identity in text for identity in self.by_id)
        return any(run[1] in self.by_id for run in SPACED_ID.finditer(text))

    @property
    def starts(self) -> frozenset[str]:
        """Every beginning, in capital letters, of the first word of a token's name."""
        if self._starts is None:
            firsts = {token[1:].partition("_")[0] for tokens in self.by_id.values() for token in tokens}
            self._starts = frozenset().union(*map(_beginnings, firsts))
        return self._starts

    def may_be(self, body: str) -> bool:
        """Whether a text in capital letters is a beginning, or all, of a token without its brackets."""
        bodies = self._capitals()
        index = bisect_left(bodies, body)
        return index < len(bodies) and bodies[index].startswith(body)

    def is_body(self, body: str) -> bool:
        """Whether a text in capital letters is all of a token without its brackets."""
        bodies = self._capitals()
        index = bisect_left(bodies, body)
        return index < len(bodies) and bodies[index] == body

    def _capitals(self) -> list[str]:
        if self._bodies is None:
            self._bodies = sorted(token[1:-1].upper() for tokens in self.by_id.values() for token in tokens)
        return self._bodies

    def with_values(self, more: Mapping[str, str]) -> Restorable:
        """This set and some more; itself when there is nothing new.

        Raises:
            VaultError: the conversation holds too many values.

        """
        if not more or all(token in self.values for token in more):
            return self
        both = {**self.values, **more}
        if len(both) > MAX_VALUES:
            raise VaultError("The conversation holds too many masked values.")
        return Restorable(both)

    def is_value(self, text: str) -> bool:
        """Whether a text is one of the values: the client has sent it."""
        if self._known is None:
            self._known = frozenset(self.values.values())
        return text in self._known

    def may_begin(self, text: str) -> bool:
        """Whether a text is a beginning of one of the tokens, short of the whole."""
        if self._sorted is None:
            self._sorted = sorted(self.values)
        index = bisect_left(self._sorted, text)
        return index < len(self._sorted) and self._sorted[index].startswith(text) and self._sorted[index] != text

    def __bool__(self) -> bool:
        return bool(self.values)

    def __repr__(self) -> str:
        return f"Restorable({len(self.values)} values)"


@lru_cache(maxsize=1024)
def _beginnings(word: str) -> frozenset[str]:
    return frozenset(word[:end].upper() for end in range(1, len(word) + 1))


EMPTY: Final = Restorable({})


def union(kept: Restorable, more: Restorable) -> Restorable:
    """Two sets that one conversation brought, with no regard to their number; one of them, if it has all.

    A token that stands for two values, which two replicas can make within the same instant, stands for none.
    """
    if not more or all(kept.values.get(token) == value for token, value in more.values.items()):
        return kept
    if not kept:
        return more
    return joined((kept.values, more.values))


def joined(parts: Iterable[Mapping[str, str]]) -> Restorable:
    """The same of any number of parts."""
    both: dict[str, str] = {}
    met: set[str] = set()
    for part in parts:
        for token, value in part.items():
            if both.setdefault(token, value) != value:
                met.add(token)
    for token in met:
        del both[token]
    return Restorable(both) if both else EMPTY


class Recalled(NamedTuple):
    """What is known of a response or a conversation: its set, and the deployment that has it, if anybody knows."""

    values: Restorable
    deployment: str | None = None


class Vault(Protocol):
    """Where restorable sets are kept between turns, by tenant and by the name of a response or a conversation."""

    async def recall(self, tenant: str, name: str) -> Recalled | None:
        """What is kept under a name; None when nobody knows it.

        Raises:
            VaultError: the store cannot be reached, or the name is another tenant's. The caller refuses the frame.

        """

    async def remember(
        self, tenant: str, name: str, values: Restorable, deployment: str | None = None, *, after: str | None = None
    ) -> None:
        """Add values to what is kept under a name, and keep which deployment has it; None leaves what is known of that.

        `after` is the name that this one goes on from: the two belong to one conversation, and are erased together.

        Raises:
            VaultError: the store cannot be reached.

        """

    async def ready(self) -> bool:
        """Whether values can be looked up and kept now."""

    async def close(self) -> None:
        """Leave the store; nothing may follow."""


class WrongTenant(VaultError):
    """The response or the conversation belongs to somebody else."""


class MemoryVault:
    """Keeps sets in this process. `ttl` is in seconds; `clock` gives them."""

    def __init__(self, *, ttl: float, clock: Clock, max_responses: int = 50_000) -> None:
        self._ttl = ttl
        self._clock = clock
        self._max = max_responses
        self._kept: OrderedDict[tuple[str, str], tuple[Restorable, float, str | None]] = OrderedDict()
        self._owners: dict[str, int] = {}

    async def recall(self, tenant: str, name: str) -> Recalled | None:
        """See `Vault`."""
        self._expire()
        found = self._kept.get((tenant, name))
        if found is not None:
            self._put((tenant, name), found[0], found[2])
            return Recalled(found[0], found[2])
        if name in self._owners:
            raise WrongTenant("The response belongs to another key.")
        return None

    async def remember(
        self, tenant: str, name: str, values: Restorable, deployment: str | None = None, *, after: str | None = None
    ) -> None:
        """See `Vault`. Nobody can erase one conversation of these, so `after` tells nothing."""
        self._expire()
        before = self._kept.get((tenant, name))
        if before is None:
            self._owners[name] = self._owners.get(name, 0) + 1
        else:
            values, deployment = union(before[0], values), deployment or before[2]
        self._put((tenant, name), values, deployment)
        while len(self._kept) > self._max:
            self._forget(next(iter(self._kept)))

    async def ready(self) -> bool:
        """See `Vault`: this process is always there. Whoever asks now and then keeps nothing longer than it may be."""
        self._expire()
        return True

    async def close(self) -> None:
        """See `Vault`."""
        self._kept.clear()
        self._owners.clear()

    def _put(self, key: tuple[str, str], values: Restorable, deployment: str | None) -> None:
        self._kept[key] = (values, self._clock() + self._ttl, deployment)
        self._kept.move_to_end(key)

    def _expire(self) -> None:
        # Every use renews, so the oldest stand first.
        now = self._clock()
        while self._kept:
            first = next(iter(self._kept))
            if self._kept[first][1] > now:
                return
            self._forget(first)

    def _forget(self, key: tuple[str, str]) -> None:
        del self._kept[key]
        self._owners[key[1]] -= 1
        if not self._owners[key[1]]:
            del self._owners[key[1]]


class Clock(Protocol):
    """Seconds from some fixed moment; `time.monotonic` is one."""

    def __call__(self) -> float:
        """The seconds now."""
