"""The page /metrics: sums over all slots, with the names of our own and those that peers' dashboards know."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from fairlead.runtime.serve.counters import BUCKETS, Series, read_slot, summed
from fairlead.runtime.serve.deployed import Deployed, Serving
from fairlead.runtime.serve.observing.families import FAMILIES, TRITON
from fairlead.runtime.serve.observing.layers import LAYERS, REQUESTS, SECONDS
from fairlead.runtime.serve.observing.page import Page
from fairlead.runtime.serve.observing.processes import folder_bytes, usage
from fairlead.runtime.serve.observing.watchers import add_watched
from fairlead.runtime.serve.remote.standing import add_standing
from fairlead.runtime.serve.workers import WorkerStatus

Cells = list[float]
GRPC = "v2grpc"
"""The protocol whose durations are those of RPC calls instead of HTTP requests."""
INFER = "inference.GRPCInferenceService/ModelInfer"
_STRANGER = "0-the-name-of-the-model-0"
_TEMPLATES: dict[type[Any], str] = {}


class Scene(msgspec.Struct, frozen=True):
    """What a page is about. files: the counters of all slots. workers: of this server. spool: its folder of this
    server, None where nothing is captured. run: where watchers leave what they found; None: they are not asked."""

    serving: Serving
    files: Sequence[Path]
    workers: Sequence[WorkerStatus] = ()
    spool: Path | None = None
    scheme: str = "http"
    run: Path | None = None


class _Sums:
    """Everything that was counted, by the name of its series."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.slots = {path.stem.rpartition("-")[2]: read_slot(path) for path in files}
        self._by_name: dict[str, list[tuple[Series, Cells]]] = {}
        for series, cells in sorted(summed(list(self.slots.values())).items()):
            self._by_name.setdefault(series[0], []).append((series[1:], cells))

    def of(self, name: str) -> list[tuple[Series, Cells]]:
        """Label values and cells of every series of that name, sorted."""
        return self._by_name.get(name, [])

    def grouped(self, name: str, key: Callable[[Series], Series | None]) -> dict[Series, Cells]:
        """Sums by `key(labels)`, without those for which it is None."""
        found: dict[Series, Cells] = {}
        for labels, cells in self.of(name):
            group = key(labels)
            if group is not None:
                known = found.get(group)
                found[group] = cells if known is None else [a + b for a, b in zip(known, cells, strict=True)]
        return found


def exposition(scene: Scene, open_metrics: bool = False, triton: bool = False) -> bytes:
    """Cardinality is bounded: unknown models and addresses have no series of their own."""
    page = Page(FAMILIES | TRITON, open_metrics)
    sums = _Sums(scene.files)
    page.add("fairlead_build_info", (package_version(), platform.python_version()), 1)
    _requests(page, sums)
    _durations(page, sums, scene)
    _peers(page, sums)
    _bodies_and_errors(page, sums)
    _layers(page, sums)
    _capture(page, sums, scene)
    _telemetry(page, sums)
    _routes(page, scene)
    _workers(page, sums, scene)
    if scene.run is not None:
        add_watched(page, scene.run, scene.serving.deployed)
    if triton:
        _triton(page, sums)
    return page.bytes()


def package_version() -> str:
    """Of the installed package; "0" where there is none."""
    # Read from the installed package: importing `fairlead` for it would reach up to the doors.
    try:
        return version("fairlead")
    except PackageNotFoundError:
        return "0"


def http_durations(sums: _Sums, serving: Serving) -> Iterator[tuple[tuple[str, str, str], Cells]]:
    """(method, route, code) and cells of BUCKETS."""
    routes = _templates(serving)
    found = sums.grouped(
        "seconds", lambda labels: None if labels[3] == GRPC else ("POST", routes.get(labels[3], ""), "200")
    )
    for labels, cells in sums.of("http"):
        known = found.get(labels)
        found[labels] = cells if known is None else [a + b for a, b in zip(known, cells, strict=True)]
    for (method, route, code), cells in sorted(found.items()):
        yield (method, route, code), cells


