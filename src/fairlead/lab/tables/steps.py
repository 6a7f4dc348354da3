"""The step of a series: the time from one value to the next, a span of seconds or a month of the calendar."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import numpy as np

from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.stats.spans import UNIT_S

MONTH_S = 86_400.0 * 365.2425 / 12.0
"""The mean length of a month, which stands for one where seconds are asked."""
DAY_S, WEEK_S = UNIT_S["d"], UNIT_S["w"]
_EVERY = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)?\s*([smhdw])\s*$")
OFF_GRID = 0.1
"""Share of a step that a time may lie off the grid: a local day is an hour longer or shorter twice a year."""


class Step(msgspec.Struct, frozen=True):
    """seconds: from one value to the next; months: they are those of the calendar, so that seconds are their mean."""

    seconds: float
    months: bool = False

    @property
    def said(self) -> str:
        """As settings have it."""
        if self.months:
            return "month"
        for unit in ("w", "d", "h", "m"):
            count = self.seconds / UNIT_S[unit]
            if count >= 1.0 and count.is_integer():
                return f"{count:.0f}{unit}"
        return f"{self.seconds:g}s"

    @property
    def seasons(self) -> tuple[int, ...]:
        """Steps after which a series of this step is expected to repeat itself, the shortest first; none is known of
        every step.

        >>> Step(3600.0).seasons, Step(86400.0).seasons, Step(MONTH_S, True).seasons
        ((24, 168), (7,), (12,))
        """
        if self.months:
            return (12,)
        known = (DAY_S, WEEK_S) if self.seconds < WEEK_S else (52 * WEEK_S,)
        found = [round(period / self.seconds, 9) for period in known]
        return tuple(int(steps) for steps in found if steps >= 2 and steps.is_integer())

    def ahead(self, count: int) -> float:
        """Seconds that so many steps take."""
        return count * self.seconds


def step_from(text: str) -> Step:
    """The step that `[model] every` names. Raises ConfigInvalid.

    >>> step_from("15m").seconds, step_from("month").months
    (900.0, True)
    """
    if text.strip().lower() in ("month", "1month", "1mo", "mo"):
        return Step(MONTH_S, months=True)
    found = _EVERY.match(text)
    seconds = float(found[1] or 1) * UNIT_S[found[2]] if found else 0.0
    if not seconds:
        raise ConfigInvalid(
            f"{text!r} is no step of a series.", file="fairlead.toml", key="model.every",
            cure="Write it as 15m, 1h, 1d, 7d or month.",
        )  # fmt: skip
    return Step(seconds)


def step_in(times: Sequence[Floats]) -> Step:
    """The step of series whose times, ascending, these are: the commonest gap between neighbours; a month where the
    gaps are those of months. Raises InputInvalid where no two times differ.
    """
    gaps = np.concatenate([np.diff(series) for series in times if len(series) > 1] or [np.empty(0)])
    gaps = np.round(gaps[gaps > 0.0], 3)
    if not len(gaps):
        raise InputInvalid("no series has two times, so nothing says how far its values lie apart: set [model] every")
    values, counts = np.unique(gaps, return_counts=True)
    common = float(values[counts.argmax()])
    months = (gaps >= 27.5 * DAY_S) & (gaps <= 31.5 * DAY_S)
    if 27.5 * DAY_S <= common <= 31.5 * DAY_S and months.mean() > 0.5 and len(values) > 1:
        return Step(MONTH_S, months=True)
    return Step(common)


def places_of(times: Floats, step: Step, start: float) -> tuple[Ints, Floats]:
    """The place of each time on the grid that begins at `start`, and how far off the grid it lies as a share of a
    step, both (n,).
    """
    if step.months:
        months = times.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
        first = np.float64(start).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
        return np.asarray(months - first, dtype=np.int64), np.zeros(len(times))
    exact = (times - start) / step.seconds
    places = np.round(exact)
    return places.astype(np.int64), np.abs(exact - places)
