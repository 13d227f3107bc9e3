"""Any provider that the library LiteLLM reaches, asked in the form of Chat Completions.

The library is loaded only when a deployment names it, and gets what is written here: no retries, fallbacks, cache or
callbacks of its own, no settings of a client's, and always a key, because it would look for one in the environment.
Its exceptions quote requests and answers: only their kind is told.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cache, wraps
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, Protocol
from weakref import WeakSet

from gateway.errors import FrameError, Refused, UpstreamError
from gateway.upstream.stateless import LEFT, Frame, empty_response, new_id, refusal
from gateway.wire.chat_answer import ChatAnswer
from gateway.wire.chat_request import chat_request
from gateway.wire.frame import Json, encode, loads

_NO_KEY: Final = "none"
"""Sent where no key is to be sent: without any, the library takes one from the environment."""
_ENVIRONMENT: Final = {
    "LITELLM_MODE": "PRODUCTION",  # else it reads a file .env
    # Each of these is fetched from the network otherwise.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
}
_UNSET: Final = (
    *("OPENAI_ORGANIZATION", "OPENAI_ORG_ID", "OPENAI_PROJECT", "OPENAI_PROJECT_ID"),
    *("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS", "LITELLM_LOG"),
)
"""What it would tell every provider that speaks like these two; and what would make it log."""
_SILENT: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
"""Loggers that write requests and answers, at every level."""
_QUIET: Final = ("openai", "httpx", "httpcore", "aiohttp", "boto3", "botocore", "urllib3")
"""Loggers below the library that do so at DEBUG, or write URLs at INFO."""


class _Chunk(Protocol):
    def model_dump_json(self) -> str: ...


class _Client(Protocol):
    async def aclose(self) -> None: ...


class _Stream(Protocol):
    received_finish_reason: str | None

    def __aiter__(self) -> AsyncIterator[_Chunk]: ...

    async def aclose(self) -> None: ...


_TOLD: Final = {
    "ContextWindowExceededError": (400, "context_length_exceeded", "The input is longer than the model takes."),
    "ContentPolicyViolationError": (400, "content_policy_violation", "The provider's own policy refused this."),
    400: (400, "invalid_prompt", "The provider did not accept the request."),
    401: (401, "invalid_api_key", "The provider refused the credentials."),
    403: (403, "invalid_api_key", "The provider refused the credentials."),
    404: (404, "model_not_found", "The provider does not know this model."),
    422: (422, "invalid_prompt", "The provider did not accept the request."),
    429: (429, "rate_limit_exceeded", "The provider has too many requests at the moment."),
}
"""What a client is told of an exception, by its name or its status: HTTP status, code, sentence."""
_UNREACHED: Final = frozenset({"APIConnectionError", "ConnectError", "ConnectTimeout"})
_LATE: Final = frozenset({"Timeout", "APITimeoutError", "ReadTimeout"})
"""Names of exceptions, the same in all versions; the library wraps them in others, and not always in the same ones."""
_TOO_LATE: Final = "The provider did not answer in time."
_NOT_THERE: Final = "The provider cannot be reached."


@dataclass(frozen=True, slots=True)
class Library:
    """The library, loaded and told to keep quiet; all callers share it."""

    complete: Callable[..., Awaitable[_Stream]]
    knows: Callable[[str], bool]
    """Whether it has a provider of that model, as it names them."""
    close: Callable[[], Awaitable[None]]
    """Closes its connections; it makes new ones when it is asked again."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A provider as the library reaches it: its model, its address where that is not its usual one, and the key."""

    model: str
    api_base: str | None
    key: str | None
    max_bytes: int
    seconds: float


def load() -> Library:
    """Load the library, which takes seconds. It has to be installed."""
    os.environ.update(_ENVIRONMENT)
    for name in _UNSET:
        os.environ.pop(name, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's making, and nothing that an operator could change
        import litellm
    # Those of pydantic quote the values that they warn of.
    warnings.filterwarnings("ignore", module=r"(litellm|pydantic|openai|httpx)(\.|$)")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.disable_aiohttp_transport = True
    litellm.cache = None
    litellm.num_retries = 0
    for callbacks in (litellm.callbacks, litellm.input_callback, litellm.success_callback, litellm.failure_callback):
        callbacks.clear()
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)

    def knows(model: str) -> bool:
        try:
            litellm.get_llm_provider(model=model)
        except litellm.BadRequestError:
            return False
        return True

    clients = _tame()

    async def close() -> None:
        litellm.in_memory_llm_clients_cache.flush_cache()
        vars(litellm).pop("module_level_aclient", None)
        for client in list(clients):
            await client.aclose()
        clients.clear()

    return Library(litellm.acompletion, knows, close)


