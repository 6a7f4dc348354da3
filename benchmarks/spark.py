"""Rows per second of batch scoring and of profiles: here, and on Spark with one and with two cores of this machine.

Scenarios `spark-score` (a sealed model's answers into a Parquet file) and `spark-profile` (every column counted, as
drift reports do). Each engine has a process of its own; Spark's session is up and its processes have opened the model
when the clock starts, `first_s` is what that took. Each figure is the median of `REPEATS`, `seconds` with its lowest
and highest; `of_local` is the rate against this process alone, `one_row_s` what a table of one row takes. Arguments:
rows, repeats.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Beside this file lies a profile.py, which Spark would take for Python's own.
sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]

REPEATS = 3
ROWS = 1_000_000
GROUP = 65_536
WITHIN_S = 600


def main() -> None:
    """Measure all, or one engine where a process of its own was asked for."""
    if sys.argv[1:2] == ["engine"]:
        folder, name, cores, repeats = sys.argv[2:]
        print(json.dumps(measure(Path(folder), name, int(cores), int(repeats))))
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else REPEATS
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        prepare(folder, rows)
        found = {f"{n}-{c}": apart(folder, n, c, repeats) for n, c in (("local", 1), ("spark", 1), ("spark", 2))}
    for what in ("score", "profile"):
        here = found["local-1"][what]["rows_per_s"]
        told = {n: {**one[what], "of_local": round(one[what]["rows_per_s"] / here, 3)} for n, one in found.items()}
        starts = {n: one["first_s"] for n, one in found.items()}
        load = round(os.getloadavg()[0], 1)
        print(json.dumps({"scenario": f"spark-{what}", "rows": rows, **told, "first_s": starts, "load": load}))


def prepare(folder: Path, rows: int) -> None:
    """A sealed model of the churn table, and the table repeated to so many rows, in row groups of 65,536."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    from fairlead.doors.python.project import init
    from fairlead.lab.tables import open_table

    source = Path(__file__).resolve().parents[2] / "shared" / "data" / "telco-churn.csv"
    project = init(source, "Churn", folder)
    file = folder / "fairlead.toml"
    file.write_text(file.read_text().replace("trials = 30", "trials = 1").replace("folds = 5", "folds = 2"))
    project.train()
    table = pa.Table.from_batches(list(open_table(source).batches()))
    plain = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
    table = pa.table(plain, names=table.column_names)
    times = -(-rows // table.num_rows)
    whole = pa.concat_tables([table] * times).slice(0, rows)
    parquet.write_table(whole, folder / "rows.parquet", row_group_size=GROUP)
    parquet.write_table(whole.slice(0, 1), folder / "one.parquet")


def apart(folder: Path, name: str, cores: int, repeats: int) -> dict[str, Any]:
    """One engine, in a process of its own: a JVM keeps the number of its cores."""
    words = [sys.executable, __file__, "engine", str(folder), name, str(cores), str(repeats)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, timeout=WITHIN_S)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(folder: Path, name: str, cores: int, repeats: int) -> dict[str, Any]:
    """Scoring into a file, and a profile of all columns that the model takes."""
    from fairlead.contract.engines import EngineSettings
    from fairlead.contract.profile import Bins
    from fairlead.lab.tables.drift.folding import Compared
    from fairlead.lab.tables.engines import engine_of
    from fairlead.lab.tables.engines.profiles import profile_on
    from fairlead.ops.flow import making
    from fairlead.ops.flow.workspace import Workspace
    from fairlead.reach.score.engines import score_on

    ws = Workspace.find(folder)
    bundle = making.resolve_bundle(ws, None)
    model = ws.load(bundle)
    bins: tuple[Bins, ...] = tuple(c.bins for c in model.reference.profile.columns)
    compared = Compared(model.signature, bins, {})
    begun = time.perf_counter()
    engine = engine_of(EngineSettings(name=name, master=f"local[{cores}]"))

    def score(rows: Path) -> None:
        score_on(engine, model, ws.store.path(bundle), ws.trusted, rows, folder / "out.parquet", ws.settings)

    score(folder / "one.parquet")
    first = time.perf_counter() - begun
    found: dict[str, Any] = {"engine": name, "cores": cores, "first_s": round(first, 2)}
    count = engine.rows(folder / "rows.parquet")
    works: dict[str, Callable[[Path], Any]] = {
        "score": score,
        "profile": lambda rows: profile_on(engine, rows, compared),
    }
    for what, work in works.items():
        work(folder / "rows.parquet")
        took = sorted(_seconds(work, folder / "rows.parquet") for _ in range(repeats))
        small = statistics.median(_seconds(work, folder / "one.parquet") for _ in range(repeats))
        median = statistics.median(took)
        found[what] = {
            "rows_per_s": round(count / median),
            "seconds": {"median": round(median, 3), "low": round(took[0], 3), "high": round(took[-1], 3)},
            "one_row_s": round(small, 3),
        }  # fmt: skip
    engine.close()
    return found


def _seconds(work: Callable[[Path], Any], rows: Path) -> float:
    begun = time.perf_counter()
    work(rows)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
