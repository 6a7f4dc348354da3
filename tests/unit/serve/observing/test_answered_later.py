"""A request that outlives its tick is told of as whole as any other: with its rows, its variant, its redaction."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import stand_in
from asking import ROW, deploy, settings
from sinks import Sink
from test_traces import attributes, spans

from fairlead.contract.ports import Request
from fairlead.contract.settings import TelemetrySettings
from fairlead.runtime.capture.redaction import redact
from fairlead.runtime.serve.worker import open_plane


class Slow(stand_in.StandIn):
    """Answers on a thread of its own, as a model in another process does."""

    def submit(self, rows: Sequence[Any], done: Callable[[Any], None], within_s: float) -> None:
        threading.Timer(0.02, lambda: done(self.score_rows(rows))).start()


async def replied(app: Any, count: int) -> list[Any]:
    """What `count` requests of one tick are answered with, in time."""
    replies: list[Any] = []
    over = asyncio.get_running_loop().create_future()

    def take(code: int, head: Any, body: bytes) -> None:
        replies.append((code, dict(head), json.loads(body)))
        if len(replies) == count:
            over.set_result(None)

    body = json.dumps({**ROW, "customer": "Ada"}).encode()
    app.answer([Request("POST", "/predict", "", {}, body, time.time(), take) for _ in range(count)])
    assert not replies, "they outlive their tick"
    await asyncio.wait_for(over, 10)
    return replies


def test_late_answers_are_told_of_whole(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "StandIn", Slow)
    deploy(home, redact=("customer",))
    with Sink(code=200) as sink:
        telemetry = TelemetrySettings(otlp=sink.url, sample=1.0, events=sink.url)
        app = open_plane(0, {**settings(home), "telemetry": telemetry})
        replies = asyncio.run(replied(app, 3))
        app.close()
    assert [code for code, _, _ in replies] == [200] * 3
    assert all("traceparent" in head for _, head, _ in replies)
    told = spans(sink)
    assert [attributes(span.attributes)["fairlead.rows"] for span in told] == [1] * 3
    assert [attributes(span.events[0].attributes)["feature_flag.result.variant"] for span in told] == ["champion"] * 3
    assert all(span.end_time_unix_nano - span.start_time_unix_nano > 20_000_000 for span in told)
    events = [posted for posted in sink.taken if "ce-type" in posted.headers]
    asked = [json.loads(one.body) for one in events if one.headers["ce-type"].endswith("request")]
    assert [rows[0]["customer"] for rows in asked] == [redact("Ada", bytes.fromhex("0a0b"))] * 3
    assert len(events) == 6
