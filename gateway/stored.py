"""Responses that the provider keeps: retrieve, delete and cancel one, and list its input.

An id belongs to the key that got it; any other key is told that there is no such response, and the provider is not
asked. What comes back goes through a session like any answer: restored or masked, and recorded.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Final

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.auth import Caller
from gateway.config import Deployment
from gateway.conversation import Conversation, Gateway, Place
from gateway.errors import FrameError, GatewayError, UpstreamError
from gateway.posting import Answer, Asked, let_in
from gateway.runner import Runner
from gateway.session.refusals import error_body
from gateway.surroundings import Dialled
from gateway.upstream.http import body_of, told
from gateway.upstream.websocket import DIAL_SECONDS, Endpoint
from gateway.wire.frame import Json, encode, loads
from gateway.wire.schema import Kind, is_structural
from guardrails.errors import VaultError
from guardrails.vault import Restorable, WrongTenant

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_INCLUDES: Final = frozenset({
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
})  # fmt: skip
_LIMIT: Final = re.compile(r"[0-9]{1,3}")
_ACTION: Final = {"cancel": "/cancel", "input_items": "/input_items"}
_SECONDS: Final = 60.0
_MISSING: Final = "There is no such response."
_NOT_FOUND: Final = 404
_BAD_GATEWAY: Final = 502
_BAD_REQUEST: Final = 400

Frame = dict[str, Json]


class _Fetched:
    """A provider that has said all it will: the events of one stored response."""

    def __init__(self, *events: Frame) -> None:
        self._events: Sequence[str] = tuple(map(encode, events))

    async def receive(self) -> Sequence[str]:
        """Its events; after them there are none."""
        if not self._events:
            await asyncio.Event().wait()
        events, self._events = self._events, ()
        return events

    async def send(self, data: str) -> None:
        """Nothing can be asked of it."""
        del data
        raise UpstreamError("The provider has been left.")

    async def close(self) -> None:
        """Nothing is open."""


async def serve_stored(gateway: Gateway, request: Request) -> Response:
    """Answer one request about a stored response."""
    return await let_in(gateway, request, partial(_answer, gateway, request))


async def _answer(gateway: Gateway, request: Request, caller: Caller, asked: str | None, place: Place) -> Response:
    del asked, place  # what is stored has its model, and nothing is streamed
    name = str(request.path_params["id"])
    query = [(key, value) for key, value in request.query_params.multi_items() if key != "model"]
    if not all(_may_go(key, value) for key, value in query):
        return _told("This query is not supported here.", "invalid_prompt", _BAD_REQUEST)
    try:
        known, model, deployment = await _owned(gateway, caller.tenant, caller.key.key.models, name)
    except VaultError:
        return _told("The response could not be looked up.", "server_error", 503)
    if known is None or deployment is None or deployment.through_library or request.method == "HEAD":
        return _told(_MISSING, "not_found", _NOT_FOUND)
    conversation = Conversation(gateway, caller, request.scope["headers"])
    action = str(request.scope["path"]).rpartition("/")[2]  # not of `url`, which a Host header is part of
    try:
        url = _address(deployment.url) + f"/{name}{_ACTION.get(action, '')}"
        value = await _fetch(gateway, conversation, deployment, request.method, url, query)
    except GatewayError as exc:
        return _told(str(exc), "server_error", _BAD_GATEWAY)
    if isinstance(value, int):
        status = value if value in (_BAD_REQUEST, _NOT_FOUND) else _BAD_GATEWAY
        return _told(f"The provider answered with HTTP {value}.", "not_found", status)
    if request.method == "DELETE":
        if gateway.answers is not None:
            gateway.answers.forget(name)
        deleted = {"id": name, "object": "response.deleted", "deleted": value.get("deleted") is True}
        return JSONResponse(deleted)
    as_list = action == "input_items"
    whole: Frame = {"id": name, "object": "response", "output": value.get("data")} if as_list else value
    begun: Frame = {"type": "response.created", "response": {"id": name, "output": []}}
    client = Asked(None)
    session = conversation.session(model, http=True)
    session.adopt(known)
    fetched = _Fetched(begun, {"type": "response.completed", "response": whole})
    first = (model, Dialled(fetched, deployment.model, deployment.name))
    answer = await Answer(gateway, client, Runner(session, client, conversation.around()), first).whole()
    return _listed(answer, value) if as_list and answer.status_code == httpx2.codes.OK else answer


async def _owned(
    gateway: Gateway, tenant: str, models: tuple[str, ...], name: str
) -> tuple[Restorable | None, str, Deployment | None]:
    """What a response of this tenant can restore, its model, and the deployment that has it; None if it is not theirs.

    Raises:
        VaultError: the vault cannot be reached.

    """
    if _ID.fullmatch(name) is None:
        return None, "", None
    try:
        known = await gateway.vault.recall(tenant, name)
    except WrongTenant:
        return None, "", None
    every = gateway.settings.config.models
    if known is None:
        return None, "", None
    of_key = ((model, deployment) for model in models for deployment in every[model].deployments)
    here = ((model, one) for model, one in of_key if one.name == known.deployment)
    return known.values, *next(here, ("", None))


def _may_go(key: str, value: str) -> bool:
    """Whether a part of the query goes on: the protocol's words, small numbers, random ids."""
    match key:
        case "limit":
            return _LIMIT.fullmatch(value) is not None
        case "order":
            return value in ("asc", "desc")
        case "include" | "include[]":
            return value in _INCLUDES
        case "after" | "before":
            return is_structural(Kind.ID, key, value) and bool(value)
        case _:
            return False


def _address(url: str) -> str:
    """Where a deployment's responses are over HTTP."""
    scheme, rest = url.split(":", 1)
    return {"ws": "http", "wss": "https"}.get(scheme.lower(), scheme) + ":" + rest.partition("?")[0].rstrip("/")


async def _fetch(
    gateway: Gateway,
    conversation: Conversation,
    deployment: Deployment,
    method: str,
    url: str,
    query: list[tuple[str, str]],
) -> Frame | int:
    """Ask the provider: its answer, or its status where that is an error.

    Raises:
        UpstreamError: it cannot be reached, or left.
        FrameError: its answer is none.

    """
    most = gateway.settings.config.limits.upstream_message_bytes
    client = gateway.http.of(Endpoint(url, most, deployment.ca_file))
    headers = {"user-agent": "guardrail-gateway", **await conversation.upward(deployment)}
    headers.pop("openai-beta", None)
    headers["accept-encoding"] = "identity"
    timeout = httpx2.Timeout(_SECONDS, connect=DIAL_SECONDS)
    with told():
        async with client.stream(method, url, params=tuple(query), headers=headers, timeout=timeout) as answer:
            if answer.status_code != httpx2.codes.OK:
                return int(answer.status_code)
            value = loads(await body_of(answer, most))
    if not isinstance(value, dict):
        raise FrameError("The provider sent something that is not a response.")
    return value


def _listed(answer: Response, value: Frame) -> Response:
    """A list of items, out of the response as which it went through the session."""
    response = loads(bytes(answer.body))
    data = response.get("output") if isinstance(response, dict) else None
    items = data if isinstance(data, list) else []
    ids = [item.get("id") if isinstance(item, dict) else None for item in items]
    ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return JSONResponse({"object": "list", "data": items, "has_more": value.get("has_more") is True, **ends})


def _told(message: str, code: str, status: int) -> Response:
    return JSONResponse(error_body(message, code), status)
