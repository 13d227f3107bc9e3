"""Detection as the connections and requests of one tenant share it: what was seen before, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, TypeAlias

from guardrails.cache import SeenTexts
from guardrails.errors import DetectionTimeout
from guardrails.findings import Finding
from guardrails.pool import DetectionPool
from policies.model import Policy

Findings: TypeAlias = Sequence[Sequence[Finding]]


class CachedDetection:
    """Detection under one policy, for one tenant: a text that was seen before costs a hash."""

    def __init__(self, pool: DetectionPool, seen: SeenTexts, policy: Policy, turn: asyncio.Lock) -> None:
        """`turn` is the tenant's: whoever holds it may ask the pool."""
        self._pool: Final = pool
        self._seen: Final = seen
        self._policy: Final = policy
        self._turn: Final = turn

    def inline(self, texts: Sequence[str]) -> Findings | None:
        """See `gateway.surroundings.Detection`."""
        known = self._seen.split(texts)
        fresh = self._pool.inline(self._policy, known.unseen) if known.unseen else []
        return None if fresh is None else self._seen.merge(known, fresh)

    async def detect(self, texts: Sequence[str]) -> Findings:
        """See `gateway.surroundings.Detection`."""
        known = self._seen.split(texts)
        fresh = await self._in_turn(known.unseen) if known.unseen else []
        return self._seen.merge(known, fresh)

    async def _in_turn(self, texts: Sequence[str]) -> Findings:
        """Ask the pool, one question of a tenant at a time: whoever floods it waits for himself."""
        try:
            async with asyncio.timeout(self._policy.detect.budget):
                await self._turn.acquire()
        except TimeoutError:
            waited = True
        else:
            waited = False
        if waited:
            raise DetectionTimeout("too much of this key waits to be examined")
        try:
            return await self._pool.detect(self._policy, texts)
        finally:
            self._turn.release()
