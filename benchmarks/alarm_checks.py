"""Every check that ships, on rows of a model whose world stays as it was: which of them raise how many alarms a month.

Slower than counts alone: rows are made and looked at day by day, their labels when a week is over; so months are fewer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from benchmarks.alarm_streams import DAY
from fairlead.contract.events import Finding, Window
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import HeldOut, Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, losses, metrics, profile, score_bins
from fairlead.lab.stats.estimating import learn_estimation
from fairlead.lab.stats.order import order_of
from fairlead.lab.stats.unusual import unusual_limits
from fairlead.ops.monitor import AREAS, Promise, Rows, Seen, Traffic, calibrate, carry, look, start, step

SIGNATURE = Signature(
    task="classification",
    columns=(
        Column("income", "number"), Column("age", "integer"), Column("visits", "integer"),
        Column("region", "category", categories=("n", "s", "w")),
    ),
    classes=("no", "yes"), positive="yes",
)  # fmt: skip
SETTINGS = Settings(
    model=ModelSettings(name="m", task="classification", target="y", positive="yes", time="at"),
    monitor=MonitorSettings(window="7d"),
)
OUTSIDE = ("contract", "infrastructure", "code", "alerts", "registry")
WEEK = 7


@dataclass
class Day:
    """Rows of one day."""

    columns: dict[str, np.ndarray]
    times: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


@dataclass
class Counted:
    """months lived; alarms: that began, by area and check."""

    months: float = 0.0
    alarms: Counter[str] = field(default_factory=Counter)

    @property
    def all(self) -> int:
        """Of all checks together."""
        return sum(self.alarms.values())


def day_of(rng: np.random.Generator, day: int, rows: int, vary: float) -> Day:
    """vary: standard deviation of the day's level."""
    n = int(rng.poisson(rows))
    level = vary * rng.standard_normal()
    income = rng.normal(level, 1.0, n)
    income[rng.random(n) < 0.02] = np.nan
    columns = {
        "income": income,
        "age": rng.integers(18, 80, n).astype(float),
        "visits": rng.poisson(3, n).astype(float),
        "region": rng.choice(np.array(["n", "s", "w"], dtype=object), n, p=[0.5, 0.3, 0.2]),
    }
    yes = 1.0 / (1.0 + np.exp(-np.nan_to_num(income) - 0.2 * (columns["visits"] - 3)))
    labels = np.where(rng.random(n) < yes, "yes", "no").astype(object)
    times = np.sort(rng.uniform(day * DAY, (day + 1) * DAY, n))
    return Day(columns, times, np.column_stack([1 - yes, yes]), labels)


def joined(days: list[Day]) -> Day:
    """Days one after the other."""
    return Day(
        {name: np.concatenate([d.columns[name] for d in days]) for name in days[0].columns},
        np.concatenate([d.times for d in days]), np.concatenate([d.scores for d in days]),
        np.concatenate([d.labels for d in days]),
    )  # fmt: skip


def reference_of(days: list[Day], first: int) -> Reference:
    """As training seals it: blocks of days, held-out weeks, order, limits of single rows, estimates."""
    whole = joined(days)
    bins, scored = bins_for(whole.columns, SIGNATURE), score_bins(SIGNATURE, whole.scores)

    def of(part: Day, begin: float, end: float, gram: bool = False):  # type: ignore[no-untyped-def]
        return profile(part.columns, bins, scores=part.scores, score_bins=scored, start=begin, end=end, gram=gram)

    everything = of(whole, first * DAY, (first + len(days)) * DAY, gram=True)
    blocks = tuple(of(d, (first + i) * DAY, (first + i + 1) * DAY - 1) for i, d in enumerate(days))
    weeks = [joined(days[i : i + WEEK]) for i in range(len(days) - 16 * WEEK, len(days) - WEEK + 1, WEEK)]
    held = tuple(
        HeldOut(
            float(w.times[0]), float(w.times[-1]), len(w.times),
            float(losses(SIGNATURE.task, w.labels, w.scores, SIGNATURE, 1.0).mean()),
            metrics(SIGNATURE.task, w.labels, w.scores, SIGNATURE),
        )
        for w in weeks
    )  # fmt: skip
    windows = [np.flatnonzero((whole.times >= h.start) & (whole.times <= h.end)) for h in held]
    return Reference(
        profile=everything, blocks=blocks, held_out=held, order=order_of(whole.columns, whole.times),
        unusual=unusual_limits(whole.columns, SIGNATURE, everything),
        estimation=learn_estimation(
            SIGNATURE, whole.columns, whole.labels, whole.scores, (bins, scored), windows, 1.0
        ),
    )  # fmt: skip


