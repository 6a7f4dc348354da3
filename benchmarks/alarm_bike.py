"""The bike table as counts an hour, shuffled: by rows, so that only chance is left, or by whole days or weeks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.alarm_months import Lived, Scenario, after_reference
from benchmarks.alarm_streams import STREAMS
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for
from fairlead.ops.monitor.folding import runs, taken
from fairlead.ops.monitor.statistic import Counted, Folded

HOURS = 24
KNOWN_DAYS = 400
NAMES = ("season", "mnth", "hr", "weekday", "workingday", "weathersit", "temp", "atemp", "hum", "windspeed")


def bike_rows(path: Path) -> Folded:
    """Each row of the table as a window of its own."""
    import pandas as pd

    frame = pd.read_csv(path)
    columns = {name: frame[name].to_numpy(dtype=np.float64) for name in NAMES}
    signature = Signature(task="regression", columns=tuple(Column(name, "number") for name in NAMES))
    rows = np.ones(len(frame))
    made = {}
    for bins in bins_for(columns, signature):
        place = np.searchsorted(np.asarray(bins.edges), columns[bins.name], side="right")
        counts = np.zeros((len(frame), len(bins.edges) + 1))
        counts[np.arange(len(frame)), place] = 1.0
        z = (columns[bins.name] - bins.shift) / bins.scale
        made[bins.name] = Counted(bins, rows, np.zeros(len(frame)), counts, z, z * z)
    return Folded(rows, made, {})


def shuffled(rows: Folded, together: int, seed: int) -> np.ndarray:
    """An order of the rows that keeps so many neighbours together, (n,)."""
    rng = np.random.default_rng(seed)
    blocks = len(rows) // together
    return (rng.permutation(blocks)[:, None] * together + np.arange(together)).reshape(-1)


def bike_lived(rows: Folded, window: str, together: int, seed: int) -> Lived:
    """The last 320 days of a shuffled copy after the first 400, which are the reference."""
    copy = taken(rows, shuffled(rows, together, seed))
    days = len(copy) // HOURS
    first = np.arange(days) * HOURS
    counts = runs(copy, first, first + HOURS)
    scenario = Scenario(STREAMS["stationary"], window, rows_a_day=HOURS)
    return after_reference(counts, np.arange(days, dtype=float), KNOWN_DAYS, scenario, np.random.default_rng(seed))
