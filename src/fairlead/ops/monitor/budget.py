"""One budget of false alarms for a project, and what each family of checks may take of it."""

from __future__ import annotations

from typing import Literal

from fairlead.contract.settings import Settings
from fairlead.ops.monitor.windows import run_length

Family = Literal["inputs", "performance", "concept", "requests", "infrastructure"]

PARTS: dict[Family, float] = {
    "inputs": 0.4, "performance": 0.3, "concept": 0.1, "requests": 0.1, "infrastructure": 0.1
}  # fmt: skip
"""Part of `monitor.false_alarms_per_month` of each family; together all of it."""


def allowed(settings: Settings, family: Family, seconds_per_row: float = 0.0) -> float:
    """False alarms a window that a family of checks may make, all its checks and columns together.

    seconds_per_row: the pace of rows, which windows of rows need.
    """
    return PARTS[family] / max(run_length(settings, seconds_per_row), 1e-9)
