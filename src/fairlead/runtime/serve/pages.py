"""Every address that is not a prediction: health, metadata, metrics, version, feedback, and what is not there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import unquote

import msgspec

from fairlead.contract.errors import BodyTooLarge, FairleadError, ModelNotFound, NotFound, VersionNotFound
from fairlead.contract.ports import Request
from fairlead.runtime.capture.spool import Spool
from fairlead.runtime.serve.bodies import plain
from fairlead.runtime.serve.clock import time_of_day
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.deployed import Deployed, Serving
from fairlead.runtime.serve.feedback import take
from fairlead.runtime.serve.metrics import Scene, exposition
from fairlead.runtime.serve.neighbours import EXTENSIONS, Neighbours
from fairlead.runtime.serve.observing.page import OPEN_METRICS, PROMETHEUS, wants_open_metrics
from fairlead.runtime.serve.observing.watch import Watch
from fairlead.runtime.serve.web import Site, is_frame
from fairlead.runtime.wire.status import headers_of, message_of, status_of
from fairlead.runtime.wire.v2 import V2

_json = msgspec.json.Encoder().encode
_JSON = ("content-type", "application/json")
_TEXT = ("content-type", "text/plain; charset=utf-8")
GRPC = "grpc:"

Said = tuple[int, tuple[str, str], bytes]


class Pages:
    """scene: what /metrics is about. neighbours: what clients of other servers ask besides predictions."""

    def __init__(
        self,
        counters: Counters,
        scene: Callable[[Serving], Scene],
        watch: Watch,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._counters, self._scene, self._watch = counters, scene, watch
        self._fixed: dict[str, Callable[[Serving], Said]] = {
            "/health/live": lambda serving: (200, _JSON, b'{"live":true}'),
            "/v2/health/live": lambda serving: (200, _JSON, b'{"live":true}'),
            "/health/ready": _ready,
            "/v2/health/ready": _ready,
            "/version": lambda serving: (200, _TEXT, _version().encode()),
            "/v2": _server,
            "/v2/models": lambda serving: (200, _JSON, _json({"models": serving.models})),
        }
        self.neighbours = neighbours or Neighbours()
        self._fixed = {**self._fixed, **self.neighbours.fixed}
        self._site = Site({*self._fixed, "/metrics", "/analysis"}, _version())

    def answer(self, serving: Serving, request: Request, id: str, spool: Spool | None) -> None:
        """Reply to a request of any other address, at once or, where much is to be written first, later."""
        refused: Exception | None = None
        secured = serving.access is not None
        try:
            if serving.access is not None and not (is_frame(request.path) or self.neighbours.is_probe(request)):
                serving.access.admit_page(request)
            tell = partial(self._tell, serving, request, id, spool, secured)
            if self._site.postpones(serving, request, tell, secured=secured):
                request.later = True
                return
        except Exception as error:
            refused = error
        self._tell(serving, request, id, spool, secured, refused)

    def _tell(
        self,
        serving: Serving,
        request: Request,
        id: str,
        spool: Spool | None,
        secured: bool,
        refused: Exception | None = None,
    ) -> None:
        headers: list[tuple[str, str]] = [("x-request-id", id)]
        protocol = "v2grpc" if request.path.startswith(GRPC) else "v2" if request.path.startswith("/v2") else "http"
        try:
            if refused is not None:
                raise refused
            seen = self._site.answer(serving, request, secured=secured)
            if seen is not None:
                code, (kind, *more), body = seen
                headers += more
            else:
                code, kind, body = self._said(serving, request, spool)
        except Exception as error:
            code, kind, body = status_of(error), _JSON, _json({"error": message_of(error)})
            headers += headers_of(error)
            self._watch.page_failed(request, id, error, code)
        self._watch.page_answered(request, self._route(request.path), code)
        if code == 405:
            headers.append(("allow", body.decode()))
            body = _json({"error": f"this address takes {body.decode()} alone"})
        self._counters.cells[self._counters.index(("requests", "", "", "", protocol, str(code)))] += 1
        request.reply(code, [kind, *headers], body)

    def refuse(self, request: Request, id: str, error: Exception) -> None:
        """Reply to a request that was turned away before anybody looked at its address."""
        code = status_of(error)
        self._counters.cells[self._counters.index(("requests", "", "", "", "http", str(code)))] += 1
        self._watch.page_failed(request, id, error, code)
        head = [_JSON, ("x-request-id", id), *headers_of(error)]
        request.reply(code, head, _json({"error": message_of(error)}))

    def _said(self, serving: Serving, request: Request, spool: Spool | None) -> Said:
        path = request.path
        if path == "/feedback" or path.startswith("/feedback/"):
            return self._feedback(serving, request, spool)
        reading = request.method in {"GET", "HEAD"}
        if path == "/metrics":
            return self._exposed(serving, request) if reading else (405, _JSON, b"GET")
        page = self._fixed.get(path)
        if page is not None:
            return page(serving) if reading else (405, _JSON, b"GET")
        if path in serving.endpoints:
            return 405, _JSON, b"POST"
        near = self.neighbours.answer(serving, request)
        if near is not None:
            return near
        # Of gRPC's addresses no other is a page: what asks for a key of its own must not have a second name.
        plain_path = path.removeprefix(GRPC)
        if plain_path.startswith("/v2/models/"):
            return self._model(serving, plain_path, reading)
        if path == "/predict":
            raise ModelNotFound("several models are served, or none: ask for /predict/{model}. " + _known(serving))
        if path.startswith("/predict/"):
            raise ModelNotFound(f"no such model. {_known(serving)}")
        raise NotFound("no such address")

    def _feedback(self, serving: Serving, request: Request, spool: Spool | None) -> Said:
        if request.method != "POST":
            return 405, _JSON, b"POST"
        limit = serving.limits.max_body_bytes
        if len(request.body) > limit:
            raise BodyTooLarge(limit)
        body = plain(request.body, request.headers, limit)
        model = unquote(request.path[len("/feedback/") :]) or None
        return 200, _JSON, take(serving, body, model, time_of_day(request.arrived), spool, request.caller)

    def _exposed(self, serving: Serving, request: Request) -> Said:
        open_metrics = wants_open_metrics(request.headers.get("accept") or "")
        triton = "names=triton" in request.query.split("&")
        kind = OPEN_METRICS if open_metrics else PROMETHEUS
        return 200, ("content-type", kind), exposition(self._scene(serving), open_metrics, triton)

    def _route(self, path: str) -> str:
        """The address as a template, one of few; "" for what is not there."""
        if path in self._fixed or path in {"/metrics", "/analysis", "/feedback"}:
            return path
        return next((f"{start}{{model}}" for start in ("/feedback/", "/v2/models/") if path.startswith(start)), "")

    @staticmethod
    def _model(serving: Serving, path: str, reading: bool) -> Said:
        parts = [unquote(part) for part in path[len("/v2/models/") :].split("/")]
        deployed = serving.deployed.get(parts[0])
        if deployed is None:
            raise ModelNotFound(f"no such model. {_known(serving)}")
        rest = parts[1:]
        if rest[:1] == ["versions"] and len(rest) >= 2:
            if rest[1] not in deployed.versions:
                raise VersionNotFound(f"no such version. Served: {', '.join(deployed.versions) or 'none by number'}.")
            rest = rest[2:]
        if rest == [] and reading:
            return 200, _JSON, _metadata(deployed)
        if rest == ["ready"] and reading:
            return 200, _JSON, _json({"name": parts[0], "ready": True})
        if rest in ([], ["ready"]):
            return 405, _JSON, b"GET"
        raise NotFound("no such address")


@cache
def _version() -> str:
    # Read from the installed package: importing `fairlead` for it would reach up to the doors.
    try:
        return version("fairlead")
    except PackageNotFoundError:
        return "0"


def _known(serving: Serving) -> str:
    return f"Served: {', '.join(serving.models) or 'no model yet'}."


def _ready(serving: Serving) -> Said:
    ready = bool(serving.models)
    return 200 if ready else 503, _JSON, _json({"ready": ready})


def _server(serving: Serving) -> Said:
    return 200, _JSON, _json({"name": "fairlead", "version": _version(), "extensions": EXTENSIONS})


def _metadata(deployed: Deployed) -> bytes:
    codec = deployed.codecs["v2"]
    if not isinstance(codec, V2):
        raise FairleadError("the v2 codec was replaced by one without metadata")
    return codec.metadata(deployed.versions)
