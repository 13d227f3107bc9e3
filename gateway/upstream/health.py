"""Which deployments have failed lately: they are asked last, until some time has passed.

One failure is enough, for there is another deployment to ask; and nothing is asked only to find out whether it works,
for what is asked costs money. So the next turn after the pause is the trial, and each failure in a row doubles it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class _Pause:
    """Until when a deployment is not asked, and how long that is."""

    until: float
    seconds: float


class Health:
    """The deployments that have failed, by name. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock: Final = clock
        self._pauses: dict[str, _Pause] = {}

    def failed(self, name: str) -> None:
        """A deployment could not be dialled, or did not answer what it was asked."""
        now, last = self._clock(), self._pauses.get(name)
        seconds = PAUSE_SECONDS
        if last is not None and now < last.until:
            return  # asked before it was known, or for want of another: nothing new
        if last is not None and now < last.until + last.seconds:
            seconds = min(2 * last.seconds, LONGEST_PAUSE_SECONDS)
        self._pauses[name] = _Pause(now + seconds, seconds)

    def good(self, names: Sequence[str]) -> list[str]:
        """Those to ask first: all that are not in a pause, or else all."""
        now = self._clock()
        well = [name for name in names if (pause := self._pauses.get(name)) is None or now >= pause.until]
        return well or list(names)
