"""Serving single rows over HTTP with validation, capture and metrics on.

Scenarios: `serve-start` (seconds from the command to the first answer, memory), `serve-single-N` for 1, 8, 32 and 128
connections (server CPU per request and requests a second of six models, asked by the Open Inference Protocol's JSON,
against granian reading the same body and answering a constant of the same size), `serve-latency` (at half of the peak
rate, Poisson arrivals) and `serve-two-workers` (CPU per request of two workers at 64 connections against one at 32).
Rounds alternate between the servers; medians with spread. CPU is user and system time of all processes of a server;
The client is open_loop.c (see client.py); `serve-rate-32` is the same by wrk, which nobody here wrote. Every model's
answers are compared with its pipeline's before anything is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import client

HERE = Path(__file__).parent
CONNECTIONS = (1, 8, 32, 128)
ROUNDS, SECONDS = 5, 1.5
LATENCY_ROUNDS = 15
"""More, since a percentile of a second and a half meets more of what else the host does than a mean."""
LATENCIES = ("rate", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "late_p99_ms", "cpu_us")
TICK = os.sysconf("SC_CLK_TCK")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
PATH = "/v2/models/churn/infer"
TRANSPORT = os.environ.get("TRANSPORT", "bare")


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


def command(folder: Path, bundle: Path, port: int, workers: int = 1) -> list[str]:
    """A server of one bundle that captures into the project's home."""
    program = (
        "from pathlib import Path; from fairlead.runtime.serve import ServeOptions, serve; "
        f"serve(ServeOptions(home=Path({str(folder / '.fairlead')!r}), bundle=Path({str(bundle)!r}), "
        f"port={port}, workers={workers}, transport={TRANSPORT!r}))"
    )
    return [sys.executable, "-c", program]


def load(port: int, connections: int, bodies: Path, path: str, pid: int, rate: float = 0.0) -> dict[str, Any]:
    """One round: CPU µs a request, rate, latency."""
    asked = [str(port), str(connections), str(SECONDS), str(bodies), path, *([str(rate)] if rate else [])]
    words = [*client.command(), *asked]
    before = cpu_seconds(pid)
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    result["cpu_us"] = (cpu_seconds(pid) - before) / max(result["requests"], 1) * 1e6
    result["rate"] = result["requests"] / result["seconds"]
    return result


def middle(values: Sequence[float]) -> dict[str, float]:
    """Median and range."""
    found = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return {name: round(value, 3) for name, value in found.items()}


def start_scenario(folder: Path, bundle: Path) -> dict[str, Any]:
    """Seconds and memory of a fresh server, five times; memory of the second worker once both have answered."""
    seconds, sizes = [], []
    program = [sys.executable, "-m", "fairlead", "serve", "--bundle", str(bundle), "--port"]
    for _ in range(5):
        port = free_port()
        with running([*program, str(port)], port, folder) as (process, taken):
            seconds.append(taken)
            sizes.append(memory_mb(process.pid))
    port = free_port()
    with running([*program, str(port), "--workers", "2"], port, folder) as (process, _):
        time.sleep(1.0)
        two = memory_mb(process.pid)
    one = statistics.median(s["total_mb"] for s in sizes)
    return {
        "scenario": "serve-start",
        "ready_s": round(statistics.median(seconds), 3),
        "spread": [round(min(seconds), 3), round(max(seconds), 3)],
        "memory_mb_1_worker": one,
        "memory_mb_2_workers": two["total_mb"],
        "memory_mb_further_worker": round(two["total_mb"] - one, 1),
    }


def check(port: int, name: str, rows: list[dict[str, Any]]) -> float:
    """The largest difference between a server's probabilities and its pipeline's."""
    import pandas as pd

    import models

    expected = models.fitted(name).predict_proba(pd.DataFrame(rows)[list(models.COLUMNS)])
    worst = 0.0
    for row, wanted in zip(rows, expected, strict=True):
        asked = urllib.request.Request(f"http://127.0.0.1:{port}{PATH}", models.v2(row))
        tensors = {t["name"]: t["data"] for t in json.load(urllib.request.urlopen(asked, timeout=10))["outputs"]}
        worst = max(worst, *(abs(a - float(b)) for a, b in zip(tensors["probabilities"], wanted, strict=True)))
    if worst > (1e-5 if name == "xgboost" else 1e-9):
        raise SystemExit(f"{name}: answers differ by {worst}")
    return worst


