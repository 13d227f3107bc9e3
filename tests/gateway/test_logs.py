"""A gateway process with every logger at DEBUG, through a whole hostile run: no log line holds anything of anybody.

Nor do the audit or the metrics.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.gateway.loopback import ENVIRONMENT, KEY, POLICY, Provider, ask, configuration, provider, run
from tests.kit import CARD, EMAIL, SSN

ROOT = Path(__file__).parents[2]
WRONG_KEY = "gw-wrong-1f2e3d4c5b6a7988"
MCP_SECRET = "mcp-secret-99aa88bb77cc"
WORD = "xylophone-quarterly"
"""A word that no policy knows: nobody's data by itself, and a text of the user all the same."""
HEADERS = {"X-Codex-Turn-Metadata": f"for {EMAIL}", "User-Agent": WORD, "Cookie": f"session={MCP_SECRET}"}
CANARIES = [EMAIL, "lovelace", SSN, CARD, WORD, WRONG_KEY, MCP_SECRET, *ENVIRONMENT.values()]

AT_DEBUG = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, format="%(name)s %(levelname)s %(message)s")
logging.getLogger("test").debug("every logger writes at this level")
from gateway.cli import main
main()
"""

HOSTILE: list[str | bytes] = [
    f"{EMAIL} {{",
    f'{{"type": "response.create", "input": "{EMAIL}", "input": "{SSN}"}}',
    f'{{"type": "{EMAIL}"}}',
    f'{{"type": "response.create", "input": "{EMAIL} \\ud800"}}',
    f'{{"type": "response.create", "input": "{WORD}", "stream_id": "{EMAIL}"}}',
    f'{{"type": "response.create", "model": "{WORD}", "response": "{EMAIL}"}}',
    f'{{"type": "response.create", "model": "{WORD}", "input": "a", "metadata": {{"{WORD}": "{SSN}"}}}}',
    f'{{"type": "response.create", "model": "{EMAIL}", "input": "a", "service_tier": "{WORD}"}}',
    f'{{"type": "response.create", "input": "I am {SSN}"}}',
    f'{{"type": "response.steer", "previous_response_id": "{EMAIL}", "input": "{WORD}"}}',
    json.dumps(
        {"type": "response.create", "input": [{"type": "input_image", "image_url": f"https://x.example/{EMAIL}"}]}
    ),
    json.dumps({"type": "response.create", "input": "[" * 500 + EMAIL}),
    '{"type": "response.create", "input": ' + "[" * 500 + f'"{EMAIL}"' + "]" * 500 + "}",
    EMAIL.encode(),
    b"\xff\xfe" + EMAIL.encode(),
]


@dataclass
class Logs:
    """What a gateway wrote: its log, its standard output, its audit, and its metrics."""

    log: str
    out: str
    audit: str
    metrics: str


async def hostile(socket: ServerConnection, frame: dict[str, Any]) -> None:
    """Answer in all the ways that could end in a log."""
    text = str(frame.get("input"))
    if "bytes" in text:
        await socket.send(EMAIL.encode())
    elif "garbage" in text:
        await socket.send(f"{EMAIL} {{")
    elif "error" in text:
        error = {"type": "server_error", "code": EMAIL, "message": f"about {SSN} {WORD}"}
        await socket.send(json.dumps({"type": "error", "status": 500, "error": error}))
    elif "odd" in text:
        usage = {"input_tokens": int(CARD.replace(" ", "")), "output_tokens": EMAIL, EMAIL: 5}
        whole = {"id": f"resp_{EMAIL}", "model": WORD, "service_tier": EMAIL, "status": WORD, "usage": usage}
        await socket.send(json.dumps({"type": "response.created", "response": {**whole, "output": []}}))
        await socket.send(json.dumps({"type": "response.completed", "response": {**whole, "output": []}}))
    elif "leave" in text:
        await socket.close(1011, EMAIL)
    elif "vanish" in text:
        socket.transport.abort()
    else:
        await Provider().echo(socket, {**frame, "input": f"{text} {EMAIL}"})


async def attack(url: str, upstream: Provider) -> None:
    """Everything that a client may try."""
    upstream.script = hostile
    query = f"?model={quote(EMAIL)}&key={KEY}&token={MCP_SECRET}"
    for headers, path in (
        ({}, f"?q={quote(EMAIL)}&key={KEY}"),
        ({"Authorization": f"Bearer {WRONG_KEY}"}, f"?q={WORD}"),
        ({"Authorization": f"Bearer {KEY}"}, query),
        ({"Authorization": f"Bearer {KEY}", "Origin": f"https://{WORD}.example"}, ""),
    ):
        with pytest.raises(WebSocketException):
            await connect(url + path, additional_headers={**HEADERS, **headers}, proxy=None)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].split("/")[0]))
    lines = [f"POST /v1/responses?key={KEY} HTTP/1.1", "Host: x", f"Authorization: Bearer {KEY}", "Connection: close"]
    body = json.dumps({"input": EMAIL}).encode()
    writer.write("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
    assert b"200" in await reader.readline()
    writer.close()
    authorized = {**HEADERS, "Authorization": f"Bearer {KEY}"}
    async with connect(url + f"?q={quote(EMAIL)}", additional_headers=authorized, proxy=None) as socket:
        for data in HOSTILE:
            await socket.send(data)
            while json.loads(await socket.recv())["type"] not in ("error", "response.completed"):
                pass
        tool = {"type": "mcp", "authorization": f"Bearer {MCP_SECRET}", "headers": {"X": MCP_SECRET}}
        await ask(socket, f"odd {EMAIL}", metadata={WORD: EMAIL})
        await ask(socket, f"{WORD} to {EMAIL}, {base64.b64encode(EMAIL.encode()).decode()}", tools=[tool])
        for text in ("error", "garbage", "bytes", "leave", "vanish"):
            assert (await ask(socket, f"{text} {EMAIL}"))[-1]["type"] == "error"
        with contextlib.suppress(ConnectionClosed):
            await socket.send("x" * 20_000 + EMAIL)
            await socket.recv()
    socket = await connect(url, additional_headers=authorized, proxy=None)
    await socket.send(json.dumps({"type": "response.create", "input": EMAIL}))
    await socket.recv()
    socket.transport.abort()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    """The logs of a gateway that lived through all of it."""
    folder = tmp_path_factory.mktemp("logs")
    policy = POLICY.replace("decode: []", "decode: [base64, percent, json]") + "actions: {US_SSN: {input: block}}\n"
    (folder / "policy.yaml").write_text(policy, "utf-8")
    out: list[str] = []
    scraped: list[str] = []

    async def script() -> None:
        async with provider() as upstream:
            config = configuration(upstream.url, limits={"message_bytes": "8KiB"})
            (folder / "gateway.yaml").write_text(json.dumps(config), "utf-8")
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(  # noqa: ASYNC220  # it is there before anything waits
                    [sys.executable, "-c", AT_DEBUG, "serve", "--config", "gateway.yaml", "--workers", "0"],
                    cwd=folder,
                    env={**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", **ENVIRONMENT},
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            try:
                assert process.stdout is not None
                ready = await asyncio.to_thread(process.stdout.readline)
                found = re.search(r"http(://127\.0\.0\.1:\d+/v1)", ready)
                assert found is not None, (folder / "log").read_text()
                await attack(f"ws{found[1]}/responses", upstream)
                scraped.append(await get(f"http{found[1].removesuffix('/v1')}/metrics"))
                process.send_signal(signal.SIGTERM)
                rest, _ = await asyncio.to_thread(process.communicate, None, 20)
                out.append(ready + rest)
            finally:
                process.kill()
                process.wait()

    run(script())
    return Logs((folder / "log").read_text(), "".join(out), (folder / "audit.jsonl").read_text(), scraped[0])


async def get(url: str) -> str:
    """A page."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
    assert answer.status_code == httpx2.codes.OK
    return answer.text


