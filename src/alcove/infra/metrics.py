"""What the process can be measured by, in the format of Prometheus.

Labels are bounded: route patterns instead of paths, known methods, models that exist. Nobody can fill memory by asking for
things that are not there.
"""

import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alcove.infra.lean_metrics import LeanCount, LeanCounter, LeanDistribution, LeanHistogram
from alcove.infra.middleware import route_template
from alcove.kernel.chat import Usage
from alcove.kernel.trace import Level, ObservationKind, Trace, TraceSink

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TURN_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 300)
_MAX_MODELS = 200
_REMEMBERED_TRACES = 2_000
_OUTCOMES = {Level.DEFAULT: "ok", Level.WARNING: "stopped", Level.ERROR: "error"}


class _CallCounters(NamedTuple):
    turns: LeanCount
    seconds: LeanDistribution
    first_token_seconds: LeanDistribution
    input_tokens: LeanCount
    output_tokens: LeanCount


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        """Begins at zero."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here; it halves the lines
        self.registry = CollectorRegistry(auto_describe=True)
        self._counted: dict[tuple[str, int], tuple[LeanCount, LeanDistribution]] = {}
        self._calls: dict[tuple[str, str], _CallCounters] = {}
        self.requests = LeanCounter(
            "alcove_http_requests", "HTTP requests answered", ("route", "method", "status"), registry=self.registry
        )
        self.request_seconds = LeanHistogram(
            "alcove_http_request_duration_seconds",
            "Time from a request to the last byte of its answer",
            ("route", "method"),
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "alcove_http_requests_in_flight", "HTTP requests being answered now", registry=self.registry
        )
        self.turns = LeanCounter(
            "alcove_turns",
            "Turns by model and outcome (ok, stopped, error)",
            ("model", "outcome"),
            registry=self.registry,
        )
        self.turn_seconds = LeanHistogram(
            "alcove_turn_duration_seconds",
            "Time from a question to the end of its answer",
            ("model",),
            buckets=_TURN_BUCKETS,
            registry=self.registry,
        )
        self.first_token_seconds = LeanHistogram(
            "alcove_turn_time_to_first_token_seconds",
            "Time from a question to the first piece of its answer",
            ("model",),
            buckets=_TURN_BUCKETS,
            registry=self.registry,
        )
        self.tokens = LeanCounter(
            "alcove_tokens", "Tokens by model and kind (input, output)", ("model", "kind"), registry=self.registry
        )
        with contextlib.suppress(OSError):  # there is no /proc everywhere
            ProcessCollector(registry=self.registry)

    def watch(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Adds a value that is read whenever the metrics are.

        Args:
            name: Its name, with the unit at its end (`alcove_trace_journal_bytes`).
            description: What it is, in a few words.
            read: Gives the value; quick, as it blocks the event loop.
        """
        Gauge(name, description, registry=self.registry).set_function(read)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Counts a POST request that was answered past the layers."""
        counted = self._counted.get((route, status))
        if counted is None:
            counted = self._counted[route, status] = (
                self.requests.labels(route, "POST", str(status)),
                self.request_seconds.labels(route, "POST"),
            )
        counted[0].inc()
        counted[1].observe(seconds)

    def count_call(
        self, model: str, outcome: str, *, began_s: float, first_s: float | None, ended_s: float, usage: Usage | None
    ) -> None:
        """Counts a call that left no trace, as `MeteredTraceSink` counts those that do; times by one monotonic clock."""
        counted = self._calls.get((model, outcome))
        if counted is None:
            if len(self._calls) >= _MAX_MODELS * len(_OUTCOMES):
                model = "other"
            counted = self._calls[model, outcome] = _CallCounters(
                self.turns.labels(model, outcome),
                self.turn_seconds.labels(model),
                self.first_token_seconds.labels(model),
                self.tokens.labels(model, "input"),
                self.tokens.labels(model, "output"),
            )
        counted.turns.inc()
        counted.seconds.observe(ended_s - began_s)
        if first_s is not None:
            counted.first_token_seconds.observe(first_s - began_s)
        if usage is not None:
            counted.input_tokens.inc(usage.input_tokens)
            counted.output_tokens.inc(usage.output_tokens)

    def render(self) -> bytes:
        """Gives all metrics in Prometheus's text format; send it as `CONTENT_TYPE`."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Counts requests and times them, to the last byte of a stream. It looks at messages and holds none back."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wraps an application."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers as the application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # unless the application says otherwise

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        metrics = self._metrics
        started_s = time.perf_counter()
        metrics.in_flight.inc()
        try:
            await self._app(scope, receive, watched_send)
        finally:
            metrics.in_flight.dec()
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = route_template(scope)
            metrics.requests.labels(route, method, str(status)).inc()
            metrics.request_seconds.labels(route, method).observe(time.perf_counter() - started_s)


@dataclass(slots=True)
class MeteredTraceSink:
    """Counts turns on their way into another sink.

    A turn whose trace is recorded again after its outlets counts once.

    Attributes:
        inner: Where the traces go.
        metrics: What is counted.
    """

    inner: TraceSink
    metrics: Metrics
    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _models: set[str] = field(default_factory=set)

    def admit(self) -> None:
        """Says whether another turn may begin, as the inner sink does."""
        self.inner.admit()

    async def record(self, trace: Trace) -> None:
        """Keeps the trace, and counts it when it is new."""
        await self.inner.record(trace)
        if trace.id in self._seen:
            return
        self._seen[trace.id] = None
        if len(self._seen) > _REMEMBERED_TRACES:
            self._seen.popitem(last=False)
        self._count(trace)

    def _count(self, trace: Trace) -> None:
        metrics = self.metrics
        calls = [each for each in trace.observations if each.model is not None]
        model = self._label(trace.model if calls else None)
        metrics.turns.labels(model, _OUTCOMES[trace.level]).inc()
        if trace.ended_at is not None:
            metrics.turn_seconds.labels(model).observe((trace.ended_at - trace.started_at).total_seconds())
        first_tokens = [each.first_token_at for each in calls if each.first_token_at is not None]
        if first_tokens:
            waited_s = (min(first_tokens) - trace.started_at).total_seconds()
            metrics.first_token_seconds.labels(model).observe(waited_s)
        for each in calls:
            if each.usage is not None and each.kind in {ObservationKind.GENERATION, ObservationKind.EMBEDDING}:
                label = self._label(each.model)
                metrics.tokens.labels(label, "input").inc(each.usage.input_tokens)
                metrics.tokens.labels(label, "output").inc(each.usage.output_tokens)

    def _label(self, model: str | None) -> str:
        """Gives the label of a model that was really asked; names that lead nowhere share one."""
        if model is None:
            return "unknown"
        if model not in self._models:
            if len(self._models) >= _MAX_MODELS:
                return "other"
            self._models.add(model)
        return model
