"""Traces and metrics by OTLP: to a real receiver, decoded by the protocol's own messages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import FIRST, ROW, SECOND, ask, deploy, settings
from hypothesis import given
from hypothesis import strategies as st
from running import Asking, running
from sinks import Sink
from tests.conftest import eventually

from fairlead.contract.routes import Variant
from fairlead.contract.settings import TelemetrySettings
from fairlead.runtime.serve import live_workers
from fairlead.runtime.serve.observing import traceparent
from fairlead.runtime.serve.worker import open_plane

metrics_pb = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
traces_pb = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def value(of: Any) -> Any:
    return getattr(of, of.WhichOneof("value"))


def attributes(of: Any) -> dict[str, Any]:
    return {one.key: value(one.value) for one in of}


def spans(sink: Sink) -> list[Any]:
    found = []
    for posted in list(sink.taken):
        if posted.path == "/v1/traces":
            for resource in traces_pb.ExportTraceServiceRequest.FromString(posted.body).resource_spans:
                found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(code=200) as made:
        yield made


def traced(home: Path, sink: Sink, sample: float) -> Any:
    return open_plane(0, {**settings(home), "telemetry": TelemetrySettings(otlp=sink.url, sample=sample)})


def test_a_request_is_a_span_in_its_callers_trace(home: Path, sink: Sink) -> None:
    deploy(home, Variant("champion", FIRST, 1, 0.5), Variant("challenger", SECOND, 2, 0.5))
    app = traced(home, sink, sample=0.0)
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1", "x_request_id": "r-1"}
    reply = ask(app, {**ROW, "customer": "Ada Lovelace"}, **headers)[0]
    app.close()
    (span,) = spans(sink)
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == SPAN
    assert span.trace_state == "vendor=1"
    assert reply.headers["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01"
    assert span.name == "POST /predict/{model}"
    assert span.kind == 2  # server
    said = attributes(span.attributes)
    assert said["http.request.method"] == "POST"
    assert said["url.scheme"] == "http"
    assert said["http.route"] == "/predict/{model}"
    assert said["http.response.status_code"] == 200
    assert said["fairlead.rows"] == 1
    assert span.end_time_unix_nano > span.start_time_unix_nano
    (event,) = span.events
    told = attributes(event.attributes)
    assert event.name == "feature_flag.evaluation"
    assert told["feature_flag.key"] == "churn"
    assert told["feature_flag.result.variant"] in {"champion", "challenger"}
    assert told["feature_flag.context.id"] == "r-1"
    assert all(b"Lovelace" not in posted.body and b"20.5" not in posted.body for posted in sink.taken)


def test_the_callers_decision_counts_and_else_the_sample(home: Path, sink: Sink) -> None:
    app = traced(home, sink, sample=0.25)
    no = ask(app, *[ROW] * 50, traceparent=f"00-{TRACE}-{SPAN}-00")
    yes = ask(app, *[ROW] * 50, traceparent=f"00-{TRACE}-{SPAN}-01")
    own = ask(app, *[ROW] * 400)
    broken = ask(app, ROW, traceparent="00-junk")
    app.close()
    assert all("traceparent" not in reply.headers for reply in no)
    assert all(reply.headers["traceparent"].split("-")[1] == TRACE for reply in yes)
    mine = [reply.headers["traceparent"].split("-")[1] for reply in own if "traceparent" in reply.headers]
    assert 50 < len(mine) < 160
    assert len(set(mine)) == len(mine)
    assert broken[0].code == 200
    assert 50 + len(mine) <= len(spans(sink)) <= 51 + len(mine)


def test_errors_and_what_is_refused_are_spans_too(home: Path, sink: Sink) -> None:
    app = traced(home, sink, sample=1.0)
    ask(app, {**ROW, "tenure": "Ada Lovelace"}, {"charges": 1e400})
    app.close()
    codes = [attributes(span.attributes)["http.response.status_code"] for span in spans(sink)]
    assert codes == [400, 400]
    assert all(span.status.code == 0 for span in spans(sink)), "what a client did wrong is no error of the server"
    assert all(b"Lovelace" not in posted.body for posted in sink.taken)


def test_whom_a_sticky_column_stands_for_is_not_told(home: Path, sink: Sink) -> None:
    deploy(home, Variant("a", FIRST, 1, 0.5), Variant("b", SECOND, 2, 0.5), sticky_by="customer")
    app = traced(home, sink, sample=1.0)
    ask(app, *({**ROW, "customer": f"person-{number}"} for number in range(20)))
    app.close()
    told = [attributes(event.attributes) for span in spans(sink) for event in span.events]
    assert {one["feature_flag.result.variant"] for one in told} == {"a", "b"}
    assert all("feature_flag.context.id" not in one for one in told)
    assert all(b"person-" not in posted.body for posted in sink.taken)


def test_durations_are_exported_as_the_counters_have_them(
    home: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    app = traced(home, sink, sample=0.0)
    ask(app, *[ROW] * 40, {})
    eventually(lambda: [p for p in sink.taken if p.path == "/v1/metrics"], 30.0, "metrics are exported by themselves")
    app.close()
    last = [p for p in sink.taken if p.path == "/v1/metrics"][-1]
    (resource,) = metrics_pb.ExportMetricsServiceRequest.FromString(last.body).resource_metrics
    about = attributes(resource.resource.attributes)
    assert about["service.name"] == "fairlead"
    assert about["deployment.environment.name"] == "test"
    (metric,) = resource.scope_metrics[0].metrics
    assert (metric.name, metric.unit) == ("http.server.request.duration", "s")
    points = {attributes(p.attributes)["http.response.status_code"]: p for p in metric.histogram.data_points}
    assert points[200].count == 40 == sum(points[200].bucket_counts)
    assert points[400].count == 1
    assert not points[200].HasField("min")
    assert 0 < points[200].start_time_unix_nano < points[200].time_unix_nano
    assert metric.histogram.aggregation_temporality == 2  # cumulative


def test_a_receiver_that_is_gone_costs_spans_that_are_counted_and_no_answer(home: Path) -> None:
    with Sink() as gone:
        url = gone.url
    telemetry = TelemetrySettings(otlp=url, sample=1.0)
    app = open_plane(0, {**settings(home), "telemetry": telemetry})
    replies = ask(app, *[ROW] * 100)
    assert {reply.code for reply in replies} == {200}

    def dropped() -> bool:
        page = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
        return 'fairlead_spans_total{outcome="dropped",reason="not_taken"} 100' in page

    eventually(dropped, 30.0, "spans that nobody took are counted")
    app.close()


def test_without_the_extra_the_server_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from pathlib import Path\n"
        "from fairlead.contract.errors import MissingExtra\n"
        "from fairlead.contract.settings import TelemetrySettings\n"
        "from fairlead.runtime.serve import ServeOptions, serve\n"
        "try: serve(ServeOptions(home=Path('.'), port=0, telemetry=TelemetrySettings(otlp='http://127.0.0.1:1')))\n"
        "except MissingExtra as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert "pip install 'fairlead[telemetry]'" in done.stdout


WRONG = [
    *("", "00", f"00-{TRACE}-{SPAN}", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01"),
    *(f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01-more"),
    f"00-{TRACE}-{SPAN}-01\n",
]


@pytest.mark.parametrize("given", WRONG)
def test_what_is_no_traceparent_is_none(given: str) -> None:
    assert traceparent.read(given) is None


@given(st.text(max_size=80))
def test_any_header_is_read_or_left(given: str) -> None:
    assert traceparent.read(given) is None or given[2] == "-"


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_a_traceparent_is_read_as_it_was_written(trace: int, span: int, sampled: bool) -> None:
    written = f"00-{trace:032x}-{span:016x}-{'01' if sampled else '00'}"
    assert traceparent.read(written) == (trace, span, sampled)
    assert traceparent.read(f"01{written[2:]}-of-a-later-version") == (trace, span, sampled)
    begun = traceparent.begun((trace, span, True), "a=1")
    assert traceparent.read(begun.header) == (trace, begun.span, True)
    assert (begun.parent, begun.state) == (span, "a=1")


def test_every_worker_exports_its_spans_and_one_the_durations_of_all(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")
    with Sink(code=200) as sink, running(home, workers=2, telemetry=f"otlp={sink.url!r}, sample=1.0") as server:
        eventually(lambda: len(live_workers(home)) == 2, 20.0, "both workers are there")
        alone: list[int] = []

        def both_are_heard() -> bool:
            # A connection of its own each time, so that the worker with less to do takes one.
            alone.append(httpx.post(f"{server.url}/predict", json=ROW, timeout=20).status_code)
            return len(exporters(sink)) == 2

        with Asking(server.port) as load:
            eventually(lambda: load.codes.get(200, 0) > 300, 20.0, "load flows")
            eventually(both_are_heard, 30.0, "both workers export")
        acknowledged = sum(load.codes.values()) + len(alone)
        eventually(lambda: len(spans(sink)) == acknowledged, 20.0, "every request is a span")
        eventually(lambda: exported(sink) == {acknowledged}, 20.0, "durations are those of all workers")
    assert len({span.span_id for span in spans(sink)}) == acknowledged


def exporters(sink: Sink) -> set[str]:
    """Who has sent spans."""
    return {
        attributes(resource.resource.attributes)["service.instance.id"]
        for posted in list(sink.taken)
        if posted.path == "/v1/traces"
        for resource in traces_pb.ExportTraceServiceRequest.FromString(posted.body).resource_spans
    }


def exported(sink: Sink) -> set[int]:
    """Requests that the newest export of each exporter counts."""
    newest: dict[str, int] = {}
    for posted in [one for one in list(sink.taken) if one.path == "/v1/metrics"]:
        (resource,) = metrics_pb.ExportMetricsServiceRequest.FromString(posted.body).resource_metrics
        points = [p for m in resource.scope_metrics[0].metrics for p in m.histogram.data_points]
        newest[attributes(resource.resource.attributes)["service.instance.id"]] = sum(p.count for p in points)
    return set(newest.values())
