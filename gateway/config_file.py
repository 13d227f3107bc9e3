"""What gateway.yaml may say, as immutable values. `gateway.config` reads it; the docstrings are shown by editors.

A mistake that lies in one key is found here; what must fit together is checked in `gateway.config`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from policies.check import FileModel, Matching
from policies.forms import EnvName
from policies.model import Duration
from policies.units import parse_size


def _in_config_folder(path: Path, info: ValidationInfo) -> Path:
    base = info.context.get("base") if isinstance(info.context, dict) else None
    return (base if isinstance(base, Path) else Path.cwd()) / path.expanduser()


_SCHEMES: Final = ("ws", "wss", "http", "https")
_LIBRARY: Final = "litellm:"
"""What the URL of a deployment begins with that a library reaches; the provider's own URL may follow."""


def _check_origin(origin: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", origin):
        raise ValueError("must be an origin such as https://app.example.com, with no path and no wildcard")
    return origin.lower()  # as browsers send it


def _check_url(url: str) -> str:
    if url.lower().startswith(_LIBRARY):
        base = url[len(_LIBRARY) :]
        return _LIBRARY + (
            _check_address(base, ("http", "https"), "litellm:https://llm.example.com/v1") if base else ""
        )
    parts = urlsplit(_check_address(url, _SCHEMES, "wss://api.openai.com/v1/responses"))
    if parts.scheme.startswith("http") and not parts.path.rstrip("/").endswith("/responses"):
        raise ValueError("must be where responses are created, such as https://api.openai.com/v1/responses")
    return url


def _check_address(url: str, schemes: tuple[str, ...], example: str) -> str:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    usable = usable and parts.scheme in schemes and url.isascii() and url.isprintable() and " " not in url
    if not usable:
        raise ValueError(f"must be a URL such as {example}")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("must have neither a user nor a fragment; a key belongs into api_key_env")
    return url


def _check_price(price: object) -> object:
    if isinstance(price, bool) or not isinstance(price, int | float):
        raise ValueError("must be a number: USD for a million tokens")
    return Decimal(str(price))


_STORE: Final = re.compile(
    r"rediss?://(?:[^@/?#:]+@)?(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[0-9]{0,3})?"
)


def _check_store(store: str) -> str:
    if store == "memory" or (_STORE.fullmatch(store) and urlsplit(store).port != 0):
        return store
    if store.startswith(("redis://", "rediss://")) and ":" in urlsplit(store).netloc.rpartition("@")[0]:
        raise ValueError("must not have a password; password_env names the variable that has it")
    raise ValueError("must be memory, or a URL such as redis://redis.internal:6379/0 or rediss://…")


Id = Annotated[str, Matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "at most 64 letters, digits, '.', '-' and '_'")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Sha256 = Annotated[str, Matching(r"[0-9A-Fa-f]{64}", "a SHA-256 of 64 hex digits"), AfterValidator(str.lower)]
LocalPath = Annotated[Path, AfterValidator(_in_config_folder)]
Origin = Annotated[str, AfterValidator(_check_origin)]
Url = Annotated[str, AfterValidator(_check_url)]
Store = Annotated[str, AfterValidator(_check_store)]
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=1024)]
Count = Annotated[int, Field(strict=True, ge=1)]
Price = Annotated[Decimal, BeforeValidator(_check_price), Field(ge=0, le=100_000, allow_inf_nan=False)]


class Tls(FileModel):
    """The server certificate. Both or neither."""

    cert: LocalPath | None = None
    """PEM file with the certificate and its chain."""
    key: LocalPath | None = None
    """PEM file with the private key."""


class Listen(FileModel):
    """Where clients connect."""

    host: Name = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Field(strict=True, ge=0, le=65535)] = 8080
    """The port to listen on; 0 takes a free one."""
    origins: tuple[Origin, ...] = ()
    """Browser origins that may connect."""
    tls: Tls = Tls()
    """The server certificate."""


class KeyLimits(FileModel):
    """What one key may use at most."""

    connections: Count | None = None
    """Connections at a time."""
    turns_per_minute: Count | None = None
    """Turns a minute."""


class Key(FileModel):
    """One client key: who, which models, which policy."""

    id: Id
    """What the audit calls the key's holder."""
    secret_env: EnvName | None = None
    """The environment variable with the key."""
    secret_sha256: Sha256 | None = Field(default=None, repr=False)
    """The SHA-256 of the key, in hex."""
    accept: Literal["any"] | None = None
    """any: callers bring their provider key."""
    models: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The models this key may use; the first is its default."""
    policy: Name = "default"
    """A policy's name, or the path of its file."""
    limits: KeyLimits = KeyLimits()
    """What this key may use at most."""
    usage_cost: Annotated[bool, Field(strict=True)] = False
    """Whether clients read what a response costs, in usage.cost of its last event."""


class TokenPrices(FileModel):
    """What a deployment's tokens cost, in USD for a million."""

    input: Price
    """Tokens of what is sent."""
    output: Price
    """Tokens of the answer, reasoning included."""
    cached_input: Price | None = None
    """Of what is sent, those that the provider had in its cache."""
    cache_write: Price | None = None
    """Of what is sent, those that the provider put into its cache."""


