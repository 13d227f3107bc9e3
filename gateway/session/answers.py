"""Answers given before, for requests that are asked again word for word: off unless the configuration has `replay`.

What is kept is what came from the provider: the client's values are tokens in it, and one in which anything else is
found that the policy would mask is not kept. Keys are hashes keyed with a secret of this process.
"""

from __future__ import annotations

import secrets
import sys
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple

from gateway.wire.frame import Json, encode

_OWN: Final = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})
"""What a model says and asks for. Anything else the provider ran, and the same answer would not run it again."""
_NOT_ASKED: Final = frozenset({"type", "stream_id"})
_ENTRY_BYTES: Final = 1024 * 1024
"""The largest answer that is kept: one is not to push out all others."""
_PLACE_BYTES: Final = 400
"""What the store itself takes for each."""


class Kept(NamedTuple):
    """An answer as JSON text, its id, and the deployment that gave it."""

    response: str
    deployment: str | None
    name: str | None = None

    @property
    def size(self) -> int:
        """Bytes it takes in memory, its place in the store included."""
        return sys.getsizeof(self.response) + _PLACE_BYTES


class Answers:
    """The answers given last. `ttl` is in seconds, `clock` gives them; at most `max_bytes` of answers are kept."""

    def __init__(self, *, ttl: float, max_bytes: int, clock: Callable[[], float]) -> None:
        self._ttl: Final = ttl
        self._max_bytes: Final = max_bytes
        self._clock: Final = clock
        self._kept: OrderedDict[bytes, tuple[Kept, float]] = OrderedDict()
        self._bytes = 0
        self._secret: Final = secrets.token_bytes(32)

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._kept)

    def key(self, tenant: str, policy_digest: str, model: str, masked: dict[str, Json]) -> bytes | None:
        """What stands for a masked request of a tenant under a policy; None when it must be answered anew."""
        nested = masked.get("response")
        places = (masked, nested) if isinstance(nested, dict) else (masked,)
        if any(place.get("generate") is False or place.get("conversation") is not None for place in places):
            return None
        if any(place.get("store") is False for place in places):
            return None  # its id would be known on another connection only
        asked: Json = {key: value for key, value in masked.items() if key not in _NOT_ASKED}
        digest = blake2b(key=self._secret, digest_size=16)
        for part in (tenant, policy_digest, model, encode(asked)):
            data = part.encode()
            digest.update(len(data).to_bytes(8))
            digest.update(data)
        return digest.digest()

    def get(self, key: bytes) -> Kept | None:
        """The answer to the same request, if it is kept."""
        found = self._kept.get(key)
        if found is None or found[1] <= self._clock():
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: bytes, kept: Kept) -> None:
        """Keep an answer, and forget those used longest ago that go over the bounds."""
        now = self._clock()
        for old in [old for old, (_, until) in self._kept.items() if until <= now or old == key]:
            self._forget(old)
        if kept.size > min(_ENTRY_BYTES, self._max_bytes):
            return
        self._kept[key] = (kept, now + self._ttl)
        self._bytes += kept.size
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    def forget(self, name: str) -> None:
        """Forget the answers that are the response of this id: it was deleted."""
        for key in [key for key, (kept, _) in self._kept.items() if kept.name == name]:
            self._forget(key)

    def _forget(self, key: bytes) -> None:
        self._bytes -= self._kept.pop(key)[0].size


def may_be_kept(response: Json) -> bool:
    """Whether an answer came to its end, and nothing was run for it on the provider's side."""
    if not isinstance(response, dict) or response.get("status") != "completed":
        return False
    output = response.get("output")
    if response.get("error") is not None or response.get("incomplete_details") is not None:
        return False
    items = output if isinstance(output, list) else [None]
    return bool(items) and all(isinstance(item, dict) and item.get("type") in _OWN for item in items)
