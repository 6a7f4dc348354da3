"""Whether labels come when they used to: later than before, or no longer."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from fairlead.contract.events import Cause, Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Rows, Seen
from fairlead.ops.monitor.statistic import Judged

FEWEST_ROWS = 30
KNOWN = 4
"""Earlier windows from which the usual share is known: the t quantile is as wide as so few ask for."""
REMEMBERED = 32
RELEARNT = 8
"""Windows after which what alarmed without a break is taken for usual."""

LEAST_FALL = 0.1
"""Least part of the labels that must be missing, of those that were to be expected, however sure it is."""
LEAST_LATER = 0.25
"""Least growth of the median delay, as a share of it, that is told."""


class Memory(msgspec.Struct):
    """Of quiet windows, newest last: rows, labels told in time, log of their median delay (None: not known). delay: the
    setting they were judged by. odd: of the windows that spoke since the last quiet one, rows, labels and the fewest
    labels that would not have."""

    delay: str = ""
    rows: list[int] = []
    told: list[int] = []
    waits: list[float | None] = []
    odd: list[tuple[int, int, int]] = []


class Expected(NamedTuple):
    """Share of labels: what was to be expected with its 95 % interval, and the limit below which the check speaks."""

    value: float
    low: float
    high: float
    limit: float

    def passed(self, rows: int, told: int) -> bool:
        """Whether so many labels are too few."""
        return angle_of(rows, told) < np.arcsin(np.sqrt(self.limit)) and (told < (1.0 - LEAST_FALL) * self.value * rows)


def angle_of(rows: np.ndarray | int, told: np.ndarray | int) -> np.ndarray:
    """The arcsine of the root of a share, whose deviation by chance is half of one over the root of the rows."""
    found: np.ndarray = np.arcsin(np.sqrt((np.asarray(told) + 0.375) / (np.asarray(rows) + 0.75)))
    return found


class LabelsLate:
    """The share of a window's rows that is labelled when the label delay is over, beside earlier windows of its model.

    On the scale of arcsines, where the deviation of a share hardly depends on it: the prediction interval of one more
    window by Student's t, whose deviation is that between windows, and at least that of chance in as many rows. Labels
    that come later than they did, but in time, inform. A share that stays odd is taken for usual after `RELEARNT`
    windows, and so is any other after another setting of `monitor.label_delay`.
    Source: Anscombe, The transformation of Poisson, binomial and negative-binomial data (1948).
    """

    name = "labels_late"
    family: Family = "concept"
    moment: Moment = "labels"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """At most one finding."""
        rows = seen.rows
        if rows is None or rows.labelled is None or len(rows.times) < FEWEST_ROWS:
            return []
        memory = _read(seen)
        count, told, wait = len(rows.times), int(_come(rows).sum()), _median_wait(rows)
        expected = expected_share(memory.rows, memory.told, count, min(allowed, 0.5))
        share = told / count
        falls = expected is not None and expected.passed(count, told)
        _tell(seen, expected, share, len(memory.rows), falls)
        later = None if falls else _later(memory.waits, wait, allowed)
        floor = 0 if expected is None else int(np.ceil(expected.limit * count))
        seen.keep(msgspec.to_builtins(_with(memory, (count, told, floor), wait, falls)))
        if falls and expected is not None:
            return [_fallen(seen, expected, share, wait, memory)]
        return [_slower(seen, later, share)] if later is not None else []


def expected_share(rows: list[int], told: list[int], count: int, rate: float) -> Expected | None:
    """What share of `count` rows is labelled in one more window like these; None of fewer than `KNOWN`.

    rows, told: of the windows known. rate: how often a window like them may fall below the limit.
    """
    from fairlead.lab.stats.quantiles import student

    if len(rows) < KNOWN:
        return None
    sizes = np.asarray(rows, dtype=np.float64)
    angles = angle_of(sizes, np.asarray(told))
    # Shares near the whole fall further than they rise: what lies below the middle is counted double then.
    below = np.minimum(angles - float(np.median(angles)), 0.0)
    between = max(float(angles.var(ddof=1)), float(2.0 * (below**2).sum() / (len(angles) - 1)))
    # Windows of other sizes have another chance in them, but never less than their own.
    beyond = max(between - float((0.25 / sizes).mean()), 0.0)
    spread = np.sqrt(max(beyond + 0.25 / count, between) * (1.0 + 1.0 / len(sizes)))
    middle, half = float(angles.mean()), student(0.975, len(sizes) - 1) * spread

    def share(angle: float) -> float:
        return float(np.sin(np.clip(angle, 0.0, np.pi / 2.0)) ** 2)

    limit = share(middle - student(1.0 - rate, len(sizes) - 1) * spread)
    value = float(np.sum(told) / sizes.sum())
    return Expected(value, min(share(middle - half), value), max(share(middle + half), value), limit)


class Later(NamedTuple):
    """The median delay of a window's labels, and what was usual, in seconds, with the limit and a 95 % interval of how
    many times longer it is."""

    wait: float
    usual: float
    limit: float
    times: tuple[float, float, float]


def _later(known: list[float | None], wait: float | None, rate: float) -> Later | None:
    from fairlead.lab.stats.quantiles import student

    waits = np.asarray([w for w in known if w is not None])
    if wait is None or waits.size < KNOWN:
        return None
    usual = float(waits.mean())
    spread = max(float(waits.std(ddof=1)), 1e-3) * np.sqrt(1.0 + 1.0 / waits.size)
    limit = usual + max(student(1.0 - min(rate, 0.5), waits.size - 1) * spread, float(np.log1p(LEAST_LATER)))
    if wait <= limit:
        return None
    half = student(0.975, waits.size - 1) * spread
    grown = wait - usual
    return Later(
        float(np.exp(wait)), float(np.exp(usual)), float(np.exp(limit)),
        (float(np.exp(grown)), float(np.exp(grown - half)), float(np.exp(min(grown + half, 50.0)))),
    )  # fmt: skip


def _come(rows: Rows) -> np.ndarray:
    """Rows that a label came for, (n,): one of another definition has come, too, and is the check `definition`'s."""
    found = np.array(rows.labelled, dtype=bool)
    if rows.definitions is not None:
        found |= np.asarray([one is not None for one in rows.definitions], dtype=bool)
    return found