def forms(canary: str) -> list[str]:
    """A text in the encodings in which a log could hold it."""
    return [
        canary,
        quote(canary, safe=""),
        json.dumps(canary)[1:-1],
        base64.b64encode(canary.encode()).decode().rstrip("=")[:-1],
        canary.encode().hex(),
    ]


@pytest.mark.parametrize("canary", CANARIES)
def test_no_log_line_holds_a_value_a_key_a_header_or_a_text(logs: Logs, canary: str) -> None:
    for form in forms(canary):
        assert form.lower() not in logs.log.lower()


@pytest.mark.parametrize("canary", [canary for canary in CANARIES if canary != WORD])
def test_no_audit_row_holds_a_value_or_a_key(logs: Logs, canary: str) -> None:
    for form in forms(canary):
        assert form.lower() not in logs.audit.lower()


@pytest.mark.parametrize("canary", [*CANARIES, CARD.replace(" ", ""), SSN.replace("-", "")])
def test_no_metric_holds_a_value_a_key_a_header_or_a_text(logs: Logs, canary: str) -> None:
    for form in forms(canary):
        assert form.lower() not in logs.metrics.lower()


def test_the_metrics_have_counted_the_run(logs: Logs) -> None:
    written = re.findall(r"^guardrail_audit_rows_total\{.*\} (.+)$", logs.metrics, re.MULTILINE)
    # What was under way when the last client vanished may be written after the metrics were read.
    assert 0 <= len(logs.audit.splitlines()) - sum(map(float, written)) <= 2
    for outcome in ("completed", "error", "lost", "blocked", "refused"):
        assert f'outcome="{outcome}"' in logs.metrics


def test_no_log_line_holds_a_query_a_header_or_a_traceback(logs: Logs) -> None:
    assert "?" not in logs.log
    for word in ("authorization", "bearer", "cookie", "traceback", "/v1/responses", "response.create"):
        assert word not in logs.log.lower()


def test_standard_output_holds_the_ready_line_only(logs: Logs) -> None:
    assert re.fullmatch(r"guardrail-gateway is ready: http://127\.0\.0\.1:\d+/v1\n", logs.out)


def test_the_run_was_at_debug_and_did_what_it_should(logs: Logs) -> None:
    assert "test DEBUG every logger writes at this level" in logs.log
    rows = [json.loads(line) for line in logs.audit.splitlines()]
    decisions = {row["decision"] for row in rows}
    assert {"forwarded", "masked", "blocked", "refused", "failed"} <= decisions
    assert len(rows) > len(HOSTILE)
