"""Traces: a server span per sampled request, by OpenTelemetry's semantic conventions, exported by OTLP over HTTP.

The loop only notes what it knows; spans are made and sent by a thread of their own, from a bounded queue.
"""

from __future__ import annotations

from collections import deque
from random import random
from typing import Any

from fairlead.contract.ports import Request
from fairlead.runtime.serve.clock import time_of_day
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.deployed import Endpoint
from fairlead.runtime.serve.metrics import GRPC, INFER, route_template, rpc_status
from fairlead.runtime.serve.observing import traceparent
from fairlead.runtime.serve.observing.otlp import Otlp
from fairlead.runtime.serve.observing.traceparent import Trace
from fairlead.runtime.serve.observing.watched import Watched
from fairlead.runtime.wire.codec import Header

MOST_WAITING = 4096
BATCH = 128
"""Spans made in one go: few, as making them competes with answering."""


class Spans:
    """A tap. The caller's decision to trace counts; where there is none, a share of `sample` is traced."""

    def __init__(self, otlp: Otlp, counters: Counters, sample: float, scheme: str = "http") -> None:
        self._otlp, self._sample, self._scheme = otlp, sample, scheme
        self._cells = counters.cells
        self._sent = counters.index(("spans", "sent", ""))
        self._full = counters.index(("spans", "dropped", "queue_full"))
        self._failed = counters.index(("spans", "dropped", "not_taken"))
        self._waiting: deque[tuple[Trace, dict[str, Any]]] = deque()

    def wants(self, endpoint: Endpoint, request: Request) -> Trace | None:
        """The span that this request begins; None where it is not traced."""
        given = request.headers.get("traceparent")
        parent = traceparent.read(given) if given else None
        if not parent[2] if parent is not None else random() >= self._sample:
            return None
        return traceparent.begun(parent, request.headers.get("tracestate"))

    def head(self, mark: Trace) -> Header:
        """The caller gets the trace's name along with its answer."""
        return "traceparent", mark.header

    def seen(self, watched: Watched, mark: Trace) -> None:
        """Note it, unless too many wait already."""
        if len(self._waiting) >= MOST_WAITING:
            self._cells[self._full] += 1
            return
        self._waiting.append((mark, _facts(watched, self._scheme)))

    def send(self) -> None:
        """All that waits, batch by batch. Called by the thread of `Otlp` alone."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            taken = self._otlp.spans([self._otlp.span(trace, facts) for trace, facts in batch])
            self._cells[self._sent if taken else self._failed] += len(batch)

    def close(self) -> None:
        """Of what waits, send what goes within a few seconds."""
        self._otlp.close()


def _called(watched: Watched, scheme: str) -> tuple[str, dict[str, Any]]:
    """What the conventions for HTTP, or for RPC, say of a call: the span's name and attributes."""
    endpoint, code = watched.endpoint, watched.code
    if endpoint.codec.name == GRPC:
        called = {"rpc.system.name": "grpc", "rpc.method": INFER, "rpc.response.status_code": rpc_status(code)}
        return INFER, called
    route = route_template(endpoint.deployed, endpoint.codec.name)
    said = {"http.request.method": watched.method, "url.scheme": scheme, "http.route": route}
    return f"{watched.method} {route}", {**said, "http.response.status_code": code}


def _facts(watched: Watched, scheme: str) -> dict[str, Any]:
    """Everything that a span says, none of it a cell."""
    endpoint, code = watched.endpoint, watched.code
    deployed = endpoint.deployed
    name, attributes = _called(watched, scheme)
    attributes |= {
        "http.request.body.size": len(watched.body),
        "http.response.body.size": len(watched.body_out),
        "fairlead.request_id": watched.said("x-request-id"),
        "fairlead.model": deployed.route.model,
        "fairlead.protocol": endpoint.codec.name,
        "fairlead.rows": len(watched.parsed.rows) if watched.parsed is not None else 0,
    }
    if code >= 500:
        attributes["error.type"] = str(code)
    assigned = [
        {
            "feature_flag.key": deployed.route.model,
            "feature_flag.provider.name": "fairlead",
            "feature_flag.result.variant": live.variant.name,
            "feature_flag.result.reason": "split" if len(deployed.answering) > 1 else "static",
            # Whom a sticky column stands for is a cell's value, so only the request's own name is told.
            **({} if deployed.sticky else {"feature_flag.context.id": attributes["fairlead.request_id"]}),
        }
        for live, _ in watched.answered
    ]
    start = time_of_day(watched.arrived)
    return {
        "name": name,
        "start": int(start * 1e9),
        "end": int((start + watched.ended - watched.arrived) * 1e9),
        "attributes": attributes,
        "assigned": assigned,
        "failed": code >= 500,
    }
