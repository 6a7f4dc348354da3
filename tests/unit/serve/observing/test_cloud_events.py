"""Requests and answers as CloudEvents to a real sink that works, fails first, is slow, or is not there."""

from __future__ import annotations

import gzip
import json
import time
from calendar import timegm
from pathlib import Path
from typing import Any

import pytest
from asking import FIRST, ROW, SECOND, Reply, ask, deploy, settings
from sinks import Posted, Sink
from tests.conftest import eventually

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.routes import Variant
from fairlead.contract.settings import TelemetrySettings
from fairlead.runtime.capture.redaction import redact
from fairlead.runtime.serve import ServeOptions, serve
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.observing import sender
from fairlead.runtime.serve.observing.sender import Sender
from fairlead.runtime.serve.worker import open_plane

KSERVE = "org.kubeflow.serving.inference"


def telling(home: Path, sink: Sink, **how: Any) -> Any:
    return open_plane(0, {**settings(home), "telemetry": TelemetrySettings(events=sink.url, **how)})


def by_type(sink: Sink) -> dict[str, list[Posted]]:
    found: dict[str, list[Posted]] = {}
    for posted in sink.taken:
        found.setdefault(posted.headers["ce-type"], []).append(posted)
    return found


def test_a_request_and_its_answer_are_two_events_of_one_id_in_kserves_form(home: Path) -> None:
    with Sink() as sink:
        app = telling(home, sink)
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        reply = ask(app, ROW, x_request_id="r-1", content_type="application/json", traceparent=trace)[0]
        app.close()
    asked, answered = sink.taken
    assert json.loads(asked.body) == ROW
    assert answered.body == reply.body
    said = {name: value for name, value in asked.headers.items() if name.startswith("ce-")}
    at = said.pop("ce-time")
    assert time.time() - 60 < timegm(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S")) < time.time() + 1
    assert said == {
        "ce-specversion": "1.0", "ce-type": f"{KSERVE}.request", "ce-id": "r-1", "ce-source": "/fairlead/test",
        "ce-inferenceservicename": "churn", "ce-namespace": "default", "ce-component": "predictor",
        "ce-endpoint": "default", "ce-traceparent": trace,
    }  # fmt: skip
    assert {**said, "ce-type": f"{KSERVE}.response", "ce-time": at}.items() <= answered.headers.items()
    assert answered.headers["content-type"] == "application/json"


def test_seldons_names_modes_and_a_canary(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "shop")
    deploy(home, Variant("champion", FIRST, 1, 0.0), Variant("challenger", SECOND, 2, 1.0))
    with Sink() as sink:
        app = telling(home, sink, events_form="seldon", events_mode="response")
        ask(app, ROW, ce_id="c-9")
        app.close()
    (posted,) = sink.taken
    assert posted.headers["ce-type"] == "io.seldon.serving.inference.response"
    assert posted.headers["ce-id"] == posted.headers["ce-requestid"] == "c-9"
    assert posted.headers["ce-modelid"] == "churn"
    assert posted.headers["ce-namespace"] == "shop"
    assert posted.headers["ce-endpoint"] == "canary"
    assert "ce-component" not in posted.headers


def test_what_is_told_of_what_failed(home: Path) -> None:
    with Sink() as sink:
        app = telling(home, sink)
        ask(app, {**ROW, "tenure": "x"}, b"{")
        ask(app, ROW, path="/predict/nobody")
        ask(app, b"", path="/metrics", method="GET")
        app.close()
    assert [posted.headers["ce-type"] for posted in sink.taken] == [f"{KSERVE}.request"] * 2


def test_bodies_go_as_they_came(home: Path) -> None:
    packed = gzip.compress(json.dumps(ROW).encode())
    with Sink() as sink:
        app = telling(home, sink, events_mode="request")
        assert ask(app, packed, content_encoding="gzip", content_type="application/json")[0].code == 200
        app.close()
    assert sink.taken[0].body == packed
    assert sink.taken[0].headers["content-encoding"] == "gzip"


def test_redacted_columns_are_redacted_here_too(home: Path) -> None:
    deploy(home, redact=("customer", "contract"))
    rows = [{**ROW, "customer": f"Ada {number}", "at": "2026-01-01"} for number in range(3)]
    with Sink() as sink:
        app = telling(home, sink)
        assert ask(app, rows)[0].code == 200
        assert ask(app, json.dumps({**ROW, "customer": "Ada", "colour": 1}).encode())[0].code == 400
        app.close()
    asked = by_type(sink)[f"{KSERVE}.request"]
    assert len(asked) == 1, "a body that was not understood cannot be redacted, so it is not told"
    told = json.loads(asked[0].body)
    key = bytes.fromhex("0a0b")
    assert [row["customer"] for row in told] == [redact(f"Ada {number}", key) for number in range(3)]
    assert told[0]["contract"] == redact("monthly", key)
    assert told[0]["charges"] == ROW["charges"]
    assert all(b"Ada" not in posted.body and b"monthly" not in posted.body for posted in sink.taken)


def test_a_sink_that_fails_first_gets_every_event_exactly_once(home: Path) -> None:
    with Sink(fail_first=3) as sink:
        app = telling(home, sink)
        ids = [f"r-{number}" for number in range(50)]
        for id in ids:
            ask(app, ROW, x_request_id=id)
        eventually(lambda: len(sink.taken) == 100, 30.0, "all events arrive")
        page = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
        app.close()
    assert sink.refused == 3
    for posted in by_type(sink).values():
        assert [one.headers["ce-id"] for one in posted] == ids
    assert 'fairlead_events_total{outcome="sent",reason=""} 100' in page


def percentile(app: Any, requests: int) -> float:
    """Of the time that one request takes, in seconds: the 99th of a hundred."""
    took = []
    for _ in range(requests):
        began = time.perf_counter()
        assert ask(app, ROW)[0].code == 200
        took.append(time.perf_counter() - began)
    return sorted(took)[int(requests * 0.99)]


@pytest.mark.parametrize("sink", [Sink(slow_s=0.5), Sink(fail_first=10**9)], ids=["slow", "failing"])
def test_a_sink_that_does_not_keep_up_slows_no_answer(home: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "PATIENCE_S", 0.2)
    with sink:
        app = telling(home, sink)
        # The sink's own threads share this interpreter; waiting for it would cost 0.5 s.
        assert percentile(app, 1000) < 0.1
        page = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
        app.close()
    gauge = next(line for line in page.splitlines() if line.startswith("fairlead_events_waiting"))
    assert float(gauge.split()[1]) > 1900


def test_a_sink_that_is_not_there_is_waited_for_and_then_gets_them(home: Path) -> None:
    with Sink() as gone:
        port = gone.port
    app = telling(home, gone)
    replies: list[Reply] = ask(app, *[ROW] * 10)
    assert {reply.code for reply in replies} == {200}
    with Sink(port=port) as sink:
        eventually(lambda: len(sink.taken) == 20, 30.0, "events arrive when the sink is there")
        app.close()


def test_what_does_not_fit_is_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "MOST_WAITING", 50)
    monkeypatch.setattr(sender, "MOST_BYTES", 100_000)
    monkeypatch.setattr(sender, "PATIENCE_S", 0.2)
    counters = Counters(tmp_path / "c.bin")
    full = counters.index(("events", "dropped", "queue_full"))
    failed = counters.index(("events", "dropped", "not_taken"))
    with Sink(fail_first=10**9) as sink:
        queue = Sender(sink.url, counters)
        queue.put({}, b"x" * 99_999)
        assert counters.cells[full] == 1, "more bytes than there may be"
        for _ in range(80):
            queue.put({}, b"x")
        assert 29 <= counters.cells[full] - 1 <= 30
        queue.close()
        assert counters.cells[full] + counters.cells[failed] == 81, "what is not sent when it ends is counted"


def test_what_a_sink_refuses_for_good_is_not_sent_again(tmp_path: Path) -> None:
    counters = Counters(tmp_path / "c.bin")
    with Sink(code=400) as sink:
        queue = Sender(sink.url, counters)
        for _ in range(5):
            queue.put({}, b"{}")
        queue.close()
    assert len(sink.taken) == 5
    assert counters.cells[counters.index(("events", "dropped", "refused"))] == 5


@pytest.mark.parametrize("url", ["ftp://sink", "sink:80", "http://", "http://sink:99999", "http://[1"])
def test_what_is_no_http_address_is_refused_at_the_start(home: Path, url: str) -> None:
    for key in ("events", "otlp"):
        with pytest.raises(ConfigInvalid, match=rf"telemetry\.{key}: must be an address"):
            serve(ServeOptions(home=home, port=0, telemetry=TelemetrySettings(**{key: url})))