def lived(seed: int, weeks: int, rows: int, days: int = 210, vary: float = 0.1) -> Counted:
    """So many weeks after one reference, looked at day by day; labels are judged when the week after is over."""
    rng = np.random.default_rng(seed)
    first = 4 + 7 * 2000
    reference = reference_of([day_of(rng, first + i, rows, vary) for i in range(days)], first)
    watch = Watch(reference, start(reference.held_out))
    for week in range(weeks):
        begin = first + days + week * WEEK
        parts = [day_of(rng, begin + i, rows, vary) for i in range(WEEK)]
        for until in range(1, WEEK + 1):
            watch.inputs(week, begin, until, joined(parts[:until]))
        watch.labels(week, begin, joined(parts))
    watch.counted.months = weeks * WEEK / 30.0
    return watch.counted


class Watch:
    """What a watcher keeps from look to look."""

    def __init__(self, reference: Reference, promise: Promise) -> None:
        self.reference, self.promise = reference, promise
        self.thresholds = calibrate(reference, SETTINGS)
        self.memories: dict[str, object] = {}
        self.open: list[Finding] = []
        self.earlier: tuple[Window, ...] = ()
        self.counted = Counted()

    def inputs(self, week: int, begin: int, until: int, rows: Day) -> None:
        """A look at the days so far, at the end the closed window."""
        state = "closed" if until == WEEK else "open"
        window = Window("m", week, begin * DAY, (begin + until) * DAY, rows=len(rows.times), state=state)  # type: ignore[arg-type]
        seen = self._seen(window, rows, np.zeros(len(rows.times), dtype=bool))
        found = look("inputs", seen, self.memories)
        self.memories = found.memories
        self._settle(found.findings, AREAS["inputs"], state == "closed")
        if state == "closed":
            self.earlier = (*self.earlier, window)[-64:]

    def labels(self, week: int, begin: int, rows: Day) -> None:
        """The labels of a week."""
        count = len(rows.times)
        window = Window("m", week, begin * DAY, (begin + WEEK) * DAY, rows=count, labelled=count, state="closed")
        loss = float(losses(SIGNATURE.task, rows.labels, rows.scores, SIGNATURE, 1.0).mean())
        done = step(self.promise, loss, count, window.start)
        self.promise = done.promise
        told = {k: Interval(v, v, v) for k, v in metrics(SIGNATURE.task, rows.labels, rows.scores, SIGNATURE).items()}
        seen = self._seen(window, rows, np.ones(count, dtype=bool), metrics=told, step=done)
        found = look("labels", seen, self.memories)
        self.memories = found.memories
        self._settle(found.findings, AREAS["labels"], True)

    def _seen(self, window: Window, rows: Day, labelled: np.ndarray, **more: object) -> Seen:
        bins = [c.bins for c in self.reference.profile.columns]
        live = profile(
            rows.columns, bins, scores=rows.scores, score_bins=[c.bins for c in self.reference.profile.scores],
            start=window.start, end=window.end,
        )  # fmt: skip
        held = Rows(
            columns=rows.columns, times=rows.times, scores=rows.scores, labels=rows.labels, labelled=labelled,
            definitions=np.full(len(labelled), None, dtype=object),
            arrived=np.where(labelled, rows.times + 7 * DAY, np.nan),
        )  # fmt: skip
        traffic = Traffic(tuple(w.rows for w in self.earlier), None, float(rows.times[-1]))
        return Seen(
            window=window, profile=live, reference=self.reference, thresholds=self.thresholds, settings=SETTINGS,
            signature=SIGNATURE, rows=held, earlier=self.earlier, traffic=traffic, **more,  # type: ignore[arg-type]
        )  # fmt: skip

    def _settle(self, found: list[Finding], areas: tuple[str, ...], whole: bool) -> None:
        before = [f for f in self.open if f.area in areas]
        carried = carry(before, found)
        for finding in carried.started:
            if finding.severity != "info" and finding.area not in OUTSIDE:
                self.counted.alarms[f"{finding.area}: {finding.check}"] += 1
        others = [f for f in self.open if f.area not in areas]
        self.open = [*others, *carried.started, *carried.continuing, *([] if whole else carried.ended)]


def all_checks(references: int, weeks: int, rows: int, seed: int = 0) -> list[Counted]:
    """What followed each of so many references."""
    return [lived(seed + i, weeks, rows) for i in range(references)]
