"""gateway.yaml: what it says, what is told about mistakes in it, and that its secrets are looked up and never shown."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from gateway.config import Config, ConfigError, load_config, quick_config, resolve
from gateway.errors import GatewayError

FULL = """\
listen: {host: 127.0.0.1, port: 8080, origins: ['https://app.example.com'], tls: {cert: null, key: null}}
keys:
  - id: team-a                     # appears in audit and metrics
    secret_env: TEAM_A_KEY
    models: [gpt-5.1, gpt-5.1-mini]
    policy: default
    limits: {connections: 50, turns_per_minute: 600}
    usage_cost: true
  - {id: own-key, accept: any, models: [own], policy: ./mine.yaml}
on_model_mismatch: overwrite       # overwrite | reject
models:
  gpt-5.1:
    deployments:
      - name: openai-eu
        url: wss://api.openai.com/v1/responses
        model: gpt-5.1-2026
        auth: key
        api_key_env: OPENAI_API_KEY
        weight: 2
        ca_file: ca.pem
        price_as: openai/gpt-5.1
  gpt-5.1-mini:
    deployments:
      - name: local
        url: ws://127.0.0.1:9000/v1/responses
        auth: none
        prices: {input: 1.25, output: 10, cached_input: 0.125, cache_write: 0}
  own: {deployments: [{name: openai, url: 'wss://api.openai.com/v1/responses', auth: forward}]}
policies: [./policies]
vault: {store: memory, secret_env: GATEWAY_VAULT_SECRET, ttl: 24h}
audit: {path: ./audit.jsonl, secret_env: GATEWAY_AUDIT_SECRET}
metrics: {enabled: true, token_env: GATEWAY_METRICS_TOKEN}
limits: {message_bytes: 8MiB, upstream_message_bytes: 16MiB, json_depth: 64, connections: 2000, idle: 5m, response: 10m}
"""
SMALL = """\
keys:
  - {id: a, secret_env: KEY_A, models: [m]}
models:
  m: {deployments: [{name: d, url: 'wss://example.com/v1/responses', api_key_env: PROVIDER}]}
