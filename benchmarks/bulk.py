"""Rows in bulk.

Scenarios: `bulk-in-process` (100,000 rows of each model against its own scikit-learn pipeline's `predict_proba`, one
thread each, a DataFrame in and probabilities out, rounds alternating), `bulk-over-http` (1,000 and 100,000 rows a
request as JSON rows, CSV and Arrow; rows a second and the peak memory of all of the server's processes),
`bulk-score` (1,000,000 rows from a file to a file, CSV and Parquet, with the process's peak memory, also of 4,000,000)
and `bulk-lane` (p99 of single rows alone and beside 100,000-row requests).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import client
import models
import server

ROUNDS = 5
ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def table(rows: int) -> pd.DataFrame:
    """The churn table's 15 columns, over and over, numbers slightly moved so that rows differ."""
    base = models.frame()[list(models.COLUMNS)]
    found = pd.concat([base] * (rows // len(base) + 1), ignore_index=True).head(rows)
    rng = np.random.default_rng(0)
    for name in ("MonthlyCharges", "TotalCharges"):
        found[name] = found[name] * rng.uniform(0.9, 1.1, rows)
    return found


def in_process(bundles: dict[str, Path]) -> dict[str, Any]:
    """`bulk-in-process`."""
    import fairlead

    rows = table(100_000)
    answer: dict[str, Any] = {"scenario": "bulk-in-process", "rows": len(rows), "detail": {}}
    for name, bundle in bundles.items():
        pipeline, model = models.fitted(name), fairlead.load(bundle)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            expected = pipeline.predict_proba(rows)
            theirs.append(time.perf_counter() - began)
            began = time.perf_counter()
            found = model.probabilities(rows)
            ours.append(time.perf_counter() - began)
        ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
        answer[f"{name}_times"] = round(statistics.median(ratios), 2)
        answer["detail"][name] = {
            "times_range": [round(min(ratios), 2), round(max(ratios), 2)],
            "sklearn_s": server.middle(theirs),
            "fairlead_s": server.middle(ours),
            "difference": float(np.abs(found - expected).max()),
        }
    return answer


def peak_mb(pid: int) -> float:
    """Peak resident memory of a process family, summed."""
    total = 0
    for one in server.family(pid):
        with contextlib.suppress(OSError, TypeError):
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{one}/status").read_text())
            total += int(found[1])  # type: ignore[index]
    return round(total / 1024, 1)


def bodies(rows: pd.DataFrame) -> Iterator[tuple[str, str, str, bytes]]:
    """form, path, content type, body."""
    import pyarrow as pa

    yield "json", "/predict/churn", "application/json", rows.to_json(orient="records").encode()
    yield "csv", "/invocations", "text/csv", rows.to_csv(index=False).encode()
    out = io.BytesIO()
    arrow = pa.Table.from_pandas(rows, preserve_index=False)
    with pa.ipc.new_stream(out, arrow.schema) as writer:
        writer.write_table(arrow)
    yield "arrow", "/predict/churn", "application/vnd.apache.arrow.stream", out.getvalue()


def over_http(folder: Path, bundle: Path) -> dict[str, Any]:
    """`bulk-over-http`."""
    answer: dict[str, Any] = {"scenario": "bulk-over-http", "detail": {}}
    for count in (1_000, 100_000):
        for form, path, kind, body in bodies(table(count)):
            port = server.free_port()
            with server.running(command(folder, bundle, port), port) as (process, _):
                request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": kind})
                taken = []
                for _ in range(ROUNDS + 1):
                    began = time.perf_counter()
                    urllib.request.urlopen(request, timeout=120).read()
                    taken.append(time.perf_counter() - began)
                rate = [count / seconds for seconds in taken[1:]]
                answer[f"{form}_{count}_rows_per_s"] = round(statistics.median(rate))
                answer["detail"][f"{form}-{count}"] = {
                    "rows_per_s": server.middle(rate),
                    "body_mb": round(len(body) / 1e6, 2),
                    "peak_mb": peak_mb(process.pid),
                }
    return answer


def command(folder: Path, bundle: Path, port: int) -> list[str]:
    """A server that takes bodies of 64 MB and gives them a minute."""
    program = (
        "from pathlib import Path; from fairlead.contract.routes import Limits; "
        "from fairlead.runtime.serve import ServeOptions, serve; "
        f"serve(ServeOptions(home=Path({str(folder / '.fairlead')!r}), bundle=Path({str(bundle)!r}), port={port}, "
        "limits=Limits(max_body_bytes=1 << 26, timeout_s=60.0)))"
    )
    return [sys.executable, "-c", program]


SCORING = (
    "import sys, time, re, pathlib, fairlead; p = fairlead.open(sys.argv[1]); "
    "began = time.perf_counter(); "
    "done = p.score(sys.argv[2], sys.argv[3]); "
    # Not of getrusage, which begins with what the process was forked from.
    "peak = re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1]; "
    "print(done['rows'], time.perf_counter() - began, int(peak) / 1024)"
)


def scored(folder: Path, file: Path) -> tuple[float, float]:
    """Seconds, and the peak memory in MB of the process."""
    done = subprocess.run(
        [sys.executable, "-c", SCORING, str(folder), str(file), str(file.with_stem("out"))],
        capture_output=True, text=True, check=True, env={**os.environ, **ONE},
    )  # fmt: skip
    _, seconds, peak = done.stdout.split()
    return float(seconds), float(peak)


def score(folder: Path) -> dict[str, Any]:
    """`bulk-score`."""
    answer: dict[str, Any] = {"scenario": "bulk-score", "rows": 1_000_000}
    rows = table(4_000_000)
    rows.to_parquet(folder / "many.parquet")
    rows = rows.head(1_000_000)
    rows.to_parquet(folder / "rows.parquet")
    rows.to_csv(folder / "rows.csv", index=False)
    del rows
    for kind in ("parquet", "csv"):
        found = [scored(folder, folder / f"rows.{kind}") for _ in range(3)]
        taken = [seconds for seconds, _ in found]
        answer[f"{kind}_rows_per_s"] = round(1_000_000 / statistics.median(taken))
        answer[f"{kind}_peak_mb"] = round(max(peak for _, peak in found))
        answer[f"{kind}_s"] = server.middle(taken)
    answer["parquet_4m_peak_mb"] = round(scored(folder, folder / "many.parquet")[1])
    return answer


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """What is started meanwhile runs as soon as it wakes, where that may be had.

    The client of single rows stands for one elsewhere, which does not wait for this machine's processors.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def lane(folder: Path, bundle: Path) -> dict[str, Any]:
    """`bulk-lane`."""
    single, body = folder / "v2.txt", folder / "large.json"
    single.write_bytes(b"\n".join(models.v2(row) for row in models.rows()))
    _, path, kind, large = next(bodies(table(100_000)))
    body.write_bytes(large)
    port = server.free_port()
    with server.running(command(folder, bundle, port), port) as (process, _):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", large, {"content-type": kind})
        urllib.request.urlopen(request, timeout=60).read()
        asked = [sys.executable, str(server.HERE / "large.py"), str(port), str(body), kind, path]
        alone, beside, seconds, count = [], [], [], 0
        for _ in range(ROUNDS):
            with at_once():
                alone.append(server.load(port, 8, single, server.PATH, process.pid, 1000.0)["p99_ms"])
            with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sender:
                assert sender.stdout is not None
                # Measured from when the first has been answered, so that its process and connection are there.
                sender.stdout.readline()
                with at_once():
                    beside.append(server.load(port, 8, single, server.PATH, process.pid, 1000.0)["p99_ms"])
                said = json.loads(sender.communicate("stop\n")[0])
            if said["refused"]:
                raise SystemExit(f"large requests were refused: {said}")
            count += said["answered"]
            seconds.append(said["seconds"])
    ratios = [b / a for a, b in zip(alone, beside, strict=True)]
    return {
        "scenario": "bulk-lane",
        "p99_ratio": round(statistics.median(ratios), 2),
        "p99_ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "alone_p99_ms": server.middle(alone),
        "beside_p99_ms": server.middle(beside),
        "large_requests": count,
        "large_s": server.middle(seconds),
        "client": client.name(),
    }


def main() -> None:
    os.environ.update(ONE)
    with tempfile.TemporaryDirectory() as scratch:
        bundles = {name: models.seal(name, Path(scratch) / name) for name in models.ESTIMATORS}
        folder = Path(scratch) / "boosted"
        parts = {
            "process": lambda: in_process(bundles),
            "http": lambda: over_http(folder, bundles["boosted"]),
            "score": lambda: score(folder),
            "lane": lambda: lane(folder, bundles["boosted"]),
        }
        for part in sys.argv[1:] or parts:
            print(json.dumps(parts[part]()), flush=True)


if __name__ == "__main__":
    main()
