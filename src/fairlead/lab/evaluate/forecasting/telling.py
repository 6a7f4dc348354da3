"""Errors by step and by series, and the stretch that a report shows."""

from __future__ import annotations

import numpy as np

from fairlead.lab.evaluate.forecasting.evidence import SeriesError, Shown, StepError
from fairlead.lab.stats.forecasts import by_step
from fairlead.lab.stats.intervals import percentile, resamples
from fairlead.lab.stats.measures import Floats
from fairlead.lab.tables.series import SeriesRows

WORST = 10
STRETCHES, MOST_SHOWN = 7, 400


def step_errors(
    rows: SeriesRows, scores: Floats, naive: Floats, draws: int, block: int, seed: int
) -> tuple[StepError, ...]:
    """The mean absolute error of every step with its interval. naive: (n, horizon), what is stood beside it."""
    drawn = np.concatenate([by_step(rows.truth, scores, w) for w in resamples(rows.rows, draws, seed, block)])
    once = np.ones((1, rows.rows))
    ours, theirs = by_step(rows.truth, scores, once)[0], by_step(rows.truth, naive, once)[0]
    return tuple(
        StepError(at + 1, percentile(float(ours[at]), drawn[:, at]), float(theirs[at])) for at in range(len(ours))
    )


def series_errors(rows: SeriesRows, scores: Floats, scale: Floats) -> tuple[SeriesError, ...]:
    """The series with the largest errors for how much they change."""
    if rows.names is None:
        return ()
    found = []
    for name in np.unique(rows.names.astype(str)):
        mine = rows.names == name
        mae = float(np.abs(scores[mine] - rows.truth[mine]).mean())
        size = float(scale[mine][0])
        found.append(SeriesError(str(name), int(mine.sum()), mae, mae / size if size > 0.0 else None))
    if len(found) < 2:
        return ()
    return tuple(sorted(found, key=lambda one: -(one.mase or 0.0))[:WORST])


def shown_of(rows: SeriesRows, scores: Floats) -> Shown:
    """Forecasts that follow upon each other, a horizon apart, up to the newest, of the series with most rows."""
    chosen, name = np.arange(rows.rows), ""
    if rows.names is not None:
        names, counts = np.unique(rows.names.astype(str), return_counts=True)
        name = str(names[counts.argmax()])
        chosen = np.flatnonzero(rows.names == name)
    horizon, step = rows.geometry.horizon, rows.geometry.step.seconds
    most = max(1, min(STRETCHES, MOST_SHOWN // horizon))
    picked: list[int] = []
    last = np.inf
    for at in chosen[::-1].tolist():
        if rows.origins[at] <= last - 0.9 * horizon * step:
            picked.append(at)
            last = float(rows.origins[at])
        if len(picked) == most:
            break
    picked = picked[::-1]
    ahead = np.arange(1, horizon + 1) * step
    times = np.concatenate([rows.origins[at] + ahead for at in picked])
    return Shown(
        name, tuple(times.tolist()), tuple(rows.truth[picked].ravel().tolist()),
        tuple(scores[picked].ravel().tolist()), tuple(range(0, horizon * len(picked), horizon)),
    )  # fmt: skip
