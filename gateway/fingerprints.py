"""`guardrail-gateway fingerprint`: under which fingerprints a value stands in the audit."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.auth import tenant_secret
from gateway.config import load_config, resolve
from gateway.errors import GatewayError
from guardrails.redact import fingerprint

_ENTITY: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def fingerprints(config: Path, entity: str, value: str, *, tenant: str | None) -> Iterator[tuple[str, str]]:
    """Each key of a gateway.yaml, or one `tenant`, with the fingerprint that a value has in its rows.

    Raises:
        GatewayError: the configuration cannot be used, its audit has no lasting secret, no kind is called so, or the
            value is empty.

    """
    settings = resolve(load_config(config), os.environ)
    if settings.config.audit.secret_env is None:
        raise GatewayError("audit.secret_env is not set: each run of the gateway has fingerprints of its own.")
    if not value:
        raise GatewayError("Give the value on standard input.")
    if _ENTITY.fullmatch(entity) is None:
        raise GatewayError("--entity: write it as it stands in the audit, such as EMAIL_ADDRESS.")
    for key in (tenant,) if tenant is not None else tuple(client.key.id for client in settings.keys):
        yield key, fingerprint(tenant_secret(settings.audit_secret, key), entity, value)
