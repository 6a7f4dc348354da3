"""One budget of false alarms for a project, and what each family of checks may take of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from fairlead.contract.settings import Settings
from fairlead.ops.monitor.windows import run_length

Family = Literal["inputs", "rows", "performance", "concept", "requests", "infrastructure"]

JOINT = 0.3
"""Part of `monitor.false_alarms_per_month` of all statistics that are calibrated jointly (`statistic.py`)."""

PARTS: dict[Family, float] = {
    "inputs": 0.12, "rows": 0.09, "performance": 0.3, "concept": 0.07, "requests": 0.07, "infrastructure": 0.05
}  # fmt: skip
"""Part of each family of checks beside it; all of them and `JOINT` together are the whole budget. That of "rows" can be
kept by what a year of weeks, or of days, shows: 47 of them, or 333."""


def allowed(settings: Settings, family: Family, seconds_per_row: float = 0.0) -> float:
    """False alarms a window that a family of checks may make, all its checks and columns together, early looks
    included; what is calibrated jointly has a part of its own.

    seconds_per_row: the pace of rows, which windows of rows need.
    """
    return PARTS[family] / max(run_length(settings, seconds_per_row), 1e-9)


def between_alarms(settings: Settings, family: Family, seconds_per_row: float = 0.0) -> float:
    """Windows between two false alarms that a family of checks may make: `allowed`, the other way round."""
    return 1.0 / max(allowed(settings, family, seconds_per_row), 1e-9)


def quiet_limit(values: Sequence[float], allowed: float) -> float | None:
    """The limit that one more value like these exceeds with probability `allowed` at most; None: too few to know.

    values: of quiet windows. Conformal: of n + 1 exchangeable values each is as likely to be the largest, whatever
    their distribution. Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005).

    >>> quiet_limit([3.0, 1.0, 2.0], 0.25)
    3.0
    >>> quiet_limit([3.0, 1.0, 2.0], 0.2) is None
    True
    """
    known = np.sort(np.asarray(values, dtype=np.float64))
    rank = int(allowed * (len(known) + 1) + 1e-9)
    return float(known[-min(rank, len(known))]) if rank >= 1 and len(known) else None


def values_needed(allowed: float) -> int:
    """How many quiet values `quiet_limit` needs.

    >>> values_needed(0.01)
    99
    """
    return max(int(np.ceil(1.0 / max(allowed, 1e-9) - 1.0 - 1e-9)), 1)