class Servers:
    """The constant and a server a model, all running."""

    def __init__(self, stack: contextlib.ExitStack, scratch: Path) -> None:
        import models

        rows = models.rows()
        self.bodies = scratch / "v2.txt"
        self.bodies.write_bytes(b"\n".join(models.v2(row) for row in rows))
        self.ports, self.pids, self.differences = {}, {}, {}
        self.bundles = {}
        for name in models.ESTIMATORS:
            bundle = self.bundles[name] = models.seal(name, scratch / name)
            port = self.ports[name] = free_port()
            self.pids[name] = stack.enter_context(running(command(scratch / name, bundle, port), port))[0].pid
            self.differences[name] = check(port, name, rows[:50])
        port = self.ports["constant"] = free_port()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.ports['logistic']}{PATH}", models.v2(rows[0]))
        self.size = len(urllib.request.urlopen(asked, timeout=10).read())
        constant = [sys.executable, str(HERE / "constant.py"), str(port), str(self.size)]
        self.pids["constant"] = stack.enter_context(running(constant, port))[0].pid

    def round(self, case: str, connections: int, rate: float = 0.0) -> dict[str, Any]:
        """One round of one server."""
        return load(self.ports[case], connections, self.bodies, PATH, self.pids[case], rate)

    @contextlib.contextmanager
    def alone(self, *cases: str) -> Iterator[None]:
        """The other servers stand still: a machine that serves one model does not wake for six others."""
        others = [one for name, pid in self.pids.items() if name not in cases for one in family(pid)]
        try:
            for one in others:
                os.kill(one, signal.SIGSTOP)
            yield
        finally:
            for one in others:
                os.kill(one, signal.SIGCONT)


def single_rows(servers: Servers) -> Iterator[dict[str, Any]]:
    """`serve-single-N`."""
    cases = ["constant", *servers.bundles]
    for connections in CONNECTIONS:
        results: dict[str, list[dict[str, Any]]] = {case: [] for case in cases}
        for number in range(ROUNDS):
            for case in cases if number % 2 == 0 else reversed(cases):
                results[case].append(servers.round(case, connections))
        answer: dict[str, Any] = {"scenario": f"serve-single-{connections}", "connections": connections}
        answer["client"] = client.name()
        for case, found in results.items():
            base = results["constant"]
            cpu = [f["cpu_us"] / c["cpu_us"] for f, c in zip(found, base, strict=True)]
            rate = [f["rate"] / c["rate"] for f, c in zip(found, base, strict=True)]
            answer[f"{case}_cpu_us"] = round(statistics.median(f["cpu_us"] for f in found), 1)
            answer[f"{case}_cpu_ratio"] = round(statistics.median(cpu), 2)
            answer[f"{case}_rate_ratio"] = round(statistics.median(rate), 2)
            answer.setdefault("detail", {})[case] = {
                **{n: middle([f[n] for f in found]) for n in ("cpu_us", "rate", "p50_ms", "p99_ms")},
                "cpu_ratio_range": [round(min(cpu), 2), round(max(cpu), 2)],
                "rate_ratio_range": [round(min(rate), 2), round(max(rate), 2)],
                "errors": sum(f["errors"] for f in found),
                "difference": servers.differences.get(case, 0.0),
            }
        yield answer


