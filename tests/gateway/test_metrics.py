"""What Prometheus reads is what the audit says, on every path, and holds nothing of anybody."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.server import ServerConnection

from gateway.audit.record import Found, Row, Usage, Who
from gateway.errors import AuditError
from gateway.metrics import Metrics
from gateway.standin.server import StandIn
from guardrails.errors import DetectionTimeout
from guardrails.pool import PoolState
from guardrails.redact import Applied
from tests.gateway import test_transports as transports
from tests.gateway.loopback import Gateway, Provider, ask, configuration, gateway, play, provider, read, run
from tests.kit import CARD, EMAIL, SSN

Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
LET_THROUGH = ("forwarded", "masked", "observed")
USAGE = {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200}


def parsed(text: str) -> Series:
    """Every series by its name and labels."""
    families = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


async def scraped(made: Gateway) -> Series:
    """What the gateway's endpoint says now."""
    status, headers, body = await made.http("GET", "/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return parsed(body.decode())


def total(series: Series, name: str, **labels: str) -> float:
    """The sum of a metric's series that have some labels."""
    wanted = labels.items()
    return sum(value for (one, has), value in series.items() if one == f"guardrail_{name}" and wanted <= set(has))


def counted(rows: Iterable[Mapping[str, Any]], *names: str) -> Counter[frozenset[tuple[str, str]]]:
    """How many rows have which values."""
    return Counter(frozenset((name, row[name]) for name in names) for row in rows)


def by(series: Series, name: str) -> dict[frozenset[tuple[str, str]], float]:
    """A metric's series by their labels."""
    return {labels: value for (one, labels), value in series.items() if one == f"guardrail_{name}"}


def check(series: Series, rows: list[dict[str, Any]]) -> None:
    """Hold the metrics against the rows; they are counted anew here."""
    assert by(series, "audit_rows_total") == counted(rows, "key", "policy", "direction", "event", "decision")
    again = [row for row in rows if row.get("attempt", 1) > 1]
    assert total(series, "failovers_total") == len(again)
    asked = [row for row in rows if row["event"] == "response.create" and row not in again]
    refused = [row for row in asked if row["decision"] not in LET_THROUGH]
    answers = [row for row in rows if row["direction"] == "output" and row["turn"]]
    assert len(asked) == len(refused) + len(answers), "each that was let through has one row at its end"
    assert len({(row["connection"], row["turn"]) for row in answers}) == len(answers)
    ends = [{**row, "model": row["model_used"] or "", "outcome": row["outcome"] or row["decision"]} for row in asked]
    ends = [end for end in ends if end["decision"] not in LET_THROUGH]
    ends += ({**row, "model": row["model_used"]} for row in answers)
    assert by(series, "turns_total") == counted(ends, "key", "model", "outcome")
    assert total(series, "turns_total") == len(asked)
    assert by(series, "refusals_total") == counted((row for row in rows if row["code"]), "key", "direction", "code")
    for kind, key in {
        "input": "input_tokens",
        "output": "output_tokens",
        "cached_input": "cached_tokens",
        "reasoning": "reasoning_tokens",
    }.items():
        assert total(series, "tokens_total", kind=kind) == sum(
            row["usage"].get(key, 0) for row in rows if "usage" in row
        )
    costs = [row["cost"] for row in rows if "usage" in row]
    assert total(series, "cost_usd_total") == pytest.approx(sum(cost for cost in costs if cost is not None))
    assert total(series, "unpriced_responses_total") == costs.count(None)
    assert total(series, "response_seconds_count") == len(answers)
    bad = [row for row in answers if row["outcome"] in ("error", "failed", "lost", "overdue")]
    assert total(series, "upstream_errors_total") == len(bad)
    assert total(series, "replays_total") == sum(row.get("cached", False) for row in answers)
    found = sum(len(row["findings"]) for row in rows if row not in again)
    assert total(series, "findings_total") == found
    assert total(series, "audit_failures_total") == 0
    assert total(series, "responses_in_flight") == 0


# All ways


@pytest.mark.parametrize("rest", ["", transports.REPLAY], ids=["restore", "replay"])
def test_on_all_ways_and_for_all_ends_the_metrics_are_the_rows(tmp_path: Path, rest: str) -> None:
    async def script(made: Gateway, providers: list[StandIn]) -> None:
        words = [*transports.WORDS.values(), f"DROPME {EMAIL} and a long text after it"]
        for model in transports.NATIVE:
            for client in transports.CLIENTS:
                for text in words:
                    await transports.ask(made, client, model, text)
        series, rows = await scraped(made), made.rows()
        assert len(rows) == 2 * 9 * len(words)
        check(series, rows)
        assert {row["outcome"] for row in rows} >= {"completed", "incomplete", "failed", "error"}
        assert total(series, "cost_usd_total") > 0
        assert total(series, "findings_total", entity="EMAIL_ADDRESS", direction="input") > 0

    transports.play(tmp_path, script, rest)


async def misbehave(socket: ServerConnection, frame: dict[str, Any]) -> None:
    """Answer as the first word of the input says."""
    word, identity = str(frame.get("input")).partition(" ")[0], f"resp_{id(frame)}"

    lane = {"stream_id": frame["stream_id"]} if "stream_id" in frame else {}

    async def say(kind: str, **more: Any) -> None:
        await socket.send(json.dumps({"type": kind, **lane, **more}))

    whole = {"id": identity, "output": [], "usage": USAGE}
    if word in ("gone", "garbage", "silent", "twice", "odd", "failed", "incomplete"):
        await say("response.created", response={"id": identity, "output": []})
    if word == "gone":
        socket.transport.abort()
    elif word == "garbage":
        await socket.send(f"{EMAIL} {{")
    elif word == "twice":
        for number in range(2):
            await say("response.completed", response={**whole, "id": f"{identity}{number}"})
    elif word == "odd":
        await say("response.completed", response={**whole, "usage": {"input_tokens": CARD, "output_tokens": 10**12}})
    elif word in ("failed", "incomplete"):
        await say(f"response.{word}", response=whole)
    elif word == "error":
        await say("error", status=500, error={"code": EMAIL, "message": SSN})
    elif word != "silent":
        await Provider().echo(socket, frame)


PATHS = ["hello", "failed", "incomplete", "error", "gone", "garbage", "odd", "twice", "silent", f"mail {EMAIL}"]


@pytest.mark.parametrize("rest", ["", "output: {mask: new}\n"], ids=["restore", "replay"])
def test_whatever_becomes_of_a_response_it_is_counted_once(tmp_path: Path, rest: str) -> None:
    async def script(made: Gateway, provider: Provider) -> None:
        provider.script = misbehave
        for text in PATHS:  # each on a connection of its own, so that nothing of one reaches the next
            async with made.connect() as socket:
                await socket.send(json.dumps({"type": "response.create", "input": text}))
                while json.loads(await socket.recv())["type"] not in (
                    "response.completed", "response.incomplete", "response.failed", "error"
                ):  # fmt: skip
                    pass
        async with made.connect() as socket:  # one after another
            for text in ("hello", "odd", "error", "gone", "hello"):
                await ask(socket, text)
        rows = await made.rows_once(2 * (len(PATHS) + 5))
        check(await scraped(made), rows)
        assert {row["outcome"] for row in rows} == {
            None, "completed", "failed", "incomplete", "error", "lost", "overdue"
        }  # fmt: skip

    play(tmp_path, script, rest, limits={"response": "300ms"})


def test_what_is_refused_is_counted_once(tmp_path: Path) -> None:
    async def script(made: Gateway, provider: Provider) -> None:
        async with made.connect() as socket:
            for data in (
                b"binary",
                "{",
                '{"type": "x"}',
                '{"type": "response.create", "model": "gpt-9", "input": "a"}',
                json.dumps({"type": "response.create", "input": f"I am {SSN}"}),
                '{"type": "response.create", "stream_id": "a b", "input": "a"}',
            ):
                await socket.send(data)
                await read(socket)
            await ask(socket)
        rows = await made.rows_once(8)
        series = await scraped(made)
        check(series, rows)
        assert total(series, "turns_total", outcome="blocked") == 1
        assert total(series, "refusals_total", code="invalid_stream_id") == 1
        assert total(series, "refusals_total", code="invalid_prompt") == 5

    play(tmp_path, script, "actions: {US_SSN: {input: block}}\n")


def test_a_client_that_leaves_is_counted_once(tmp_path: Path) -> None:
    async def script(made: Gateway, provider: Provider) -> None:
        provider.script = misbehave
        async with made.connect() as socket:
            for lane in "abc":
                frame = {"type": "response.create", "input": "silent", "stream_id": lane}
                await socket.send(json.dumps(frame))
            await made.rows_once(3)
            assert total(await scraped(made), "responses_in_flight") == 3
            assert total(await scraped(made), "connections_open", key="team-a") == 1
        rows = await made.rows_once(6)
        series = await scraped(made)
        check(series, rows)
        assert total(series, "turns_total", outcome="left") == 3
        while total(await scraped(made), "connections_open"):
            await asyncio.sleep(0.01)

    play(tmp_path, script)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_its_request_is_counted_once(tmp_path: Path, stream: bool) -> None:
    async def script(made: Gateway, providers: list[StandIn]) -> None:
        _, writer = await made.post({"model": "websocket", "input": f"HOLD {EMAIL}", "stream": stream})
        await made.rows_once(1)
        assert total(await scraped(made), "responses_in_flight") == 1
        writer.close()
        rows = await made.rows_once(2)
        series = await scraped(made)
        check(series, rows)
        assert total(series, "turns_total", outcome="left") == 1

    transports.play(tmp_path, script)


def test_what_cannot_be_examined_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(made: Gateway, provider: Provider) -> None:
        def refuse(*args: object) -> None:
            raise DetectionTimeout("it took too long")

        async with made.connect() as socket:
            await ask(socket, "hello")
            monkeypatch.setattr("gateway.detection.CachedDetection.inline", refuse)
            assert (await ask(socket, f"mail {EMAIL}"))[-1]["type"] == "error"
        rows = await made.rows_once(3)
        series = await scraped(made)
        check(series, rows)
        assert total(series, "turns_total", outcome="failed") == 1

    play(tmp_path, script)


def test_a_row_that_is_not_written_is_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(made: Gateway, provider: Provider) -> None:
        def refuse(*args: object) -> None:
            raise AuditError("The disk is full.")

        async with made.connect() as socket:
            await ask(socket)
            with monkeypatch.context() as patch:
                patch.setattr("gateway.audit.sinks.FileSink.write", refuse)
                assert (await ask(socket))[-1]["type"] == "error"
            await ask(socket)
        series = await scraped(made)
        assert total(series, "audit_rows_total") == len(made.rows()) == 4
        assert total(series, "audit_failures_total", key="team-a") == 1
        assert total(series, "turns_total") == 2

    play(tmp_path, script)


def test_a_response_that_is_retrieved_is_not_counted_again(tmp_path: Path) -> None:
    async def script(made: Gateway, providers: list[StandIn]) -> None:
        first = await transports.ask(made, "json", "sse", f"Write to {EMAIL}")
        before = await scraped(made)
        for _ in range(3):
            status, _, _ = await made.http("GET", f"/v1/responses/{first['id']}", headers=transports.AUTHORIZED)
            assert status == 200
        rows = await made.rows_once(5)
        after = await scraped(made)
        check(after, rows)
        for name in ("turns_total", "tokens_total", "cost_usd_total", "response_seconds_count"):
            assert by(after, name) == by(before, name)

    transports.play(tmp_path, script)


def test_an_answer_out_of_memory_is_one_and_costs_nothing(tmp_path: Path) -> None:
    async def script(made: Gateway, providers: list[StandIn]) -> None:
        for _ in range(3):
            for client in transports.CLIENTS:
                usage = (await transports.ask(made, client, "websocket", f"Write to {EMAIL}"))["usage"]
                assert ("cost" in usage) is (len(made.rows()) == 2)
        series, rows = await scraped(made), made.rows()
        check(series, rows)
        assert total(series, "replays_total", key="team-a", model="websocket") == 8
        assert total(series, "turns_total", outcome="completed") == 9
        assert sum("usage" in row for row in rows) == 1

    transports.play(tmp_path, script, replay={"ttl": "1m"}, of_key={"usage_cost": True})


def test_a_deployment_that_does_not_answer_is_counted_and_the_turn_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with provider() as ill, provider() as well:
            ill.script = misbehave_at_once
            where = [{"name": "ill", "url": ill.url, "auth": "none", "weight": 1_000_000}]
            where.append({"name": "well", "url": well.url, "auth": "none", "weight": 1})
            models = {name: {"deployments": where} for name in ("gpt-5.1", "gpt-5.1-mini")}
            async with gateway(tmp_path, configuration(ill.url, models=models)) as made:
                async with made.connect() as socket:
                    assert (await ask(socket, f"mail {EMAIL}"))[-1]["type"] == "response.completed"
                series, rows = await scraped(made), made.rows()
                check(series, rows)
                assert total(series, "failovers_total", deployment="well") == 1
                assert total(series, "turns_total") == total(series, "turns_total", outcome="completed") == 1

    run(main())


async def misbehave_at_once(socket: ServerConnection, frame: dict[str, Any]) -> None:
    """Be gone before the first event."""
    socket.transport.abort()


def test_who_is_turned_away_and_what_cannot_be_dialled_is_counted(tmp_path: Path) -> None:
    async def script(made: Gateway, provider: Provider) -> None:
        for _ in range(2):
            with contextlib.suppress(Exception):
                await made.connect("wrong")
        await made.http("POST", "/v1/responses", body=b"{}")
        provider.status = 503
        async with made.connect() as socket:
            await ask(socket)
        series = await scraped(made)
        assert by(series, "denied_total") == {frozenset({("code", "invalid_api_key")}): 3}
        assert total(series, "dial_failures_total", deployment="test", model="gpt-5.1") == 2

    play(tmp_path, script)


# What a label can be


def test_callers_with_keys_of_their_own_are_one_key(tmp_path: Path) -> None:
    async def script(made: Gateway, provider: Provider) -> None:
        for number in range(3):
            async with made.connect(f"sk-caller-{number}-0123456789") as socket:
                await ask(socket)
        series = await scraped(made)
        assert len({row["key"] for row in made.rows()}) == 3
        assert by(series, "turns_total") == {
            frozenset({("key", "own"), ("model", "gpt-5.1"), ("outcome", "completed")}): 3
        }
        assert "caller" not in str(series)

    async def main() -> None:
        async with provider() as upstream:
            where = {"name": "provider", "url": upstream.url, "auth": "forward"}
            keys = [{"id": "own", "accept": "any", "models": ["gpt-5.1"], "policy": "./policy.yaml"}]
            config = configuration(upstream.url, keys=keys, models={"gpt-5.1": {"deployments": [where]}})
            async with gateway(tmp_path, config) as made:
                await script(made, upstream)

    run(main())


def row(entity: str) -> Row:
    """A row with one finding."""
    found = Found((Applied(entity, "own", "mask", "99b895ee66c7c0c0"),), "input")
    return Row(Who("c", "k", "p", "d"), 1, "input", "response.create", "masked", findings=(found,))


def test_a_module_that_makes_up_entities_fills_no_memory_and_says_nothing() -> None:
    metrics = Metrics()
    for entity in ("ada@example.com", "SSN_536221234", "lower", "A" * 65, 'X"} 1\nx{y="'):
        metrics.written(row(entity), "a")
    for number in range(1000):
        metrics.written(row("A" + "".join("ABCDEFGHIJ"[int(digit)] for digit in str(number))), "a")
    series = by(parsed(metrics.exposition().decode()), "findings_total")
    assert len(series) <= 201
    assert sum(series.values()) == 1005
    assert not any(part in str(series) for part in ("ada", "5362", "lower", "AAAAAAA"))


def test_the_pool_is_read_when_it_is_asked_for() -> None:
    metrics = Metrics()
    state = PoolState(2, 1, 7, {"full": 3, "died": 1})
    metrics.watch(connections={"a": 4, "": 4}, keys=["a", "b"], in_flight=lambda: 5, pool=lambda: state)
    series = parsed(metrics.exposition().decode())
    assert total(series, "detection_workers", state="idle") == total(series, "detection_workers", state="busy") == 1
    assert total(series, "detection_waiting") == 7
    assert total(series, "detection_failures_total", reason="full") == 3
    assert total(series, "connections_open", key="a") == 4
    assert total(series, "connections_open", key="b") == 0
    assert total(series, "responses_in_flight") == 5


def test_two_gateways_share_nothing() -> None:
    one, other = Metrics(), Metrics()
    one.written(row("EMAIL_ADDRESS"), "a")
    assert total(parsed(other.exposition().decode()), "audit_rows_total") == 0


def test_a_long_usage_is_counted_as_it_is_recorded() -> None:
    metrics = Metrics()
    who = Who("c", "k", "p", "d")
    usage = Usage(9_999_999, 9_999_999, 9_999_999, 9_999_999, 9_999_999, 9_999_999)
    end = Row(who, 1, "output", "response", "forwarded", model_used="m", outcome="completed", usage=usage)
    metrics.written(end, "a")
    series = parsed(metrics.exposition().decode())
    assert total(series, "tokens_total", kind="cache_write") == 9_999_999
    assert total(series, "unpriced_responses_total") == 1
