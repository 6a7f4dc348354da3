"""Rows in time order cut into the project's windows, ending with the newest row."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.stats.measures import Floats

UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
DEFAULT_ROWS = 500
FEWEST_BLOCKS = 8


@dataclass(frozen=True)
class Span:
    """One window of rows [first, last) that covers [start, end) of event time; both 0 without time."""

    first: int
    last: int
    start: float
    end: float


def window_length(window: str, timed: bool) -> tuple[int, float]:
    """(rows, 0) or (0, seconds) of `monitor.window`: "500rows", "7d", "24h"; empty: 7 days, without time 500 rows.

    A length of time makes windows of 500 rows of a table that has no time. Raises ConfigInvalid.
    """
    text = window.strip() or ("7d" if timed else f"{DEFAULT_ROWS}rows")
    counted = re.fullmatch(r"(\d+)\s*rows?", text)
    lasting = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text)
    if counted and int(counted[1]):
        return int(counted[1]), 0.0
    if not lasting or not float(lasting[1]):
        raise ConfigInvalid(f"{window!r} is no window.", key="monitor.window", cure="Write it as 7d, 24h or 500rows.")
    return (0, float(lasting[1]) * UNIT_S[lasting[2]]) if timed else (DEFAULT_ROWS, 0.0)


def spans_of(rows: int, times: Floats | None, window: str) -> list[Span]:
    """Consecutive whole windows, oldest first, the last ending with the newest row; windows without rows left out.

    times: (rows,) ascending seconds since the epoch, or None. An incomplete oldest window is left out, unless
    it is the only one.
    """
    count, seconds = window_length(window, times is not None)
    if not rows:
        return []
    if count:
        whole = max(rows // count, 1)
        firsts = [max(rows - (whole - i) * count, 0) for i in range(whole)]
        lasts = [*firsts[1:], rows]
        return [Span(a, b, *covered(times, a, b)) for a, b in zip(firsts, lasts, strict=True)]
    assert times is not None
    end = float(np.nextafter(times[-1], np.inf))
    # A window may be a twentieth short: the newest row of an hourly table comes an hour before its week is over.
    whole = max(int((end - times[0]) / seconds + 0.05), 1)
    edges = end - seconds * np.arange(whole, -1, -1)
    places = np.searchsorted(times, edges, side="left")
    return [
        Span(int(a), int(b), float(s), float(e))
        for a, b, s, e in zip(places[:-1], places[1:], edges[:-1], edges[1:], strict=True)
        if b > a
    ]


def covered(times: Floats | None, first: int, last: int) -> tuple[float, float]:
    """Event time [start, end) of rows [first, last); (0, 0) without time."""
    if times is None or last <= first:
        return 0.0, 0.0
    return float(times[first]), float(np.nextafter(times[last - 1], np.inf))


def block_rows(rows: int, times: Floats | None, window: str) -> int:
    """Rows that an interval's resampling keeps together: those of one window, so that a day's or a week's rhythm
    stays whole, but never fewer than 8 blocks. 1 without time.
    """
    if times is None or rows < 2 * FEWEST_BLOCKS:
        return 1
    count, seconds = window_length(window, timed=True)
    span = float(times[-1] - times[0])
    per_window = count or (round(rows * seconds / span) if span > 0 else rows)
    return max(1, min(per_window, rows // FEWEST_BLOCKS))
