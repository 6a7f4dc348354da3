"""Serving single rows over HTTP with validation, capture and metrics on.

Scenarios: `serve-start` (seconds from the command to the first answer, memory) and `serve-single-N` for 1, 8 and 32
connections: server CPU per request for a logistic and a boosted model, against granian answering a constant of the
same size. Rounds alternate between the servers; medians with spread. CPU is the worker's user and system time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TABLES = HERE.parent.parent / "shared" / "data"
CONNECTIONS = (1, 8, 32)
ROUNDS, SECONDS = 5, 3.0
TICK = os.sysconf("SC_CLK_TCK")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
CONFIG = """
[model]
name = "churn"
task = "classification"
target = "Churn"
positive = "Churned"
id = "customerID"
[data]
train = "{table}"
[train]
learners = ["{learner}"]
trials = 1
folds = 3
[gate]
beats = false
[monitor]
window = "500rows"
"""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) in found:
                found.append(int(path.parent.name))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process family so far."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK


def memory_mb(pid: int) -> dict[str, float]:
    """Proportional set size: of the supervisor, and of all its workers together."""
    sizes = []
    for one in family(pid):
        text = Path(f"/proc/{one}/smaps_rollup").read_text()
        sizes.append(int(re.search(r"Pss:\s+(\d+) kB", text)[1]) / 1024)  # type: ignore[index]
    return {"total_mb": round(sum(sizes), 1), "processes": len(sizes)}


@contextlib.contextmanager
def running(
    command: list[str], port: int, folder: Path | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """A server and the seconds until its port answered."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1).read()
                break
            except urllib.error.HTTPError as answer:
                if answer.code < 500:
                    break
            except OSError:
                pass
            if process.poll() is not None or time.perf_counter() - started > 60:
                raise SystemExit(f"server did not start: {command}")
            time.sleep(0.005)
        yield process, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(20)


def project(folder: Path, learner: str) -> None:
    """A deployed project with one learner."""
    import fairlead

    folder.mkdir()
    (folder / "fairlead.toml").write_text(CONFIG.format(table=TABLES / "telco-churn.csv", learner=learner))
    opened = fairlead.open(folder)
    opened.train()
    opened.evaluate()
    opened.register()
    opened.deploy()


def rows(folder: Path, count: int = 200) -> tuple[Path, Path]:
    """Requests from the table's own rows: the native form and the Open Inference Protocol's, a line each."""
    import fairlead
    from fairlead.lab.tables import open_table

    ws = fairlead.open(folder).workspace
    intent = ws.state.intent("churn")
    assert intent is not None
    signature = ws.load(intent.variants[0].bundle).signature
    frame = open_table(str(TABLES / "telco-churn.csv")).frame().head(count)
    native, v2 = [], []
    for record in json.loads(frame.to_json(orient="records")):
        row = {name: record[name] for name in signature.names}
        native.append(json.dumps(row))
        kinds = {
            c.name: "FP64" if c.kind == "number" else "INT64" if c.kind == "integer" else "BYTES"
            for c in signature.columns
        }
        inputs = [{"name": n, "shape": [1], "datatype": kinds[n], "data": [cell]} for n, cell in row.items()]
        v2.append(json.dumps({"inputs": inputs}))
    paths = folder / "native.txt", folder / "v2.txt"
    paths[0].write_text("\n".join(native))
    paths[1].write_text("\n".join(v2))
    return paths


def load(port: int, connections: int, bodies: Path, path: str, pid: int) -> dict[str, Any]:
    """One round: CPU µs a request, rate, latency."""
    before = cpu_seconds(pid)
    done = subprocess.run(
        [sys.executable, str(HERE / "client.py"), str(port), str(connections), str(SECONDS), str(bodies), path],
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    result["cpu_us"] = (cpu_seconds(pid) - before) / max(result["requests"], 1) * 1e6
    result["rate"] = result["requests"] / result["seconds"]
    return result


def middle(results: list[dict[str, Any]], name: str) -> dict[str, float]:
    """Median and range."""
    values = [float(r[name]) for r in results]
    return {"median": round(statistics.median(values), 3), "low": round(min(values), 3), "high": round(max(values), 3)}


def start_scenario(folder: Path) -> dict[str, Any]:
    """Seconds and memory of a fresh server, five times."""
    seconds, sizes = [], []
    for _ in range(5):
        port = free_port()
        with running([sys.executable, "-m", "fairlead", "-C", str(folder), "serve", "--port", str(port)], port) as (
            p,
            taken,
        ):
            seconds.append(taken)
            sizes.append(memory_mb(p.pid))
    port = free_port()
    command = [sys.executable, "-m", "fairlead", "-C", str(folder), "serve", "--port", str(port), "--workers", "2"]
    with running(command, port) as (p, _):
        time.sleep(1.0)
        two = memory_mb(p.pid)
    one = statistics.median(s["total_mb"] for s in sizes)
    return {
        "scenario": "serve-start",
        "ready_s": round(statistics.median(seconds), 3),
        "spread": [round(min(seconds), 3), round(max(seconds), 3)],
        "memory_mb_1_worker": one,
        "memory_mb_2_workers": two["total_mb"],
        "memory_mb_further_worker": round(two["total_mb"] - one, 1),
    }


def single_rows(folders: dict[str, Path]) -> Iterator[dict[str, Any]]:
    """The three serving scenarios."""
    bodies = {name: rows(folder) for name, folder in folders.items()}
    ports = {name: free_port() for name in (*folders, "constant")}
    with contextlib.ExitStack() as stack:
        pids = {
            "constant": stack.enter_context(
                running([sys.executable, str(HERE / "constant.py"), str(ports["constant"]), "80"], ports["constant"])
            )[0].pid
        }
        for name, folder in folders.items():
            command = [sys.executable, "-m", "fairlead", "-C", str(folder), "serve", "--port", str(ports[name])]
            pids[name] = stack.enter_context(running(command, ports[name]))[0].pid
        first = bodies["logistic"]
        cases = {"constant": ("constant", first[0], "/"), "constant-v2": ("constant", first[1], "/")}
        for name in folders:
            cases[name] = (name, bodies[name][0], "/predict/churn")
            cases[f"{name}-v2"] = (name, bodies[name][1], "/v2/models/churn/infer")
        for connections in CONNECTIONS:
            results: dict[str, list[dict[str, Any]]] = {case: [] for case in cases}
            for _ in range(ROUNDS):
                for case, (server, body, path) in cases.items():
                    results[case].append(load(ports[server], connections, body, path, pids[server]))
            answer: dict[str, Any] = {"scenario": f"serve-single-{connections}", "connections": connections}
            for case, found in results.items():
                base = "constant-v2" if case.endswith("-v2") else "constant"
                ratios = [f["cpu_us"] / c["cpu_us"] for f, c in zip(found, results[base], strict=True)]
                answer[f"{case}_cpu_us"] = round(statistics.median(f["cpu_us"] for f in found), 1)
                answer[f"{case}_cpu_ratio"] = round(statistics.median(ratios), 2)
                answer.setdefault("detail", {})[case] = {
                    **{n: middle(found, n) for n in ("cpu_us", "rate", "p50_ms", "p99_ms")},
                    "cpu_ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
                    "errors": sum(f["errors"] for f in found),
                }
            yield answer


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"logistic": Path(scratch) / "logistic", "boosted": Path(scratch) / "boosted"}
        project(folders["logistic"], "logistic")
        project(folders["boosted"], "hist_gradient_boosting")
        print(json.dumps(start_scenario(folders["logistic"])), flush=True)
        for result in single_rows(folders):
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
