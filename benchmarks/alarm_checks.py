"""Every check that ships, on rows of a model, looked at as the watcher does.

Which of them raise how many alarms a month where the world stays as it was; of one that does not: `alarm_faults`.

Slower than counts alone: rows are made and looked at day by day, their labels a week after each week is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.alarm_streams import DAY
from benchmarks.alarm_world import SIGNATURES, WEEK, between, drawn, reference_of, settings_of
from fairlead.contract.events import Finding, Window
from fairlead.contract.evidence import Interval
from fairlead.contract.profile import Reference
from fairlead.contract.signature import Task
from fairlead.lab.stats import losses, metrics, profile
from fairlead.ops.monitor import AREAS, Rows, Seen, Traffic, calibrate, carry, look, start, step
from fairlead.ops.monitor.budget import between_alarms
from fairlead.ops.monitor.learnt import Learnt
from fairlead.ops.monitor.selection import weighted_intervals

OUTSIDE = ("contract", "infrastructure", "code", "alerts", "registry")
ALL = 0.9
MONDAY = 4 + 7 * 2000
"""The first day of the reference, in days since the epoch."""


@dataclass(frozen=True)
class Alarm:
    """days: since watching began, at which it is told; name: area and check."""

    days: float
    name: str


@dataclass
class Counted:
    """months lived; told: alarms that began, in order."""

    months: float = 0.0
    told: list[Alarm] = field(default_factory=list)

    @property
    def alarms(self) -> Counter[str]:
        """How many, by area and check."""
        return Counter(alarm.name for alarm in self.told)

    @property
    def all(self) -> int:
        """Of all checks together."""
        return len(self.told)


def lived(
    seed: int, weeks: int, rows: int, days: int = 210, vary: float = 0.1, task: Task = "classification",
    happens: Callable[[Rows, np.random.Generator], Rows] | None = None,
) -> Counted:  # fmt: skip
    """So many weeks after one reference, looked at day by day; labels are judged when the week after is over.

    happens: what becomes of the rows of these weeks.
    """
    rng = np.random.default_rng(seed)
    known = drawn(rng, task, MONDAY, days, rows, vary)
    after = drawn(rng, task, MONDAY + days, weeks * WEEK, rows, vary)
    if happens is not None:
        after = happens(after, rng)
    watch = Watch(task, reference_of(task, known, MONDAY, days), known)
    for week in range(weeks):
        begin = MONDAY + days + week * WEEK
        for until in range(1, WEEK + 1):
            watch.inputs(week, begin, until, between(after, begin * DAY, (begin + until) * DAY))
        if week:
            watch.labels(week - 1, begin - WEEK, between(after, (begin - WEEK) * DAY, begin * DAY))
    watch.counted.months = weeks * WEEK / 30.0
    return watch.counted


class Watch:
    """What a watcher keeps from look to look."""

    def __init__(self, task: Task, reference: Reference, known: Rows) -> None:
        self.task, self.reference, self.signature = task, reference, SIGNATURES[task]
        self.settings = settings_of(task)
        self.promise = start(
            reference.held_out, between_alarms(self.settings, "performance"), reference.loss_clip
        )  # fmt: skip
        self.thresholds = calibrate(reference, self.settings)
        self.learnt = Learnt(known.columns, known.times, True)
        self.memories: dict[str, object] = {}
        self.open: list[Finding] = []
        self.earlier: tuple[Window, ...] = ()
        self.counted = Counted()

    def inputs(self, week: int, begin: int, until: int, rows: Rows) -> None:
        """A look at the days so far, at the end the closed window."""
        state = "closed" if until == WEEK else "open"
        window = Window("m", week, begin * DAY, (begin + until) * DAY, rows=len(rows.times), state=state)  # type: ignore[arg-type]
        none = np.zeros(len(rows.times), dtype=bool)
        seen = self._seen(window, replace(rows, labelled=none))
        found = look("inputs", seen, self.memories)
        self.memories = found.memories
        self._settle(found.findings, AREAS["inputs"], state == "closed", week * WEEK + until)
        if state == "closed":
            self.earlier = (*self.earlier, window)[-64:]

    def labels(self, week: int, begin: int, rows: Rows) -> None:
        """The labels of a week, as far as they have come when the week after it is over."""
        assert rows.arrived is not None
        assert rows.definitions is not None
        end = (begin + WEEK) * DAY
        come = rows.arrived <= end + WEEK * DAY
        own = come & np.array([d is None for d in rows.definitions], dtype=bool)
        told = replace(
            rows, labelled=own, arrived=np.where(come, rows.arrived, np.nan),
            definitions=np.where(come, rows.definitions, None),
        )  # fmt: skip
        window = Window("m", week, begin * DAY, end, rows=len(rows.times), labelled=int(own.sum()), state="closed")
        seen = self._seen(window, told)
        if own.any():
            truth, scores = np.asarray(rows.labels)[own], np.asarray(rows.scores)[own]
            lost = losses(self.task, truth, scores, self.signature, self.reference.loss_clip)
            done = step(self.promise, float(lost.mean()), len(lost), window.start, float(lost.std()))
            self.promise = done.promise
            seen = replace(seen, metrics=self._measured(truth, scores, own.mean() < ALL), step=done)
        found = look("labels", seen, self.memories)
        self.memories = found.memories
        self._settle(found.findings, AREAS["labels"], True, (week + 2) * WEEK)

    def _measured(self, truth: np.ndarray, scores: np.ndarray, few: bool) -> dict[str, Interval]:
        """Metrics of labelled rows; their intervals, which cost most, only where few labels make them matter."""
        if few:
            return weighted_intervals(self.signature, truth, scores, np.ones(len(truth)))
        values = metrics(self.task, truth, scores, self.signature)
        return {name: Interval(value, value, value) for name, value in values.items()}

    def _seen(self, window: Window, rows: Rows) -> Seen:
        bins = [c.bins for c in self.reference.profile.columns]
        live = profile(
            rows.columns, bins, scores=rows.scores, score_bins=[c.bins for c in self.reference.profile.scores],
            start=window.start, end=window.end,
        )  # fmt: skip
        traffic = Traffic(tuple(w.rows for w in self.earlier), None, float(rows.times[-1]))
        return Seen(
            window=window, profile=live, reference=self.reference, thresholds=self.thresholds, settings=self.settings,
            signature=self.signature, rows=rows, earlier=self.earlier, traffic=traffic, learnt=self.learnt,
        )  # fmt: skip

    def _settle(self, found: list[Finding], areas: tuple[str, ...], whole: bool, day: float) -> None:
        before = [f for f in self.open if f.area in areas]
        carried = carry(before, found)
        # What informed before, and alarms now, is an alarm that begins.
        alarmed = {f.id for f in before if f.severity != "info"}
        for finding in (*carried.started, *carried.continuing):
            if finding.severity != "info" and finding.area not in OUTSIDE and finding.id not in alarmed:
                self.counted.told.append(Alarm(day, f"{finding.area}: {finding.check}"))
        others = [f for f in self.open if f.area not in areas]
        self.open = [*others, *carried.started, *carried.continuing, *([] if whole else carried.ended)]


def all_checks(references: int, weeks: int, rows: int, seed: int = 0, task: Task = "classification") -> list[Counted]:
    """What followed each of so many references."""
    return [lived(seed + i, weeks, rows, task=task) for i in range(references)]
