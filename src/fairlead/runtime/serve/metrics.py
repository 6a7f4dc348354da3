"""The Prometheus page: sums over all slots, with the names of our own and those that peers' dashboards know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fairlead.runtime.serve.counters import BUCKETS, Series, read_counters
from fairlead.runtime.serve.deployed import Serving

_LABELS = ("model_name", "model_version", "variant", "protocol", "code")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"'


def _line(name: str, names: Sequence[str], values: Sequence[str], number: float) -> str:
    said = ",".join(f"{label}={_quoted(value)}" for label, value in zip(names, values, strict=True))
    return f"{name}{{{said}}} {number:.17g}" if said else f"{name} {number:.17g}"


def exposition(files: Sequence[Path], serving: Serving) -> bytes:
    """Text format 0.0.4. Cardinality is bounded: unknown models and addresses have no series of their own."""
    total = read_counters(files)
    lines: list[str] = []
    lines += _requests(total)
    lines += _rows(total)
    lines += _seconds(total)
    lines += _capture(total)
    lines += ["# HELP fairlead_routes_generation The generation of routes that this worker answers with."]
    lines += ["# TYPE fairlead_routes_generation gauge", f"fairlead_routes_generation {serving.generation}"]
    return ("\n".join(lines) + "\n").encode()


def _of(total: dict[Series, list[float]], name: str) -> Iterator[tuple[tuple[str, ...], list[float]]]:
    return ((series[1:], cells) for series, cells in sorted(total.items()) if series[0] == name)


def _requests(total: dict[Series, list[float]]) -> Iterator[str]:
    yield "# HELP fairlead_requests_total Requests answered, by the HTTP code they were answered with."
    yield "# TYPE fairlead_requests_total counter"
    success: dict[tuple[str, str], float] = {}
    failure: dict[tuple[str, str], float] = {}
    for values, cells in _of(total, "requests"):
        yield _line("fairlead_requests_total", _LABELS, values, cells[0])
        model, version, code = values[0], values[1], values[4]
        if model:
            side = success if code.startswith("2") else failure
            side[model, version] = side.get((model, version), 0.0) + cells[0]
    for name, side in (("success", success), ("failure", failure)):
        for prefix in ("model_infer_request", "nv_inference_request"):
            yield f"# TYPE {prefix}_{name} counter"
            for labels, number in sorted(side.items()):
                yield _line(f"{prefix}_{name}", ("model", "version"), labels, number)


def _rows(total: dict[Series, list[float]]) -> Iterator[str]:
    yield "# HELP fairlead_rows_total Rows answered."
    yield "# TYPE fairlead_rows_total counter"
    for values, cells in _of(total, "rows"):
        yield _line("fairlead_rows_total", _LABELS[:3], values, cells[0])


def _seconds(total: dict[Series, list[float]]) -> Iterator[str]:
    yield "# HELP request_predict_seconds Time from arrival to reply of answered predictions."
    yield "# TYPE request_predict_seconds histogram"
    for values, cells in _of(total, "predict_seconds"):
        running = 0.0
        for at, edge in enumerate((*(f"{bucket:g}" for bucket in BUCKETS), "+Inf")):
            running += cells[at]
            yield _line("request_predict_seconds_bucket", (*_LABELS[:3], "le"), (*values, edge), running)
        yield _line("request_predict_seconds_sum", _LABELS[:3], values, cells[len(BUCKETS) + 1])
        yield _line("request_predict_seconds_count", _LABELS[:3], values, running)


def _capture(total: dict[Series, list[float]]) -> Iterator[str]:
    yield "# HELP fairlead_capture_rows_total Rows by what became of their capture."
    yield "# TYPE fairlead_capture_rows_total counter"
    for values, cells in _of(total, "capture"):
        yield _line("fairlead_capture_rows_total", ("outcome", "reason"), values, cells[0])