"""
POLICY = "version: 1\ndetect: {modules: [{use: secrets}]}\n"
ENVIRON = {
    "TEAM_A_KEY": "gw-team-a-0123456789",
    "OPENAI_API_KEY": "sk-provider-0123456789",
    "GATEWAY_VAULT_SECRET": "vault-0123456789abcdef",
    "GATEWAY_AUDIT_SECRET": "audit-0123456789abcdef",
    "GATEWAY_METRICS_TOKEN": "metrics-0123456789",
}
CANARY = "k4n4ry secret"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A folder with what FULL names; writes gateway.yaml into it."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "mine.yaml").write_text(POLICY)
    (tmp_path / "ca.pem").write_text("")

    def written(text: str) -> Path:
        file = tmp_path / "gateway.yaml"
        file.write_text(text)
        return file

    return written


def refusal(file: Path) -> ConfigError | None:
    try:
        load_config(file)
    except ConfigError as error:
        return error
    return None


def problems_of(file: Path) -> list[str]:
    """The mistakes told about a file, without its folder."""
    error = refusal(file)
    assert error is not None, "it was accepted"
    assert error.__context__ is None, "pydantic's own error holds the input"
    return str(error).replace(f"{file.parent}/", "").splitlines()


def test_a_whole_file_is_read(write: Write, tmp_path: Path) -> None:
    config = load_config(write(FULL))
    team, own = config.keys
    assert (config.listen.host, config.listen.port) == ("127.0.0.1", 8080)
    assert config.listen.origins == ("https://app.example.com",)
    assert (team.id, team.secret_env, team.models) == ("team-a", "TEAM_A_KEY", ("gpt-5.1", "gpt-5.1-mini"))
    assert (team.limits.connections, team.limits.turns_per_minute) == (50, 600)
    assert own.accept == "any"
    assert config.policy_of(team).name == "default"
    assert config.policy_of(own).name == "mine"
    (deployment,) = config.models["gpt-5.1"].deployments
    assert (deployment.name, deployment.model, deployment.weight) == ("openai-eu", "gpt-5.1-2026", 2)
    assert deployment.ca_file == tmp_path / "ca.pem"
    assert config.policies == (tmp_path / "policies",)
    assert config.vault.ttl == 86400.0
    assert config.audit.path == tmp_path / "audit.jsonl"
    assert config.limits.upstream_message_bytes == 16 * 1024**2


def test_a_small_file_has_the_documented_defaults(write: Write, tmp_path: Path) -> None:
    config = load_config(write(SMALL))
    (key,) = config.keys
    assert (config.listen.host, config.listen.port, config.listen.origins) == ("127.0.0.1", 8080, ())
    assert (config.listen.tls.cert, config.listen.tls.key) == (None, None)
    assert (key.policy, key.limits.connections, key.limits.turns_per_minute) == ("default", None, None)
    assert config.on_model_mismatch == "overwrite"
    assert (config.vault.store, config.vault.secret_env, config.vault.ttl) == ("memory", None, 86400.0)
    assert (config.audit.path, config.audit.secret_env) == (tmp_path / "audit.jsonl", None)
    (deployment,) = config.models["m"].deployments
    assert (deployment.auth, deployment.weight, deployment.ca_file) == ("key", 1, None)
    limits = config.limits
    assert (limits.message_bytes, limits.upstream_message_bytes) == (8 * 1024**2, 16 * 1024**2)
    assert (limits.json_depth, limits.connections, limits.lanes, limits.responses) == (64, 2000, 32, 16)
    assert (limits.idle, limits.response) == (300.0, 600.0)


def test_a_deployment_without_a_model_has_the_name_that_clients_use(write: Write) -> None:
    assert load_config(write(SMALL)).models["m"].deployments[0].model == "m"


def test_paths_are_relative_to_the_file_and_not_to_the_working_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(FULL)
    (tmp_path / "policies" / "mine.yaml").write_text(POLICY + "name: from-folder")
    monkeypatch.chdir(tmp_path / "policies")
    config = load_config(Path("../gateway.yaml"))
    assert config.audit.path.resolve() == tmp_path / "audit.jsonl"
    assert config.audit.path.is_absolute()
    assert config.policy_of(config.keys[1]).name == "mine"


def test_a_policy_is_found_by_name_in_the_folders(write: Write, tmp_path: Path) -> None:
    (tmp_path / "policies" / "legal.yaml").write_text(POLICY)
    config = load_config(write(FULL.replace("policy: default", "policy: legal")))
    assert config.policy_of(config.keys[0]).name == "legal"


def test_a_config_never_changes_and_pickles(write: Write) -> None:
    config = load_config(write(FULL))
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(ValueError, match="frozen"):
        config.on_model_mismatch = "reject"


# --- mistakes


def test_every_mistake_of_form_is_told_with_file_line_and_key(write: Write) -> None:
    assert problems_of(
        write("""\
lisen: {}
listen: {host: '', port: 70000, origins: ['*'], tls: {crt: x}}
keys:
  - {id: a b, secret_env: sk-abc, models: [], limits: {connections: 0}}
  - {id: a, secret_sha256: abc, models: [m], polcy: default}
  - {id: a, accept: all, models: m}
on_model_mismatch: ignore
models:
  m: {deployments: [{name: d, url: 'https://example.com', auth: bearer, weight: 0}, {url: example.com}]}
  n: {deployments: []}
  o: []
