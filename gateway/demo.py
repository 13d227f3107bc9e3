"""The demo: a stand-in provider, the gateway in a process of its own, and the openai SDK over WebSocket, on loopback.

Shows side by side what the client sent, what the provider saw and what the client got, then the audit. It decides by
looking, not by trusting: everything the provider received is searched for every value, encoded forms included, and
every answer is compared with the text that it should be.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
import string
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.standin import INVENTED, Seen, StandIn, leaked, serve
from gateway.wire.frame import Json, encode, loads

if TYPE_CHECKING:
    from openai.resources.responses.responses import AsyncResponsesConnection
    from openai.types.responses import ResponsesServerEvent

START_SECONDS: Final = 60
"""How long the gateway may take to load its detection."""
WIDTHS: Final = (100, 140)
MODEL: Final = "gpt-5.1"
EMAIL, CARD, SSN = "ada.lovelace@example.com", "4111 1111 1111 1111", "536-22-1234"
_TOKEN: Final = re.compile(r"<[A-Z][A-Z_]*_[0-9a-z]+>")
_READY: Final = re.compile(r"https?://[\w.\[\]:]+")

CAREFUL: Final = """\
version: 1
name: careful
detect:
  modules:
    - {use: presidio, entities: [EMAIL_ADDRESS, CREDIT_CARD, US_SSN], threshold: 0.4}
actions:
  default: {input: mask, output: restore}
  US_SSN: {input: block}
output: {mask: new, delivery: replay}
"""
TOOL: Final[dict[str, Json]] = {
    "type": "function",
    "name": "send_mail",
    "description": "Send an e-mail",
    "strict": False,
    "parameters": {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]},
}


@dataclass(slots=True)
class Got:
    """What the client got in one turn."""

    deltas: str = ""
    text: str = ""
    arguments: str = ""
    call_id: str = ""
    response_id: str = ""
    error: str = ""
    raw: list[str] = field(default_factory=list)

    def take(self, event: ResponsesServerEvent) -> bool:
        """Take one event in; whether it is the last of its turn."""
        self.raw.append(event.to_json(indent=None))
        match event.type:
            case "response.output_text.delta" | "response.function_call_arguments.delta":
                self.deltas += event.delta
            case "response.output_text.done":
                self.text = event.text
            case "response.output_item.done" if event.item.type == "function_call":
                self.arguments, self.call_id = event.item.arguments, event.item.call_id
            case "response.completed" | "response.failed" | "response.incomplete":
                self.response_id = event.response.id
                return True
            case "error":
                self.error = f"{event.error.code}: {event.error.message}"
                return True
        return False


@dataclass(slots=True)
class Stage:
    """The parts of the demo, and what went wrong so far."""

    console: Console
    standin: StandIn
    connection: AsyncResponsesConnection
    values: Sequence[str]
    problems: list[str]

    async def turn(self, title: str, items: Json, *, expected: str | None, **more: Json) -> Got:
        """Play one turn, show it, and note where the client did not get the expected text."""
        before = len(self.standin.seen)
        await self.connection.response.create(model=MODEL, input=items, **more)  # type: ignore[arg-type]  # plain JSON
        got = Got()
        async for event in self.connection:
            if got.take(event):
                break
        received = [seen for seen in list(self.standin.seen)[before:] if seen.kind == "ws"]
        self._show(title, "\n".join(_said(items)), received, got)
        whole = got.arguments or got.text
        if got.deltas != whole:
            self.problems.append(f"{title}: the deltas are not the text of the done event")
        if expected is not None and whole != expected:
            self.problems.append(f"{title}: the client did not get the exact text back")
        return got

    def _show(self, title: str, sent: str, received: Sequence[Seen], got: Got) -> None:
        seen = "\n".join(text for frame in received for text in _said(_input(frame)))
        answer = got.error or got.text or f"{TOOL['name']}({got.arguments})"
        table = Table(title=title, title_justify="left", title_style="bold", box=box.ROUNDED, expand=True)
        for heading in ("1  the client sent", "2  the provider saw", "3  the client got"):
            table.add_column(heading, ratio=1, overflow="fold")
        nothing = Text("nothing", style="italic")
        table.add_row(self._marked(sent), self._marked(seen) if seen else nothing, self._marked(answer))
        self.console.print(table)

    def _marked(self, text: str) -> Text:
        marked = Text(text)
        marked.highlight_words([*self.values, *INVENTED], style="bold red")
        marked.highlight_regex(_TOKEN, style="bold green")
        return marked


def _input(frame: Seen) -> Json:
    request = loads(frame.raw)
    return request.get("input") if isinstance(request, dict) else None


def _said(items: Json) -> Iterable[str]:
    """The words of a request's input."""
    if isinstance(items, str):
        yield items
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            content = item.get("content", item.get("output"))
            yield content if isinstance(content, str) else encode(content)


