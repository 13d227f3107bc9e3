"""Reads and checks gateway.yaml, and finds the secrets it names.

Three steps, so that `check` needs no secret at hand: `load_config` reads and checks the file and every policy it
names; `resolve` looks the secrets up in the environment; `quick_config` makes a configuration without a file.
Secrets never stand in the file, in a repr or in a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from math import inf
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated, TypeAlias

from pydantic import Field, SkipValidation

from gateway.config_file import (
    AuditLog,
    ConfigFile,
    Deployment,
    Key,
    KeyLimits,
    Limits,
    Listen,
    Model,
    Tls,
    Vault,
)
from gateway.environment import SECRET_BYTES, Environment
from gateway.errors import GatewayError
from gateway.prices import is_listed
from policies.check import check
from policies.load import PolicyError, PolicyNotFound, load
from policies.model import Policy
from policies.yaml_lines import KeyPath, Lines, Problem, YamlError, YamlValue, read_yaml, suggest

__all__ = [
    "SECRET_BYTES",
    "AuditLog",
    "ClientKey",
    "Config",
    "ConfigError",
    "ConfigFile",
    "Deployment",
    "Key",
    "KeyLimits",
    "Limits",
    "Listen",
    "Model",
    "Settings",
    "Tls",
    "Vault",
    "load_config",
    "quick_config",
    "resolve",
]

_Complaint: TypeAlias = tuple[KeyPath, str]


class ConfigError(GatewayError):
    """The configuration cannot be used. `problems` has every mistake; the text is one line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class Config(ConfigFile):
    """A checked gateway.yaml: its policies are read, its paths absolute. Hand it to `resolve` for the secrets."""

    loaded: Annotated[Mapping[str, Policy], SkipValidation] = Field(repr=False)
    """The policies by what `keys[].policy` says."""
    lines: Annotated[Lines, SkipValidation] = Field(repr=False)
    """Where each key stands, for messages about it."""

    def policy_of(self, key: Key) -> Policy:
        """Return the policy of one of the keys."""
        return self.loaded[key.policy]


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A key that clients may present: compare the SHA-256 of theirs in constant time. None accepts any."""

    key: Key
    policy: Policy
    secret_sha256: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration with its secrets. Show `notices` to the operator when the gateway starts."""

    config: Config
    keys: tuple[ClientKey, ...]
    vault_secret: bytes = field(repr=False)
    audit_secret: bytes = field(repr=False)
    provider_keys: Mapping[str, str] = field(repr=False, hash=False)
    """The provider keys by the name of their environment variable."""
    notices: tuple[str, ...] = ()
    metrics_sha256: bytes | None = field(default=None, repr=False)
    """The SHA-256 of the token that may read the metrics; None where only this machine may."""
    previous_vault_secret: bytes | None = field(default=None, repr=False)
    """The vault's secret of before, under which it may still hold something."""
    vault_password: str | None = field(default=None, repr=False)

    def provider_key(self, deployment: Deployment) -> str | None:
        """Return the provider key to send to a deployment, or None where `auth` is not `key`."""
        return None if deployment.api_key_env is None else self.provider_keys[deployment.api_key_env]


def load_config(path: Path) -> Config:
    """Return what a gateway.yaml says, every policy it names included. It reads no secret.

    Raises:
        ConfigError: with every mistake in the file and in its policies.
    """
    try:
        data, lines = read_yaml(path)
    except YamlError as exc:
        problems = exc.problems
    else:
        return _checked(data, lines, base=path.parent)
    raise ConfigError(problems)


def _checked(data: YamlValue, lines: Lines, *, base: Path) -> Config:
    file, problems = check(ConfigFile, data, lines, context={"base": base.absolute()})
    if file is None:
        raise ConfigError(problems)
    found = [lines.problem(where, message) for rule in _RULES for where, message in rule(file)]
    loaded, policy_problems = _load_policies(file, lines, base)
    problems = [*problems, *found, *policy_problems]
    if problems:
        # This file's first, by line; each policy's after them, in the order they came.
        raise ConfigError(
            sorted(problems, key=lambda problem: (problem.line or 0) if problem.file == lines.file else inf)
        )
    # Not dict(file): a mapping is what has `keys`, and this model has a field of that name.
    return Config(**dict(iter(file)), loaded=loaded, lines=lines)


def _load_policies(file: ConfigFile, lines: Lines, base: Path) -> tuple[dict[str, Policy], list[Problem]]:
    loaded: dict[str, Policy] = {}
    problems: list[Problem] = []
    for index, key in enumerate(file.keys):
        if key.policy in loaded:
            continue
        try:
            loaded[key.policy] = load(key.policy, folders=file.policies, base=base)
        except PolicyNotFound as exc:
            where: KeyPath = ("keys", index, "policy")
            problems.extend(lines.problem(where, problem.message) for problem in exc.problems)
        except PolicyError as exc:
            problems.extend(exc.problems)
    return loaded, problems