vault: {store: 'redis://:secret@h:6379/0', secret_env: x, ttl: 24}
vault: {}
audit: {path: 5}
limits: {message_bytes: 8Mib!, json_depth: 1000, connections: true, idle: 0, lane: 3}
""")
    ) == [
        "gateway.yaml:1: lisen: unknown key; did you mean 'listen'?",
        "gateway.yaml:2: listen.host: must not be empty",
        "gateway.yaml:2: listen.port: must be less than or equal to 65535",
        "gateway.yaml:2: listen.origins[0]: must be an origin such as https://app.example.com, with no path and no"
        " wildcard",
        "gateway.yaml:2: listen.tls.crt: unknown key; did you mean 'cert'?",
        "gateway.yaml:4: keys[0].id: must be at most 64 letters, digits, '.', '-' and '_'",
        "gateway.yaml:4: keys[0].secret_env: must be an environment variable's name such as TEAM_A_KEY, not the secret"
        " itself",
        "gateway.yaml:4: keys[0].models: must not be empty",
        "gateway.yaml:4: keys[0].limits.connections: must be greater than or equal to 1",
        "gateway.yaml:5: keys[1].secret_sha256: must be a SHA-256 of 64 hex digits",
        "gateway.yaml:5: keys[1].polcy: unknown key; did you mean 'policy'?",
        "gateway.yaml:6: keys[2].accept: must be 'any'",
        "gateway.yaml:6: keys[2].models: must be a list",
        "gateway.yaml:7: on_model_mismatch: must be 'overwrite' or 'reject'",
        "gateway.yaml:9: models.m.deployments[0].url: must be where responses are created, such as"
        " https://api.openai.com/v1/responses",
        "gateway.yaml:9: models.m.deployments[0].auth: must be 'key', 'forward' or 'none'",
        "gateway.yaml:9: models.m.deployments[0].weight: must be greater than or equal to 1",
        "gateway.yaml:9: models.m.deployments[1].name: required key is missing",
        "gateway.yaml:9: models.m.deployments[1].url: must be a URL such as wss://api.openai.com/v1/responses",
        "gateway.yaml:10: models.n.deployments: must not be empty",
        "gateway.yaml:11: models.o: must be a mapping of keys",
        "gateway.yaml:12: vault.store: must not have a password; password_env names the variable that has it",
        "gateway.yaml:12: vault.secret_env: must be an environment variable's name such as TEAM_A_KEY, not the secret"
        " itself",
        "gateway.yaml:13: vault: duplicate key, already given in line 12",
        "gateway.yaml:14: audit.path: must be a path",
        "gateway.yaml:15: limits.message_bytes: must be a size such as 4096, 64KiB, 8MiB or 1GB",
        "gateway.yaml:15: limits.json_depth: must be less than or equal to 256",
        "gateway.yaml:15: limits.connections: must be a whole number",
        "gateway.yaml:15: limits.idle: must be longer than 0",
        "gateway.yaml:15: limits.lane: unknown key; did you mean 'lanes'?",
    ]


def test_what_does_not_fit_together_is_told_together_with_unknown_keys_and_the_policies_mistakes(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "broken.yaml").write_text("version: 1\nmoed: observe\ndetect: {modules: []}\n")
    assert problems_of(
        write("""\
keys:
  - {id: a, secret_env: KEY_A, models: [m, x], policy: ./broken.yaml}
  - {id: a, models: [m], policy: defalt}
  - {id: c, secret_env: KEY_A, accept: any, models: [m, f], policy: ./broken.yaml}
  - {id: d, accept: any, models: [f], policy: ./gone.yaml}
on_model_missmatch: reject
models:
  m:
    deployments:
      - {name: d, url: 'ws://127.0.0.1/', ca_file: ca.pem}
      - {name: d, url: 'wss://example.com/', auth: none, api_key_env: X, ca_file: gone.pem}
  f: {deployments: [{name: d, url: 'wss://example.com/', auth: forward}]}