def run_demo() -> int:
    """Run the demo and return the exit code: 0 if it held, 1 if a value leaked or an answer was not exact.

    Without the openai package it says how to get it, and returns 2.
    """
    width = min(max(Console().width, WIDTHS[0]), WIDTHS[1])
    console = Console(width=width, highlight=False)
    try:
        import openai  # noqa: F401
    except ImportError:
        advice = "The demo drives the gateway with the real SDK: pip install openai"
        console.print(advice, markup=False, soft_wrap=True)
        return 2
    # Everything is on loopback: a proxy that the environment names has nothing to do with it.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    return asyncio.run(_demo(console))


async def _demo(console: Console) -> int:
    problems: list[str] = []
    values = (EMAIL, CARD, SSN, "sk-proj-" + _random(48))
    standin = StandIn(chunk="rand", seed=secrets.randbits(32))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with serve(standin) as url, _gateway(folder, url) as (address, keys):
            console.print(f"provider {url}   gateway {address}   deltas of 1 to 7 characters, cut at random\n")
            async with _connected(address, keys["default"]) as connection:
                await _restored(Stage(console, standin, connection, values, problems))
            async with _connected(address, keys["careful"]) as connection:
                await _guarded(Stage(console, standin, connection, values, problems))
        rows = _rows(folder / "audit.jsonl")
    console.print(_audit_table(rows))
    return _verdict(console, standin, values, problems, rows)


def _rows(path: Path) -> list[Json]:
    return [loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def _restored(stage: Stage) -> None:
    """Three turns under the default policy: what is masked on the way out is restored on the way back."""
    api_key = stage.values[3]
    prompt = f"I am Ada, mail {EMAIL}, card {CARD}. My script logs in with {api_key}."
    first = await stage.turn("A question", prompt, expected=f"Echo: {prompt}")
    asked = f"TOOL please: write to {EMAIL}"
    call = await stage.turn("A tool call", asked, expected=encode({"to": asked}), tools=[TOOL])
    # What a client does with a call: run it with the real values, then tell the model how it went.
    arguments = loads(call.arguments or "{}")
    to = arguments.get("to") if isinstance(arguments, dict) else None
    output: Json = [{"type": "function_call_output", "call_id": call.call_id, "output": f"sent to: {to}"}]
    said = f"Tool said: sent to: {asked}"
    await stage.turn("Its result", output, expected=said, tools=[TOOL], previous_response_id=call.response_id)
    everything = f"Echo: {prompt} | RECALL what I told you"
    again = {"expected": everything, "previous_response_id": first.response_id}
    await stage.turn("A later turn", "RECALL what I told you", **again)


async def _guarded(stage: Stage) -> None:
    """Two turns under a stricter policy: the model's own values are masked too, and one kind may not be sent at all."""
    invented = await stage.turn("The model makes values up (output.mask: new)", "INVENT a customer", expected=None)
    if leaked(INVENTED, invented.raw) or not invented.text.startswith("Echo: INVENT a customer"):
        stage.problems.append("a value that the model made up reached the client")
    refused = await stage.turn("A value that may not be sent (input: block)", f"My number is {SSN}", expected="")
    if not refused.error.startswith("invalid_prompt"):
        stage.problems.append("a blocked value was not refused")


def _verdict(
    console: Console, standin: StandIn, values: Sequence[str], problems: list[str], rows: Sequence[Json]
) -> int:
    received = [seen.raw for seen in standin.seen]
    received += [value for seen in standin.seen for _, value in seen.headers]
    problems += [f"the provider saw value {values.index(value) + 1}" for value in leaked(values, received)]
    problems += [f"the audit holds value {values.index(value) + 1}" for value in leaked(values, map(encode, rows))]
    if not any(seen.kind == "ws" for seen in standin.seen) or not rows:
        problems.append("nothing came through, so nothing is proven")
    if problems:
        console.print(Text.assemble(("FAILED", "bold red"), "  ", "; ".join(problems)), soft_wrap=True)
        return 1
    verdict = f"  the provider saw none of the {len(values)} values, and the client got every answer exact."
    console.print(Text.assemble(("PASSED", "bold green"), verdict), soft_wrap=True)
    return 0


def _audit_table(rows: Sequence[Json]) -> Table:
    table = Table(title="4  the audit", title_justify="left", title_style="bold", box=box.ROUNDED, expand=True)
    for heading in ("key", "turn", "direction", "event", "decision", "findings"):
        table.add_column(heading, overflow="fold", ratio=3 if heading == "findings" else None)
    for row in rows:
        if isinstance(row, dict):
            listed = row.get("findings")
            found = [_finding(finding) for finding in listed] if isinstance(listed, list) else []
            names = ("key", "turn", "direction", "event", "decision")
            table.add_row(*(str(row.get(name, "")) for name in names), "\n".join(dict.fromkeys(found)))
    return table


def _finding(finding: Json) -> str:
    if not isinstance(finding, dict):
        return ""
    return f"{finding.get('entity')} {finding.get('action')}, {str(finding.get('fingerprint'))[:12]}"


@asynccontextmanager
async def _connected(address: str, key: str) -> AsyncIterator[AsyncResponsesConnection]:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)
    async with client, client.responses.connect() as connection:
        yield connection


