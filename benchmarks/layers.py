"""Where the time of one request goes: scenario `layers`, CPU µs a request of each layer.

In process for ticks of 1 and of 25 requests (what 32 connections give), over the six models' common path: parse and
validate, prepare, predict, render, record, write. The parts run by themselves in warm caches, so that they add up to
less than the tick they belong to; the difference is what a tick's parts cost each other. Accepting and writing HTTP is
what the bare transport costs with an application that answers a constant. `python -m benchmarks layers` measures,
`python -m benchmarks.readme` writes the table into docs/explanation/where-the-time-goes.md.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import models
from fairlead.contract.ports import Request
from fairlead.contract.routes import Limits, Route, Routes, Variant
from fairlead.runtime.bundle import signer_of
from fairlead.runtime.serve.deployed import Endpoint
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.worker import open_plane

REPEATS, ROUNDS = 200, 15
MODELS = ("logistic", "boosted")
FORMS: dict[str, tuple[str, Callable[[dict[str, Any]], bytes]]] = {
    "native": ("/predict/churn", lambda row: json.dumps(row).encode()),
    "v2": ("/v2/models/churn/infer", models.v2),
}


def cpu_us(work: Callable[[], Any], requests: int) -> float:
    """CPU µs a request: the median of the rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REPEATS):
            work()
        found.append((time.process_time() - began) / REPEATS / requests * 1e6)
    return statistics.median(found)


def opened(folder: Path, bundle: Path) -> DataPlane:
    """The data plane of a worker that serves one bundle and captures."""
    trusted = (signer_of(bundle),)
    route = Route(model="churn", variants=(Variant("champion", bundle.name),))
    routes = Routes(generation=1, routes=(route,), default="churn", trusted=trusted, limits=Limits())
    return open_plane(0, {
        "run": str(folder / ".fairlead" / "run"), "instance": "layers", "home": str(folder / ".fairlead"),
        "fixed": routes, "bundle": str(bundle),
    })  # fmt: skip


def requests_of(form: str, count: int) -> list[Request]:
    """`count` requests of different rows."""
    path, spell = FORMS[form]
    head = {"host": "127.0.0.1", "content-type": "application/json"}
    rows = models.rows(count)
    return [Request("POST", path, "", head, spell(row), time.time(), lambda *_: None) for row in rows]


def layers(plane: DataPlane, endpoint: Endpoint, requests: Sequence[Request]) -> dict[str, float]:
    """Every layer of a tick, and the whole of it."""
    from fairlead.runtime.serve import recording
    from fairlead.runtime.serve.observing import unlike
    from fairlead.runtime.serve.whole import Whole

    count, live = len(requests), endpoint.whole
    assert live is not None
    model: Any = live.model

    def tick() -> None:
        now = time.time()
        for request in requests:
            request.arrived = now
        plane.answer(requests)

    def group() -> Whole:
        made = Whole(endpoint, live)
        made.requests = list(requests)
        made.parsed = [endpoint.parse(request.body, request.headers) for request in requests]
        made.ids = [plane._ids.new() for _ in requests]
        return made

    tick()
    whole = group()
    assert whole.answer()
    rows = whole.rows
    prepare = model._encode_rows if model._few is None else model._few._features

    def record() -> None:
        whole.frames.clear()
        recording.recorded(plane._serving, whole)

    def write() -> None:
        plane._capture(plane._serving, [whole], [], [])

    def render() -> None:
        whole.bodies.clear()
        whole._render(whole.labels, whole.scores)

    record()
    found = {
        "parse and validate": cpu_us(lambda: [endpoint.parse(r.body, r.headers) for r in requests], count),
        "prepare": cpu_us(lambda: prepare(rows), count),
        "render": cpu_us(render, count),
        "record": cpu_us(record, count),
        "write": cpu_us(write, count),
        "count and reply": cpu_us(lambda: plane._reply_whole(whole, time.time()), count),
        "rows unlike training": cpu_us(lambda: unlike.count([whole], []), count),
    }
    # Labels and lists of numbers come with the scores.
    found["predict"] = cpu_us(lambda: live.answer(rows), count) - found["prepare"]
    found["whole tick"] = cpu_us(tick, count)
    return found


def main() -> None:
    answer: dict[str, Any] = {"scenario": "layers", "detail": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for name in MODELS:
            folder = Path(scratch) / name
            plane = opened(folder, models.seal(name, folder))
            for form, (path, _) in FORMS.items():
                for count in (1, 25):
                    found = layers(plane, plane._serving.endpoints[path], requests_of(form, count))
                    rounded = {layer: round(us, 2) for layer, us in found.items()}
                    answer["detail"][f"{name}-{form}-{count}"] = rounded
                    answer[f"{name}_{form}_{count}_us"] = rounded["whole tick"]
            plane.close()
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
