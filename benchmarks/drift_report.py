"""What a drift report costs and finds: Fairlead, Evidently and NannyML, each in a process of its own, in turns.

    python -m benchmarks drift_report                  every part but 100m (about 30 minutes)
    python -m benchmarks drift_report:1m               one of: 100k, 1m, 10m, 100m, windows
    python -m benchmarks.readme                        writes the tables of docs/explanation/peers.md anew

By what single runs took on two quiet cores: 100k 3 minutes, 1m 3, 10m 8 (about 3 GB of disk, and as much memory as the
largest peer wants), 100m 4 (10 GB of disk), windows some minutes for each tool; on a busy machine three times as long.
Peers' environments are made first, once.

Scenarios `drift-report-PART`, permanent ids. 100k to 10m: so many rows x 15 columns in two Parquet files, half before
and half after; wall and CPU seconds and the most memory held, of the whole process from its start to its page, medians
over rounds; `times` is the peer's as a multiple of ours, with its range. 100m: one file of 100 million rows against one
of 500,000, Fairlead alone. windows: 50 weeks of the bike table against the year before, as they came and from a
shuffled copy, each also with humidity read as two thirds of itself: the share of windows in which anything is said to
have moved, and in which humidity is. A peer that takes longer than `LATEST` or more than `MOST_MB` is ended, and that
is its result; one of which its smaller results say that it would not fit is not started, and that is said.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from environments import PEERS, python_of
from reports import held_mb, times

LATEST = 600.0
MOST_MB = 16_000.0
ROWS = {"100k": 100_000, "1m": 1_000_000, "10m": 10_000_000, "100m": 100_000_000}
FILES: dict[str, tuple[str, str]] = {
    "fairlead": ("", "drift_fairlead.py files"),
    "evidently": ("evidently", "report_evidently.py drift"),
    "nannyml": ("nannyml", "drift_nannyml.py files"),
}
WINDOWS: dict[str, tuple[str, str]] = {
    "fairlead": ("", "drift_fairlead.py windows"),
    "evidently": ("evidently", "drift_evidently.py windows"),
    "nannyml": ("nannyml", "drift_nannyml.py windows"),
}
ROUNDS = {"100k": 5, "1m": 3, "10m": 1}
RESULTS = Path(__file__).parent / "results"
PART_ROWS = 1_000_000


def expected_mb(name: str, rows: int) -> float | None:
    """Memory that a tool would hold at most, on the line through what it held at 100k and at 1m; None where it was not
    run at both, or `rows` lies below.
    """
    held = []
    for part in ("100k", "1m"):
        path = RESULTS / f"drift-report-{part}.json"
        known = json.loads(path.read_text()).get(f"{name}_peak_mb") if path.exists() else None
        if known is None:
            return None
        held.append((ROWS[part], float(known)))
    (few, low), (many, high) = held
    return None if rows <= many else high + (high - low) / (many - few) * (rows - many)


def room_mb() -> float:
    """Memory that a tool may take: four fifths of what is free, and no more than `MOST_MB`."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("MemAvailable"))
    return min(MOST_MB, 0.8 * free)


def one(environment: str, asked: str, folder: Path, latest: float = LATEST) -> dict[str, Any]:
    """One run: seconds, cpu_s, peak_mb and what it found; `ended` says why where it took too much."""
    script, *words = asked.split()
    python = python_of(environment) if environment else Path(sys.executable)
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            [python, PEERS / script, folder, *words], stdout=said, stderr=log, text=True, start_new_session=True
        )
        ended = _watched(process, started, latest)
        seconds = round(time.perf_counter() - started, 2)
        if ended:
            return {"seconds": seconds, "ended": ended}
        said.seek(0)
        lines = [x for x in said.read().splitlines() if x.startswith("{")]
        if process.returncode or not lines:
            log.seek(0)
            raise SystemExit(f"{asked}: {log.read()[-2000:]}")
    return {"seconds": seconds, **json.loads(lines[-1])}


def _watched(process: subprocess.Popen[str], started: float, latest: float) -> str:
    """Wait for a process to end; why it was ended, where it took too much."""
    ended = ""
    while process.poll() is None:
        if time.perf_counter() - started > latest:
            ended = f"longer than {latest:.0f} s"
        elif held_mb(process.pid) > MOST_MB:
            ended = f"more than {MOST_MB:.0f} MB"
        if ended:
            os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    return ended