@asynccontextmanager
async def _gateway(folder: Path, provider: str) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Run `guardrail-gateway serve`; yields its address and a client key for each policy."""
    keys = {policy: f"demo-{_random(32)}" for policy in ("default", "careful")}
    (folder / "policies").mkdir()
    (folder / "policies" / "careful.yaml").write_text(CAREFUL, encoding="utf-8")
    (folder / "gateway.yaml").write_text(encode(_configuration(provider, list(keys))), encoding="utf-8")
    environment = {f"DEMO_{policy.upper()}": key for policy, key in keys.items()}
    environment |= {name: _random(48) for name in ("DEMO_VAULT", "DEMO_AUDIT", "DEMO_PROVIDER")}
    with (folder / "errors.log").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--config", str(folder / "gateway.yaml")),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
        )
    try:
        address = await _address(process)
        if address is None:
            raise RuntimeError(f"the gateway did not start:\n{_tail(folder / 'errors.log')}")
        yield address, keys
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str | None:
    """Wait for the ready line and return the address in it, or None where none comes."""
    if process.stdout is None:
        raise AssertionError("the process was started with a pipe")
    try:
        async with asyncio.timeout(START_SECONDS):
            async for line in process.stdout:
                if found := _READY.search(line.decode(errors="replace")):
                    return found[0]
    except TimeoutError:
        pass
    return None


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-2000:]


def _configuration(provider: str, policies: Sequence[str]) -> Json:
    """A gateway.yaml; JSON is YAML."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    url = provider.replace("http", "ws", 1) + "/responses"
    deployment: Json = {"name": "stand-in", "url": url, "model": MODEL, "auth": "key", "api_key_env": "DEMO_PROVIDER"}
    return {
        "listen": {"host": "127.0.0.1", "port": port},
        "keys": [
            {"id": f"{policy}-key", "secret_env": f"DEMO_{policy.upper()}", "models": [MODEL], "policy": policy}
            for policy in policies
        ],
        "models": {MODEL: {"deployments": [deployment]}},
        "policies": ["./policies"],
        "vault": {"store": "memory", "secret_env": "DEMO_VAULT"},
        "audit": {"path": "./audit.jsonl", "secret_env": "DEMO_AUDIT"},
    }


def _random(length: int) -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(length))
