"""`make bench`: run every benchmark script, write benchmarks/results/, print a table.

A script prints one JSON object a line: `scenario` (a permanent id), figures, and `spread` where a figure was taken
more than once. `python -m benchmarks NAME...` runs some of them, `NAME:PART` a part of one. `learning` (50 minutes),
`reports` (15 minutes) and `drift_report` (30 minutes) run only when they are named. `spark` and `distributed` need
Java, `streams` the brokers and `image` the buildah of `make test-deps`; what is not there fails by itself.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SCRIPTS = (
    "imports", "profile", "transport", "layers", "server", "bulk", "peers", "explain", "false_alarms", "rehearsal",
    "watch", "spark", "distributed", "streams", "image", "keep", "demo",
)  # fmt: skip


def environment() -> dict[str, object]:
    """What a reader needs to judge the figures."""
    packages = ("numpy", "scikit-learn", "onnxruntime", "granian", "pyarrow", "pandas")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        **{name: version(name) for name in packages},
    }


def run(name: str) -> list[dict[str, object]]:
    """One script in a process of its own; its results."""
    print(f"==> {name}", flush=True)
    script, *parts = name.split(":")
    command = [sys.executable, str(HERE / f"{script}.py"), *parts]
    # Some start the servers that tests have.
    env = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=env)
    if done.returncode:
        print(f"    {name} failed with {done.returncode}")
        return []
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> int:
    chosen = sys.argv[1:] or [n for n in SCRIPTS if (HERE / f"{n}.py").exists()]
    RESULTS.mkdir(exist_ok=True)
    failed = 0
    for name in chosen:
        results = run(name)
        failed += not results
        for result in results:
            path = RESULTS / f"{result['scenario']}.json"
            path.write_text(json.dumps({**result, "environment": environment()}, indent=1) + "\n")
            figures = {k: v for k, v in result.items() if k != "scenario" and isinstance(v, int | float | str)}
            print(f"    {result['scenario']}: " + ", ".join(f"{k} {v}" for k, v in list(figures.items())[:8]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