def _key_secrets(file: ConfigFile) -> Iterator[_Complaint]:
    for index, key in enumerate(file.keys):
        given = [way for way in (key.secret_env, key.secret_sha256, key.accept) if way is not None]
        if len(given) != 1:
            yield ("keys", index), "needs exactly one of secret_env, secret_sha256 and accept: any"
    for name in ("id", "secret_env", "secret_sha256", "accept"):
        values = [dict(key)[name] for key in file.keys]
        for index, value in enumerate(values):
            if value is not None and value in values[:index]:
                yield ("keys", index, name), f"keys[{values.index(value)}] has the same: they cannot be told apart"


def _key_models(file: ConfigFile) -> Iterator[_Complaint]:
    for index, key in enumerate(file.keys):
        for place, name in enumerate(key.models):
            where: KeyPath = ("keys", index, "models", place)
            model = file.models.get(name)
            if model is None:
                yield where, f"not defined under models{suggest(name, file.models)}"
            elif key.accept and any(deployment.auth != "forward" for deployment in model.deployments):
                # Anybody may come in with `accept: any`; only the provider can still turn them away.
                yield (
                    where,
                    "with accept: any, all deployments of the model need auth: forward, or anybody could use it",
                )


def _deployments(file: ConfigFile) -> Iterator[_Complaint]:
    for name, model in file.models.items():
        taken: set[str] = set()
        for index, deployment in enumerate(model.deployments):
            where: KeyPath = ("models", name, "deployments", index)
            if deployment.name in taken:
                yield (*where, "name"), "another deployment of this model has this name"
            taken.add(deployment.name)
            if deployment.auth == "key" and deployment.api_key_env is None:
                yield where, "auth: key needs api_key_env"
            if deployment.auth != "key" and deployment.api_key_env is not None:
                yield (*where, "api_key_env"), f"auth: {deployment.auth} sends no key of the gateway: remove this one"
            if deployment.through_library and find_spec("litellm") is None:
                yield (*where, "url"), "needs the library LiteLLM: pip install 'guardrail-gateway[litellm]'"
            if deployment.through_library and "/" not in deployment.model:
                yield (*where, "model"), "with litellm: the model needs its provider, such as anthropic/NAME"
            if deployment.ca_file is not None and not deployment.url.lower().startswith(("wss:", "https:")):
                yield (*where, "ca_file"), "only a wss:// or https:// URL has a certificate to check"


def _priced(file: ConfigFile) -> Iterator[_Complaint]:
    for name, model in file.models.items():
        for index, deployment in enumerate(model.deployments):
            if deployment.price_as is None:
                continue
            where: KeyPath = ("models", name, "deployments", index, "price_as")
            if deployment.prices is not None:
                yield where, "prices says what the tokens cost: remove one of the two"
            elif not is_listed(deployment.price_as):
                yield where, "the price list knows no such model; with prices you can say what it costs"


def _files(file: ConfigFile) -> Iterator[_Complaint]:
    tls = file.listen.tls
    if (tls.cert is None) != (tls.key is None):
        yield ("listen", "tls"), "needs both cert and key"
    paths: list[tuple[KeyPath, Path | None]] = [
        (("listen", "tls", "cert"), tls.cert),
        (("listen", "tls", "key"), tls.key),
    ]
    paths.append((("vault", "ca_file"), file.vault.ca_file))
    for name, model in file.models.items():
        for index, deployment in enumerate(model.deployments):
            paths.append((("models", name, "deployments", index, "ca_file"), deployment.ca_file))
    for where, path in paths:
        if path is not None and not path.is_file():
            yield where, "no such file"
    for index, folder in enumerate(file.policies):
        if not folder.is_dir():
            yield ("policies", index), "no such folder"


def _vault(file: ConfigFile) -> Iterator[_Complaint]:
    vault = file.vault
    only = {"previous_secret_env": vault.previous_secret_env, "password_env": vault.password_env}
    if vault.store == "memory":
        for name, value in {**only, "ca_file": vault.ca_file}.items():
            if value is not None:
                yield ("vault", name), "only a vault in Redis has a use for it"
        return
    if vault.secret_env is None:
        yield ("vault",), "a vault in Redis needs secret_env: under a random secret no other run could read it"
    if vault.previous_secret_env is not None and vault.previous_secret_env == vault.secret_env:
        yield ("vault", "previous_secret_env"), "is the same as secret_env"
    if vault.ca_file is not None and not vault.store.startswith("rediss:"):
        yield ("vault", "ca_file"), "only a rediss:// URL has a certificate to check"
    if find_spec("redis") is None:
        yield ("vault", "store"), "needs the redis package: pip install 'guardrail-gateway[redis]'"


_RULES: tuple[Callable[[ConfigFile], Iterator[_Complaint]], ...] = (
    _key_secrets,
    _key_models,
    _deployments,
    _priced,
    _files,
    _vault,
)


