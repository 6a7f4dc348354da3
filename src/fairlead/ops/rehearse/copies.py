"""Copies of a history in which nothing changes: what alarms there is false, and what was put in must be found."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.contract.settings import Settings
from fairlead.ops.monitor.budget import between_alarms
from fairlead.ops.monitor.promise import reset, start
from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.models import Key, Models
from fairlead.ops.rehearse.replay import Alarm, Lived, calm_alarms
from fairlead.ops.rehearse.shelf import Shelf
from fairlead.ops.rehearse.watching import Watch, Watcher, alarms_of, first_reference


def shuffled(history: History, seed: int) -> History:
    """The history with its rows in random order, at the same times."""
    order = np.random.default_rng(seed).permutation(history.material.rows)
    material = dataclasses.replace(history.material.take(order), times=history.material.times)
    return History(material, history.settings, history.learnt)


def permuted(history: History, seed: int) -> History:
    """The history with whole windows in random order: days and hours stay beside each other, trends are gone."""
    slots = history.slots
    order = np.random.default_rng([seed, 1]).permutation(len(slots))
    rows = np.concatenate([history.rows(w, w) for w in order])
    material = history.material.take(rows)
    if history.spec.timed:
        moved = [history.times[slots[w].first : slots[w].last] - slots[w].start + slots[k].start
                 for k, w in enumerate(order)]  # fmt: skip
        times = np.concatenate(moved)
    else:
        times = np.sort(history.times[rows])
    return History(dataclasses.replace(material, times=times), history.settings, history.learnt)


def calm_copy(history: History, learner: str, parameters: Mapping[str, Any], seed: int, shelf: Shelf) -> Lived:
    """What wakes somebody on one shuffled copy, whose windows are those of the history."""
    copy = shuffled(history, seed)
    models = Models(copy, learner, parameters, shelf)
    reference = first_reference(copy, models)
    models.clip = reference.loss_clip
    return calm_alarms(copy, models, Watcher(copy, models, reference))


class CleanCopy:
    """One copy with its windows in random order: the first release watched over it, at one budget after the other.

    befores: by budget, what watching had come to before each live window. alarms: what woke somebody, by budget.
    """

    def __init__(self, history: History, learner: str, parameters: Mapping[str, Any], seed: int, shelf: Shelf) -> None:
        self.history = permuted(history, seed)
        self.seed = seed
        self.models = Models(self.history, learner, parameters, shelf)
        reference = first_reference(self.history, self.models)
        self.models.clip = reference.loss_clip
        self.key: Key = (0, self.history.learnt - 1)
        self.watcher = Watcher(self.history, self.models, reference)
        self.watchers: dict[float, Watcher] = {}
        self.befores: dict[float, dict[int, Watch]] = {}
        self.alarms: dict[float, list[Alarm]] = {}

    @property
    def own_budget(self) -> float:
        """That of the project."""
        return self.history.settings.monitor.false_alarms_per_month

    def live_through(self, budget: float) -> list[Alarm]:
        """Watch it at that budget, once; returns what woke somebody."""
        if budget in self.alarms:
            return self.alarms[budget]
        watcher = self.watcher if budget == self.own_budget else self.watcher.at_budget(budget)
        watch = Watch(promise_of(watcher, watcher.settings))
        befores: dict[int, Watch] = {}
        found: list[Alarm] = []
        scored = self.history.learnt - 1
        for window in self.history.live:
            befores[window] = watch.copy()
            scored = pass_window(self.history, watcher, watch, (self.key, False), window, scored, found)
            if any(f.check == "promise" for f in watch.labels):
                # As after the retraining that a broken promise leads to.
                watch.promise = reset(watch.promise)
                watch.labels = [f for f in watch.labels if f.area != "performance"]
        self.watchers[budget], self.befores[budget], self.alarms[budget] = watcher, befores, found
        return found


def promise_of(watcher: Watcher, settings: Settings) -> Any:
    """What a first release is held to under these settings."""
    return start(watcher.first.held_out, between_alarms(settings, "performance", watcher.pace), watcher.first.loss_clip)


def pass_window(
    history: History,
    watcher: Watcher,
    watch: Watch,
    champion: tuple[Key, bool],
    window: int,
    scored: int,
    found: list[Alarm],
    other: Mapping[int, Any] | None = None,
) -> int:
    """One window of watching without deciding: its inputs, then the labels that have come by its end.

    scored: the newest window whose labels were judged; the new one is returned. other: rows to look at instead of the
    history's, by window. found: takes what woke somebody.
    """
    rows = other or {}
    started = watcher.inputs(watch, champion, window, rows.get(window))
    found += [Alarm(window, "inputs", f.area, f.check, f.message, f.columns) for f in alarms_of(started)]
    newest = history.labelled(history.slots[window].end)
    for due in range(scored + 1, newest + 1):
        started = watcher.labels(watch, champion, due, rows.get(due))
        found += [Alarm(due, "labels", f.area, f.check, f.message, f.columns) for f in alarms_of(started)]
    return max(scored, newest)