def _median_wait(rows: Rows) -> float | None:
    """Log of the median of arrival less event time, over the labels told; None where it is not known."""
    if rows.arrived is None or rows.labelled is None:
        return None
    found = (np.asarray(rows.arrived, dtype=np.float64) - rows.times)[np.asarray(rows.labelled, dtype=bool)]
    found = found[np.isfinite(found)]
    return float(np.log(max(float(np.median(found)), 1.0))) if len(found) >= FEWEST_ROWS else None


def _read(seen: Seen) -> Memory:
    try:
        memory = msgspec.convert(seen.memory or {}, Memory)
    except msgspec.ValidationError:
        memory = Memory()
    # What is in time by another setting is another share. Models and definitions change, who labels stays.
    delay = seen.settings.monitor.label_delay
    return memory if memory.delay == delay else Memory(delay=delay)


def _with(memory: Memory, now: tuple[int, int, int], wait: float | None, falls: bool) -> Memory:
    """With one more window: its rows, labels, and the fewest that would not have spoken.

    When a fall is over its windows join as if they had just not spoken, or a limit that is too high would never learn.
    """
    odd = [*memory.odd, now]
    if falls and len(odd) >= RELEARNT:
        return Memory(memory.delay, [n for n, _, _ in odd], [k for _, k, _ in odd], [wait])
    if falls:
        return Memory(memory.delay, memory.rows, memory.told, memory.waits, odd)
    kept = None if wait is None else round(wait, 4)
    told = [max(k, least) for _, k, least in memory.odd] + [now[1]]
    return Memory(
        memory.delay, [*memory.rows, *(n for n, _, _ in odd)][-REMEMBERED:], [*memory.told, *told][-REMEMBERED:],
        [*memory.waits, kept][-REMEMBERED:],
    )  # fmt: skip


def _tell(seen: Seen, expected: Expected | None, share: float, known: int, falls: bool) -> None:
    """For `watch --explain`: what is missing of the labels, and why it spoke or was silent."""
    if expected is None:
        why = f"{known} earlier windows are known, {KNOWN} are needed to know how many labels usually come in time"
    else:
        why = f"{share:.0%} of the rows are labelled, {expected.value:.0%} was usual, alarm below {expected.limit:.0%}"
    limit = 0.0 if expected is None else max(1.0 - expected.limit, 1.0 - (1.0 - LEAST_FALL) * expected.value)
    usual = 0.0 if expected is None else 1.0 - expected.value
    judged = Judged(1.0 - share, limit, usual, falls, expected is None, 1.0, why, "earlier windows")
    seen.tell("labels_late", "labels", judged, "share of rows without a label")


def _fallen(seen: Seen, expected: Expected, share: float, wait: float | None, memory: Memory) -> Finding:
    window = seen.window
    waits = [w for w in memory.waits if w is not None]
    said = "no label came" if share == 0.0 else f"only {share:.0%} of the rows were labelled"
    beside = ""
    if wait is not None and waits:
        beside = f"; those that came took {_days(np.exp(wait))}, {_days(np.exp(np.mean(waits)))} was usual"
    message = (
        f"{said} {seen.settings.monitor.label_delay} after the window was over, where {expected.value:.0%} "
        f"({expected.low:.0%} to {expected.high:.0%}) was to be expected, alarm below {expected.limit:.0%}: labels "
        f"come later than they used to, or no longer{beside}. Until they come, performance is known of few rows"
    )
    return Finding(
        id=finding_id(window.model, "labels_late", (), window.start),
        model=window.model,
        area="labels",
        check="labels_late",
        window=window.index,
        since=window.start,
        size=expected.value - share,
        low=min(expected.low, expected.value) - share,
        high=expected.high - share,
        unit="share of rows whose label did not come in time",
        message=message,
        severity="warning",
        evidence={"limit": expected.limit, "usual": expected.value, "labelled": share},
        causes=(Cause("labels", "arrival", 1.0, "fewer labels are there when the label delay is over"),),
    )


def _slower(seen: Seen, later: Later, share: float) -> Finding:
    window = seen.window
    times, low, high = later.times
    return Finding(
        id=finding_id(window.model, "labels_late:slower", (), window.start),
        model=window.model,
        area="labels",
        check="labels_slower",
        window=window.index,
        since=window.start,
        size=times,
        low=low,
        high=high,
        unit="times the usual wait for a label",
        message=(
            f"labels take {_days(later.wait)} (median), where {_days(later.usual)} was usual; {share:.0%} of the rows "
            f"were labelled in time (monitor.label_delay = {seen.settings.monitor.label_delay})"
        ),
        severity="info",
        evidence={"limit": later.limit, "usual": later.usual, "labelled": share},
    )


def _days(seconds: float) -> str:
    for name, unit in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"