class Deployment(FileModel):
    """One place where a model runs."""

    name: Id
    """What the audit calls it."""
    url: Url
    """Where its responses are created: ws:// or wss:// for its WebSocket mode, http:// or https:// without one.

    litellm: for a provider that the library LiteLLM reaches, or litellm:https://… where that is not at its usual place.
    """
    model: Name
    """The provider's name for the model; without it, the same as here."""
    auth: Literal["key", "forward", "none"] = "key"
    """key: the gateway's own provider key; forward: the caller's Authorization; none: nothing."""
    api_key_env: EnvName | None = None
    """The environment variable with the provider key, for auth: key."""
    weight: Count = 1
    """Its share of new connections."""
    ca_file: LocalPath | None = None
    """PEM file with the authorities to trust for this deployment, instead of the system's."""
    price_as: Name | None = None
    """What the price list calls the model, where that is not what the provider calls it."""
    prices: TokenPrices | None = None
    """What its tokens cost, where the price list does not say, or says otherwise."""

    @property
    def through_library(self) -> bool:
        """Whether the library LiteLLM asks the provider."""
        return self.url.startswith(_LIBRARY)

    @property
    def api_base(self) -> str | None:
        """Where the library finds the provider; None for its usual place."""
        return (self.url[len(_LIBRARY) :] or None) if self.through_library else None


class Model(FileModel):
    """One model that clients may name."""

    deployments: Annotated[tuple[Deployment, ...], Field(min_length=1)]
    """Where it runs."""


class Vault(FileModel):
    """Where values wait for their tokens."""

    store: Store = "memory"
    """memory: in this process; redis://HOST:PORT/NUMBER: in Redis, for several gateways and over restarts."""
    secret_env: EnvName | None = None
    """The environment variable with the secret that tokens are made with, and values in Redis are sealed with."""
    previous_secret_env: EnvName | None = None
    """The environment variable with the secret of before: what Redis has under it can still be restored."""
    password_env: EnvName | None = None
    """The environment variable with the password of Redis."""
    ca_file: LocalPath | None = None
    """PEM file with the authorities to trust for rediss://, instead of the system's."""
    ttl: Duration = 86400.0
    """How long a token can be restored after its last use."""


class AuditLog(FileModel):
    """Where the audit goes."""

    path: LocalPath = Field(default=Path("audit.jsonl"), validate_default=True)
    """The file that rows are appended to."""
    secret_env: EnvName | None = None
    """The environment variable with the secret that fingerprints are made with."""


class Metrics(FileModel):
    """What Prometheus may read."""

    enabled: Annotated[bool, Field(strict=True)] = True
    """Whether there is a GET /metrics at all."""
    token_env: EnvName | None = None
    """The environment variable with the token that Prometheus sends; without it, only this machine is answered."""


class Limits(FileModel):
    """Bounds of everything that could grow."""

    message_bytes: Size = 8 * 1024 * 1024
    """The largest message of a client."""
    upstream_message_bytes: Size = 16 * 1024 * 1024
    """The largest message of a provider."""
    json_depth: Annotated[int, Field(strict=True, ge=8, le=256)] = 64
    """How deep JSON may be nested."""
    connections: Count = 2000
    """Connections at a time, all keys together."""
    idle: Duration = 300.0
    """A connection on which nothing happens for so long is closed."""
    response: Duration = 600.0
    """A response that takes longer is ended."""
    lanes: Count = 32
    """Named lanes of a connection."""
    responses: Count = 16
    """Responses in flight on a connection."""


class Replay(FileModel):
    """Answers that are given again to the same request."""

    ttl: Duration = 600.0
    """How long an answer is kept."""
    max_bytes: Size = 64 * 1024 * 1024
    """How much is kept of all answers together."""


class ConfigFile(FileModel):
    """What stands in gateway.yaml."""

    listen: Listen = Listen()
    """Where clients connect."""
    keys: Annotated[tuple[Key, ...], Field(min_length=1)]
    """Who may connect."""
    on_model_mismatch: Literal["overwrite", "reject"] = "overwrite"
    """What happens to a frame that names another model than its connection's."""
    models: Annotated[Mapping[Name, Model], Field(min_length=1)]
    """The models that clients may name, and where they run."""
    policies: tuple[LocalPath, ...] = ()
    """Folders with policies of your own."""
    vault: Vault = Vault()
    """Where values wait for their tokens."""
    audit: AuditLog = Field(default={}, validate_default=True)  # so that the default path gets its folder, too
    """Where the audit goes."""
    metrics: Metrics = Metrics()
    """What Prometheus may read."""
    limits: Limits = Limits()
    """Bounds of everything that could grow."""
    replay: Replay | None = None
    """Answer a request that a key asks again, word for word, from memory. Off when it is not there."""

    @field_validator("models", mode="before")
    @classmethod
    def _named_alike(cls, models: object) -> object:
        """Give deployments that name no model of the provider the name that clients use."""
        for name, model in models.items() if isinstance(models, dict) else ():
            deployments = model.get("deployments") if isinstance(model, dict) else None
            for deployment in deployments if isinstance(deployments, list) else ():
                if isinstance(deployment, dict):
                    deployment.setdefault("model", name)
        return models
