"""HMACs of values under one secret, which is made ready once: half of what one costs is to take its key in.

The standard library can make one ready, too, but wraps each copy in an object that costs as much as the hash.
"""

from __future__ import annotations

from hashlib import sha256

_BLOCK = 64
_INNER, _OUTER = bytes(code ^ 0x36 for code in range(256)), bytes(code ^ 0x5C for code in range(256))


class Keyed:
    """HMAC-SHA256 (RFC 2104, 2) under one secret."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        key = (secret if len(secret) <= _BLOCK else sha256(secret).digest()).ljust(_BLOCK, b"\0")
        self._inner = sha256(key.translate(_INNER))
        self._outer = sha256(key.translate(_OUTER))

    def of(self, entity: str, value: str) -> bytes:
        """The digest of a value as one of an entity, 32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{entity}\x00{value}".encode())
        outer.update(inner.digest())
        return outer.digest()