def http_and_rpc(scene: Scene) -> Iterator[tuple[str, dict[str, str | int], Cells]]:
    """The histograms that OpenTelemetry knows, by its names: (metric, attributes, cells of BUCKETS)."""
    sums = _Sums(scene.files)
    for (method, route, code), cells in http_durations(sums, scene.serving):
        said: dict[str, str | int] = {"http.request.method": method, "url.scheme": scene.scheme}
        if route:
            said["http.route"] = route
        yield "http.server.request.duration", said | {"http.response.status_code": int(code)}, cells
    for (method, status), cells in rpc_durations(sums):
        called: dict[str, str | int] = {"rpc.system.name": "grpc", "rpc.method": method}
        yield "rpc.server.call.duration", called | {"rpc.response.status_code": status}, cells


def rpc_durations(sums: _Sums) -> Iterator[tuple[tuple[str, str], Cells]]:
    """(method, status) and cells of BUCKETS."""
    answered = sums.grouped("seconds", lambda labels: (INFER, "OK") if labels[3] == GRPC else None)
    yield from sorted((answered | dict(sums.of("rpc"))).items())  # type: ignore[misc]


def route_template(deployed: Deployed, protocol: str) -> str:
    """Where a protocol's predictions are asked for, with {model} in the place of the name; "" for one unknown."""
    codec = deployed.codecs.get(protocol)
    if codec is None:
        return ""
    known = _TEMPLATES.get(type(codec))
    if known is None:
        # Asked of a codec for a model of a name that is in no path by itself, as "v2" or "infer" could be.
        stranger = type(codec)(_STRANGER, deployed.signature, deployed.checks)
        paths = [*stranger.paths(), *stranger.default_paths(), ""]
        known = _TEMPLATES[type(codec)] = paths[0].replace(_STRANGER, "{model}")
    return known


def rpc_status(code: int) -> str:
    """gRPC's name of an HTTP code. Asked only for calls by gRPC, which prove that its extra is there."""
    from fairlead.runtime.wire.v2_grpc import STATUS

    return "OK" if code == 200 else STATUS.get(code, "INTERNAL")


def _templates(serving: Serving) -> dict[str, str]:
    first = next(iter(serving.deployed.values()), None)
    return {} if first is None else {name: route_template(first, name) for name in first.codecs}


def _requests(page: Page, sums: _Sums) -> None:
    for labels, cells in sums.of("requests"):
        page.add("fairlead_requests_total", labels, cells[0])
    for labels, cells in sums.of("rows"):
        page.add("fairlead_rows_total", labels, cells[0])
    for labels, cells in sums.of("expectations"):
        page.add("fairlead_rows_breaking_contract_total", labels, cells[0])
    for labels, cells in sums.of("anomalous"):
        page.add("fairlead_rows_anomalous_total", labels, cells[0])
    for labels, cells in sums.of("outside"):
        page.add("fairlead_rows_outside_population_total", labels, cells[0])


def _durations(page: Page, sums: _Sums, scene: Scene) -> None:
    for labels, cells in http_durations(sums, scene.serving):
        page.histogram("http_server_request_duration_seconds", (*labels, scene.scheme), cells, BUCKETS)
    for call, cells in rpc_durations(sums):
        page.histogram("rpc_server_call_duration_seconds", ("grpc", *call), cells, BUCKETS)
    for model, cells in sums.grouped("seconds", lambda labels: labels[:3]).items():
        page.histogram("request_predict_seconds", model, cells, BUCKETS)


def _outcomes(sums: _Sums) -> tuple[dict[Series, Cells], dict[Series, Cells]]:
    """Predictions that were answered and those that were not, by (model, version)."""

    def key(good: bool) -> Callable[[Series], Series | None]:
        return lambda labels: labels[:2] if labels[0] and labels[4].startswith("2") is good else None

    return sums.grouped("requests", key(True)), sums.grouped("requests", key(False))


def _peers(page: Page, sums: _Sums) -> None:
    success, failure = _outcomes(sums)
    for labels, cells in success.items():
        page.add("model_infer_request_success_total", labels, cells[0])
    for labels, cells in failure.items():
        page.add("model_infer_request_failure_total", labels, cells[0])
    for labels, cells in sums.grouped("seconds", lambda labels: labels[:2]).items():
        page.summary("model_infer_request_duration", labels, cells[-1], sum(cells[:-1]))


