"""Numbers far from all others: by robust z (median and MAD) and by quartiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import EXAMPLES, Issue, Suggestion
from fairlead.lab.tables.quality.suggesting import prepare
from fairlead.lab.tables.quality.watching import ENDS, Watch

FAR = 10.0  # robust z: far beyond what skewed amounts reach
FENCE = 3.0  # quartile distances beyond the quartiles
SKEWED = 1.5  # upper half of the quartile distance over the lower, from which amounts are judged by their logarithm
_FEWEST_LEVELS = 10


class Outliers:
    """A column is reported where some of its values are beyond both rules.

    Robust z: |x - median| / (1.4826 MAD) > 10; fence: beyond the quartiles by more than 3 quartile distances (Tukey,
    Exploratory Data Analysis, 1977). Beyond one alone are tails; of amounts whose bulk is skewed to the right the same
    must hold of their logarithm. Where up to 64 cells an end
    are outliers their count is exact in a table of any size.
    """

    name = "outliers"

    def check(self, look: Look) -> Iterator[Issue]:
        """At most one issue a column."""
        for name, watch in look.watches.items():
            if watch.time or name in look.ids or not look.is_numeric(name):
                continue
            values = look.floats(name)
            values = values[~np.isnan(values)]
            limits = limits_of(values)
            if limits is None:
                continue
            low, high = limits
            ends = [(watch.low, watch.low.values < low), (watch.high, watch.high.values > high)]
            exact = all(chosen.sum() < ENDS for _, chosen in ends)
            count = int(sum(chosen.sum() for _, chosen in ends))
            if not exact:
                count = max(count, look.projected(int(((values < low) | (values > high)).sum())))
            if not count:
                continue
            rows = np.sort(np.concatenate([end.rows[chosen] for end, chosen in ends]))
            fenced = look.projected(int(_beyond_fence(values, 1.5).sum()))
            yield Issue(
                self.name, "warning" if name in look.features else "note",
                f"{'' if exact or look.whole else 'about '}{count:,} values lie beyond {low:.4g} to {high:.4g}, "
                "far from all others",
                name, count=count, of=look.rows, rows=tuple(rows[:EXAMPLES].tolist()), exact=exact or look.whole,
                evidence={
                    "low": low, "high": high, "least": float(watch.low.values[0]), "most": float(watch.high.values[0]),
                    "beyond_1.5_iqr": fenced, "largest_robust_z": round(_z(values, watch), 1),
                },
                suggestions=self._suggest(look, name),
            )  # fmt: skip

    def _suggest(self, look: Look, name: str) -> tuple[Suggestion, ...]:
        if name not in look.features or look.column(name).kind == "category":
            return ()
        return (prepare(name, "outliers", "iqr", "clipped to what is usual"),)


def limits_of(values: np.ndarray) -> tuple[float, float] | None:
    """Beyond which values are outliers; None where there are too few to say. values: (n,) without NaN."""
    limits = _limits(values)
    if limits is None or values.min() < 0:
        return limits
    first, median, third = np.quantile(values, [0.25, 0.5, 0.75])
    if third - median <= SKEWED * (median - first):
        return limits
    logs = _limits(np.log1p(values))
    return limits if logs is None else (limits[0], max(limits[1], float(np.expm1(min(logs[1], 700.0)))))


def _limits(values: np.ndarray) -> tuple[float, float] | None:
    if values.size < 50 or np.unique(values).size < _FEWEST_LEVELS:
        return None
    first, median, third = np.quantile(values, [0.25, 0.5, 0.75])
    mad = 1.4826 * float(np.median(np.abs(values - median)))
    reach = third - first
    if mad == 0.0 or reach == 0.0:
        # More than half of the cells are equal (amounts that are mostly nought): what is left has a scale of its own.
        rest = values[values != median]
        return _limits(rest) if 50 <= rest.size < values.size else None
    low = min(median - FAR * mad, first - FENCE * reach)
    high = max(median + FAR * mad, third + FENCE * reach)
    return float(low), float(high)


def _beyond_fence(values: np.ndarray, times: float) -> np.ndarray:
    first, third = np.quantile(values, [0.25, 0.75])
    return np.asarray((values < first - times * (third - first)) | (values > third + times * (third - first)))


def _z(values: np.ndarray, watch: Watch) -> float:
    median = float(np.median(values))
    mad = 1.4826 * float(np.median(np.abs(values - median))) or 1.0
    ends = (watch.low.values[0], watch.high.values[0])
    return float(max(abs(e - median) / mad for e in ends))