def files(part: str, folder: Path) -> dict[str, Any]:
    """The contenders of a size, in turns."""
    halves(folder, ROWS[part])
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in FILES}
    for name in FILES:
        wanted, room = expected_mb(name, ROWS[part]), room_mb()
        if wanted is not None and wanted > room:
            runs[name].append({"ended": f"not run, would take about {wanted:,.0f} MB of {room:,.0f}"})
            print(f"    {part}: {name} {runs[name][-1]['ended']}", file=sys.stderr, flush=True)
    for turn in range(ROUNDS[part]):
        for name, (environment, asked) in FILES.items():
            if not any(run.get("ended") for run in runs[name]):
                runs[name].append(one(environment, asked, folder))
                print(f"    {part}, round {turn + 1}: {name} {runs[name][-1]}", file=sys.stderr, flush=True)
    answer: dict[str, Any] = {"scenario": f"drift-report-{part}", "rows": ROWS[part], "columns": 15}
    for name, found in runs.items():
        for key in ("seconds", "cpu_s", "peak_mb"):
            values = [run[key] for run in found if key in run]
            if values:
                answer[f"{name}_{key}"] = round(statistics.median(values), 2)
        answer[f"{name}_ended"] = next((run["ended"] for run in found if run.get("ended")), "")
    answer["times"] = {name: times(runs["fairlead"], found) for name, found in runs.items() if name != "fairlead"}
    return {**answer, "runs": runs}


def halves(folder: Path, rows: int) -> None:
    """before.parquet and after.parquet, half of the rows each; of many rows made in parts, which repeat."""
    import pyarrow.parquet as parquet

    sys.path.insert(0, str(PEERS))
    from report_tables import table_of

    size = min(rows, PART_ROWS)
    parts = [table_of(size, seed=seed) for seed in range(min(rows // size, 2))]
    for name, start in (("before", 0), ("after", size // 2)):
        with parquet.ParquetWriter(folder / f"{name}.parquet", parts[0].schema) as writer:
            for at in range(rows // size):
                writer.write_table(parts[at % len(parts)].slice(start, size // 2))


def large(folder: Path) -> dict[str, Any]:
    """One file of a hundred million rows, Fairlead alone."""
    import pyarrow.parquet as parquet

    sys.path.insert(0, str(PEERS))
    from report_tables import table_of

    before = table_of(500_000, seed=1)
    parquet.write_table(before, folder / "before.parquet")
    with parquet.ParquetWriter(folder / "large.parquet", before.schema) as writer:
        parts = [table_of(1_000_000, seed=seed) for seed in (100, 101)]
        for at in range(ROWS["100m"] // 1_000_000):
            writer.write_table(parts[at % 2])
        del parts
    run = one("", "drift_fairlead.py large", folder, latest=6 * LATEST)
    print(f"    100m: {run}", file=sys.stderr, flush=True)
    return {"scenario": "drift-report-100m", "columns": 15, **run}


def windows(folder: Path, data: Path) -> dict[str, Any]:
    """Alarms and detections of every contender in the same windows."""
    subprocess.run([sys.executable, PEERS / "drift_windows.py", folder, data / "bike-sharing-hour.csv"], check=True)
    answer: dict[str, Any] = {"scenario": "drift-report-windows", "planted": "humidity read as two thirds of itself"}
    for name, (environment, asked) in WINDOWS.items():
        run = one(environment, asked, folder)
        answer |= {f"{name}_cpu_s": run.get("cpu_s"), f"{name}_ended": run.get("ended", "")}
        for kind, told in run.get("windows", {}).items():
            answer[f"{name}_{kind}_windows"] = len(told)
            answer[f"{name}_{kind}_any"] = round(sum(bool(named) for named in told) / max(len(told), 1), 3)
            answer[f"{name}_{kind}_humidity"] = round(sum("hum" in named for named in told) / max(len(told), 1), 3)
        print(f"    windows: {name} { ({k: v for k, v in answer.items() if k.startswith(name)}) }", file=sys.stderr)
    return answer


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    options.add_argument("parts", nargs="*", help=f"of {', '.join(ROWS)}, windows")
    options.add_argument("--data", type=Path, default=default, help="folder with bike-sharing-hour.csv")
    given = options.parse_args()
    for part in given.parts or [*ROUNDS, "windows"]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            found = windows(folder, given.data) if part == "windows" else None
            found = found or (large(folder) if part == "100m" else files(part, folder))
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
