"""`guardrail-gateway vault erase`: take values out of the vault that gateways share, and record that."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.audit.record import Erasure, Identifier, Scope
from gateway.audit.sinks import FileSink
from gateway.auth import tenant_secret
from gateway.config import Settings, load_config, resolve
from gateway.errors import GatewayError
from gateway.session.affinity import conversation_name
from gateway.vaults import keyrings, redis_client
from guardrails.redact import fingerprint
from guardrails.tokens import entity_of
from guardrails.vault_erase import Erased, Eraser

_MEMORY: Final = (
    "vault.store is memory: the values are in the gateway's own process, where this command cannot reach them. "
    "Restart the gateway: that erases all of them."
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be erased: one of the three, or else all of the key."""

    key: str | None = None
    response: str | None = None
    conversation: str | None = None
    value: str | None = None

    @property
    def scope(self) -> Scope:
        """What it is."""
        given: dict[Scope, str | None] = {
            "response": self.response,
            "conversation": self.conversation,
            "value": self.value,
        }
        return next((scope for scope, name in given.items() if name is not None), "key")

    def check(self, settings: Settings) -> None:
        """Make sure that it is one thing, of a key that exists.

        Raises:
            GatewayError: it is not.

        """
        given = [name for name in (self.response, self.conversation, self.value) if name is not None]
        if len(given) > 1:
            raise GatewayError("Give one of --response, --conversation and --value.")
        if self.key is None and self.value is None:
            raise GatewayError("Give --key ID: whose values are to be erased.")
        if any(not name.strip() for name in given):
            raise GatewayError("Nothing is to be erased: the value or the id is empty.")
        keys = {key.id: key for key in settings.config.keys}
        guest = keys.get((self.key or "").rpartition("-")[0])
        if self.key is not None and self.key not in keys and (guest is None or guest.accept is None):
            raise GatewayError("--key: the configuration has no such key. Write it as it stands in the audit.")


def erase(config: Path, target: Target) -> str:
    """Erase, record it, and say what was erased.

    Raises:
        GatewayError: the target is none, the vault is not one that can be reached from here, or the row cannot be
            written; then the values are erased nevertheless.
        VaultError: Redis cannot be reached or read; some may be erased.

    """
    settings = resolve(load_config(config), os.environ)
    target.check(settings)
    if settings.config.vault.store == "memory":
        raise GatewayError(_MEMORY)
    sink = FileSink(settings.config.audit.path)
    try:
        erased = asyncio.run(_erase(settings, target))
        for one in erased or [Erased(target.key or "*")]:
            sink.write(_row(settings, target, one))
    finally:
        sink.close()
    sets = sum(one.sets for one in erased)
    return f"erased {sum(len(one.values) for one in erased)} values from {sets} responses and conversations"


async def _erase(settings: Settings, target: Target) -> Sequence[Erased]:
    client = redis_client(settings)
    eraser = Eraser(client, keyrings(settings))
    try:
        if target.value is not None:
            return await eraser.value(target.value, target.key)
        key = target.key or ""
        if target.conversation is not None:
            return [await eraser.conversation(key, conversation_name(target.conversation.strip()))]
        if target.response is not None:
            return [await eraser.conversation(key, target.response.strip())]
        return [await eraser.all_of(key)]
    finally:
        await client.aclose()
        await client.connection_pool.disconnect()


def _row(settings: Settings, target: Target, erased: Erased) -> Erasure:
    secret = tenant_secret(settings.audit_secret, erased.tenant)
    # Which other values a conversation held is nobody's business any more.
    held = erased.values.items() if target.value is not None else ()
    found = sorted({(entity_of(token), fingerprint(secret, entity_of(token), value)) for token, value in held})
    name = target.response or target.conversation
    shown = None if name is None else Identifier(name)
    return Erasure(erased.tenant, target.scope, shown, erased.sets, len(erased.values), found)
