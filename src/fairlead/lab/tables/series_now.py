"""A long table looked at when it is used, not learned from: the newest history of every series, and what came true."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fairlead.contract.errors import InputInvalid
from fairlead.contract.settings import ModelSettings
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.tables.series import MOST_FILLED, SHOWN, Geometry, SeriesRows, fill_gaps, on_grid
from fairlead.lab.tables.steps import Step

if TYPE_CHECKING:
    import pandas as pd


class Truths(NamedTuple):
    """Forecasts that could have been asked, and what is known of their truth by now.

    names: (n,) the series, "" where there is but one; origins: (n,) seconds; truth: (n, horizon), NaN for what is not
    known, at least one number a row.
    """

    names: np.ndarray
    origins: Floats
    truth: Floats


def newest_rows(frame: pd.DataFrame, model: ModelSettings, geometry: Geometry) -> SeriesRows:
    """One row a series: the history up to its newest value. The truth, which nobody knows yet, is NaN.

    Series that are too short or have too many gaps are left out, and named in `notes`.
    Raises InputInvalid where none is left, and as `series.series_rows`.
    """
    every = [one for one, _ in on_grid(frame, model, geometry.step)]
    notes = fill_gaps(every, geometry)
    names, origins, histories, left = [], [], [], []
    for one in every:
        known = np.flatnonzero(one.known)
        newest = int(known[-1]) if len(known) else -1
        first = newest + 1 - geometry.lags
        if first < 0 or one.known[first : newest + 1].mean() < 1.0 - MOST_FILLED:
            left.append(one.name)
            continue
        names.append(one.name)
        origins.append(float(one.time_of(np.array([newest]))[0]))
        histories.append(one.filled[first : newest + 1])
    why = f"fewer than {geometry.lags} values in a row, of which at most {MOST_FILLED:.0%} may be missing"
    if not histories:
        raise InputInvalid(f"no series can be forecast: {'it has' if len(every) == 1 else 'they have'} {why}")
    if left:
        shown = ", ".join(repr(name) for name in left[:SHOWN]) + (", …" if len(left) > SHOWN else "")
        notes.append(f"{len(left):,} of {len(every):,} series are not forecast, as they have {why}: {shown}")
    return SeriesRows(
        geometry, np.array(names, dtype=object) if model.series else None, np.array(origins), np.stack(histories),
        np.full((len(histories), geometry.horizon), np.nan), notes=tuple(notes),
    )  # fmt: skip


def known_truths(frame: pd.DataFrame, model: ModelSettings, geometry: Geometry, since: float = -np.inf) -> Truths:
    """Of every origin from `since` on that the values of a table say something about, what came after it.

    Origins before the first value are among them: a table of new values alone is the truth of what was forecast before.
    Raises as `series.series_rows`.
    """
    horizon = geometry.horizon
    names, origins, truths = [], [], []
    for one, step in on_grid(frame, model, geometry.step):
        before = np.arange(-horizon, 0)
        places = np.concatenate([before, one.places])
        times = np.concatenate([times_after(one.times[:1], before, step)[0], one.times])
        # Place p lies `horizon` further on, as do the steps after it.
        padded = np.concatenate([np.full(horizon, np.nan), one.values[:, 0], np.full(horizon, np.nan)])
        after = np.lib.stride_tricks.sliding_window_view(padded[1:], horizon)[places + horizon]
        kept = np.isfinite(after).any(axis=1) & (times >= since)
        names.append(np.full(int(kept.sum()), one.name, dtype=object))
        origins.append(times[kept])
        truths.append(after[kept])
    return Truths(np.concatenate(names), np.concatenate(origins), np.concatenate(truths))


def times_after(origins: Floats, steps: Ints, step: Step) -> Floats:
    """Seconds of so many steps after each origin, (n, steps); months are those of the calendar.

    >>> times_after(np.array([0.0]), np.array([-1, 0, 1]), Step(60.0)).tolist()
    [[-60.0, 0.0, 60.0]]
    """
    if not step.months:
        return np.asarray(origins[:, None] + steps * step.seconds, dtype=np.float64)
    moments = origins.astype("datetime64[s]")
    months = moments.astype("datetime64[M]")
    within = moments - months.astype("datetime64[s]")
    stepped = (months[:, None] + steps).astype("datetime64[s]") + within[:, None]
    return np.asarray(stepped.astype(np.int64), dtype=np.float64)
