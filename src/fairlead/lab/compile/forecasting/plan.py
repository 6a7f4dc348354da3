"""What a forecaster looks at for each step ahead: places of a row's signals, as training and its graph read them.

The signals of a row are, in order: its values divided by their level (the mean of their sizes), so that a model can
follow a series to where it has never been; their mean over the last season; changes from the last value back to the one
before and back to one season ago; the newest value of each covariate; parts of the calendar of every step; and the
steps' numbers.
"""

from __future__ import annotations

from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from fairlead.lab.tables.steps import DAY_S, MONTH_S, WEEK_S

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RECENT = 24
"""Newest values that are features of every step."""
ALIGNED = 7
"""Seasons back of which the value at the step's own place in the season is one."""
TINY = 1e-12
CLASSES = {"hour": (0, 24), "weekday": (0, 7), "month": (1, 12)}
"""Parts of the calendar whose values a linear model tells apart: the first of them, and how many there are."""


def parts_for(step: float) -> tuple[str, ...]:
    """Parts of the calendar that a step of so many seconds moves through.

    >>> parts_for(3600.0), parts_for(86400.0)
    (('hour', 'weekday', 'month'), ('weekday', 'day', 'month'))
    """
    if step < 3600.0:
        return ("minute", "hour", "weekday", "month")
    if step < DAY_S:
        return ("hour", "weekday", "month")
    if step < WEEK_S:
        return ("weekday", "day", "month")
    return ("month",) if step >= MONTH_S - DAY_S else ("month", "day_of_year")


class Plan(msgspec.Struct, frozen=True, dict=True):
    """lags, covariates (how many), horizon, seasons: as of `lab.tables.series.Geometry`; parts: of the calendar.

    classes: whether parts of `CLASSES` become one feature a value, and all features are standardised, as models need
    that are no trees.
    """

    lags: int
    covariates: int
    horizon: int
    seasons: tuple[int, ...]
    parts: tuple[str, ...]
    classes: bool = False

    @property
    def width(self) -> int:
        """Features of the front: elements of the history, then the calendar step by step."""
        return self.lags * (1 + self.covariates) + self.horizon * len(self.parts)

    @cached_property
    def values(self) -> Ints:
        """Where the series' own values lie among the front's features, (lags,)."""
        return np.arange(self.lags, dtype=np.int64) * (1 + self.covariates)

    @cached_property
    def newest(self) -> Ints:
        """Where the newest value of each covariate lies among the front's features, (covariates,)."""
        return (self.lags - 1) * (1 + self.covariates) + 1 + np.arange(self.covariates, dtype=np.int64)

    @cached_property
    def dates(self) -> Ints:
        """Where the calendar lies among the front's features, (horizon x parts,)."""
        return np.arange(self.lags * (1 + self.covariates), self.width, dtype=np.int64)

    @cached_property
    def changes(self) -> tuple[Ints, Ints]:
        """Places of scaled values, each less the other."""
        last = self.lags - 1
        back = [last - by for by in (1, *self.seasons) if by <= last]
        return np.full(len(back), last, dtype=np.int64), np.array(back, dtype=np.int64)

    @property
    def signals(self) -> int:
        """How many signals a row has."""
        own = self.lags + len(self.seasons) + len(self.changes[0]) + self.covariates
        return own + self.horizon * (len(self.parts) + 1)

    @cached_property
    def chosen(self) -> Ints:
        """Places of the signals that are features of each step, (horizon, features), their kinds in one order."""
        return np.array([self._of(step) for step in range(1, self.horizon + 1)], dtype=np.int64)

    def _of(self, step: int) -> list[int]:
        last = self.lags - 1
        found = list(range(max(0, self.lags - RECENT), self.lags))
        for season in self.seasons:
            place = self.lags - season + (step - 1) % season
            for back in range(min(self.lags // season, ALIGNED)):
                at = place - back * season
                # One season ago its neighbours tell, too, how sharp the step's place in the season is.
                near = (at - 1, at, at + 1) if back == 0 else (at,)
                found += [min(max(one, 0), last) for one in near]
        summed = self.lags
        after = summed + len(self.seasons) + len(self.changes[0]) + self.covariates
        found += range(summed, after)
        found += range(after + (step - 1) * len(self.parts), after + step * len(self.parts))
        found.append(after + self.horizon * len(self.parts) + step - 1)
        return found

    @cached_property
    def split(self) -> tuple[Ints, tuple[tuple[int, Floats], ...]]:
        """Features that stay numbers, and (feature, its values) of those that become one a value."""
        features = self.chosen.shape[1]
        first = features - 1 - len(self.parts)
        classed = [
            (first + at, CLASSES[part][0] + np.arange(CLASSES[part][1], dtype=np.float64))
            for at, part in enumerate(self.parts)
            if self.classes and part in CLASSES
        ]
        apart = {at for at, _ in classed}
        return np.array([at for at in range(features) if at not in apart], dtype=np.int64), tuple(classed)


def level_of(values: Floats) -> Floats:
    """The level of each row's values, (n, 1): the mean of their sizes, rounded to single precision.

    However sums are put in order, what comes out is the same, so that no split falls on another side in another
    program.
    """
    with np.errstate(over="ignore"):
        mean = np.abs(values).mean(axis=1, keepdims=True)
        return np.maximum(_rounded(mean), TINY)


def signals_of(features: Floats, plan: Plan) -> tuple[Floats, Floats]:
    """Signals, (n, signals), and level, (n, 1), of rows as the front gives them, (n, width)."""
    values = features[:, plan.values]
    level = level_of(values)
    with np.errstate(all="ignore"):
        scaled = values / level
        means = [_rounded(scaled[:, plan.lags - season :].mean(axis=1, keepdims=True)) for season in plan.seasons]
        one, other = plan.changes
        numbers = level * 0.0 + np.arange(1.0, plan.horizon + 1.0)
        parts = (scaled, *means, scaled[:, one] - scaled[:, other], features[:, plan.newest], features[:, plan.dates])
        return np.concatenate([*parts, numbers], axis=1), level


def features_of(signals: Floats, steps: Ints, plan: Plan) -> Floats:
    """Features of a model, (n, features): signals, (n, signals), each row asked for one step, (n,) from 0."""
    found = np.take_along_axis(signals, plan.chosen[steps], axis=1)
    plain, classed = plan.split
    if not classed:
        return found
    return np.concatenate(
        [found[:, plain], *((found[:, at : at + 1] == values) * 1.0 for at, values in classed)], axis=1
    )


def _rounded(mean: Floats) -> Floats:
    with np.errstate(over="ignore", under="ignore"):
        return mean.astype(np.float32).astype(np.float64)
