"""One history with its models, on which policies are lived through one after the other."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from fairlead.contract.settings import Settings
from fairlead.ops.rehearse.baselines import random_timing
from fairlead.ops.rehearse.history import History, history_of
from fairlead.ops.rehearse.models import Meter, Models
from fairlead.ops.rehearse.replay import Lived, Policy, Replay, always
from fairlead.ops.rehearse.shelf import Shelf
from fairlead.ops.rehearse.watching import Watcher, first_reference

MAX_AGE_WINDOWS = 13
RECENT_WINDOWS = 4
LEARNER = "hist_gradient_boosting"

WINDOWS: Mapping[str, str] = {
    "window:all": "all", "window:last:16": "last:16", "window:last:4": "last:4",
    "window:weighted:8windows": "weighted:8windows", "window:since_change": "since_change", "window:auto": "auto",
}  # fmt: skip
"""The project's own triggers with another choice of rows to learn from, by the name of the policy."""

Progress = Callable[..., None]


def one_thread() -> AbstractContextManager[Any]:
    """Fits this small are faster on one thread, and their CPU seconds then mean something."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


@contextmanager
def loaded() -> Iterator[None]:
    """Leave what is loaded already, modules above all, out of collections of garbage within: one of them takes a tenth
    of a second, as long as watching dozens of windows."""
    mine = gc.get_freeze_count() == 0
    if mine:
        gc.collect()
        gc.freeze()
    try:
        yield
    finally:
        if mine:
            gc.unfreeze()


class Stage:
    """policies: what came of each, with its cost. retrains: of those known from elsewhere, by policy."""

    def __init__(
        self,
        history: History,
        learner: str = LEARNER,
        parameters: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self.history = history
        self.say = progress or (lambda *_args, **_more: None)
        self.shelf = shelf or Shelf(None)
        self.models = Models(history, learner, parameters, self.shelf)
        self.say(f"first release: {history.learnt} of {len(history.slots)} windows learnt from")
        self.preparing = Meter()
        with self.models.charged_to(self.preparing):
            self.reference = first_reference(history, self.models)
        self.models.clip = self.reference.loss_clip
        self.watcher = Watcher(history, self.models, self.reference)
        self.lived: dict[str, tuple[Lived, Meter]] = {}
        self.retrains: dict[str, int] = {}
        self.drawn: np.ndarray | None = None
        self.random_meter = Meter()

    @classmethod
    def of(cls, frame: Any, settings: Settings, learner: str = LEARNER, learnt: int | None = None) -> Stage:
        """A stage for these rows."""
        return cls(history_of(frame, settings, learnt), learner)

    def play(self, name: str) -> None:
        """Live through one policy."""
        self.say(f"policy {name}")
        meter = Meter()
        history, models = self.history, self.models
        if name == "never":
            lived = Lived(answered=dict.fromkeys(history.live, ((0, history.learnt - 1), False)))
            with models.charged_to(meter):
                for window in history.live:
                    models.answers((0, history.learnt - 1), window)
        elif name == "always":
            lived = always(history, models, meter)
        elif name == "recent":
            lived = always(history, models, meter, RECENT_WINDOWS)
        else:
            policy = self.policy(name)
            lived = Replay(history, models, self.watcher, policy).run(meter)
            meter.fits.update(self.preparing.fits)
            meter.own += self.preparing.own
            meter.prepared = self.preparing.own
        self.lived[name] = lived, meter
        self.retrains[name] = len(lived.retrains)

    def policy(self, name: str) -> Policy:
        """What a policy of that name does."""
        if name == "performance":
            return performance_policy(self.history)
        when = self.history.settings.retrain.when
        if name == "project":
            return Policy(name, when, grouped=True)
        if name in WINDOWS:
            return Policy(name, when, window=WINDOWS[name], grouped=True)
        known = self.retrains.get("performance", self.retrains.get("project"))
        if known is None:
            self.play("performance")
            known = self.retrains["performance"]
        return Policy(name, (), even(self.history, known), grouped=True)

    def random(self) -> None:
        """Random timing with as many retrainings as `performance`, where `always` has fitted what it needs."""
        if "always" in self.lived and "performance" in self.retrains:
            self.say("random timing")
            count = self.retrains["performance"]
            self.drawn = random_timing(self.history, self.models, self.random_meter, count)

    def at_budget(self, budget: float) -> Lived:
        """The project's triggers under another budget of false alarms, released at once on all rows so far: every
        model that asks for has been fitted by `always`."""
        policy = Policy("budget", self.history.settings.retrain.when, gated=False, picked=False)
        return Replay(self.history, self.models, self.watcher.at_budget(budget), policy).run(Meter())

    def series(self, lived: Lived) -> np.ndarray:
        """Mean error of each live window that holds labels, a challenger's share of it counted in."""
        found = []
        for window in self.history.judged:
            key, broken = lived.answered[window]
            errors = self.models.answers(key, window, broken).errors
            if window in lived.beside:
                tried = lived.beside[window]
                share = np.where(np.arange(len(errors)) < tried.turn, tried.share, tried.then)
                other = self.models.answers(tried.key, window, tried.broken).errors
                errors = (1.0 - share) * errors + share * other
            found.append(float(errors.mean()))
        return np.asarray(found)


def performance_policy(history: History, **more: Any) -> Policy:
    """The promise as trigger, and a maximum age of 13 windows for what creeps."""
    age = int(MAX_AGE_WINDOWS * history.window_s)
    return Policy("performance", ("performance", f"max_age:{age}s"), **{"grouped": True, **more})


def even(history: History, count: int) -> tuple[int, ...]:
    """`count` live windows, evenly spread, to retrain after."""
    live = len(history.live)
    at = {history.learnt + round((i + 1) * live / (count + 1)) - 1 for i in range(count)}
    return tuple(sorted(at))