def _triton(page: Page, sums: _Sums) -> None:
    success, failure = _outcomes(sums)
    for labels, cells in success.items():
        page.add("nv_inference_request_success", labels, cells[0])
    for labels, cells in failure.items():
        page.add("nv_inference_request_failure", labels, cells[0])
    for labels, cells in sums.grouped("rows", lambda labels: labels[:2]).items():
        page.add("nv_inference_count", labels, cells[0])
    for labels, cells in sums.grouped("seconds", lambda labels: labels[:2]).items():
        page.add("nv_inference_request_duration_us", labels, float(round(cells[-1] * 1e6)))


def _bodies_and_errors(page: Page, sums: _Sums) -> None:
    for at, name in enumerate(("fairlead_request_bytes_total", "fairlead_response_bytes_total")):
        for labels, cells in sums.of("bytes"):
            page.add(name, labels, cells[at])
    for labels, cells in sums.grouped("errors", lambda labels: labels[:3]).items():
        page.add("fairlead_errors_total", labels, cells[0])


def _layers(page: Page, sums: _Sums) -> None:
    for slot, counted in sums.slots.items():
        if ("in_flight",) in counted:
            page.add("fairlead_requests_in_flight", (slot,), counted["in_flight",][0])
    for _, cells in sums.of("tick_requests"):
        page.histogram("fairlead_tick_requests", (), cells, REQUESTS)
    known = dict(sums.of("layer"))
    for layer in LAYERS:
        if (layer,) in known:
            page.histogram("fairlead_layer_seconds", (layer,), known[layer,], SECONDS)


def _capture(page: Page, sums: _Sums, scene: Scene) -> None:
    for labels, cells in sums.of("capture"):
        page.add("fairlead_capture_rows_total", labels, cells[0])
    if scene.spool is None:
        return
    for slot in sums.slots:
        page.add("fairlead_spool_bytes", (slot,), folder_bytes(scene.spool / slot))
    page.add("fairlead_spool_limit_bytes", (), scene.serving.limits.max_spool_bytes)


def _telemetry(page: Page, sums: _Sums) -> None:
    for labels, cells in sums.of("events"):
        page.add("fairlead_events_total", labels, cells[0])
    for slot, counted in sums.slots.items():
        if ("events_waiting",) in counted:
            page.add("fairlead_events_waiting", (slot,), counted["events_waiting",][0])
    for labels, cells in sums.of("spans"):
        page.add("fairlead_spans_total", labels, cells[0])


def _routes(page: Page, scene: Scene) -> None:
    for worker in scene.workers:
        page.add("fairlead_routes_generation", (str(worker.slot),), worker.generation)
    for worker in scene.workers:
        page.add("fairlead_routes_refused", (str(worker.slot),), float(bool(worker.refused)))
    if scene.run is not None:
        add_standing(page, scene.run)
    for name, deployed in sorted(scene.serving.deployed.items()):
        for taken in deployed.route.variants:
            shadow = "true" if taken.shadow else "false"
            labels = (name, str(taken.version or ""), taken.name, shadow)
            page.add("fairlead_variant_weight", labels, 0.0 if taken.shadow else taken.weight)


def _workers(page: Page, sums: _Sums, scene: Scene) -> None:
    page.add("fairlead_workers", (), len(scene.workers))
    for slot, counted in sums.slots.items():
        if ("busiest_caller",) in counted:
            page.add("fairlead_busiest_caller_rows", (slot,), counted["busiest_caller",][0])
    for slot, counted in sums.slots.items():
        if ("starts",) in counted:
            page.add("fairlead_worker_starts_total", (slot,), counted["starts",][0])
    page.add("fairlead_series_refused_total", (), sum(cells[0] for _, cells in sums.of("refused")))
    used = [(worker, usage(worker.pid)) for worker in scene.workers]
    told = [(str(worker.slot), worker, one) for worker, one in used if one is not None]
    for slot, _, one in told:
        page.add("process_cpu_seconds_total", (slot,), one.cpu_seconds)
    for slot, _, one in told:
        page.add("process_resident_memory_bytes", (slot,), one.resident_bytes)
    for slot, _, one in told:
        page.add("process_open_fds", (slot,), one.open_files)
    for slot, worker, _ in told:
        page.add("process_start_time_seconds", (slot,), worker.started)
