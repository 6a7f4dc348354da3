"""OTLP over HTTP, by the extra `telemetry`: spans of every worker, metrics of the whole server by its first one.

Everything happens in one thread per worker. A receiver that is slow or gone costs spans, which are counted, and
never an answer.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from fairlead.contract.errors import MissingExtra
from fairlead.runtime.serve.counters import BUCKETS
from fairlead.runtime.serve.metrics import Scene, http_and_rpc, package_version
from fairlead.runtime.serve.observing.traceparent import Trace

EVERY_S = 1.0
METRICS_EVERY_S = 60.0
PATIENCE_S = 3.0
SWITCH_S = 0.0005
"""How long this thread may keep the interpreter while the loop wants it; Python's own 5 ms would be felt."""
_SCOPE = "fairlead"
_log = logging.getLogger("fairlead.serve")


def require() -> None:
    """Import what exporting takes, before workers are forked. Raises MissingExtra."""
    for name in ("sdk.trace", "sdk.metrics.export", "exporter.otlp.proto.http.trace_exporter",
                 "exporter.otlp.proto.http.metric_exporter"):  # fmt: skip
        try:
            import_module(f"opentelemetry.{name}")
        except ModuleNotFoundError as missing:
            raise MissingExtra("opentelemetry", "telemetry") from missing


class Otlp:
    """endpoint: of the receiver, without the path of a signal. scene: what metrics are about; None: none are sent.

    OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS and OTEL_METRIC_EXPORT_INTERVAL count.
    """

    def __init__(
        self, endpoint: str, about: Mapping[str, Any], scene: Callable[[], Scene] | None, since: float
    ) -> None:
        require()
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        base = endpoint.rstrip("/").removesuffix("/v1/traces")
        self._base, self._scene, self._since = base, scene, since
        self._resource = _resource(about)
        self._traces = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=PATIENCE_S)
        self._metrics: Any = None
        self._over = threading.Event()
        self._pull: Callable[[], None] = lambda: None
        self._told = 0.0
        # Its own log lines would repeat every second what the counters say.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def start(self, pull: Callable[[], None]) -> None:
        """pull: called every second to send what waits."""
        self._pull = pull
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self._thread = threading.Thread(target=self._run, name="fairlead-otlp", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        every = float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or METRICS_EVERY_S * 1000) / 1000
        due = time.monotonic() + every
        while not self._over.wait(min(EVERY_S, every)):
            self._try(self._pull)
            if self._scene is not None and time.monotonic() >= due:
                due = time.monotonic() + every
                self._try(self._send_metrics)
        self._try(self._pull)
        if self._scene is not None:
            self._try(self._send_metrics)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            now = time.monotonic()
            if now - self._told >= 60.0:
                self._told = now
                _log.error("telemetry could not be exported: %s", type(error).__name__)

    def close(self) -> None:
        """Send what is left within `PATIENCE_S`."""
        self._over.set()
        self._thread.join(PATIENCE_S)

    def spans(self, spans: Sequence[Any]) -> bool:
        """Whether the receiver took them. Of one that is gone some versions of the exporter raise, others say so."""
        taken = False

        def export() -> None:
            nonlocal taken
            taken = self._traces.export(spans).name == "SUCCESS"

        self._try(export)
        return taken

    def span(self, trace: Trace, facts: Mapping[str, Any]) -> Any:
        """A finished span of OpenTelemetry's SDK."""
        from opentelemetry.sdk.trace import Event, ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

        state = TraceState.from_header([trace.state]) if trace.state else TraceState()
        own = SpanContext(trace.id, trace.span, False, TraceFlags(1), state)
        parent = SpanContext(trace.id, trace.parent, True, TraceFlags(1), state) if trace.parent else None
        events = [Event("feature_flag.evaluation", said, facts["start"]) for said in facts["assigned"]]
        return ReadableSpan(
            facts["name"],
            own,
            parent,
            self._resource,
            facts["attributes"],
            events,
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR if facts["failed"] else StatusCode.UNSET),
            start_time=facts["start"],
            end_time=max(facts["start"], facts["end"]),
            instrumentation_scope=InstrumentationScope(_SCOPE, package_version()),
        )

    def _send_metrics(self) -> None:
        """The counters as they are: OpenTelemetry's own instruments would have to be fed on the way of a request."""
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics.export import (
            AggregationTemporality,
            Histogram,
            HistogramDataPoint,
            Metric,
            MetricsData,
            ResourceMetrics,
            ScopeMetrics,
        )
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        assert self._scene is not None
        if self._metrics is None:
            self._metrics = OTLPMetricExporter(endpoint=f"{self._base}/v1/metrics", timeout=PATIENCE_S)
        now = time.time_ns()
        metrics: dict[str, list[HistogramDataPoint]] = {}
        for name, attributes, cells in http_and_rpc(self._scene()):
            counts = [int(cell) for cell in cells[:-1]]
            unknown: Any = None  # nobody kept the smallest and the largest
            point = HistogramDataPoint(
                attributes, int(self._since * 1e9), now, sum(counts), cells[-1], counts, BUCKETS, unknown, unknown
            )
            metrics.setdefault(name, []).append(point)
        made = [
            Metric(name, "Time from arrival to reply.", "s", Histogram(points, AggregationTemporality.CUMULATIVE))
            for name, points in metrics.items()
        ]
        scope = ScopeMetrics(InstrumentationScope(_SCOPE, package_version()), made, "")
        self._metrics.export(MetricsData([ResourceMetrics(self._resource, [scope], "")]))


def _resource(about: Mapping[str, Any]) -> Any:
    from opentelemetry.sdk.resources import Resource

    own = {"service.version": package_version(), "service.instance.id": f"{about['instance']}-{about['worker']}"}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        own["service.name"] = "fairlead"
    return Resource.create(own)
