"""What the vault's secret gives: names that nobody can guess, and keys that values are sealed with.

Everything is derived from the one secret with HKDF-SHA256 (RFC 5869). A name is an HMAC, so whoever reads the store
cannot try out response ids or keys. Values are sealed with AES-256-GCM under a key of their tenant's own, bound to the
place where they stand: what somebody with the store in hand moves to another place does not open there.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from guardrails.errors import VaultError

PREFIX: Final = "gg"
_KEY: Final = 32
_NAME: Final = 16
"""Bytes of a name: 128 bits, so that no two ever meet."""
_NONCE: Final = 12
_LENGTH: Final = 4
_TENANTS: Final = 1_000
"""Tenants whose keys are at hand: callers with keys of their own may be many. Deriving one takes 20 microseconds."""


class TenantKeys:
    """One tenant's part of the store. `tag` is what the store calls it."""

    __slots__ = ("_cipher", "_names", "registry", "tag")

    def __init__(self, secret: bytes, tag: str) -> None:
        """`secret` is the vault's."""
        self.tag: Final = tag
        self.registry: Final = f"{PREFIX}:{tag}"
        self._names: Final = _derive(secret, f"names {tag}")
        self._cipher: Final = AESGCM(_derive(secret, f"values {tag}"))

    def member(self, name: str) -> str:
        """What a response or a conversation is called within the tenant."""
        return _hmac(self._names, "set", name.encode())

    def place(self, member: str) -> str:
        """Where the set of one is."""
        return f"{self.registry}:{member}"

    def field(self, content: bytes) -> str:
        """What some values are called within a set: the same values always the same."""
        return _hmac(self._names, "values", content)

    def seal(self, plain: bytes, *where: str) -> bytes:
        """Seal what is to stand at a place."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, "\x00".join(where).encode())

    def open(self, sealed: bytes, *where: str) -> bytes:
        """Open what stood at a place.

        Raises:
            VaultError: it was not sealed with this key, not for this place, or was changed.

        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], "\x00".join(where).encode())
        except (InvalidTag, ValueError):
            raise VaultError("What the vault holds cannot be opened.") from None


class Keyring:
    """The names and keys of one vault secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret: Final = secret
        self._names: Final = _derive(secret, "names")
        self._tenants: dict[str, TenantKeys] = {}

    def tag(self, tenant: str) -> str:
        """What the store calls a tenant."""
        return _hmac(self._names, "tenant", tenant.encode())

    def of(self, tenant: str) -> TenantKeys:
        """A tenant's keys."""
        keys = self._tenants.get(tenant)
        if keys is None:
            if len(self._tenants) >= _TENANTS:
                self._tenants.clear()
            keys = self._tenants[tenant] = self.of_tag(self.tag(tenant))
        return keys

    def of_tag(self, tag: str) -> TenantKeys:
        """The keys of a tenant that is known only by what the store calls it."""
        return TenantKeys(self._secret, tag)

    def owners(self, name: str) -> str:
        """Where it stands who owns a name, whichever tenant asks."""
        return f"{PREFIX}:o:{_hmac(self._names, 'owners', name.encode())}"


def pack(texts: Iterable[str]) -> bytes:
    """Texts as bytes, each after its length in four."""
    return b"".join(len(raw).to_bytes(_LENGTH) + raw for raw in map(str.encode, texts))


def unpack(data: bytes) -> list[str]:
    """The texts that were packed."""
    texts: list[str] = []
    at = 0
    while at < len(data):
        end = at + _LENGTH + int.from_bytes(data[at : at + _LENGTH])
        texts.append(data[at + _LENGTH : end].decode())
        at = end
    return texts


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), _KEY, salt=None, info=f"guardrail vault: {purpose}".encode()).derive(secret)


def _hmac(key: bytes, kind: str, data: bytes) -> str:
    return hmac.digest(key, kind.encode() + b"\x00" + data, "sha256")[:_NAME].hex()
