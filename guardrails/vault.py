"""Which token stands for which value, for which response, and for how long.

A response can restore what the client's own text put into it: the values of the frame that asked for it and those of
the response, or the provider's conversation, that it goes on from. So the unit is the response, not the connection: two
conversations on one connection, or two keys that share a provider account, never see each other's values.

A set only grows: what is remembered is added to what is there. So a message that joins a response under way, and two
responses of one conversation at the same time, lose nothing, whichever is kept first.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from guardrails.again import looked_for
from guardrails.errors import VaultError
from guardrails.tokens import SPACED_ID, entity_of

FEW: Final = 64
"""Ids that are looked for one by one; with more of them it is faster to look for what could be one."""
MAX_VALUES: Final = 20_000
"""Values one conversation may hold. About 4 MB; a conversation with more is a data set, and is refused."""
MAX_SIZE: Final = 64 * 1024 * 1024
"""Bytes of memory that they may take: twice a message of the largest size that is one value, in its widest form."""
_PLACE: Final = 100
"""What a set takes for each of its values, besides the two texts (measured: 125 bytes with their heads)."""


class Restorable:
    """An immutable set of tokens and their values. `has_bare`: some tokens have no brackets, for names and ids."""

    __slots__ = ("_bodies", "_by_id", "_known", "_looked_for", "_size", "_sorted", "_starts", "has_bare", "values")

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values: Mapping[str, str] = MappingProxyType(dict(values))
        self.has_bare = any(token[:1].isalpha() for token in self.values)
        self._sorted: list[str] | None = None
        self._known: frozenset[str] | None = None
        self._by_id: dict[str, tuple[str, ...]] | None = None
        self._bodies: list[str] | None = None
        self._starts: frozenset[str] | None = None
        self._size: int | None = None
        self._looked_for: dict[str, str] | None = None

    @property
    def size(self) -> int:
        """Bytes of memory that it takes, as if no other set had the same texts."""
        if self._size is None:
            texts = sum(map(sys.getsizeof, self.values)) + sum(map(sys.getsizeof, self.values.values()))
            self._size = texts + _PLACE * len(self.values)
        return self._size

    @property
    def by_id(self) -> Mapping[str, Sequence[str]]:
        """The tokens that have brackets, by their ids."""
        if self._by_id is None:
            tokens = [token for token in self.values if not token[:1].isalpha()] if self.has_bare else self.values
            self._by_id = {token[token.rfind("_") + 1 : -1]: (token,) for token in tokens}
            if len(self._by_id) < len(tokens):
                self._by_id = dict.fromkeys(self._by_id, ())
                for token in tokens:
                    self._by_id[token[token.rfind("_") + 1 : -1]] += (token,)
        return self._by_id

    def mentioned(self, text: str) -> bool:
        """Whether the id of a token that has brackets stands in a text."""
        if len(self.by_id) <= FEW:
            return any(identity in text for identity in self.by_id)
        return any(run[1] in self.by_id for run in SPACED_ID.finditer(text))

    @property
    def looked_for(self) -> Mapping[str, str]:
        """The values that are looked for in the texts of the conversation's next messages, with their entities."""
        if self._looked_for is None:
            pairs = ((value, entity_of(token)) for token, value in self.values.items())
            self._looked_for = {value: entity for value, entity in pairs if looked_for(entity, value)}
        return self._looked_for

    @property
    def starts(self) -> frozenset[str]:
        """Every beginning, in capital letters, of the first word of a token's name."""
        if self._starts is None:
            firsts = {token[1 : token.index("_")] for tokens in self.by_id.values() for token in tokens}
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
        both = Restorable({**self.values, **more})
        if len(both.values) > MAX_VALUES or both.size > MAX_SIZE:
            raise VaultError("The conversation holds too many masked values.")
        return both

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