@cache
def _tame() -> WeakSet[_Client]:
    """Keep the library's HTTP clients where they were sent, and without cookies; gives those that are open.

    It makes them itself, lets them follow redirects and has no setting for that; some are shared by all callers. In
    this process nothing else uses httpx: the gateway has httpx2.
    """
    import httpx

    clients: WeakSet[_Client] = WeakSet()
    made = httpx.AsyncClient.__init__

    @wraps(made)
    def tamed(self: httpx.AsyncClient, *args: object, **options: object) -> None:
        jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        made(self, *args, **{**options, "follow_redirects": False, "cookies": jar})  # type: ignore[arg-type]
        clients.add(self)

    httpx.AsyncClient.__init__ = tamed  # type: ignore[method-assign]
    return clients


class LibraryTransport:
    """One caller's requests to a provider behind the library."""

    remembers = False

    def __init__(self, library: Library, reached: Reached) -> None:
        """`reached` has the credentials for this provider and no other."""
        self._library = library
        self._reached = reached

    async def answer(self, request: Frame) -> AsyncGenerator[str, None]:
        """See `Transport`."""
        try:
            chat = chat_request(request)
        except Refused as exc:
            yield refusal(400, {"error": {"code": exc.code, "message": str(exc), "param": exc.param}})
            return
        try:
            stream = await self._ask(chat)
        except Exception as exc:  # noqa: BLE001 - a hundred providers' adapters raise whatever they like
            told = _told(exc)
        else:
            async with contextlib.aclosing(stream), contextlib.aclosing(self._events(request, stream)) as events:
                async for event in events:
                    yield encode(event)
            return
        if isinstance(told, UpstreamError):
            raise told
        yield told

    async def _ask(self, chat: Frame) -> _Stream:
        reached = self._reached
        return await self._library.complete(
            **chat,
            model=reached.model,
            api_base=reached.api_base,
            api_key=reached.key or _NO_KEY,
            stream=True,
            stream_options={"include_usage": True},
            timeout=reached.seconds,
            num_retries=0,
            max_retries=0,
            drop_params=True,
            caching=False,
            _skip_mcp_handler=True,  # it would load the library's proxy, and run tools of MCP servers from here
        )

    async def _events(self, request: Frame, stream: _Stream) -> AsyncGenerator[Frame, None]:
        """The events of an answer that has begun.

        Raises:
            UpstreamError: the provider left.
            FrameError: what it sent is no answer.

        """
        answer = ChatAnswer(empty_response(request, new_id("resp_")), new_id, most=self._reached.max_bytes)
        for event in answer.begin():
            yield event
        async with contextlib.aclosing(_chunks(stream)) as chunks:
            async for chunk in chunks:
                for event in answer.feed(chunk):
                    yield event
        # Where the provider gave no reason to end, the library makes one up; its own note of it stays empty.
        if stream.received_finish_reason is None or not answer.finished:
            raise UpstreamError(LEFT)
        for event in answer.end():
            yield event


async def _chunks(stream: _Stream) -> AsyncGenerator[Json, None]:
    """The chunks of an answer, decoded as strictly as any provider's events.

    Raises:
        UpstreamError: the provider left.
        FrameError: one is not strict JSON.

    """
    try:
        async for chunk in stream:
            yield loads(chunk.model_dump_json())
    except FrameError:
        raise
    except Exception as exc:  # noqa: BLE001 - as above
        reason = _TOO_LATE if _names(exc) & _LATE else LEFT
    else:
        return
    raise UpstreamError(reason)


def _told(exc: Exception) -> str | UpstreamError:
    """What is told of an exception that came before the answer: an error event, or that there is no provider."""
    names, status = _names(exc), vars(exc).get("status_code")
    if names & _LATE:
        return UpstreamError(_TOO_LATE)
    told = next((_TOLD[key] for key in (type(exc).__name__, status) if key in _TOLD), None)
    if told is not None:
        return refusal(told[0], {"error": {"code": told[1], "message": told[2], "param": None}})
    if names & _UNREACHED or not isinstance(status, int):
        return UpstreamError(_NOT_THERE)
    return refusal(status, None)


def _names(exc: BaseException | None) -> frozenset[str]:
    """The names of an exception and of those that it came from."""
    names: set[str] = set()
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        names |= {cls.__name__ for cls in type(exc).__mro__}
        exc = exc.__cause__ or exc.__context__
    return frozenset(names)
