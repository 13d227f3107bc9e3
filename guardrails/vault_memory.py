"""Sets in the memory of one process: bounded, forgotten at their time, and gone with the process."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final, NamedTuple, Protocol

from guardrails.vault import EMPTY, Recalled, Restorable, WrongTenant, union

MAX_KEPT: Final = 512 * 1024 * 1024
"""Bytes of memory that the sets in a process may take: 12,000 of the usual size in agents' work, 200 values each."""


class _Kept(NamedTuple):
    """A set, and until when it is kept."""

    values: Restorable
    until: float
    deployment: str | None


class MemoryVault:
    """Keeps sets in this process. `ttl` is in seconds; `clock` gives them.

    Where there are too many, the tenant that has most loses those used longest ago, and no other does. Where they take
    too much memory, it loses the values alone: whose a response is stays known.
    """

    def __init__(self, *, ttl: float, clock: Clock, max_responses: int = 50_000, max_bytes: int = MAX_KEPT) -> None:
        self._ttl = ttl
        self._clock = clock
        self._max = max_responses
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._of: dict[str, _Of] = {}
        self._owners: dict[str, int] = {}
        self._bytes = 0
        self._timer: tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle] | None = None

    async def recall(self, tenant: str, name: str) -> Recalled | None:
        """See `Vault`."""
        self._expire()
        found = self._kept.get((tenant, name))
        if found is not None:
            self._put((tenant, name), found.values, found.deployment)
            return Recalled(found.values, found.deployment)
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
            values, deployment = union(before.values, values), deployment or before.deployment
        self._put((tenant, name), values, deployment)
        while len(self._kept) > self._max:
            most = max(self._of, key=lambda one: len(self._of[one].names))
            self._forget((most, next(iter(self._of[most].names))))
        while self._bytes > self._max_bytes:
            most = max(self._of, key=lambda one: self._of[one].bytes)
            self._empty((most, next(iter(self._of[most].full))))
        self._watch()

    async def ready(self) -> bool:
        """See `Vault`: this process is always there."""
        self._expire()
        return True

    async def close(self) -> None:
        """See `Vault`."""
        if self._timer is not None:
            self._timer[1].cancel()
            self._timer = None
        self._kept.clear()
        self._of.clear()
        self._owners.clear()
        self._bytes = 0

    def _put(self, key: tuple[str, str], values: Restorable, deployment: str | None) -> None:
        tenant, name = key
        self._take(key)
        self._kept[key] = _Kept(values, self._clock() + self._ttl, deployment)
        of = self._of.setdefault(tenant, _Of())
        of.names[name] = None
        if values:
            of.full[name] = None
        of.bytes += values.size
        self._bytes += values.size

    def _take(self, key: tuple[str, str]) -> None:
        """Take a set out, if it is there, as one that is to be put in anew."""
        tenant, name = key
        found = self._kept.pop(key, None)
        if found is not None:
            of = self._of[tenant]
            del of.names[name]
            of.full.pop(name, None)
            of.bytes -= found.values.size
            self._bytes -= found.values.size

    def _empty(self, key: tuple[str, str]) -> None:
        """Forget the values of a set, and nothing else of it."""
        tenant, name = key
        of, found = self._of[tenant], self._kept[key]
        del of.full[name]
        of.bytes -= found.values.size
        self._bytes -= found.values.size
        self._kept[key] = found._replace(values=EMPTY)

    def _watch(self) -> None:
        """See to it that sets are forgotten at their time also if nobody asks for anything any more."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # a program may call without one: then its next call is what looks
        if self._timer is None or self._timer[0] is not loop:  # a program may have one loop after the other
            until = next(iter(self._kept.values())).until
            self._timer = (loop, loop.call_later(max(0.0, until - self._clock()), self._rang))

    def _rang(self) -> None:
        self._timer = None
        self._expire()
        if self._kept:
            self._watch()

    def _expire(self) -> None:
        # Every use renews, so the oldest stand first.
        now = self._clock()
        while self._kept:
            first = next(iter(self._kept))
            if self._kept[first].until > now:
                return
            self._forget(first)

    def _forget(self, key: tuple[str, str]) -> None:
        tenant, name = key
        self._take(key)
        if not self._of[tenant].names:
            del self._of[tenant]
        self._owners[name] -= 1
        if not self._owners[name]:
            del self._owners[name]


class _Of:
    """What a tenant has: the names of its sets, of those that hold values, used longest ago first, and their bytes."""

    __slots__ = ("bytes", "full", "names")

    def __init__(self) -> None:
        self.names: OrderedDict[str, None] = OrderedDict()
        self.full: OrderedDict[str, None] = OrderedDict()
        self.bytes = 0


class Clock(Protocol):
    """Seconds from some fixed moment; `time.monotonic` is one."""

    def __call__(self) -> float:
        """The seconds now."""
