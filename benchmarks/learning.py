"""What is learned in a stated time: `fairlead train` beside FLAML and the best default of scikit-learn.

    python -m benchmarks learning                 every table, then `learning` (about 50 minutes)
    python -m benchmarks learning:churn           one table (under 9 minutes)
    python -m benchmarks learning:summary         ranks over the tables measured so far

Scenarios `learning-TABLE` and `learning`, permanent ids. Every contender is a process of its own with one core, in an
environment of its own, and reads the same files: the same rows to learn from, judged on the same rows that it never
sees, by the mean logarithmic loss of its probabilities or by the mean absolute error of its numbers, which it is told
to minimise. Its clocks count its own CPU seconds, so that the budget is as large on a busy machine; what is spent when
the search is over (a last fit, sealing) comes on top. Fairlead answers from its sealed bundle. A run that is done is
kept outside the tree (see `environments`) and not made again unless what made it has changed, so a benchmark that was
ended goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from environments import PEERS, cache, python_of
from learning_tables import SPLITS, TABLES, Table
from standing import Losses, corrected, standing

CONTENDERS = ("fairlead", "flaml", "sklearn")
SECONDS = 20.0
LATEST = 600.0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
SOURCES = Path(__file__).resolve().parent.parent / "src" / "fairlead"
RESULTS = Path(__file__).parent / "results"
TINIEST = 1e-15


def one_core() -> None:
    """Whatever a contender thinks of threads, the kernel gives it one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def python(contender: str) -> Path:
    """The interpreter that a contender runs in."""
    return python_of("flaml") if contender == "flaml" else Path(sys.executable)


def made_by(contender: str) -> str:
    """A hash of all that an answer depends on besides its rows: scripts, pinned packages, our own sources."""
    files = [PEERS / f"learn_{contender}.py", PEERS / "learn_tables.py", PEERS / "flaml.txt"]
    if contender == "fairlead":
        files += sorted(p for room in ("lab", "contract") for p in (SOURCES / room).rglob("*.py"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def losses(task: str, truth: np.ndarray, answers: np.ndarray, classes: list[str]) -> dict[str, float]:
    """`loss`: what is compared; beside it accuracy, or the root of the mean squared error."""
    if task == "regression":
        error = answers[:, 0] - truth.astype(float)
        return {"loss": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean()))}
    place = np.array([classes.index(label) for label in truth])
    shares = np.clip(answers, TINIEST, None)
    shares = shares / shares.sum(axis=1, keepdims=True)
    return {
        "loss": float(-np.log(shares[np.arange(len(place)), place]).mean()),
        "accuracy": float((answers.argmax(axis=1) == place).mean()),
    }


def one(name: str, table: Table, number: int, contender: str, budget: float) -> dict[str, Any]:
    """One contender on one split, as found or made."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        meta, truth = table.write(number, folder)
        rows = hashlib.sha256((folder / "learn.csv").read_bytes() + (folder / "judge.csv").read_bytes()).hexdigest()
        kept = cache() / "learning" / f"{name}-{number}-{contender}-{budget:g}-{made_by(contender)}-{rows[:8]}.json"
        if kept.exists():
            found: dict[str, Any] = json.loads(kept.read_text())
            return found
        script = PEERS / f"learn_{contender}.py"
        command = [python(contender), script, folder, str(budget), str(number)]
        done = subprocess.run(
            command, env={**os.environ, **ONE_THREAD, "PYTHONWARNINGS": "ignore"}, capture_output=True, text=True,
            timeout=LATEST, check=False, preexec_fn=one_core,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{contender} on {name}, split {number}: {done.stderr[-2000:]}")
        said = json.loads(next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{")))
        answers = np.load(folder / "answers.npy")
        found = said | losses(meta["task"], truth, answers, meta["classes"])
        found |= {"learned": meta["learned"], "judged": meta["judged"]}
    kept.parent.mkdir(parents=True, exist_ok=True)
    half = kept.with_suffix(".part")
    half.write_text(json.dumps(found))
    half.replace(kept)
    return found


def measured(name: str, budget: float, splits: int = SPLITS) -> dict[str, Any]:
    """Every contender on every split of a table, in turns."""
    table = TABLES[name]()
    runs: dict[str, list[dict[str, Any]]] = {contender: [] for contender in CONTENDERS}
    for number in range(splits):
        for contender in CONTENDERS:
            found = one(name, table, number, contender, budget)
            runs[contender].append(found)
            said = f"{found['loss']:.4f} ({found['chosen']}, {found['seconds']:.0f} s)"
            print(f"    {name}, split {number + 1} of {splits}: {contender} {said}", file=sys.stderr, flush=True)
    judged, learned = (float(np.mean([r[k] for r in runs["fairlead"]])) for k in ("judged", "learned"))
    ours = np.array([r["loss"] for r in runs["fairlead"]])
    answer: dict[str, Any] = {
        "scenario": f"learning-{name}", "metric": "mae" if table.task == "regression" else "log_loss",
        "budget_cpu_s": budget, "splits": splits, "by_time": bool(table.times),
        "learned": round(learned), "judged": round(judged),
    }  # fmt: skip
    for contender, found in runs.items():
        answer[contender] = round(float(np.mean([r["loss"] for r in found])), 5)
    for contender in CONTENDERS[1:]:
        gap = corrected(ours - [r["loss"] for r in runs[contender]], judged, learned)
        answer[f"less_{contender}"] = [round(v, 5) for v in gap]
    answer["cpu_s"] = {c: round(float(np.mean([r["cpu_s"] for r in found])), 1) for c, found in runs.items()}
    answer["runs"] = runs
    return answer


def summary() -> dict[str, Any] | None:
    """Ranks over the tables that have a result of the same budget."""
    found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("learning-*.json"))]
    if not found:
        return None
    losses: Losses = {
        one["scenario"].removeprefix("learning-"): [
            {c: one["runs"][c][i]["loss"] for c in CONTENDERS} for i in range(one["splits"])
        ]
        for one in found
    }
    return {"scenario": "learning", "budgets_cpu_s": sorted({one["budget_cpu_s"] for one in found}),
            **standing(losses, CONTENDERS), "names": list(losses)}  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("tables", nargs="*", help=f"of {', '.join(TABLES)}, or summary")
    options.add_argument("--seconds", type=float, default=SECONDS)
    options.add_argument(
        "--splits", type=int, default=SPLITS, choices=range(2, SPLITS + 1), help=f"the first of {SPLITS}"
    )
    given = options.parse_args()
    for name in given.tables or [*TABLES, "summary"]:
        found = summary() if name == "summary" else measured(name, given.seconds, given.splits)
        if found is not None:
            print(json.dumps(found), flush=True)
            if name != "summary":
                # The summary of this very call reads it.
                RESULTS.mkdir(exist_ok=True)
                (RESULTS / f"{found['scenario']}.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
