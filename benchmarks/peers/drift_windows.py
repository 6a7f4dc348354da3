"""Weeks of the bike table, as they came and with drift planted in them, the same for all.

    python drift_windows.py FOLDER DATA

Writes reference.parquet (2011) and windows.parquet (56 weeks of 2012 and of a shuffled copy, each as it was and with
humidity read as two thirds of itself); `kind` and `week` name the window of each row.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

NUMBERS = ["temp", "atemp", "hum", "windspeed"]
WORDS = ["season", "mnth", "hr", "holiday", "weekday", "workingday", "weathersit"]
WEEK = 168
WEEKS = 50
PLANTED = 0.67


def main() -> None:
    folder, data = Path(sys.argv[1]), Path(sys.argv[2])
    table = pd.read_csv(data)
    table["at"] = pd.to_datetime(table["dteday"]) + pd.to_timedelta(table["hr"], unit="h")
    table = table[[*NUMBERS, *WORDS, "at", "yr"]].sort_values("at").reset_index(drop=True)
    mixed = table.sample(frac=1.0, random_state=0).reset_index(drop=True).assign(at=table["at"], yr=table["yr"])
    for name, rows in (("weeks", table), ("shuffled", mixed)):
        before, after = rows[rows["yr"] == 0], rows[rows["yr"] == 1]
        parts = []
        for week in range(WEEKS):
            own = after.iloc[week * WEEK : (week + 1) * WEEK].drop(columns="yr").assign(week=week)
            parts.append(own.assign(kind="quiet"))
            parts.append(own.assign(kind="planted", hum=own["hum"] * PLANTED))
        _write(before.drop(columns="yr"), folder / f"{name}-reference.parquet")
        _write(pd.concat(parts), folder / f"{name}-windows.parquet")


def _write(rows: pd.DataFrame, path: Path) -> None:
    # Codes are names of things, which every tool is told.
    rows = rows.assign(**{c: rows[c].astype(np.int64).astype(str) for c in WORDS})
    rows.to_parquet(path, index=False)


if __name__ == "__main__":
    main()
