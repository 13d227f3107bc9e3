"""Real processes for real clients: stand-in providers, one for each size of delta, and the gateway in front of them."""

from __future__ import annotations

import json
import os
import queue
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from gateway.standin import leaked

ROOT = Path(__file__).parents[2]
CLIENTS = Path(os.environ.get("E2E_CLIENTS", ROOT / ".cache" / "clients"))
CHUNKS = (1, 3, 7, 50)
POLICIES = ("default", "replay-new", "replay-all", "live-new", "live-all")
START_SECONDS = 45

EMAIL = "ada.lovelace@example.com"
CARD = "4111 1111 1111 1111"
SECRETS = (EMAIL, CARD)

MASKS = """\
version: 1
name: {delivery}-{mask}
detect:
  modules:
    - {{use: presidio, entities: [EMAIL_ADDRESS, CREDIT_CARD, US_SSN], threshold: 0.4}}
output: {{mask: {mask}, delivery: {delivery}}}
"""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "e2e: real clients against a real gateway process")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


def installed(program: Path) -> Path:
    """A program that `make e2e` installs: skip where it is missing, fail where it may not be."""
    if not program.exists():
        reason = f"{program.name} is not installed here: run `make e2e`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return program


class Process:
    """A server in a process of its own, ready when asked for its `url`: that in its first line that has one."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None, errors: Path) -> None:
        self.errors = errors
        self._lines: queue.Queue[str | None] = queue.Queue()
        with errors.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)

    @cached_property
    def url(self) -> str:
        """Where it serves. Several that are started before the first is waited for start beside each other."""
        try:
            while (line := self._lines.get(timeout=START_SECONDS)) is not None:
                if found := re.search(r"https?://[\w.\[\]:]+(/v1)?", line):
                    return found[0].removesuffix("/v1") + "/v1"
        except queue.Empty:
            self.stop()
        raise RuntimeError(f"no ready line; it wrote:\n{self.errors.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """End the process and wait for it."""
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()


@dataclass(slots=True)
class Provider:
    """A running stand-in and its log."""

    url: str
    log: Path
    _read: int = 0

    def news(self) -> list[dict[str, Any]]:
        """What the provider received since the last time this was asked."""
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        new, self._read = text[self._read :], len(text)
        return [json.loads(line) for line in new.splitlines()]


@dataclass(slots=True)
class Gateway:
    """A running gateway: a key for each policy, a model for each size of delta."""

    url: str
    providers: dict[int, Provider]
    keys: dict[str, str]
    provider_key: str
    log: Path
    audit: Path

    @staticmethod
    def model(chunk: int, via: str = "ws") -> str:
        """The model whose answers come in deltas of this many characters, from a provider spoken to in this way."""
        return f"stand-in-{chunk}" if via == "ws" else f"stand-in-{chunk}-{via}"

    def check_provider(self, *chunks: int, also: tuple[str, ...] = (), via: str = "ws") -> None:
        """The providers got something, in this way only, and in all of it no secret and no client's key."""
        for chunk in chunks:
            news = self.providers[chunk].news()
            kinds = {seen["kind"] for seen in news}
            way, other = ("ws", "post") if via == "ws" else ("post", "ws")
            # A connection is dialled for the key's first model before its first frame names another.
            assert way in kinds
            assert other not in kinds, "a request went another way"
            received = [seen["raw"] for seen in news] + [str(seen["headers"]) for seen in news]
            assert leaked([*SECRETS, *also, *self.keys.values()], received) == []


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> Iterator[None]:
    """Nothing here leaves the machine, whatever proxy its environment names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture(scope="session")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Provider]]:
    """Stand-in providers that cut their answers into deltas of 1, 3, 7 and 50 characters."""
    folder = tmp_path_factory.mktemp("providers")
    processes: list[Process] = []
    logs = {chunk: folder / f"{chunk}.jsonl" for chunk in CHUNKS}
    try:
        for chunk, log in logs.items():
            arguments = ["-m", "gateway.standin", "--chunk", str(chunk), "--log", str(log), "--key", PROVIDER_KEY]
            processes.append(Process(*arguments, errors=folder / f"{chunk}.err"))
        yield {chunk: Provider(process.url, logs[chunk]) for chunk, process in zip(CHUNKS, processes, strict=True)}
    finally:
        for process in processes:
            process.stop()


PROVIDER_KEY = "sk-provider-" + secrets.token_hex(16)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, providers: dict[int, Provider]) -> Iterator[Gateway]:
    """The gateway as its users run it: `serve --config gateway.yaml`."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "policies").mkdir()
    for name in POLICIES[1:]:
        delivery, mask = name.split("-")
        (folder / "policies" / f"{name}.yaml").write_text(MASKS.format(delivery=delivery, mask=mask))
    keys = {policy: f"gw-{policy}-{secrets.token_hex(16)}" for policy in POLICIES}
    names = {policy: f"KEY_{policy.upper().replace('-', '_')}" for policy in POLICIES}
    (folder / "gateway.yaml").write_text(configuration(providers, names))
    env = {names[policy]: key for policy, key in keys.items()}
    env |= {"PROVIDER_KEY": PROVIDER_KEY}
    env |= {name: secrets.token_hex(32) for name in ("GATEWAY_VAULT_SECRET", "GATEWAY_AUDIT_SECRET")}
    arguments = ["-m", "gateway", "serve", "--config", str(folder / "gateway.yaml")]
    process = Process(*arguments, env=env, errors=folder / "gateway.err")
    try:
        yield Gateway(process.url, providers, keys, PROVIDER_KEY, process.errors, folder / "audit.jsonl")
    finally:
        process.stop()


def configuration(providers: dict[int, Provider], names: dict[str, str]) -> str:
    """A gateway.yaml with a key for each policy and a model for each provider. JSON is YAML."""
    ways = {"ws": "ws", "http": "http"}
    models = [Gateway.model(chunk, via) for chunk in providers for via in ways]
    keys = [{"id": p, "secret_env": name, "models": models, "policy": p} for p, name in names.items()]
    deployments = {
        Gateway.model(chunk, via): {
            "deployments": [
                {
                    "name": f"provider-{chunk}-{via}",
                    "url": provider.url.replace("http", scheme) + "/responses",
                    "model": "gpt-5.1",
                    "auth": "key",
                    "api_key_env": "PROVIDER_KEY",
                }
            ]
        }
        for chunk, provider in providers.items()
        for via, scheme in ways.items()
    }
    settings = {
        "listen": {"host": "127.0.0.1", "port": 0},
        "keys": keys,
        "models": deployments,
        "policies": ["./policies"],
        "vault": {"store": "memory", "secret_env": "GATEWAY_VAULT_SECRET", "ttl": "1h"},
        "audit": {"path": "./audit.jsonl", "secret_env": "GATEWAY_AUDIT_SECRET"},
    }
    return json.dumps(settings, indent=1)


@pytest.fixture(scope="session")
def agents_python() -> Path:
    """The Python that has openai-agents."""
    return installed(CLIENTS / "venv" / "bin" / "python")


@pytest.fixture(scope="session")
def codex_program() -> Path:
    """The Codex CLI."""
    return installed(CLIENTS / "npm" / "node_modules" / ".bin" / "codex")
