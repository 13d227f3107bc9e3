"""What was said, for providers that do not keep it: `previous_response_id` over plain HTTP and through a library.

A provider's WebSocket remembers the conversation of its connection, also with `store: false`, and a warm-up's prompt.
An HTTP provider does not. What stands here has been masked before: it is what was sent to the provider, and what came
from it before anything was restored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.wire.frame import Json

MAX_RESPONSES: Final = 256
MAX_BYTES: Final = 32 * 1024 * 1024
"""Of the requests and answers that are kept for one connection; the oldest are forgotten first."""
_TENANTS: Final = 32
_TENANT_BYTES: Final = 8 * 1024 * 1024
"""Of those that are kept for a tenant over all connections: 256 MiB together."""


@dataclass(frozen=True, slots=True)
class _Said:
    """One response: what it went on from, and what was asked and answered since."""

    before: str | None
    items: tuple[Json, ...]
    size: int


class Histories:
    """The conversations with providers that keep none, by tenant: they outlive a connection."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, History] = OrderedDict()

    def of(self, tenant: str) -> History:
        """The history of a tenant; whoever asked least lately is forgotten first."""
        history = self._of.setdefault(tenant, History(_TENANT_BYTES))
        self._of.move_to_end(tenant)
        while len(self._of) > _TENANTS:
            self._of.popitem(last=False)
        return history


class History:
    """The conversations of one connection that only the gateway knows."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._said: OrderedDict[str, _Said] = OrderedDict()
        self._size = 0
        self._max_bytes = max_bytes

    def keep(self, response_id: str, before: str | None, items: Sequence[Json], size: int) -> None:
        """Keep the input and the output of a response that goes on from another; `size` is their bytes as JSON."""
        if response_id in self._chain(before):  # a provider that gives the same id twice: no circles
            before, said = self.before(before)
            items, size = [*said, *items], size + sum(map(self._weight, self._chain(response_id)))
        self._size += size - self._weight(response_id)
        self._said.pop(response_id, None)
        self._said[response_id] = _Said(before, tuple(items), size)
        while self._said and (len(self._said) > MAX_RESPONSES or self._size > self._max_bytes):
            self._size -= self._said.popitem(last=False)[1].size

    def before(self, response_id: str | None) -> tuple[str | None, list[Json]]:
        """What a request that continues a response has to carry: the id the provider knows, and the items after it."""
        chain = self._chain(response_id)
        first = self._said[chain[-1]].before if chain else response_id
        return first, [item for name in reversed(chain) for item in self._said[name].items]

    def _chain(self, response_id: str | None) -> list[str]:
        """A response and those it goes on from, as far as they are kept, the last one first."""
        chain: dict[str, None] = {}
        while response_id is not None and response_id in self._said and response_id not in chain:
            chain[response_id] = None
            response_id = self._said[response_id].before
        return list(chain)

    def _weight(self, response_id: str) -> int:
        said = self._said.get(response_id)
        return said.size if said is not None else 0
