"""The vault that a configuration asks for. Redis is imported where it is wanted, and only there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.config import Settings
from guardrails.vault import Vault
from guardrails.vault_memory import MemoryVault

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from guardrails.vault_keys import Keyring


def make_vault(settings: Settings, failed: Callable[[str], None]) -> Vault:
    """The vault of a gateway. It connects when it is used. `failed` is told what one in Redis could not do."""
    config = settings.config.vault
    if config.store == "memory":
        return MemoryVault(ttl=config.ttl, clock=time.monotonic)
    from guardrails.vault_redis import RedisVault

    return RedisVault(redis_client(settings), keyrings(settings), ttl=config.ttl, failed=failed)


def redis_client(settings: Settings) -> Redis:
    """A client of the Redis that a configuration names; close it."""
    from guardrails.vault_redis import Server

    config = settings.config.vault
    return Server(config.store, settings.vault_password, config.ca_file).client()


def keyrings(settings: Settings) -> list[Keyring]:
    """Names and keys under the vault's secret, and under the one before it."""
    from guardrails.vault_keys import Keyring

    secrets = (settings.vault_secret, settings.previous_vault_secret)
    return [Keyring(secret) for secret in secrets if secret is not None]
