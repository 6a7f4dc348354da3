"""Points of the report's plots, at their edges."""

from __future__ import annotations

import numpy as np

from fairlead.lab.evaluate.curves import calibration


def test_intervals_of_calibration_hold_the_share_where_all_or_none_happened() -> None:
    for rows in range(10, 400, 7):
        event = np.zeros(rows, dtype=bool)
        event[: rows // 2] = True
        for part in calibration(event, np.linspace(1.0, 0.0, rows)):
            assert 0.0 <= part["low"] <= part["happened"] <= part["high"] <= 1.0
