"""What Prometheus reads: counted from audit rows, as they are written, and read from what runs, when it asks.

Data flows one way. Every turn leaves its rows in the audit (`gateway.session.rows`), each written through `counting`,
so what the metrics say and what the audit says cannot differ, and no path counts twice. An event in the middle of a
stream costs nothing; a turn costs some microseconds, because a counter's labels are looked up once.

A label is a name out of the configuration or a word of a closed set: never a text of a client's or a provider's, and
never one that a caller can make another of. So callers who bring their own key are one `key`, that of the file.

What is not in a row is told by whoever knows it: `denied`, `dial_failed`. Something new that happens once a turn
belongs into the row first, as answers out of memory and failovers do, and is counted here from there.
"""

from __future__ import annotations

import collections
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from gateway.audit.record import Row
from gateway.audit.sinks import Sink
from gateway.errors import AuditError
from guardrails.pool import PoolState

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The one form in which metrics are given: what a request accepts is not looked at."""
_SHORT: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds of our own work: most is done in one millisecond, and two seconds are the budget of most policies."""
_LONG: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds of a model's."""
_LET_THROUGH: Final = frozenset({"forwarded", "masked", "observed"})
_UPSTREAM: Final = frozenset({"error", "failed", "lost", "overdue"})
_ENTITY: Final = re.compile(r"[A-Z](?:[A-Z_]|[0-9](?![0-9]{4})){0,63}")
_ENTITIES: Final = 200
"""Kinds of findings that have a series of their own; a module of somebody's own could make up one for each value."""
_OTHER: Final = "OTHER"
_TOGETHER: Final = 32
"""Rows that are counted at a time."""

_Kind = TypeVar("_Kind", bound=MetricWrapperBase)


class _Family(Generic[_Kind]):
    """One metric; calling it with its labels' values gives the series to count in, looked up once."""

    def __init__(self, metric: _Kind) -> None:
        self._metric: Final = metric
        self._series: Final[dict[tuple[str, ...], _Kind]] = {}

    def __call__(self, *labels: str) -> _Kind:
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = self._metric.labels(*labels)
        return series


