"""Remember what was found in a text already seen: agents send their whole history again with every turn.

Neither the text nor anything from which it could be guessed is kept: the key is a hash keyed with a secret of this
process, and a finding is offsets and a name. Tenants have separate entries, so that the time of an answer tells nobody
what another tenant has sent.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from guardrails.findings import Finding

Findings = tuple[Finding, ...]


class FindingsCache:
    """The findings of the texts seen last, for one event loop; not safe for several threads.

    Bounded twice: `max_entries` texts, and `max_findings` findings in all of them together (a finding is some 150
    bytes), because one hostile text can hold a million. `hits` and `misses` count for the metrics.
    """

    __slots__ = ("_entries", "_findings", "_max_entries", "_max_findings", "_secret", "hits", "misses")

    def __init__(self, max_entries: int = 20_000, *, max_findings: int = 200_000) -> None:
        """Start empty; `max_entries=0` remembers nothing."""
        self._entries: OrderedDict[bytes, Findings] = OrderedDict()
        self._max_entries = max_entries
        self._max_findings = max_findings
        self._findings = 0
        self._secret = secrets.token_bytes(32)
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        """Return how many texts are remembered."""
        return len(self._entries)

    def key(self, policy_digest: str, tenant: str, text: str) -> bytes:
        """Return what stands for a text under a policy and a tenant: give it to `get`, and to `put`."""
        digest = blake2b(key=self._secret, digest_size=16)
        for name in (policy_digest, tenant):
            part = name.encode("utf-8", "surrogatepass")
            digest.update(len(part).to_bytes(8))  # without the lengths, "a" + "bc" would be "ab" + "c"
            digest.update(part)
        digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def get(self, key: bytes) -> Findings | None:
        """Return what was `put`, None if unknown; then the caller detects and calls `put`."""
        found = self._entries.get(key)
        if found is None:
            self.misses += 1
            return None
        self._entries.move_to_end(key)
        self.hits += 1
        return found

    def put(self, key: bytes, findings: Findings) -> None:
        """Remember the findings of a text, and forget the entries used longest ago that go over the bounds."""
        self._findings -= len(self._entries.pop(key, ()))
        self._entries[key] = findings
        self._findings += len(findings)
        while len(self._entries) > self._max_entries or self._findings > self._max_findings:
            self._findings -= len(self._entries.popitem(last=False)[1])

    def clear(self) -> None:
        """Forget every text."""
        self._entries.clear()
        self._findings = 0


class Known(NamedTuple):
    """What is known of some texts: their keys in the cache, what that holds, and the texts it does not know."""

    keys: list[bytes]
    found: list[Findings | None]
    unseen: list[str]


class SeenTexts:
    """The cache as one tenant under one policy uses it."""

    __slots__ = ("_cache", "_digest", "_tenant")

    def __init__(self, cache: FindingsCache, policy_digest: str, tenant: str) -> None:
        """Other policies and other tenants have entries of their own."""
        self._cache: Final = cache
        self._digest: Final = policy_digest
        self._tenant: Final = tenant

    def split(self, texts: Sequence[str]) -> Known:
        """Look the texts up; examine those that are `unseen`, and `merge` what is found."""
        keys = [self._cache.key(self._digest, self._tenant, text) for text in texts]
        found = [self._cache.get(key) for key in keys]
        return Known(keys, found, [text for text, known in zip(texts, found, strict=True) if known is None])

    def merge(self, known: Known, fresh: Sequence[Sequence[Finding]]) -> list[Sequence[Finding]]:
        """One answer of what was known and what was found now, which is known from now on."""
        new = iter(fresh)
        merged: list[Sequence[Finding]] = []
        for key, found in zip(known.keys, known.found, strict=True):
            if found is None:
                found = tuple(next(new))
                self._cache.put(key, found)
            merged.append(found)
        return merged
