"""Who is calling: the bearer key, compared in constant time, and the browser's Origin."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Final

from starlette.types import Scope

from gateway.config import ClientKey, Settings

UNAUTHORIZED: Final = "Incorrect API key provided."
"""The one text for every caller who is not let in: it does not say why."""
_MAX_KEY: Final = 4096
_FORWARDED: Final = (b"forwarded", b"x-forwarded-", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-", b"via")
"""How the names begin of the headers that proxies add."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller who was let in. `tenant` separates its values and tokens; `secret` keys the latter."""

    key: ClientKey
    tenant: str
    secret: bytes = field(repr=False)
    authorization: str = field(repr=False)


def authenticate(settings: Settings, headers: Iterable[tuple[bytes, bytes]]) -> Caller | None:
    """The caller of a request, from its one `Authorization: Bearer` header; None when there is none to let in.

    Every configured key is compared, whichever matches, so that the time tells nothing.
    """
    given = _bearer(headers)
    if given is None:
        return None
    authorization, bearer = given
    digest = hashlib.sha256(bearer).digest()
    found: ClientKey | None = None
    for key in settings.keys:
        if key.secret_sha256 is not None and hmac.compare_digest(key.secret_sha256, digest):
            found = key
    if found is not None:
        tenant = found.key.id
    else:
        found = next((key for key in settings.keys if key.secret_sha256 is None), None)
        if found is None:
            return None
        # A key of the caller's own: a tenant by itself, known only by its HMAC.
        tenant = f"{found.key.id}-{hmac.digest(settings.vault_secret, bearer, hashlib.sha256).hex()[:16]}"
    secret = tenant_secret(settings.vault_secret, tenant)
    return Caller(found, tenant, secret, authorization.decode("ascii", "replace"))


def may_read_metrics(settings: Settings, scope: Scope) -> bool:
    """Whether a request may read the metrics: it has their token; where there is none, it comes from this machine.

    One that came through a proxy does not, wherever the proxy is.
    """
    headers = scope["headers"]
    if settings.metrics_sha256 is not None:
        given = _bearer(headers)
        return given is not None and hmac.compare_digest(settings.metrics_sha256, hashlib.sha256(given[1]).digest())
    if any(name.startswith(_FORWARDED) for name, _ in headers) or scope.get("client") is None:
        return False
    try:
        address = ip_address(scope["client"][0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes] | None:
    """The one `Authorization` header of a request, and the bearer token in it."""
    given = [value for name, value in headers if name == b"authorization"]
    if len(given) != 1 or len(given[0]) > _MAX_KEY or given[0][:7].lower() != b"bearer ":
        return None
    bearer = given[0][7:].strip()
    return (given[0], bearer) if bearer and bearer.isascii() and b" " not in bearer else None


def tenant_secret(secret: bytes, tenant: str) -> bytes:
    """A tenant's own secret, made of one of the gateway's: what is keyed with it tells nothing across tenants."""
    return hmac.digest(secret, f"tenant\x00{tenant}".encode(), hashlib.sha256)


def origin_allowed(settings: Settings, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser's Origin is on the list; what is no browser sends none."""
    origin = headers.get(b"origin")
    return origin is None or origin.decode("latin-1") in settings.config.listen.origins
