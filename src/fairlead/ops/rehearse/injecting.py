"""Faults put into copies of a history at random times: what the project's own settings find, how soon, by which check.

The copies have their windows in random order, so that nothing but the fault changes in them while everything that
makes windows differ from each other stays: hours, days, and whatever a season does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.ops.alerts.evidence import HARM
from fairlead.ops.monitor.seen import Rows
from fairlead.ops.monitor.windows import DAY, MONTH_DAYS
from fairlead.ops.rehearse.copies import CleanCopy, pass_window
from fairlead.ops.rehearse.fault import Fault, Scene, fault_of, known_faults
from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.rates import rate_of, share_of
from fairlead.ops.rehearse.replay import Alarm
from fairlead.ops.rehearse.shelf import Shelf

TRIALS = 20
COPIES = 4
PAIRED = 2
"""Faults of a kind in a copy that are tried at every budget; the others at the project's own."""

HORIZON = 8
"""Windows after the beginning within which a fault has to be found."""


class Tried(msgspec.Struct, frozen=True):
    """One fault in one copy. begin: event time. found: by a check that was silent on the clean copy in those windows.

    by: "area/check" of the first. days: from the beginning to that alarm. chance: the clean copy alarmed, too.
    paired: it was tried at every budget. columns: that it changed.
    """

    fault: str
    copy: int
    begin: float
    found: bool
    by: str
    days: float | None
    chance: bool
    paired: bool = False
    columns: tuple[str, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """What became of one kind of fault.

    said: what was put in. trials, found: how many. power: share found, with its 95 % Wilson interval. days: median from
    its beginning to the alarm, of those that were found, None without any. by: which check was first, how often.
    chance: trials in which the clean copy alarmed within the same windows. why: why it was not tried. missed: columns
    of the faults that were not found, how often.
    """

    fault: str
    said: str
    trials: int
    found: int
    power: Interval | None
    days: float | None
    by: dict[str, int]
    chance: int
    why: str = ""
    missed: dict[str, int] = {}


class Quiet(msgspec.Struct, frozen=True):
    """Alarms on the clean copies. per_month: with its 95 % interval, were they to come at random."""

    copies: int
    windows: int
    months: float
    alarms: int
    per_month: Interval
    by: dict[str, int]


class Study(msgspec.Struct, frozen=True):
    """What was found of what was put in, at one budget.

    power, days: share found and median days to the alarm of those faults, of whatever kind, that were tried at every
    budget.
    """

    budget: float
    quiet: Quiet
    faults: tuple[Found, ...]
    power: Interval | None
    days: float | None


def copy_trials(
    history: History,
    learner: str,
    parameters: Mapping[str, Any],
    seed: int,
    shelf: Shelf,
    *,
    kinds: Sequence[str] = (),
    trials: int = TRIALS // COPIES,
    budgets: Sequence[float] = (),
) -> dict[float, tuple[list[Alarm], list[Tried], int]]:
    """One copy: by budget what alarmed on it clean, what became of each fault, and its live windows.

    kinds: all without it. budgets: the project's own without any. Pure for a seed, so copies may be tried in any order
    and in processes of their own.
    """
    copy = CleanCopy(history, learner, parameters, seed, shelf)
    found: dict[float, tuple[list[Alarm], list[Tried], int]] = {}
    asked = tuple(budgets) or (copy.own_budget,)
    for budget in asked:
        found[budget] = (copy.live_through(budget), [], len(copy.history.live))
    for number, kind in enumerate(kinds or known_faults()):
        fault = fault_of(kind)
        for trial in range(trials):
            random = np.random.default_rng([seed, number, trial])
            happened = _Happened.of(copy, fault, random)
            paired = trial < PAIRED
            for budget in () if happened is None else asked if paired else (copy.own_budget,):
                if happened is not None and budget in found:
                    found[budget][1].append(msgspec.structs.replace(happened.tried(budget), paired=paired))
    return found


class _Happened:
    """A fault that happened in a copy: the rows of the windows after it, answered and cut."""

    def __init__(
        self, copy: CleanCopy, fault: Fault, begin: float, first: int, rows: dict[int, Rows], columns: tuple[str, ...]
    ) -> None:
        self.copy, self.fault, self.begin, self.first, self.rows = copy, fault, begin, first, rows
        self.columns = columns

    @classmethod
    def of(cls, copy: CleanCopy, fault: Fault, random: np.random.Generator) -> _Happened | None:
        """At a random time; None where rows like these cannot suffer it, or too few windows follow any."""
        history = copy.history
        live, horizon = history.live, min(HORIZON, len(history.live) // 2)
        if horizon < 1:
            return None
        first = int(random.integers(live[0], live[-1] - horizon + 2))
        slot = history.slots[first]
        begin = slot.start + float(random.random()) * (slot.end - slot.start)
        last = min(first + horizon - 1 + _late(history), live[-1])
        whole = _whole(history, first, last)
        signature = history.material.signature
        if not fault.can(whole, signature):
            return None
        changed = fault.happen(whole, Scene(signature, begin, history.window_s, random))
        columns = tuple(name for name, cells in whole.columns.items() if changed.columns[name] is not cells)
        return cls(copy, fault, begin, first, _cut(copy, whole, changed, first, last), columns)

    def tried(self, budget: float) -> Tried:
        """What watching at that budget finds of it; looked at until it is found."""
        copy, history = self.copy, self.copy.history
        watcher, watch = copy.watchers[budget], copy.befores[budget][self.first].copy()
        clean = [a for a in copy.alarms[budget] if a.window in self.rows]
        known = {(a.moment, a.check, a.columns) for a in clean}
        scored = max(history.labelled(history.slots[self.first - 1].end), history.learnt - 1)
        first: Alarm | None = None
        for window in self.rows:
            alarms: list[Alarm] = []
            scored = pass_window(history, watcher, watch, (copy.key, False), window, scored, alarms, self.rows)
            new = [a for a in alarms if (a.moment, a.check, a.columns) not in known and a.window >= self.first]
            if new:
                first = first_of(new, self._at)
                break
        by = "" if first is None else f"{first.area}/{first.check}"
        days = None if first is None else (self._at(first) - self.begin) / DAY
        return Tried(
            self.fault.name, copy.seed, self.begin, first is not None, by, days, bool(clean), columns=self.columns
        )  # fmt: skip

    def _at(self, alarm: Alarm) -> float:
        end = self.copy.history.slots[alarm.window].end
        return end + (self.copy.history.delay if alarm.moment == "labels" else 0.0)


def _late(history: History) -> int:
    """Windows after one until its labels have come."""
    return int(np.ceil(history.delay / max(history.window_s, 1e-9)))


def first_of(alarms: Sequence[Alarm], at: Callable[[Alarm], float]) -> Alarm:
    """The alarm that is told first; of those at one moment one that says more than that the loss is higher."""
    return min(alarms, key=lambda alarm: (at(alarm), alarm.area in HARM))


def _whole(history: History, first: int, last: int) -> Rows:
    part = slice(history.slots[first].first, history.slots[last].last)
    material, times = history.material, history.times[part]
    return Rows(
        columns={name: cells[part] for name, cells in material.columns.items()}, times=times,
        labels=material.truth[part], labelled=np.ones(len(times), dtype=bool), arrived=times + history.delay,
    )  # fmt: skip


def _cut(copy: CleanCopy, whole: Rows, changed: Rows, first: int, last: int) -> dict[int, Rows]:
    """The changed rows by window, with the champion's answers to them; labels that come too late are not there."""
    from fairlead.lab.tables import frame_of
    from fairlead.lab.train.fitting import scores_of

    history, models = copy.history, copy.models
    signature = history.material.signature
    if any(changed.columns[name] is not cells for name, cells in whole.columns.items()):
        scores = scores_of(models.pipeline(copy.key), frame_of(changed.columns, signature), signature)
    else:
        scores = np.concatenate([models.answers(copy.key, w).scores for w in range(first, last + 1)])
    found: dict[int, Rows] = {}
    start = history.slots[first].first
    for window in range(first, last + 1):
        slot = history.slots[window]
        part = slice(slot.first - start, slot.last - start)
        arrived = np.asarray(changed.arrived)[part]
        there = arrived <= slot.end + history.delay
        found[window] = replace(
            changed,
            columns={name: cells[part] for name, cells in changed.columns.items()}, times=changed.times[part],
            scores=scores[part], labels=np.asarray(changed.labels)[part], labelled=there,
            arrived=np.where(there, arrived, np.nan),
            definitions=None if changed.definitions is None else changed.definitions[part],
        )  # fmt: skip
    return found


def studies_of(
    history: History, copies: Sequence[Mapping[float, tuple[list[Alarm], list[Tried], int]]]
) -> tuple[Study, ...]:
    """What all copies together say, a study a budget, in the order they were asked for."""
    found = []
    for budget in copies[0] if copies else ():
        alarms = [alarm for copy in copies for alarm in copy[budget][0]]
        tried = [one for copy in copies for one in copy[budget][1]]
        windows = sum(copy[budget][2] for copy in copies)
        months = windows * history.window_s / (MONTH_DAYS * DAY)
        quiet = Quiet(
            len(copies), windows, months, len(alarms), rate_of(len(alarms), months),
            dict(Counter(f"{a.area}/{a.check}" for a in alarms).most_common()),
        )  # fmt: skip
        both = [one for one in tried if one.paired]
        days = [one.days for one in both if one.days is not None]
        power = share_of(sum(one.found for one in both), len(both)) if both else None
        kinds = tuple(_found(kind, tried) for kind in known_faults())
        found.append(Study(budget, quiet, kinds, power, float(np.median(days)) if days else None))
    return tuple(found)


def _found(kind: str, tried: Sequence[Tried]) -> Found:
    ours = [t for t in tried if t.fault == kind]
    said = fault_of(kind).said
    if not ours:
        return Found(kind, said, 0, 0, None, None, {}, 0, "no column or truth of this history can suffer it")
    hits = [t for t in ours if t.found]
    days = [t.days for t in hits if t.days is not None]
    return Found(
        kind, said, len(ours), len(hits), share_of(len(hits), len(ours)), float(np.median(days)) if days else None,
        dict(Counter(t.by for t in hits).most_common()), sum(t.chance for t in ours),
        missed=dict(Counter(name for t in ours if not t.found for name in t.columns).most_common()),
    )  # fmt: skip
