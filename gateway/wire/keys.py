"""Keys of one object that get other names stay distinct, in a whole object and in one that arrives in pieces."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gateway.wire.frame import encode
from gateway.wire.values import Value


def renamed(keys: Collection[str], names: Mapping[str, str]) -> list[str]:
    """What the keys of one object become: one of `names` gets that name, with a number behind it where it is taken."""
    taken = {key for key in keys if key not in names}
    numbers: dict[str, int] = {}
    new = []
    for key in keys:
        name = plain = names.get(key, key)
        if key in names:
            while name in taken:
                numbers[plain] = numbers.get(plain, 1) + 1
                name = f"{plain}_{numbers[plain]}"
            taken.add(name)
        new.append(name)
    return new


@dataclass(slots=True)
class _Object:
    """An object that is open: its keys so far, and of those that are renamed the names and where they are held."""

    keys: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)


class Keys:
    """JSON source that is masked value by value: `key()` or `other()` each piece in order, then `flush()`.

    Each gives what may be sent. What a key becomes may be the name of one that follows, so from the first key on that
    is renamed the rest of its object waits for the object's end.
    """

    __slots__ = ("_depth", "_held", "_open")

    def __init__(self) -> None:
        self._open: list[_Object] = []
        self._held: list[str] = []
        self._depth = 0

    @property
    def waiting(self) -> bool:
        """Whether something waits for the end of an object."""
        return bool(self._held)

    def key(self, key: Value, new: str) -> str:
        """Take a key, and the name that it gets."""
        within, old = self._open[-1], key.text or ""
        within.keys.append(old)
        if new == old:
            return self._given(key.raw)
        within.names[old] = new
        within.places[old] = len(self._held)
        self._depth = self._depth or len(self._open)
        return self._given(encode(new))

    def other(self, written: str) -> str:
        """Take punctuation or a value, as it is to be written."""
        if written == "{":
            self._open.append(_Object())
        elif written == "}" and self._open:
            self._close(self._open.pop())
            if len(self._open) < self._depth:
                return self.flush() + written
        return self._given(written)

    def flush(self) -> str:
        """Nothing more is to come, or nothing more of what is waited for: give what is held."""
        held, self._held, self._depth = "".join(self._held), [], 0
        return held

    def _given(self, written: str) -> str:
        if not self._depth:
            return written
        self._held.append(written)
        return ""

    def _close(self, of: _Object) -> None:
        if len(set(of.keys)) < len(of.keys):
            return  # it is no JSON: read as a whole, it would be text, whose keys nobody knows
        for old, new in zip(of.keys, renamed(of.keys, of.names), strict=True):
            if old in of.places:
                self._held[of.places[old]] = encode(new)
