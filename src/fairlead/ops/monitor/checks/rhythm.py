"""Whether as many rows come as usual, and at the hours of the day at which they usually do."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.events import Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.statistic import Judged
from fairlead.ops.monitor.windows import DAY, WEEK, window_spec

HOUR = 3600.0
MOST = 512
"""Windows that are remembered."""

SPREAD = 104
"""The newest windows that say how far one lies from the usual."""

NEEDED = 8
"""Windows of the same kind that say what is usual."""

LEAST_FACTOR = 1.5
LEAST_DISTANCE = 0.1
"""Effect floors: times the usual number of rows; Jensen-Shannon distance of the hours of the day."""


class Rhythm:
    """The number of rows against earlier windows of the same hour and weekday, where there are enough of them; and of
    windows of a day and longer how rows spread over the hours of the day.

    Windows of rows have no number of rows to judge. What it knows are windows it found usual.
    """

    name = "rhythm"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """`allowed` is shared by both."""
        spec = window_spec(seen.settings)
        if not spec.timed:
            return []
        known: list[Any] = list((seen.memory or {}).get("windows", []))
        found = _volume(seen, known, allowed / 2.0)
        hours = _hours(seen)
        daily = spec.seconds >= DAY and hours is not None
        if daily and hours is not None:
            found += _shape(seen, [one[2] for one in known if len(one) > 2], hours, allowed / 2.0)
        if not found:
            known.append(
                [seen.window.start, seen.profile.rows, *([hours.tolist()] if hours is not None and daily else [])]
            )
            # Hours are many numbers: of windows shorter than a day they are not kept, of others the newest 60.
            known = [one[:2] for one in known[:-60]] + known[-60:]
        seen.keep({"windows": known[-MOST:]})
        return found


def _volume(seen: Seen, known: list[Any], allowed: float) -> list[Finding]:
    from fairlead.lab.stats.quantiles import student

    if len(known) < NEEDED:
        return []
    starts = np.array([one[0] for one in known])
    logs = np.log1p(np.array([one[1] for one in known], dtype=np.float64))
    alike, of = same_phase(starts, seen.window.start)
    usual = float(np.median(logs[alike]))
    # The spread is that of every window about those of its own phase: few of one phase know little of it.
    rest = logs[-SPREAD:] - _usual_of_each(starts, logs)[-SPREAD:]
    own = logs[alike] - usual
    spread = max(float(rest.std(ddof=1)), float(own.std(ddof=1)), 0.05)
    height = student(1.0 - min(allowed, 0.2) / 2.0, int(alike.sum()) - 1) * np.sqrt(1.0 + 1.0 / alike.sum())
    limit = max(height * spread, float(np.log(LEAST_FACTOR)))
    rows = seen.profile.rows
    off = float(np.log1p(rows)) - usual
    factor = float(np.exp(off))
    speaks = abs(off) > limit
    why = f"{rows} rows, usually {np.expm1(usual):.0f}; limit {np.exp(limit):.2f} times more or fewer"
    judged = Judged(float(np.exp(abs(off))), float(np.exp(limit)), 1.0, speaks, False, np.nan, why, of)
    seen.tell("volume", "", judged, "times more or fewer")
    if not speaks:
        return []
    window, evidence = seen.window, {"limit": float(np.exp(limit)), "usual": float(np.expm1(usual))}
    told = f"{rows} rows, usually {np.expm1(usual):.0f} ({of})" if rows else (
        f"no rows at all; usually {np.expm1(usual):.0f} ({of})"
    )  # fmt: skip
    band = float(np.exp(off - 1.96 * spread)), float(np.exp(off + 1.96 * spread))
    return [
        Finding(
            id=finding_id(window.model, "volume", (), window.start), model=window.model, area="traffic",
            check="volume", window=window.index, since=window.start, size=factor, low=band[0], high=band[1],
            unit="times the usual", message=told, severity="warning" if rows else "critical", evidence=evidence,
            first=window.start,
        )
    ]  # fmt: skip


def _usual_of_each(starts: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """The median of each window's own phase, (n,): windows that began at the same second of the week share theirs."""
    phases, place = np.unique(starts % WEEK, return_inverse=True)
    found: np.ndarray = np.array([np.median(logs[same_phase(starts, phase)[0]]) for phase in phases])[place]
    return found


def same_phase(starts: np.ndarray, at: float) -> tuple[np.ndarray, str]:
    """Which windows began at the same hour and weekday as one at `at`, (n,); at the same hour, where those are fewer
    than 8; all, where those are. And that in words.
    """
    for period, of in ((WEEK, "at the same hour and weekday"), (DAY, "at the same hour")):
        apart = np.abs((starts - at + 0.5 * period) % period - 0.5 * period)
        alike = apart < 60.0
        if alike.sum() >= NEEDED:
            return alike, f"of {int(alike.sum())} windows {of}"
    return np.ones(len(starts), dtype=bool), f"of {len(starts)} windows"


def _hours(seen: Seen) -> np.ndarray | None:
    """Rows by hour of the day (UTC), (24,)."""
    rows = seen.rows
    if rows is None or len(rows.times) < 48:
        return None
    hours = (np.floor(rows.times / HOUR) % 24).astype(np.int64)
    return np.bincount(hours, minlength=24)[:24]


def _shape(seen: Seen, known: list[Any], hours: np.ndarray, allowed: float) -> list[Finding]:
    from fairlead.lab.stats.distances import jensen_shannon_rows
    from fairlead.lab.stats.extremes import once_in

    past = np.array(known, dtype=np.float64)
    if len(past) < NEEDED:
        return []
    total = past.sum(axis=0)
    apart = jensen_shannon_rows(total - past, past)
    limit = max(once_in(apart, allowed), LEAST_DISTANCE)
    live = hours.astype(np.float64)
    value = float(jensen_shannon_rows(total, live[None, :])[0])
    why = f"hours of the day at a distance of {value:.3f} from {len(past)} windows before, limit {limit:.3f}"
    judged = Judged(value, limit, float(np.median(apart)), value > limit, False, np.nan, why, "windows before")
    seen.tell("daily_shape", "", judged, "Jensen-Shannon distance")
    if value <= limit:
        return []
    off = live / live.sum() - total / total.sum()
    worst = int(np.argmax(np.abs(off)))
    moved = float(np.abs(off).sum() / 2.0)
    told = f"{moved:.0%} of rows come at other hours of the day than usual, most at {worst:02d}:00 UTC "
    told += f"({live[worst] / live.sum():.1%} of rows instead of {total[worst] / total.sum():.1%})"
    window = seen.window
    draws = np.random.default_rng(window.index).multinomial(int(live.sum()), live / live.sum(), size=200)
    shares = np.abs(draws / live.sum() - total / total.sum()).sum(axis=1) / 2.0
    low, high = np.quantile(shares, [0.025, 0.975])
    return [
        Finding(
            id=finding_id(window.model, "daily_shape", (), window.start), model=window.model, area="traffic",
            check="daily_shape", window=window.index, since=window.start, size=moved, low=min(float(low), moved),
            high=max(float(high), moved), unit="share of rows", message=told,
            evidence={"limit": limit, "distance": value},
        )
    ]  # fmt: skip
