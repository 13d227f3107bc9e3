"""`guardrail-gateway fingerprint`: under which fingerprints a value stands in the audit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gateway.auth import tenant_secret
from gateway.config import load_config, resolve
from gateway.errors import GatewayError
from guardrails.redact import fingerprint


def fingerprints(config: Path, entity: str, value: str, *, tenant: str | None) -> Iterator[tuple[str, str]]:
    """Each key of a gateway.yaml, or one `tenant`, with the fingerprint that a value has in its rows.

    Raises:
        GatewayError: the configuration cannot be used, its audit has no lasting secret, or the value is empty.

    """
    settings = resolve(load_config(config), os.environ)
    if settings.config.audit.secret_env is None:
        raise GatewayError("audit.secret_env is not set: each run of the gateway has fingerprints of its own.")
    if not value:
        raise GatewayError("Give the value on standard input.")
    for key in (tenant,) if tenant is not None else tuple(client.key.id for client in settings.keys):
        yield key, fingerprint(tenant_secret(settings.audit_secret, key), entity, value)
