"""A provider behind the library LiteLLM: what it is asked and with which key, and what becomes of every answer."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import FrameError, UpstreamError
from gateway.standin import leaked
from gateway.standin.server import serve
from gateway.upstream.library import LibraryTransport, Reached, load
from tests.gateway.chat_standin import ChatStandIn

if find_spec("litellm") is None:
    if os.environ.get("CI"):
        raise AssertionError("here the library has to be installed")
    pytest.skip("the extra [litellm] is not installed", allow_module_level=True)

KEY = "sk-provider-7f6e5d4c3b2a1908"
EMAIL = "ada.lovelace@example.com"
CANARY = "sk-of-the-environment-0a1b2c3d"
FUNCTION = {"type": "function", "name": "send", "parameters": {"type": "object"}}
VARIABLES = (
    *("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MISTRAL_API_KEY", "GROQ_API_KEY", "DEEPSEEK_API_KEY", "GEMINI_API_KEY"),
    *("GOOGLE_API_KEY", "AZURE_API_KEY", "TOGETHERAI_API_KEY", "HOSTED_VLLM_API_KEY", "OPENROUTER_API_KEY"),
    *("OPENAI_ORGANIZATION", "LITELLM_API_KEY", "XAI_API_KEY", "COHERE_API_KEY", "OLLAMA_API_KEY"),
)

Script = Callable[[ChatStandIn, Callable[..., LibraryTransport]], Awaitable[None]]


def play(script: Script, standin: ChatStandIn | None = None) -> None:
    """Run a script with a provider, and what makes transports to it."""
    library = load()
    made = standin or ChatStandIn()

    async def main() -> None:
        async with asyncio.timeout(30), serve(made) as url:  # type: ignore[arg-type]

            def transport(model: str = "openai/m", key: str | None = KEY, most: int = 10_000) -> LibraryTransport:
                return LibraryTransport(library, Reached(model, url, key, most, 20.0))

            try:
                await script(made, transport)
            finally:
                await library.close()

    asyncio.run(main())


async def ask(transport: LibraryTransport, text: Any, **more: Any) -> list[dict[str, Any]]:
    """All events of an answer."""
    request = {"model": "openai/m", "input": text, **more}
    return [json.loads(event) async for event in transport.answer(request)]


def test_a_request_becomes_a_streaming_one_with_the_key_of_its_deployment() -> None:
    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        more = {"store": False, "metadata": {"api_base": "http://127.0.0.1:9"}}
        events = await ask(transport(), "hi", tools=[FUNCTION], **more)
        assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Echo: hi"
        assert events[-1]["response"]["usage"]["total_tokens"] == 18
        (body,) = standin.bodies()
        assert body == {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "tools": [{"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}],
        }
        assert dict(standin.seen[0].headers)["authorization"] == f"Bearer {KEY}"

    play(script)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("bytes_", [1, 5, 4096])
def test_a_stream_cut_anywhere_is_the_same_answer(size: int, bytes_: int) -> None:
    text = "née <EMAIL_ADDRESS_k7x2m9qa> 😀 " * 3

    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        events = await ask(transport(), text)
        deltas = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        assert deltas == events[-1]["response"]["output"][0]["content"][0]["text"] == f"Echo: {text}"

    play(script, ChatStandIn(size=size, bytes_=bytes_))


ERRORS = {
    "HTTP-400": (400, "invalid_prompt", "The provider did not accept the request."),
    "HTTP-400 LONG": (400, "context_length_exceeded", "The input is longer than the model takes."),
    "HTTP-401": (401, "invalid_api_key", "The provider refused the credentials."),
    "HTTP-403": (403, "invalid_api_key", "The provider refused the credentials."),
    "HTTP-404": (404, "model_not_found", "The provider does not know this model."),
    "HTTP-429": (429, "rate_limit_exceeded", "The provider has too many requests at the moment."),
    "HTTP-500": (500, None, "The provider answered with HTTP 500."),
    "HTTP-503": (503, None, "The provider answered with HTTP 503."),
}


@pytest.mark.parametrize("words", ERRORS)
def test_an_error_is_told_by_its_kind_asked_once_and_quotes_nothing(words: str) -> None:
    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        (told,) = await ask(transport(), f"{words} {EMAIL}")
        assert (told["type"], told["status"]) == ("error", ERRORS[words][0])
        assert (told["error"]["code"], told["error"]["message"]) == ERRORS[words][1:]
        assert leaked([EMAIL, KEY], [json.dumps(told)]) == []
        assert len(standin.seen) == 1

    play(script)


@pytest.mark.parametrize("words", ["DROPME", "WEIRD", "VANISH"])
def test_a_provider_that_leaves_within_an_answer_is_told(words: str) -> None:
    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        with pytest.raises(UpstreamError, match="closed the connection before the response was complete") as caught:
            await ask(transport(), f"{words} {EMAIL} and more")
        assert caught.value.__context__ is None  # whose text is the provider's

    play(script)


def test_a_provider_that_is_not_there_is_told() -> None:
    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        gone = LibraryTransport(load(), Reached("openai/m", "http://127.0.0.1:9/v1", KEY, 10_000, 20.0))
        with pytest.raises(UpstreamError, match="cannot be reached") as caught:
            await ask(gone, EMAIL)
        assert caught.value.__context__ is None

    play(script)


def test_an_answer_has_a_largest_size() -> None:
    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        with pytest.raises(FrameError, match="larger than 20 bytes"):
            await ask(transport(most=20), "a" * 40)

    play(script)


def test_what_it_cannot_say_asks_nobody() -> None:
    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        (told,) = await ask(transport(), "hi", conversation=EMAIL)
        assert (told["status"], told["error"]["param"]) == (400, "conversation")
        assert EMAIL not in json.dumps(told)
        assert standin.seen == []

    play(script)


def test_who_leaves_takes_the_request_along() -> None:
    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        async with aclosing(transport().answer({"input": "SLOW and long enough"})) as events:
            async for event in events:
                if "delta" in json.loads(event):
                    break
        await standin.left.wait()

    play(script)


def test_who_is_cancelled_takes_the_request_along() -> None:
    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(ask(transport(), "SLOW and long enough"))
            await standin.asked.wait()
            task.cancel()
        await standin.left.wait()

    play(script)


PROVIDERS = ("openai", "anthropic", "mistral", "groq", "deepseek", "hosted_vllm", "together_ai", "openrouter", "xai")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("key", [None, KEY])
def test_no_key_of_the_environment_goes_anywhere(
    provider: str, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, CANARY)

    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        try:
            await ask(transport(f"{provider}/m", key), "hi")
        except UpstreamError:  # one that does not speak Chat Completions finds no answer here
            assert provider == "anthropic"
        (seen,) = standin.seen
        assert CANARY not in str(seen)
        assert (KEY in str(seen.headers)) == (key is not None)

    play(script)


def test_no_caller_gets_another_ones_cookie() -> None:
    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        for provider in ("openai", "hosted_vllm"):
            for _ in range(2):
                await ask(transport(f"{provider}/m"), "hi")
        assert "canary" not in str(standin.seen)

    play(script, ChatStandIn(cookie="canary"))


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm", "anthropic"])
@pytest.mark.parametrize("status", [301, 307])
def test_no_redirect_is_followed(provider: str, status: int) -> None:
    other = ChatStandIn()

    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        async with serve(other) as url:  # type: ignore[arg-type]
            standin.elsewhere = url
            await asyncio.gather(ask(transport(f"{provider}/m"), f"HTTP-{status}"), return_exceptions=True)
        assert len(standin.seen) == 1
        assert other.seen == []

    play(script)


def test_nothing_is_logged_or_printed_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    printed = io.StringIO()

    async def script(standin: ChatStandIn, transport: Callable[..., LibraryTransport]) -> None:
        for words in ("hi", "HTTP-400", "HTTP-401", "HTTP-500", "DROPME and more", "WEIRD and more", "VANISH and more"):
            for provider in ("openai", "hosted_vllm", "anthropic"):
                await asyncio.gather(ask(transport(f"{provider}/m"), f"{words} {EMAIL}"), return_exceptions=True)

    with redirect_stdout(printed), redirect_stderr(printed):
        play(script)
    assert leaked([EMAIL, KEY], [caplog.text, printed.getvalue()]) == []
    assert printed.getvalue() == ""


OFFLINE = """
import socket, sys
real = socket.socket.connect
def connect(self, address):
    print("connects to", address)
    raise OSError
socket.socket.connect = socket.socket.connect_ex = connect
def resolve(*args, **more):
    print("resolves", args)
    raise OSError
socket.getaddrinfo = resolve
from gateway.upstream.library import load
assert "litellm" not in sys.modules, "loaded where nobody asked for it"
library = load()
import litellm
assert library.knows("anthropic/x") and library.knows("openai/x") and not library.knows("nobody/x")
assert not (litellm.callbacks or litellm.success_callback or litellm.failure_callback or litellm.input_callback)
assert litellm.cache is None and litellm.num_retries == 0 and litellm.telemetry is False
import os
assert "CANARY_OF_A_FILE" not in os.environ, "it read .env"
"""


def test_it_is_loaded_when_asked_for_and_fetches_and_reads_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CANARY_OF_A_FILE=1\n")
    root = Path(__file__).parents[3]
    environ = {**os.environ, "PYTHONPATH": str(root), "LITELLM_LOG": "DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
