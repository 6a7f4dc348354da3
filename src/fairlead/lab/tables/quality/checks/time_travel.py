"""Features that come from after the row's own time: later moments, and the target of rows to come."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import Issue
from fairlead.lab.tables.quality.suggesting import exclude
from fairlead.lab.tables.quality.watching import floats_of

SHARE = 0.01  # of rows whose moment is later than the row's time
FURTHEST = 48  # rows ahead in which the target is looked for
SAME = 0.999
_DAY_S = 86_400.0


class TimeTravel:
    """Nothing without an event time.

    Moments later than the row's (by more than a day where they name days alone), in one row of a hundred at least:
    they may be plans that were known, or what came of it. And columns that are the target of a later row: their
    correlation with it is 0.999 at least at one to 48 rows ahead and smaller now and before; lags of the past are fine.
    """

    name = "time_travel"

    def check(self, look: Look) -> Iterator[Issue]:
        """At most one issue a column."""
        if not look.time or any(n not in look.facts for n in look.time):
            return
        moments = look.floats(look.time[0])
        for column in look.schema.columns:
            if column.kind == "time" and column.name in look.features and column.name not in look.time:
                yield from self._later(look, column.name, moments)
        if look.target and look.task in {"classification", "regression"}:
            yield from self._shifted(look)

    def _later(self, look: Look, name: str, moments: np.ndarray) -> Iterator[Issue]:
        values = look.floats(name)
        both = ~(np.isnan(values) | np.isnan(moments))
        days_alone = bool((values[both] % _DAY_S == 0).all() or (moments[both] % _DAY_S == 0).all())
        slack = _DAY_S if days_alone or len(look.time) > 1 else 0.0
        later = both & (values > moments + slack)
        n = int(later.sum())
        if not both.any() or n < max(5, SHARE * both.sum()):
            return
        ahead = float(np.median((values - moments)[later])) / _DAY_S
        yield Issue(
            self.name, "warning",
            f"later than the row's own time in {n / both.sum():.0%} of rows, by {ahead:.3g} days in the middle: was it "
            "known by then?",
            name, columns=look.time, count=look.projected(n), of=look.rows, rows=look.examples(later), exact=look.whole,
            evidence={"median_days": ahead}, suggestions=(exclude(name, "not known at the row's time"),),
        )  # fmt: skip

    def _shifted(self, look: Look) -> Iterator[Issue]:
        head = look.head
        times = floats_of(head.column(look.time[0]), time=look.column(look.time[0]).kind == "time")
        if len(look.time) > 1:
            hours = floats_of(head.column(look.time[1]))
            times = times + 3600.0 * np.nan_to_num(hours)
        order = np.argsort(times, kind="stable")
        if len(order) < 200 or np.isnan(times).any() or np.unique(times).size < 0.95 * len(times):
            return  # several series side by side: the next row is another one's
        truth = self._numbers(look, look.target)[order]
        if np.nanstd(truth) == 0:
            return
        for name in look.features:
            if look.column(name).kind in {"text", "time", "tensor"}:
                continue
            found = _ahead(self._numbers(look, name)[order], truth)
            if found is not None:
                steps, r = found
                yield Issue(
                    self.name, "problem", f"is the target of {steps} row{'s' if steps > 1 else ''} later: "
                    f"correlation {r:.4f}", name, columns=(look.target,), count=look.rows, of=look.rows,
                    exact=len(order) == look.rows, evidence={"rows_ahead": steps, "correlation": round(r, 5)},
                    suggestions=(exclude(name, "it comes from the future"),),
                )  # fmt: skip

    def _numbers(self, look: Look, name: str) -> np.ndarray:
        array = look.head.column(name)
        if look.is_numeric(name):
            return floats_of(array)
        from fairlead.lab.tables.parsing import plain

        words = np.asarray(plain(array).cast("string").to_pylist(), dtype=object)
        known = sorted({w for w in words if w is not None})
        # The same words get the same number in feature and target; other words none.
        place = {w: i for i, w in enumerate(sorted(map(str, look.codes(look.target)[1])))} if known else {}
        return np.array([place.get(w, np.nan) for w in words], dtype=np.float64)


def _ahead(feature: np.ndarray, truth: np.ndarray) -> tuple[int, float] | None:
    """(rows ahead, correlation) at which the feature is the target of a later row, None where it is not."""
    by_step = {k: _correlation(feature, truth, k) for k in range(-2, FURTHEST + 1)}
    best = max(range(1, FURTHEST + 1), key=lambda k: by_step[k])
    past = max(by_step[k] for k in (-2, -1, 0))
    if by_step[best] < SAME or past >= by_step[best] or 1 - past < 3 * (1 - by_step[best]):
        return None
    return best, by_step[best]


def _correlation(feature: np.ndarray, truth: np.ndarray, ahead: int) -> float:
    """Of the feature with the target `ahead` rows later (before, where negative)."""
    n = len(truth)
    a = feature[: n - ahead] if ahead >= 0 else feature[-ahead:]
    b = truth[ahead:] if ahead >= 0 else truth[: n + ahead]
    both = ~(np.isnan(a) | np.isnan(b))
    if both.sum() < max(100, 0.5 * n):
        return 0.0
    a, b = a[both], b[both]
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0
