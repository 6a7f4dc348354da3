"""The watch of one worker: the few calls that the data plane makes so that others can see what it does."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairlead.contract.ports import Request
from fairlead.runtime.serve.answering import Asked
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.deployed import Deployed, Endpoint, Serving
from fairlead.runtime.serve.metrics import GRPC, INFER, route_template, rpc_status
from fairlead.runtime.serve.observing.errors import Errors
from fairlead.runtime.serve.observing.layers import Layers
from fairlead.runtime.serve.observing.logs import Lines
from fairlead.runtime.serve.observing.traceparent import read
from fairlead.runtime.serve.observing.watched import Tap, Watched
from fairlead.runtime.serve.whole import Whole

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
SLOW_S = 1.0
"""A request that took longer than this is worth a line in the log."""
_log = logging.getLogger("fairlead.serve")


class Watch:
    """layers and errors are always there; taps only where telemetry is on, and only then are requests looked at.

    examples: where one example a group of errors is kept. about: what log lines say of this worker.
    """

    def __init__(
        self,
        counters: Counters,
        examples: Path | None = None,
        taps: Sequence[Tap] = (),
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._counters = counters
        self.layers, self.errors = Layers(counters), Errors(counters, examples)
        self.taps, self.lines = tuple(taps), Lines(about or {})
        self._tick: list[Watched] = []

    def watched(self, serving: Serving, endpoint: Endpoint, request: Request) -> Request:
        """The same request, or a `Watched` in its place when a tap wants to hear of it."""
        marks = [tap.wants(endpoint, request) for tap in self.taps]
        if not any(mark is not None for mark in marks):
            return request
        heads = [tap.head(mark) for tap, mark in zip(self.taps, marks, strict=True) if mark is not None]
        watched = Watched(request, serving, endpoint, marks, [head for head in heads if head is not None])
        self._tick.append(watched)
        return watched

    def end_tick(self, groups: Sequence[Whole], asked: Sequence[Asked]) -> None:
        """The tick is over: taps hear of what was answered; what was not yet tells of itself when it is."""
        if not self._tick:
            return
        for whole in groups:
            for request, parsed in zip(whole.requests, whole.parsed, strict=True):
                if isinstance(request, Watched):
                    request.parsed, request.answered = parsed, ((whole.live, len(parsed.rows)),)
        self.know(asked)
        for watched in self._tick:
            if watched.code:
                self._tell(watched)
            else:
                watched.tell = self._tell
        self._tick = []

    @staticmethod
    def know(asked: Sequence[Asked]) -> None:
        """Taps will want to know what these ask and who answers; of requests that outlive their tick, before they
        are answered."""
        for one in asked:
            if isinstance(one.request, Watched):
                one.request.parsed = one.parsed
                one.request.answered = [(part.live, len(part.rows)) for part in one.parts]

    def _tell(self, watched: Watched) -> None:
        for tap, mark in zip(self.taps, watched.marks, strict=True):
            if mark is None:
                continue
            try:
                tap.seen(watched, mark)
            except Exception as error:
                # Whoever looks on cannot hurt whoever answers.
                _log.error("%s could not take a request: %s", type(tap).__name__, type(error).__name__)

    def failed(self, endpoint: Endpoint, request: Request, id: str, error: BaseException, code: int) -> None:
        """A request for a prediction was answered with an error."""
        deployed = endpoint.deployed
        self._counters.observe(self._series(endpoint, code), steady() - request.arrived)
        self.errors.note(deployed.route.model, error, code, names_of(deployed))
        self._line("request failed", deployed.route.model, endpoint.codec.name, request, id, error, code)

    @staticmethod
    def _series(endpoint: Endpoint, code: int) -> tuple[str, ...]:
        protocol = endpoint.codec.name
        if protocol == GRPC:
            return "rpc", INFER, rpc_status(code)
        return "http", "POST", route_template(endpoint.deployed, protocol), str(code)

    def turned_away(self, code: int) -> None:
        """A transport answered by itself, with this code, what it did not pass on."""
        self._counters.cells[self._counters.index(("requests", "", "", "", "http", str(code)))] += 1
        self.errors.turned_away(code)

    def page_answered(self, request: Request, route: str, code: int) -> None:
        """A request of any other address was answered. route: its template; "" for an address that is not there."""
        if request.path.startswith("grpc:"):
            return  # answered by the page that REST has for it; the call itself is not of HTTP
        method = request.method if request.method in METHODS else "_OTHER"
        self._counters.observe(("http", method, route, str(code)), steady() - request.arrived)

    def page_failed(self, request: Request, id: str, error: BaseException, code: int) -> None:
        """A request of any other address was answered with an error."""
        self.errors.note("", error, code)
        self._line("request failed", "", "http", request, id, error, code)

    def _line(
        self, message: str, model: str, protocol: str, request: Request, id: str, error: BaseException, code: int
    ) -> None:
        level = logging.INFO if code < 500 else logging.ERROR if code == 500 else logging.WARNING
        self.lines.say(
            level, message, request_id=id, trace_id=trace_of(request), model=model, protocol=protocol, code=code,
            error=type(error).__name__, seconds=round(steady() - request.arrived, 6),
        )  # fmt: skip

    def slow(self, groups: Sequence[Whole], asked: Sequence[Asked], done: float) -> None:
        """Some of these took longer than `SLOW_S`: a line for each that did. done: a moment of `steady`."""
        answered = [(one.endpoint, one.request, one.id) for one in asked if one.error is None]
        for whole in groups:
            answered += [(whole.endpoint, *pair) for pair in zip(whole.requests, whole.ids, strict=True)]
        for endpoint, request, id in answered:
            took = done - request.arrived
            if took > SLOW_S:
                self.lines.say(
                    logging.WARNING, "slow request", request_id=id, trace_id=trace_of(request),
                    model=endpoint.deployed.route.model, protocol=endpoint.codec.name, code=200,
                    seconds=round(took, 6),
                )  # fmt: skip

    def flush(self) -> None:
        """Called about once a second, from another thread than all the rest."""
        self.errors.save()

    def close(self) -> None:
        """The worker ends: what is waiting to be sent has seconds to go."""
        for tap in self.taps:
            tap.close()
        self.errors.save()


def names_of(deployed: Deployed) -> frozenset[str]:
    """Names that the model itself brings, which may be shown."""
    signature = deployed.signature
    return frozenset((*signature.names, *signature.passthrough))


def trace_of(request: Request) -> str:
    """The trace that a caller's `traceparent` names; "" without a sound one."""
    found = read(request.headers.get("traceparent"))
    return "" if found is None else f"{found[0]:032x}"
