"""Parts of a point in time, the same for one value and for many.

Times are seconds since the epoch, UTC. Calendar arithmetic in whole numbers:
Hinnant, chrono-Compatible Low-Level Date Algorithms (2013), proleptic Gregorian.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PARTS = ("year", "month", "day", "weekday", "hour", "minute", "day_of_year", "epoch_day")
"""weekday: Monday 0. epoch_day: days since 1970-01-01. day_of_year: 1 January is 1."""

PERIOD = {"month": 12.0, "day": 31.0, "weekday": 7.0, "hour": 24.0, "minute": 60.0, "day_of_year": 365.25}
"""Length of the circle on which the cyclic form of a part lies."""

# Beyond these the calendar makes no sense and whole numbers would overflow: the years 1 and 9999.
EARLIEST, LATEST = -62135596800.0, 253402300799.0


def part_of(seconds: float, part: str) -> float:
    """One part of one time; NaN for NaN, and times beyond the years 1 to 9999 count as the nearest of them."""
    if seconds != seconds:
        return seconds
    whole = int(min(max(seconds, EARLIEST), LATEST) // 1)
    days, rest = divmod(whole, 86400)
    if part == "hour":
        return float(rest // 3600)
    if part == "minute":
        return float(rest // 60 % 60)
    if part == "weekday":
        return float((days + 3) % 7)
    if part == "epoch_day":
        return float(days)
    year, month, day = _civil(days)
    if part == "day_of_year":
        return float(days - _days(year) + 1)
    return float({"year": year, "month": month, "day": day}[part])


def _civil(days: int) -> tuple[int, int, int]:
    era, of_era = divmod(days + 719468, 146097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def _days(year: int) -> int:
    """Days from the epoch to 1 January of `year`."""
    before = year - 1
    return 365 * before + before // 4 - before // 100 + before // 400 - 719162


def parts_of(seconds: Floats, part: str) -> Floats:
    """`part_of` for many times, shape (n,)."""
    known = ~np.isnan(seconds)
    whole = np.floor(np.clip(np.where(known, seconds, 0.0), EARLIEST, LATEST)).astype(np.int64)
    days, rest = np.divmod(whole, 86400)
    if part == "hour":
        found: npt.NDArray[np.int64] = rest // 3600
    elif part == "minute":
        found = rest // 60 % 60
    elif part == "weekday":
        found = (days + 3) % 7
    elif part == "epoch_day":
        found = days
    else:
        found = _calendar_parts(days, part)
    return np.where(known, found.astype(np.float64), np.nan)


def _calendar_parts(days: npt.NDArray[np.int64], part: str) -> npt.NDArray[np.int64]:
    dates = days.astype("datetime64[D]")
    years = dates.astype("datetime64[Y]")
    if part == "year":
        return np.asarray(years.astype(np.int64) + 1970)
    if part == "day_of_year":
        return np.asarray((dates - years.astype("datetime64[D]")).astype(np.int64) + 1)
    months = dates.astype("datetime64[M]")
    if part == "month":
        return np.asarray(months.astype(np.int64) % 12 + 1)
    return np.asarray((dates - months.astype("datetime64[D]")).astype(np.int64) + 1)
