"""Run the gateway under uvicorn."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import typer
import uvicorn

from gateway.app import create_app
from gateway.batching import BatchingProtocol
from gateway.config import Settings, load_config, quick_config, resolve
from gateway.errors import AuditError, GatewayError
from guardrails.detector import build
from guardrails.errors import GuardrailError
from guardrails.events import event_modules
from policies.model import Policy

_QUIET: Final = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "websockets",
    "presidio-analyzer",
    "presidio-anonymizer",
    "httpx2",
    "httpcore2",
)
"""Loggers that would write paths with their query, frames, headers or candidates, at one level or another."""
_KEEP_ALIVE: Final = 20.0
_PORT: Final = 8080


def settings_for(
    config: Path | None, *, upstream: str | None, model: str | None, policy: str | None, port: int | None
) -> Settings:
    """The settings of a file, or of the options that stand for one. A key made for the latter is printed, once.

    Raises:
        GatewayError: neither or both are given, or something in them is wrong.

    """
    options = {"--upstream": upstream, "--model": model, "--policy": policy, "--port": port}
    given = [name for name, value in options.items() if value is not None]
    if config is not None and given:
        raise GatewayError(f"{', '.join(given)}: only without --config; the file says that.")
    if config is None and upstream is None:
        raise GatewayError("Give either --config FILE, or --upstream URL and --model NAME.")
    if config is not None:
        return resolve(load_config(config), os.environ)
    if upstream is None or model is None:
        raise GatewayError("--upstream needs --model NAME: the model callers may use.")
    port = _PORT if port is None else port
    quick, secret = quick_config(upstream, model, policy=policy or "default", port=port, environ=os.environ)
    typer.echo(f"key (shown once): {secret}")
    return resolve(quick, os.environ)


def run(settings: Settings, *, workers: int) -> None:
    """Serve until a signal ends it."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    notices = build_all(client.policy for client in settings.keys)
    _check_address(settings.config.listen.host, settings.config.listen.port)
    _check_certificate(settings.config.listen.tls.cert, settings.config.listen.tls.key)
    for notice in (*settings.notices, *notices):
        typer.echo(f"note: {notice}", err=True)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, workers=workers))


def build_all(policies: Iterable[Policy]) -> list[str]:
    """Build the detection of some policies, so that what cannot be built is said before anything listens.

    Gives what an operator should know of them.

    Raises:
        GatewayError: a policy names what is not there; the text names the policy.

    """
    notices: list[str] = []
    for policy in {policy.digest: policy for policy in policies}.values():
        try:
            build(policy)
            shows = event_modules(policy) is not None
        except GuardrailError as exc:
            reason = f"policy {policy.name}: {exc}"
        else:
            if shows and policy.output.mask != "off" and policy.output.delivery == "live":
                notices.append(f"policy {policy.name}: answers are delivered as by replay; a module has on_event")
            continue
        raise GatewayError(reason)
    return notices


def _check_address(host: str, port: int) -> None:
    """Say plainly when the address is taken.

    Raises:
        GatewayError: it is, or it is none of this machine.

    """
    try:
        for family, kind, *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as exc:
        raise GatewayError(f"listen: cannot use {host} port {port} ({exc.strerror})") from None


def _check_certificate(cert: Path | None, key: Path | None) -> None:
    """Say plainly when the certificate and its key cannot be used.

    Raises:
        GatewayError: they cannot.

    """
    if cert is None or key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except ssl.SSLError as exc:
        reason = "is not a certificate and its key, both in PEM and without a passphrase"
        if exc.reason == "KEY_VALUES_MISMATCH":
            reason = "the key is not that of the certificate"
    except OSError as exc:
        reason = f"cannot be read ({exc.strerror})"
    else:
        return
    raise GatewayError(f"listen.tls: {reason}")


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn takes every handshake that was answered with a status for a mistake of the application's.

    And where the start fails, as when it is interrupted, it writes a traceback, of which the last line says why.
    """
    message = record.getMessage()
    if message.startswith("Traceback"):
        record.msg, record.args = message.rstrip().rpartition("\n")[2], ()
    return "without completing handshake" not in message


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, *, workers: int) -> None:
    try:
        server = _Server(uvicorn_config(settings, workers=workers))
    except AuditError as exc:
        raise GatewayError(f"audit.path: {exc}") from None
    await server.serve()
    if not server.started:
        raise GatewayError("The gateway could not start on this address.")


class _Server(uvicorn.Server):
    """Says when it is ready, and where."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            config = self.config
            port = self.servers[0].sockets[0].getsockname()[1] if self.servers else config.port
            scheme = "https" if config.is_ssl else "http"
            typer.echo(f"guardrail-gateway is ready: {scheme}://{config.host}:{port}/v1")


def uvicorn_config(settings: Settings, *, workers: int) -> uvicorn.Config:
    """How uvicorn serves the gateway.

    A message may be twice the configured limit before the server itself closes the connection: what is between gets a
    clear refusal. Compression is off: it would be inflated before any limit, and costs more than the frames.
    """
    config = settings.config
    tls = config.listen.tls
    return uvicorn.Config(
        create_app(settings, workers=workers),
        host=config.listen.host,
        port=config.listen.port,
        ssl_certfile=tls.cert,
        ssl_keyfile=tls.key,
        ws=BatchingProtocol,
        ws_max_size=2 * config.limits.message_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=_KEEP_ALIVE,
        ws_ping_timeout=_KEEP_ALIVE,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        lifespan="on",
        timeout_graceful_shutdown=10,
    )