class Metrics:
    """All metrics of one gateway. Rows reach it through `counting`; `exposition` is what Prometheus gets."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> _Family[Counter]:
            return _Family(Counter(f"guardrail_{name}", text, labels, registry=registry))

        def seconds(name: str, text: str, *labels: str, buckets: tuple[float, ...] = _SHORT) -> _Family[Histogram]:
            made = Histogram(f"guardrail_{name}_seconds", text, labels, registry=registry, buckets=buckets)
            return _Family(made)

        where = ("model", "deployment")
        self._rows = counter("audit_rows", "Rows written.", "key", "policy", "direction", "event", "decision")
        self._unwritten = counter("audit_failures", "Rows that could not be written.", "key")
        self._turns = counter("turns", "Responses asked for, once each, by how they ended.", "key", "model", "outcome")
        self._refusals = counter("refusals", "Messages and responses not let through.", "key", "direction", "code")
        self._denied = counter("denied", "Connections and requests turned away before any message.", "code")
        self._findings = counter("findings", "What was found.", "policy", "entity", "direction", "action")
        self._tokens = counter("tokens", "As providers count them.", "key", "model", "kind")
        self._cost = counter("cost_usd", "What that costs, where it is known.", "key", "model")
        self._unpriced = counter("unpriced_responses", "Responses without a known cost.", "key", "model")
        self._upstream = counter("upstream_errors", "Responses that did not end well.", *where, "kind")
        self._failovers = counter("failovers", "Messages asked again of this deployment.", *where)
        self._replays = counter("replays", "Answers given out of memory.", "key", "model")
        self._dials = counter("dial_failures", "Deployments that could not be dialled.", *where)
        self._vault = counter("vault_failures", "Values not looked up, or not kept.", "operation")
        self._detection = seconds("detection", "Detection of a message or an answer.", "direction")
        self._added = seconds("request", "From a message's arrival to its going on.", "key")
        self._first = seconds("first_event", "From a message to its first event.", *where, buckets=_LONG)
        self._whole = seconds("response", "From a message to the end of its response.", *where, buckets=_LONG)
        self._kinds: dict[str, str] = {}
        self._uncounted: list[tuple[Row, str]] = []
        about = {"version": _version(), "python": platform.python_version()}
        Info("guardrail_build", "What runs.", registry=registry).info(about)
        ProcessCollector(registry=registry)

    def counting(self, sink: Sink, key: str) -> Sink:
        """A sink that counts, for one key of the configuration, what is written to another."""
        return _Counting(self, sink, key)

    def watch(
        self, *, connections: Mapping[str, int], keys: Iterable[str], in_flight: Callable[[], int],
        pool: Callable[[], PoolState],
    ) -> None:  # fmt: skip
        """Read, whenever Prometheus asks, what is there at that moment. Call it once."""
        self._registry.register(_Now(connections, tuple(keys), in_flight, pool))

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format, version 0.0.4."""
        self._count()
        return generate_latest(self._registry)

    def denied(self, code: str) -> None:
        """A connection or request was turned away; `code` is a constant of this program."""
        self._denied(code).inc()

    def dial_failed(self, model: str, deployment: str) -> None:
        """A deployment could not be dialled; the next one is."""
        self._dials(model, deployment).inc()

    def vault_failed(self, operation: str) -> None:
        """The vault could not do something; `operation` is a constant of this program."""
        self._vault(operation).inc()

    def unwritten(self, key: str) -> None:
        """A row could not be written."""
        self._unwritten(key).inc()

    def written(self, row: Row, key: str) -> None:
        """A row was written; what it says is counted with some others, for an answer waits for its row."""
        self._uncounted.append((row, key))
        if len(self._uncounted) >= _TOGETHER:
            self._count()

    def _count(self) -> None:
        rows, self._uncounted = self._uncounted, []
        for row, key in rows:
            self._count_one(row, key)

    def _count_one(self, row: Row, key: str) -> None:
        self._rows(key, row.who.policy, row.direction, row.event, row.decision).inc()
        if row.attempt > 1:  # all else of it was counted the first time
            self._failovers(row.model_used or "", row.deployment or "").inc()
            return
        kinds = collections.Counter((one.entity, one.action) for found in row.findings for one in found.applied)
        for (name, action), count in kinds.items():
            entity = self._kinds.get(name) or self._kind(name)
            self._findings(row.who.policy, entity, row.direction, action).inc(count)
        if row.code is not None:
            self._refusals(key, row.direction, row.code).inc()
        if row.detection:
            self._detection(row.direction).observe(row.detection)
        if row.direction == "input":
            self._input(row, key)
        elif row.model_used is not None:  # else it was retrieved: it was counted when it was made
            self._output(row, key, row.model_used, row.deployment or "")

    def _input(self, row: Row, key: str) -> None:
        if row.decision in _LET_THROUGH:
            self._added(key).observe(row.duration)
        elif row.event == "response.create":  # no output row follows
            self._turns(key, row.model_used or "", row.decision).inc()

    def _output(self, row: Row, key: str, model: str, deployment: str) -> None:
        outcome = row.outcome or ""
        if row.cached:
            self._replays(key, model).inc()
        self._turns(key, model, outcome).inc()
        self._whole(model, deployment).observe(row.duration)
        if row.first is not None:
            self._first(model, deployment).observe(row.first)
        if outcome in _UPSTREAM:
            self._upstream(model, deployment, outcome).inc()
        usage = row.usage
        if usage is None:
            return
        self._tokens(key, model, "input").inc(usage.input_tokens)
        self._tokens(key, model, "output").inc(usage.output_tokens)
        for kind, count in (
            ("cached_input", usage.cached_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            if count:
                self._tokens(key, model, kind).inc(count)
        if row.cost is None:
            self._unpriced(key, model).inc()
        else:
            self._cost(key, model).inc(float(row.cost))

    def _kind(self, entity: str) -> str:
        """The label of an entity: its name, while it looks like one and there are not too many."""
        if len(self._kinds) >= _ENTITIES:
            return _OTHER
        return self._kinds.setdefault(entity, entity if _ENTITY.fullmatch(entity) else _OTHER)


class _Counting:
    """A sink in front of another."""

    def __init__(self, metrics: Metrics, sink: Sink, key: str) -> None:
        self._metrics: Final = metrics
        self._sink: Final = sink
        self._key: Final = key

    def write(self, row: Row) -> None:
        """See `Sink`. Counted is what is certain to be written."""
        try:
            self._sink.write(row)
        except AuditError:
            self._metrics.unwritten(self._key)
            raise
        self._metrics.written(row, self._key)


class _Now(Collector):
    """What is there at the moment of asking."""

    def __init__(
        self,
        connections: Mapping[str, int],
        keys: tuple[str, ...],
        in_flight: Callable[[], int],
        pool: Callable[[], PoolState],
    ) -> None:
        self._connections: Final = connections
        self._keys: Final = keys
        self._in_flight: Final = in_flight
        self._pool: Final = pool

    def describe(self) -> Iterable[Metric]:
        """Nothing to compare names with: they are all here."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        opened = GaugeMetricFamily("guardrail_connections_open", "Connections and requests.", labels=["key"])
        for key in self._keys:
            opened.add_metric([key], self._connections.get(key, 0))
        yield opened
        yield GaugeMetricFamily("guardrail_responses_in_flight", "Asked for and not ended.", self._in_flight())
        pool = self._pool()
        workers = GaugeMetricFamily("guardrail_detection_workers", "Processes that examine.", labels=["state"])
        workers.add_metric(["idle"], pool.idle)
        workers.add_metric(["busy"], pool.workers - pool.idle)
        yield workers
        yield GaugeMetricFamily("guardrail_detection_waiting", "Questions that wait for a process.", pool.waiting)
        failures = CounterMetricFamily("guardrail_detection_failures", "Questions not answered.", labels=["reason"])
        for reason, count in pool.failures.items():
            failures.add_metric([reason], count)
        yield failures


def _version() -> str:
    try:
        return version("guardrail-gateway")
    except PackageNotFoundError:
        return "not installed"
