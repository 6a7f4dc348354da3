"""How long profiles take: a million rows of fifteen columns, in memory and from Parquet.

    .venv/bin/python benchmarks/profile.py [--rows 1000000] [--repeats 7]

Prints one JSON object a scenario: seconds are the median over repeats, spread their
range; cpu_seconds the process's own time, which other work on the machine
disturbs less. Scenario ids are permanent.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile, profile_batches
from fairlead.lab.tables import columns_of, open_table

NUMBERS, INTEGERS, CATEGORIES = 7, 3, 5
BOUNDS = {"profile-memory-1m": 0.5, "profile-parquet-1m": 1.0}


def table_of(rows: int, seed: int = 0) -> tuple[dict[str, np.ndarray], Signature]:
    """Seven numbers (one in twenty missing), three integers, five categories of 2 to 60 values."""
    random = np.random.default_rng(seed)
    columns: dict[str, np.ndarray] = {}
    kinds: list[Column] = []
    for i in range(NUMBERS):
        values = random.lognormal(i / 3, 1.0, rows)
        values[random.random(rows) < 0.05] = np.nan
        columns[f"number_{i}"] = values
        kinds.append(Column(f"number_{i}", "number"))
    for i in range(INTEGERS):
        columns[f"integer_{i}"] = random.poisson(10 * 4**i, rows).astype(np.float64)
        kinds.append(Column(f"integer_{i}", "integer"))
    for i, size in enumerate((2, 3, 4, 12, 60)):
        names = np.array([*(f"category {j}" for j in range(size)), None], dtype=object)
        columns[f"category_{i}"] = names[random.integers(0, size + (i % 2), rows)]
        kinds.append(Column(f"category_{i}", "category"))
    return columns, Signature("regression", tuple(kinds))


def measure(scenario: str, rows: int, repeats: int, job: Callable[[], object]) -> None:
    job()
    seconds, cpu = [], []
    for _ in range(repeats):
        wall, own = time.perf_counter(), time.process_time()
        job()
        seconds.append(time.perf_counter() - wall)
        cpu.append(time.process_time() - own)
    print(
        json.dumps(
            {
                "scenario": scenario,
                "seconds": round(statistics.median(seconds), 4),
                "spread": [round(min(seconds), 4), round(max(seconds), 4)],
                "cpu_seconds": round(statistics.median(cpu), 4),
                "bound_seconds": BOUNDS[scenario] * rows / 1_000_000,
                "rows": rows,
                "columns": NUMBERS + INTEGERS + CATEGORIES,
                "repeats": repeats,
            }
        ),
        flush=True,
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--repeats", type=int, default=7)
    chosen = options.parse_args()
    columns, signature = table_of(chosen.rows)
    bins = bins_for({n: v[:50_000] for n, v in columns.items()}, signature)
    measure("profile-memory-1m", chosen.rows, chosen.repeats, lambda: profile(columns, bins))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        parquet.write_table(pa.table({n: pa.array(v, from_pandas=True) for n, v in columns.items()}), path)

        def from_parquet() -> object:
            batches = open_table(path).batches(131_072)
            return profile_batches((columns_of(b, signature, text="arrow") for b in batches), bins)

        measure("profile-parquet-1m", chosen.rows, chosen.repeats, from_parquet)


if __name__ == "__main__":
    main()