def resolve(config: Config, environ: Mapping[str, str]) -> Settings:
    """Return the configuration with the secrets it names, taken from `environ`.

    Raises:
        ConfigError: variables are missing, empty or unusable; each is named, none is shown.
    """
    environment = Environment(environ, config.lines)
    keys = tuple(_client_key(config, index, environment) for index in range(len(config.keys)))
    provider_keys = {
        deployment.api_key_env: environment.credential(
            deployment.api_key_env, ("models", name, "deployments", index, "api_key_env")
        )
        for name, model in config.models.items()
        for index, deployment in enumerate(model.deployments)
        if deployment.api_key_env is not None
    }
    vault_secret = environment.secret(config.vault.secret_env, ("vault", "secret_env"))
    before, password = config.vault.previous_secret_env, config.vault.password_env
    previous = None if before is None else environment.secret(before, ("vault", "previous_secret_env"))
    vault_password = None if password is None else environment.text(password, ("vault", "password_env"))
    audit_secret = environment.secret(config.audit.secret_env, ("audit", "secret_env"))
    metrics = _metrics_token(config, environment)
    problems = environment.problems or list(_shared_secrets(config, keys))
    if problems:
        raise ConfigError(problems)
    if metrics is not None and any(metrics == client.secret_sha256 for client in keys):
        where: KeyPath = ("metrics", "token_env")
        raise ConfigError([config.lines.problem(where, "is a client's key: whoever has that could read of all others")])
    return Settings(
        config,
        keys,
        vault_secret,
        audit_secret,
        provider_keys,
        tuple(_notices(config)),
        metrics,
        previous_vault_secret=previous,
        vault_password=vault_password,
    )


def _metrics_token(config: Config, environment: Environment) -> bytes | None:
    name = config.metrics.token_env
    return None if name is None else sha256(environment.credential(name, ("metrics", "token_env")).encode()).digest()


def _client_key(config: Config, index: int, environment: Environment) -> ClientKey:
    key = config.keys[index]
    digest = None
    if key.secret_env is not None:
        digest = sha256(environment.credential(key.secret_env, ("keys", index, "secret_env")).encode()).digest()
    elif key.secret_sha256 is not None:
        digest = bytes.fromhex(key.secret_sha256)
    return ClientKey(key, config.policy_of(key), digest)


def _shared_secrets(config: Config, keys: tuple[ClientKey, ...]) -> Iterator[Problem]:
    digests = [client.secret_sha256 for client in keys]
    for index, digest in enumerate(digests):
        if digest is not None and digest in digests[:index]:
            message = f"keys[{digests.index(digest)}] has the same secret: they cannot be told apart"
            yield config.lines.problem(("keys", index), message)


def _notices(config: Config) -> Iterator[str]:
    if config.vault.secret_env is None:
        yield "vault.secret_env is not set: the secret is random, so the same value gets another token after a restart"
    if config.audit.secret_env is None:
        yield "audit.secret_env is not set: the secret is random, so fingerprints of this run match no others"
    for index, key in enumerate(config.keys):
        for name in key.models if key.accept is None else ():
            forwards = [one.name for one in config.models[name].deployments if one.auth == "forward"]
            if forwards:
                where = ", ".join(forwards)
                yield f"keys[{index}] is sent on to {where}, which has auth: forward: it must be known there"


def quick_config(
    upstream_url: str,
    model: str,
    *,
    policy: str = "default",
    port: int = 8080,
    environ: Mapping[str, str],
) -> tuple[Config, str]:
    """Return a configuration without a file, and the client key made for it: show that once, it is kept nowhere.

    The provider gets OPENAI_API_KEY if `environ` has it, else no key. Vault and audit get random secrets.

    Raises:
        ConfigError: a value cannot be used, named by its command line option.
    """
    if upstream_url.lower().startswith("litellm:"):  # whose key would it be?
        raise ConfigError([Problem("--upstream", None, "", "LiteLLM needs a configuration file: use --config")])
    secret = f"gg-{token_urlsafe(32)}"
    auth: dict[str, YamlValue] = {"auth": "none"}
    if environ.get("OPENAI_API_KEY"):
        auth = {"auth": "key", "api_key_env": "OPENAI_API_KEY"}
    digest = sha256(secret.encode()).hexdigest()
    data: YamlValue = {
        "listen": {"port": port},
        "keys": [{"id": "local", "secret_sha256": digest, "models": [model], "policy": policy}],
        "models": {model: {"deployments": [{"name": "upstream", "url": upstream_url, "model": model, **auth}]}},
    }
    try:
        return _checked(data, Lines("serve"), base=Path()), secret
    except ConfigError as exc:
        problems = [_by_option(problem) for problem in exc.problems]
    raise ConfigError(problems)


def _by_option(problem: Problem) -> Problem:
    """A mistake in what the command line said, at its option; one in a policy's file stays where it is."""
    if problem.file != "serve":
        return problem
    options = {"listen.port": "--port", "keys[0].policy": "--policy"}
    option = "--upstream" if problem.key.endswith(".url") else options.get(problem.key, "--model")
    return Problem(option, None, "", problem.message)
