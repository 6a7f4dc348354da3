"""A million rows of fifteen columns, the same for all: numbers, integers, categories and moments, some missing.

    python report_tables.py FOLDER [ROWS]

Writes whole.parquet, and its two halves before.parquet and after.parquet, of which the second has moved a little.
Seven numbers (one in twenty missing), two integers, four categories of 2 to 60 values (one of them with missing
cells), two moments (one with missing cells).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

ROWS = 1_000_000
MISSING = 0.05


def table_of(rows: int, seed: int = 0) -> pa.Table:
    """The table; the same for a seed."""
    random = np.random.default_rng(seed)
    late = np.arange(rows) >= rows // 2
    columns: dict[str, pa.Array] = {}
    for i in range(7):
        values = random.lognormal(i / 3, 1.0, rows) * np.where(late & (i == 0), 1.1, 1.0)
        columns[f"number_{i}"] = pa.array(values, mask=random.random(rows) < MISSING)
    for i in range(2):
        columns[f"integer_{i}"] = pa.array(random.poisson(10 * 4**i, rows))
    for i, size in enumerate((2, 4, 12, 60)):
        words = pa.array([f"word {j}" for j in range(size)])
        codes = random.integers(0, size, rows).astype(np.int32)
        codes = np.where(late & (i == 1) & (random.random(rows) < 0.1), 0, codes).astype(np.int32)
        absent = random.random(rows) < (MISSING if i == 2 else 0.0)
        columns[f"category_{i}"] = pa.DictionaryArray.from_arrays(pa.array(codes, mask=absent), words).cast(pa.string())
    begun = np.datetime64("2024-01-01T00:00:00", "s").astype(np.int64)
    seconds = begun + np.sort(random.integers(0, 365 * 86_400, rows))
    columns["at"] = pa.array(seconds * 1_000_000, pa.int64()).cast(pa.timestamp("us"))
    days = seconds - random.integers(0, 900, rows) * 86_400
    absent = random.random(rows) < MISSING
    columns["since"] = pa.array(days * 1_000_000, pa.int64(), mask=absent).cast(pa.timestamp("us"))
    return pa.table(columns)


def main() -> None:
    folder, rows = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else ROWS
    table = table_of(rows)
    half = rows // 2
    for name, part in (("whole", table), ("before", table.slice(0, half)), ("after", table.slice(half))):
        parquet.write_table(part, folder / f"{name}.parquet")


if __name__ == "__main__":
    main()
