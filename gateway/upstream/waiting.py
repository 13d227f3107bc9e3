"""Events that wait for whoever reads them: bounded in number and in size, so that the provider waits, too."""

from __future__ import annotations

import asyncio
from typing import Final, TypeVar

T = TypeVar("T", bound=str | None)

LENGTH: Final = 32
"""Events that wait."""
SIZE: Final = 64 * 1024
"""Characters of them, or one event that is longer: a few may be as large as all memory we would give."""


class Waiting(asyncio.Queue[T]):
    """Events in order, and None where somebody has to know that nothing more comes."""

    def __init__(self) -> None:
        super().__init__(LENGTH)
        self._size = 0

    def full(self) -> bool:
        """Whether whoever puts one in has to wait."""
        return self._size >= SIZE or super().full()

    def _put(self, item: T) -> None:
        super()._put(item)
        self._size += 0 if item is None else len(item)

    def _get(self) -> T:
        item = super()._get()
        self._size -= 0 if item is None else len(item)
        return item
