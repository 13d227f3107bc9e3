"""The ASGI application: which path does what. Everything else is 404 and is never passed on."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from gateway.audit.sinks import FileSink
from gateway.auth import UNAUTHORIZED, authenticate, may_read_metrics
from gateway.config import Config, ConfigError, Settings
from gateway.connection import serve_socket
from gateway.conversation import Gateway
from gateway.metrics import CONTENT_TYPE, Metrics
from gateway.posting import serve_post
from gateway.prices import Prices
from gateway.session.refusals import error_body
from gateway.stored import serve_stored
from gateway.upstream.library import Library, load
from gateway.vaults import make_vault
from guardrails.pool import DetectionPool

_log: Final = logging.getLogger(__name__)
_YOUNG: Final = 20_000
"""Objects made and kept after which Python looks for those that only hold each other; by default 700."""
_NOTHING: Final = "There is nothing here. This gateway has /v1/responses and /v1/models."


def create_app(settings: Settings, *, workers: int = 2) -> Starlette:
    """The gateway as an ASGI application, for a server that has WebSockets.

    `workers` is the number of processes for detection; they start with the application, which takes seconds.

    Raises:
        AuditError: the audit file cannot be opened.
        ConfigError: a deployment names what the library LiteLLM does not know.

    """
    config = settings.config
    metrics = Metrics()
    gateway = Gateway(
        settings,
        DetectionPool([key.policy for key in settings.keys], workers),
        make_vault(settings, metrics.vault_failed),
        FileSink(config.audit.path),
        Prices(config, time.time),
        metrics,
        library=library_for(config),
    )
    gateway.metrics.watch(
        connections=gateway.open,
        keys=[key.id for key in config.keys],
        in_flight=lambda: sum(session.in_flight for session in gateway.sessions),
        pool=lambda: gateway.pool.state,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # Starlette passes it
        gateway.start_events()
        await gateway.pool.start()
        if not await gateway.vault.ready():
            _log.warning("the vault cannot be reached: what goes on from a response is refused until it can")
        _look_for_less_garbage()
        try:
            yield
        finally:
            await gateway.close()
            await gateway.pool.close()
            await gateway.vault.close()
            gateway.sink.close()

    paths = _Paths(gateway)
    app = Starlette(
        routes=[
            WebSocketRoute("/v1/responses", _Socket(gateway)),
            Route("/v1/responses", paths.post_response, methods=["POST"]),
            Route("/v1/responses/{id}", paths.stored_response, methods=["GET", "DELETE"]),
            Route("/v1/responses/{id}/cancel", paths.stored_response, methods=["POST"]),
            Route("/v1/responses/{id}/input_items", paths.stored_response, methods=["GET"]),
            Route("/v1/models", paths.models, methods=["GET"]),
            Route("/v1/models/{model:path}", paths.model, methods=["GET"]),
            Route("/healthz", paths.healthz, methods=["GET"]),
            Route("/readyz", paths.readyz, methods=["GET"]),
            *([Route("/metrics", paths.metrics, methods=["GET"])] if config.metrics.enabled else ()),
        ],
        exception_handlers={404: paths.nothing, 405: paths.nothing},
        lifespan=lifespan,
    )
    # A redirect would name the host that the request says it came to.
    app.router.redirect_slashes = False
    return app


def _look_for_less_garbage() -> None:
    """Once all is loaded, have Python look seldom for objects that only hold each other."""
    # What is loaded by now stays: without this, each full collection walks through all of spaCy again.
    gc.collect()
    gc.freeze()
    # And what a turn makes lives no longer than it: looked at 30 times less often, it is mostly gone by then.
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


def library_for(config: Config) -> Library | None:
    """Load the library if a deployment is reached through it, which takes seconds.

    Raises:
        ConfigError: a deployment names a model of which it knows no provider.

    """
    named = [
        (("models", name, "deployments", index, "model"), deployment.model)
        for name, model in config.models.items()
        for index, deployment in enumerate(model.deployments)
        if deployment.through_library
    ]
    if not named:
        return None
    library = load()
    unknown = [where for where, model in named if not library.knows(model)]
    if unknown:
        message = "LiteLLM knows no such provider: write the model as PROVIDER/NAME"
        raise ConfigError(config.lines.problem(where, message) for where in unknown)
    return library


class _Socket:
    """The WebSocket endpoint. A class, because Starlette takes a function for something else."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await serve_socket(self._gateway, scope, receive, send)


class _Paths:
    """The HTTP endpoints."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def post_response(self, request: Request) -> Response:
        """Answer one request, whole or as a stream."""
        return await serve_post(self._gateway, request)

    async def stored_response(self, request: Request) -> Response:
        """Retrieve, delete or cancel a response of this key's, or list its input."""
        return await serve_stored(self._gateway, request)

    async def models(self, request: Request) -> Response:
        """The models this key may use."""
        caller = authenticate(self._gateway.settings, request.headers.raw)
        if caller is None:
            return self._unauthorized()
        return JSONResponse({"object": "list", "data": [_model(name) for name in caller.key.key.models]})

    async def model(self, request: Request) -> Response:
        """One of them."""
        caller = authenticate(self._gateway.settings, request.headers.raw)
        if caller is None:
            return self._unauthorized()
        name = request.path_params["model"]
        if name not in caller.key.key.models:
            return JSONResponse(error_body("This key may not use that model.", "model_not_found"), 404)
        return JSONResponse(_model(name))

    async def healthz(self, request: Request) -> Response:  # Starlette passes it
        """The process runs."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, request: Request) -> Response:  # as above
        """Texts can be examined, values kept and looked up, and rows written."""
        gateway = self._gateway
        vault = await gateway.vault.ready()
        state = {"detection": gateway.pool.ready, "audit": gateway.sink.ready(), "vault": vault}
        return JSONResponse(state, 200 if all(state.values()) else 503)

    async def metrics(self, request: Request) -> Response:
        """What Prometheus reads."""
        if not may_read_metrics(self._gateway.settings, request.scope):
            return self._unauthorized()
        return Response(self._gateway.metrics.exposition(), media_type=CONTENT_TYPE)

    async def nothing(self, request: Request, exc: Exception) -> Response:  # as above
        """Any other path, and any other method of these."""
        return JSONResponse(error_body(_NOTHING, "not_found"), 404)

    def _unauthorized(self) -> Response:
        """Guesses are counted and logged wherever they are tried."""
        self._gateway.metrics.denied("invalid_api_key")
        _log.warning("a request was answered with %d: %s", 401, UNAUTHORIZED)
        return JSONResponse(error_body(UNAUTHORIZED, "invalid_api_key"), 401)


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "gateway"}
