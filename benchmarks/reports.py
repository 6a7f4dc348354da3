"""What a report on a million rows costs: Fairlead, Evidently and ydata-profiling, each in a process of its own.

    python -m benchmarks reports                  every part (about 15 minutes)
    python -m benchmarks reports:summary          one of: summary, drift, profile, ydata-default

Scenarios `reports-PART`, permanent ids: wall and CPU seconds and the most memory held, of the whole process from its
start to its page, medians over rounds in turns; `times` is the peer's as a multiple of ours, with its range. CPU and
memory are what other work on the machine hardly touches. Reports are not the same: see docs/explanation/peers.md.
A peer that takes longer than `LATEST` is ended, and that is its result.
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

LATEST = 480.0
PARTS: dict[str, dict[str, tuple[str, str, int]]] = {
    "summary": {
        "fairlead": ("", "report_fairlead.py quality", 3),
        "evidently": ("evidently", "report_evidently.py summary", 2),
        "ydata_minimal": ("ydata", "report_ydata.py minimal", 2),
    },
    "drift": {
        "fairlead": ("", "report_fairlead.py against", 3),
        "evidently": ("evidently", "report_evidently.py drift", 2),
    },
    "profile": {"fairlead": ("", "report_fairlead.py profile", 5)},
    "ydata-default": {"ydata_default": ("ydata", "report_ydata.py default", 1)},
}
"""part -> contender -> (environment, script and what it is asked, rounds)."""


def held_mb(process: int) -> float:
    """The most memory that a running process held, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def one(environment: str, asked: str, folder: Path) -> dict[str, Any]:
    """One run: seconds, cpu_s and peak_mb; `ended` where it took too long."""
    script, *words = asked.split()
    python = python_of(environment) if environment else Path(sys.executable)
    command = [python, PEERS / script, folder, *words]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        said, log = process.communicate(timeout=LATEST)
    except subprocess.TimeoutExpired:
        peak = held_mb(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"seconds": LATEST, "peak_mb": round(peak, 1), "ended": True}
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{asked}: {log[-2000:]}")
    found: dict[str, Any] = json.loads(next(x for x in reversed(said.splitlines()) if x.startswith("{")))
    return {"seconds": round(seconds, 2), **found}


def measured(part: str, folder: Path) -> dict[str, Any]:
    """The contenders of a part, in turns."""
    contenders = PARTS[part]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for turn in range(max(rounds for _, _, rounds in contenders.values())):
        for name, (environment, asked, rounds) in contenders.items():
            if turn < rounds:
                runs[name].append(one(environment, asked, folder))
                print(f"    {part}, round {turn + 1}: {name} {runs[name][-1]}", file=sys.stderr, flush=True)
    answer: dict[str, Any] = {"scenario": f"reports-{part}", "rows": 1_000_000, "columns": 15}
    for name, found in runs.items():
        for key in ("seconds", "cpu_s", "peak_mb"):
            values = [run[key] for run in found if key in run]
            if values:
                answer[f"{name}_{key}"] = round(statistics.median(values), 2)
        answer[f"{name}_rounds"] = len(found)
        answer[f"{name}_ended"] = any(run.get("ended", False) for run in found)
    if "fairlead" in runs:
        answer["times"] = {name: times(runs["fairlead"], found) for name, found in runs.items() if name != "fairlead"}
    return {**answer, "runs": runs}


def times(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, list[float]]:
    """A peer's cost as a multiple of ours: [of medians, least, greatest over all pairs of rounds]."""
    found = {}
    for key in ("seconds", "cpu_s", "peak_mb"):
        mine, other = ([run[key] for run in runs if key in run] for runs in (ours, theirs))
        if mine and other:
            middle = statistics.median(other) / statistics.median(mine)
            found[key] = [round(v, 2) for v in (middle, min(other) / max(mine), max(other) / min(mine))]
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, PEERS / "report_tables.py", scratch], check=True)
        for part in given.parts or PARTS:
            print(json.dumps(measured(part, Path(scratch))), flush=True)


if __name__ == "__main__":
    main()
