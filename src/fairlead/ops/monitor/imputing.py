"""What quality adds to the joint calibration: the share of all cells that the front filled in."""

from __future__ import annotations

import numpy as np

from fairlead.ops.monitor.statistic import Floor, Folded
from fairlead.ops.monitor.statistics import LEAST_ROWS


class ImputedRisen:
    """By how much the share of all cells that the front filled in rose: many small gaps that no column alone shows."""

    name = "imputed"
    floor: Floor = "share"
    unit = "share of cells"

    def values(self, windows: Folded, rest: Folded) -> dict[str, np.ndarray]:
        """One key, "" for all columns together."""
        names = [name for name in windows.columns if name in rest.columns]
        if not names:
            return {}
        live, before = _share(windows, names), _share(rest, names)
        return {"": np.where(windows.rows >= LEAST_ROWS, live - before, np.nan)}


def _share(folded: Folded, names: list[str]) -> np.ndarray:
    cells = sum((folded.columns[name].rows for name in names), np.zeros(len(folded)))
    gone = sum((folded.columns[name].missing for name in names), np.zeros(len(folded)))
    share: np.ndarray = gone / np.maximum(cells, 1.0)
    return share