listen: {tls: {cert: gone.pem}}
policies: [policies, gone]
""")
    ) == [
        "gateway.yaml:2: keys[0].models[1]: not defined under models; known here: f, m",
        "gateway.yaml:3: keys[1]: needs exactly one of secret_env, secret_sha256 and accept: any",
        "gateway.yaml:3: keys[1].id: keys[0] has the same: they cannot be told apart",
        "gateway.yaml:3: keys[1].policy: no such policy; did you mean 'default'?",
        "gateway.yaml:4: keys[2]: needs exactly one of secret_env, secret_sha256 and accept: any",
        "gateway.yaml:4: keys[2].secret_env: keys[0] has the same: they cannot be told apart",
        "gateway.yaml:4: keys[2].models[0]: with accept: any, all deployments of the model need auth: forward, or"
        " anybody could use it",
        "gateway.yaml:5: keys[3].accept: keys[2] has the same: they cannot be told apart",
        "gateway.yaml:5: keys[3].policy: no such file",
        "gateway.yaml:6: on_model_missmatch: unknown key; did you mean 'on_model_mismatch'?",
        "gateway.yaml:10: models.m.deployments[0]: auth: key needs api_key_env",
        "gateway.yaml:10: models.m.deployments[0].ca_file: only a wss:// or https:// URL has a certificate to check",
        "gateway.yaml:11: models.m.deployments[1].name: another deployment of this model has this name",
        "gateway.yaml:11: models.m.deployments[1].api_key_env: auth: none sends no key of the gateway: remove this one",
        "gateway.yaml:11: models.m.deployments[1].ca_file: no such file",
        "gateway.yaml:13: listen.tls: needs both cert and key",
        "gateway.yaml:13: listen.tls.cert: no such file",
        "gateway.yaml:14: policies[1]: no such folder",
        "broken.yaml:2: moed: unknown key; did you mean 'mode'?",
        "broken.yaml:3: detect.modules: must not be empty",
    ]


PRICED = "gateway.yaml:4: models.m.deployments[0]"


def priced(keys: str) -> str:
    """A configuration whose deployment has some more keys."""
    return SMALL.replace("api_key_env: PROVIDER", f"api_key_env: PROVIDER, {keys}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "gateway.yaml:1: is empty"),
        ("- a", "gateway.yaml:1: must be a mapping of keys"),
        (SMALL + "models: {}", "gateway.yaml:5: models: duplicate key, already given in line 3"),
        ("keys: []\nmodels: {}", "gateway.yaml:1: keys: must not be empty\ngateway.yaml:2: models: must not be empty"),
        (SMALL.split("models:\n")[0], "gateway.yaml:1: models: required key is missing"),
        (SMALL.replace("auth: key", "auth: forward"), None),
        (
            SMALL + "loaded: {}",
            "gateway.yaml:5: loaded: unknown key; known here: audit, keys, limits, listen, metrics,",
        ),
        (SMALL + "limits: {idle: .inf}", "gateway.yaml:5: limits.idle: must be a duration"),
        (SMALL + "limits: {message_bytes: 100}", "gateway.yaml:5: limits.message_bytes: must be greater than"),
        (
            priced("price_as: gpt-999"),
            f"{PRICED}.price_as: the price list knows no such model; with prices you can say",
        ),
        (priced("price_as: gpt-5.1, prices: {input: 1, output: 1}"), f"{PRICED}.price_as: prices says what the tokens"),
        (priced("prices: {input: 1, output: 1}"), None),
        (priced("prices: {input: 1}"), f"{PRICED}.prices.output: required key is missing"),
        (priced("prices: {input: -1, output: 1}"), f"{PRICED}.prices.input: must be greater than or equal to 0"),
        (priced("prices: {input: .nan, output: 1}"), f"{PRICED}.prices.input: "),
        (priced("prices: {input: 1, output: .inf}"), f"{PRICED}.prices.output: "),
        (priced("prices: {input: true, output: 1}"), f"{PRICED}.prices.input: must be a number: USD for a million"),
        (priced("prices: {input: '1', output: 1}"), f"{PRICED}.prices.input: must be a number: USD for a million"),
        (priced("prices: free"), f"{PRICED}.prices: must be a mapping of keys"),
        (SMALL + "metrics: {enabled: 'no'}", "gateway.yaml:5: metrics.enabled: must be true or false"),
        (SMALL + "metrics: {token: secret}", "gateway.yaml:5: metrics.token: unknown key; did you mean 'token_env'?"),
        (
            SMALL + "vault: {store: postgres}",
            "gateway.yaml:5: vault.store: must be memory, or a URL such as redis://redis.internal:6379/0 or rediss://…",
        ),
    ],
)
def test_a_mistake_alone_is_told_alone(write: Write, text: str, problem: str | None) -> None:
    file = write(text)
    if problem is None:
        assert refusal(file) is None
    else:
        assert "\n".join(problems_of(file)).startswith(problem)
        assert len(problems_of(file)) == problem.count("\n") + 1


@pytest.mark.parametrize(
    ("url", "api_base"),
    [
        ("litellm:", None),
        ("LiteLLM:http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("litellm:https://llm.example.com", "https://llm.example.com"),
        ("wss://example.com/", None),
    ],
)
def test_a_deployment_may_be_reached_through_a_library(
    write: Write, monkeypatch: pytest.MonkeyPatch, url: str, api_base: str | None
) -> None:
    monkeypatch.setattr("gateway.config.find_spec", lambda name: name)
    text = SMALL.replace("'wss://example.com/v1/responses'", f"'{url}', model: anthropic/m")
    (deployment,) = load_config(write(text)).models["m"].deployments
    assert (deployment.through_library, deployment.api_base) == (url.lower().startswith("litellm:"), api_base)


def test_a_library_that_is_missing_is_told_with_the_command_that_installs_it(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.config.find_spec", lambda name: None)
    text = SMALL.replace("'wss://example.com/v1/responses'", "'litellm:', ca_file: ca.pem")
    assert problems_of(write(text)) == [
        "gateway.yaml:4: models.m.deployments[0].url: needs the library LiteLLM: "
        "pip install 'guardrail-gateway[litellm]'",
        "gateway.yaml:4: models.m.deployments[0].model: with litellm: the model needs its provider, such as "
        "anthropic/NAME",
        "gateway.yaml:4: models.m.deployments[0].ca_file: only a wss:// or https:// URL has a certificate to check",
    ]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("litellm:wss://example.com/", "must be a URL such as litellm:https://llm.example.com/v1"),
        ("litellm:example.com", "must be a URL such as litellm:https://llm.example.com/v1"),
        ("litellm:https://user:pass@example.com/", "must have neither a user nor a fragment"),
        ("http://example.com/", "must be where responses are created"),
        ("HTTPS://example.com/", "must be where responses are created"),
        ("ftp://example.com/", "must be a URL"),
        ("wss://", "must be a URL"),
        ("wss:example.com", "must be a URL"),
        ("wss://example.com:99999/", "must be a URL"),
        ("wss://[::1/", "must be a URL"),
        ("wss://exa mple.com/", "must be a URL"),
        ("wss://example.com/\\r\\nX: y", "must be a URL"),
        ("wss://user:pass@example.com/", "must have neither a user nor a fragment"),
        ("wss://example.com/#x", "must have neither a user nor a fragment"),
        ("", "must be a URL"),
    ],
)
def test_a_url_that_cannot_be_connected_to_is_refused(write: Write, url: str, message: str) -> None:
    (problem,) = problems_of(write(SMALL.replace("'wss://example.com/v1/responses'", f'"{url}"')))
    assert problem.startswith(f"gateway.yaml:4: models.m.deployments[0].url: {message}")


@pytest.mark.parametrize(
    "origin", ["https://app.example.com", "https://App.Example.com", "http://localhost:3000", "http://[::1]:3000"]
)
def test_an_origin_is_a_scheme_and_a_host(write: Write, origin: str) -> None:
    assert load_config(write(SMALL + f"listen: {{origins: ['{origin}']}}")).listen.origins == (origin.lower(),)


def test_files_for_tls_are_accepted_together(write: Write, tmp_path: Path) -> None:
    config = load_config(write(SMALL + "listen: {tls: {cert: ca.pem, key: ca.pem}}"))
    assert config.listen.tls.cert == tmp_path / "ca.pem"


def test_json_is_a_configuration_too(write: Write) -> None:
    import json

    assert load_config(write(json.dumps(yaml.safe_load(SMALL), indent=1))).keys[0].id == "a"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    error = refusal(tmp_path / "gone.yaml")
    assert isinstance(error, GatewayError)
    assert str(error) == f"{tmp_path}/gone.yaml: cannot be read (No such file or directory)"
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from leaves(child, (*path, key))


SAMPLE = yaml.safe_load(FULL)


@pytest.mark.parametrize("path", list(leaves(SAMPLE)), ids=str)
def test_no_message_repeats_a_value_whatever_stands_at(write: Write, path: tuple[str | int, ...]) -> None:
    for wrong in (CANARY, 987654321987, [CANARY], {"x": CANARY}, f"wss://u:{CANARY}@h/"):
        changed = copy.deepcopy(SAMPLE)
        parent = changed
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = wrong
        told = refusal(write(yaml.safe_dump(changed)))
        assert CANARY not in str(told)
        assert "987654321987" not in str(told)


# --- secrets


def resolution(config: Config, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as error:
        resolve(config, environ)
    return [f"{problem.line}: {problem.key}: {problem.message}" for problem in error.value.problems]


def test_secrets_come_from_the_environment(write: Write) -> None:
    config = load_config(write(FULL))
    settings = resolve(config, ENVIRON)
    team, own = settings.keys
    assert team.secret_sha256 == sha256(ENVIRON["TEAM_A_KEY"].encode()).digest()
    assert own.secret_sha256 is None
    assert (team.key.id, team.policy.name, own.policy.name) == ("team-a", "default", "mine")
    assert settings.vault_secret == ENVIRON["GATEWAY_VAULT_SECRET"].encode()
    assert settings.audit_secret == ENVIRON["GATEWAY_AUDIT_SECRET"].encode()
    keys = {name: settings.provider_key(model.deployments[0]) for name, model in config.models.items()}
    assert keys == {"gpt-5.1": ENVIRON["OPENAI_API_KEY"], "gpt-5.1-mini": None, "own": None}
    assert settings.notices == ()


def test_a_hash_in_the_file_is_a_key_in_either_case(write: Write) -> None:
    digest = sha256(b"a key").hexdigest()
    for written in (digest, digest.upper()):
        config = load_config(write(SMALL.replace("secret_env: KEY_A", f"secret_sha256: '{written}'")))
        assert resolve(config, {"PROVIDER": "sk"}).keys[0].secret_sha256 == sha256(b"a key").digest()


def test_every_missing_variable_is_named_at_its_line(write: Write) -> None:
    assert resolution(load_config(write(FULL)), {"TEAM_A_KEY": ""}) == [
        "4: keys[0].secret_env: the environment variable TEAM_A_KEY is empty",
        "18: models.gpt-5.1.deployments[0].api_key_env: the environment variable OPENAI_API_KEY is not set",
        "30: vault.secret_env: the environment variable GATEWAY_VAULT_SECRET is not set",
        "31: audit.secret_env: the environment variable GATEWAY_AUDIT_SECRET is not set",
        "32: metrics.token_env: the environment variable GATEWAY_METRICS_TOKEN is not set",
    ]


@pytest.mark.parametrize("value", [f"{CANARY}", "k4n4ry\n", "k4n4ry\x00", "k4n4rÿ", "\udcff"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(write: Write, value: str) -> None:
    config = load_config(write(FULL))
    told = resolution(config, {**ENVIRON, "TEAM_A_KEY": value, "OPENAI_API_KEY": value})
    assert [line.split(": the ")[1] for line in told] == [
        f"environment variable {name} holds spaces, line ends or other than ASCII"
        for name in ("TEAM_A_KEY", "OPENAI_API_KEY")
    ]


def test_a_short_vault_or_audit_secret_is_refused(write: Write) -> None:
    config = load_config(write(FULL))
    short = {**ENVIRON, "GATEWAY_VAULT_SECRET": "fifteen-bytes-x", "GATEWAY_AUDIT_SECRET": "x"}
    assert resolution(config, short) == [
        "30: vault.secret_env: the environment variable GATEWAY_VAULT_SECRET holds fewer than 16 bytes",
        "31: audit.secret_env: the environment variable GATEWAY_AUDIT_SECRET holds fewer than 16 bytes",
    ]
    assert resolve(config, {**ENVIRON, "GATEWAY_VAULT_SECRET": "sixteen-bytes-xx"}).vault_secret == b"sixteen-bytes-xx"
    assert resolve(config, {**ENVIRON, "GATEWAY_VAULT_SECRET": "\udcff" * 16}).vault_secret == b"\xff" * 16


def test_two_keys_with_the_same_secret_are_refused(write: Write) -> None:
    text = SMALL.replace("models:\n", "  - {id: b, secret_env: KEY_B, models: [m]}\nmodels:\n", 1)
    config = load_config(write(text))
    told = resolution(config, {"KEY_A": "same", "KEY_B": "same", "PROVIDER": "sk"})
    assert told == ["3: keys[1]: keys[0] has the same secret: they cannot be told apart"]


def test_a_clients_key_does_not_read_the_metrics_of_all(write: Write) -> None:
    config = load_config(write(SMALL + "metrics: {token_env: METRICS}\n"))
    told = resolution(config, {"KEY_A": "same", "PROVIDER": "sk", "METRICS": "same"})
    assert told == ["5: metrics.token_env: is a client's key: whoever has that could read of all others"]
    settings = resolve(config, {"KEY_A": "one", "PROVIDER": "sk", "METRICS": "other"})
    assert settings.metrics_sha256 == sha256(b"other").digest()
    assert resolution(config, {"KEY_A": "one", "PROVIDER": "sk"}) == [
        "5: metrics.token_env: the environment variable METRICS is not set"
    ]


def test_without_variables_vault_and_audit_get_random_secrets_and_the_operator_a_notice(write: Write) -> None:
    config = load_config(write(SMALL))
    one, other = (resolve(config, {"KEY_A": "k", "PROVIDER": "sk"}) for _ in range(2))
    assert len({one.vault_secret, one.audit_secret, other.vault_secret, other.audit_secret}) == 4
    assert min(len(one.vault_secret), len(one.audit_secret)) >= 16
    assert [notice.split(" ")[0] for notice in one.notices] == ["vault.secret_env", "audit.secret_env"]


def test_a_key_of_the_gateways_own_that_goes_on_to_a_provider_is_a_notice(write: Write) -> None:
    forwards = SMALL.replace("api_key_env: PROVIDER", "auth: forward")
    settings = resolve(load_config(write(forwards)), {"KEY_A": "k"})
    assert settings.notices[2:] == ("keys[0] is sent on to d, which has auth: forward: it must be known there",)


def test_no_repr_shows_a_secret(write: Write) -> None:
    settings = resolve(load_config(write(FULL)), ENVIRON)
    shown = f"{settings!r} {settings} {settings.keys!r} {settings.config!r}"
    for secret in ENVIRON.values():
        assert secret not in shown
        assert sha256(secret.encode()).hexdigest() not in shown
        assert repr(sha256(secret.encode()).digest()) not in shown


# --- without a file


URL = "wss://api.openai.com/v1/responses"


def test_without_a_file_one_key_may_use_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config, secret = quick_config(URL, "gpt-5.1", policy="strict", port=9000, environ={})
    (key,) = config.keys
    (deployment,) = config.models["gpt-5.1"].deployments
    assert config.listen.port == 9000
    assert key.models == ("gpt-5.1",)
    assert config.policy_of(key).name == "strict"
    assert (deployment.url, deployment.model, deployment.auth) == (URL, "gpt-5.1", "none")
    assert (config.vault.store, config.audit.path) == ("memory", tmp_path / "audit.jsonl")
    settings = resolve(config, {})
    assert settings.keys[0].secret_sha256 == sha256(secret.encode()).digest()


def test_without_a_file_the_provider_key_is_taken_where_there_is_one() -> None:
    environ = {"OPENAI_API_KEY": "sk-provider"}
    config, _ = quick_config(URL, "m", environ=environ)
    (deployment,) = config.models["m"].deployments
    assert (deployment.auth, resolve(config, environ).provider_key(deployment)) == ("key", "sk-provider")
    config, _ = quick_config(URL, "m", environ={"OPENAI_API_KEY": ""})
    assert config.models["m"].deployments[0].auth == "none"


def test_each_key_made_without_a_file_is_another_and_long() -> None:
    made = {quick_config(URL, "m", environ={})[1] for _ in range(5)}
    assert len(made) == 5
    assert min(map(len, made)) >= 43  # 256 bits
    config, secret = quick_config(URL, "m", environ={})
    assert secret not in repr(config)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"upstream_url": "https://api.openai.com/v1"}, "--upstream: must be where responses are created"),
        ({"upstream_url": "nowhere"}, "--upstream: must be a URL"),
        ({"upstream_url": "litellm:"}, "--upstream: LiteLLM needs a configuration file"),
        ({"model": ""}, "--model: must not be empty"),
        ({"port": 70000}, "--port: must be less than or equal to 65535"),
        ({"policy": "defalt"}, "--policy: no such policy; did you mean 'default'?"),
        ({"policy": "./gone.yaml"}, "--policy: no such file"),
    ],
)
def test_without_a_file_a_mistake_is_told_at_its_option(change: dict[str, object], problem: str) -> None:
    arguments: dict[str, object] = {"upstream_url": URL, "model": "m", "environ": {}, **change}
    with pytest.raises(ConfigError) as error:
        quick_config(**arguments)  # type: ignore[arg-type]
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [problem.split(":")[0]]
    assert str(error.value).startswith(problem)
    assert error.value.__context__ is None


def test_without_a_file_a_policys_mistake_keeps_its_own_line(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("version: 1\ndetect: {}\n")
    with pytest.raises(ConfigError) as error:
        quick_config(URL, "m", policy=str(file), environ={})
    assert str(error.value) == f"{file}:2: detect.modules: required key is missing"


def with_vault(vault: str) -> str:
    return SMALL + f"vault: {vault}"


@pytest.mark.parametrize(
    "store",
    [
        "redis://h",
        "redis://h:6379/0",
        "rediss://gateway@redis.internal:6380/15",
        "redis://[::1]:6379",
        "redis://10.0.0.7/",
    ],
)
def test_a_vault_in_redis_is_a_url_without_a_password(write: Write, store: str) -> None:
    assert load_config(write(with_vault(f"{{store: '{store}', secret_env: VAULT}}"))).vault.store == store


@pytest.mark.parametrize(
    ("vault", "told"),
    [
        ("{store: 'redis://h:0', secret_env: V}", "vault.store: must be memory, or a URL"),
        ("{store: 'redis://h/0?ssl=1', secret_env: V}", "vault.store: must be memory, or a URL"),
        ("{store: 'redis://u:secret@h', secret_env: V}", "vault.store: must not have a password"),
        ("{store: 'redis://h'}", "vault: a vault in Redis needs secret_env"),
        ("{store: 'redis://h', secret_env: V, previous_secret_env: V}", "vault.previous_secret_env: is the same"),
        ("{store: 'redis://h', secret_env: V, ca_file: gateway.yaml}", "vault.ca_file: only a rediss:// URL"),
        ("{store: 'rediss://h', secret_env: V, ca_file: nothing.pem}", "vault.ca_file: no such file"),
        ("{previous_secret_env: V}", "vault.previous_secret_env: only a vault in Redis"),
        ("{password_env: V}", "vault.password_env: only a vault in Redis"),
    ],
)
def test_a_mistake_about_the_vault_is_told(write: Write, vault: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(with_vault(vault)))
    assert told in str(caught.value)
    assert "secret@" not in str(caught.value)


def test_a_vault_in_redis_without_its_package_says_how_to_install_it(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.config.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"vault.store: needs .* pip install 'guardrail-gateway\[redis\]'"):
        load_config(write(with_vault("{store: 'redis://h', secret_env: V}")))


def test_the_secret_before_and_the_password_come_from_the_environment(write: Write) -> None:
    config = load_config(
        write(with_vault("{store: 'redis://h', secret_env: NEW, previous_secret_env: OLD, password_env: PASSWORD}"))
    )
    environ = {**ENVIRON, "KEY_A": "a-key", "PROVIDER": "sk", "NEW": "n" * 16, "OLD": "o" * 16, "PASSWORD": "pass word"}
    settings = resolve(config, environ)
    assert (settings.vault_secret, settings.previous_vault_secret) == (b"n" * 16, b"o" * 16)
    assert settings.vault_password == "pass word"
    assert "pass word" not in repr(settings) and "oooo" not in repr(settings)
    with pytest.raises(ConfigError, match=r"(?s)OLD holds fewer than 16 bytes.*PASSWORD is empty"):
        resolve(config, {**environ, "OLD": "o", "PASSWORD": ""})