def by_wrk(servers: Servers, case: str, connections: int) -> tuple[float, float]:
    """Requests a second and server CPU µs a request as wrk (Debian package) drives it: a second
    client, which nobody here wrote."""
    before = cpu_seconds(servers.pids[case])
    done = subprocess.run(
        ["wrk", "-t", "1", "-c", str(connections), "-d", "2s", "-s", str(HERE / "rows.lua"),
         f"http://127.0.0.1:{servers.ports[case]}"],
        env={**os.environ, "BODIES": str(servers.bodies), "ASKED": PATH}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    taken = cpu_seconds(servers.pids[case]) - before
    rate, count = (re.search(form, done.stdout) for form in (r"Requests/sec:\s+([\d.]+)", r"(\d+) requests in"))
    if rate is None or count is None or "Non-2xx" in done.stdout:
        raise SystemExit(f"{case}: {done.stdout}")
    return float(rate[1]), taken / int(count[1]) * 1e6


def rates(servers: Servers) -> dict[str, Any] | None:
    """`serve-rate-32`, where there is wrk."""
    if shutil.which("wrk") is None:
        return None
    cases = ["constant", *servers.bundles]
    found: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
    for number in range(ROUNDS):
        for case in cases if number % 2 == 0 else reversed(cases):
            found[case].append(by_wrk(servers, case, 32))
    answer: dict[str, Any] = {"scenario": "serve-rate-32", "detail": {}}
    for case in cases:
        pairs = list(zip(found[case], found["constant"], strict=True))
        rate, cpu = [a[0] / b[0] for a, b in pairs], [a[1] / b[1] for a, b in pairs]
        answer[f"{case}_rate"] = round(statistics.median(a[0] for a in found[case]))
        answer[f"{case}_rate_ratio"] = round(statistics.median(rate), 2)
        answer[f"{case}_cpu_us"] = round(statistics.median(a[1] for a in found[case]), 1)
        answer[f"{case}_cpu_ratio"] = round(statistics.median(cpu), 2)
        answer["detail"][case] = {
            "rate": middle([a[0] for a in found[case]]),
            "cpu_us": middle([a[1] for a in found[case]]),
            "rate_ratio_range": [round(min(rate), 2), round(max(rate), 2)],
            "cpu_ratio_range": [round(min(cpu), 2), round(max(cpu), 2)],
        }
    return answer


def latency(servers: Servers) -> dict[str, Any]:
    """Half of the peak rate over 64 connections. late_p99_ms: of that, what is the client's own."""
    answer: dict[str, Any] = {"scenario": "serve-latency", "client": client.name()}
    cases = ("constant", *servers.bundles)
    peaks: dict[str, float] = {}
    for case in cases:
        with servers.alone(case):
            peaks[case] = statistics.median(servers.round(case, 32)["rate"] for _ in range(3))
    found: dict[str, list[dict[str, Any]]] = {case: [] for case in cases}
    for _ in range(LATENCY_ROUNDS):
        for case in cases:
            with servers.alone(case):
                found[case].append(servers.round(case, 64, peaks[case] / 2))
    for case, rounds in found.items():
        answer[f"{case}_p99_ms"] = round(statistics.median(f["p99_ms"] for f in rounds), 3)
        answer.setdefault("detail", {})[case] = {
            "peak": round(peaks[case]),
            **{n: middle([f[n] for f in rounds]) for n in LATENCIES if n in rounds[0]},
            "errors": sum(f["errors"] for f in rounds),
        }
    return answer


def two_workers(servers: Servers, scratch: Path) -> dict[str, Any]:
    """CPU per request of two workers at 64 connections against one at 32."""
    port = free_port()
    bundle = servers.bundles["logistic"]
    with running(command(scratch / "logistic", bundle, port, 2), port) as (process, _):
        one, two = [], []
        with servers.alone("logistic"):
            for _ in range(ROUNDS):
                one.append(servers.round("logistic", 32))
                two.append(load(port, 64, servers.bodies, PATH, process.pid))
    ratios = [b["cpu_us"] / a["cpu_us"] for a, b in zip(one, two, strict=True)]
    return {
        "scenario": "serve-two-workers",
        "cpu_ratio": round(statistics.median(ratios), 3),
        "cpu_ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "one": {n: middle([f[n] for f in one]) for n in ("cpu_us", "rate", "p99_ms")},
        "two": {n: middle([f[n] for f in two]) for n in ("cpu_us", "rate", "p99_ms")},
    }


def measured(part: str, servers: Servers, scratch: Path) -> Iterator[dict[str, Any]]:
    """The results of one part of these scenarios."""
    if part == "start":
        yield start_scenario(scratch / "logistic", servers.bundles["logistic"])
    elif part == "single":
        yield from single_rows(servers)
    elif part == "rates":
        if (found := rates(servers)) is not None:
            yield found
    elif part == "latency":
        yield latency(servers)
    else:
        yield two_workers(servers, scratch)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        scratch = Path(folder)
        servers = Servers(stack, scratch)
        for part in sys.argv[1:] or ("start", "single", "rates", "latency", "workers"):
            for result in measured(part, servers, scratch):
                print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
