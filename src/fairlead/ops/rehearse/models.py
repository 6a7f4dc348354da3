"""Models by the rows they learnt, and what each loses on each window: fitted and scored once, whoever asks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np

from fairlead.ops.rehearse.history import History

Key = tuple[int, int]
"""First and last window learnt from, both included."""

AHEAD = 4
MOST_AHEAD = 64


class Answers(msgspec.Struct, frozen=True):
    """What a model answered on one window: scores (n, k); losses (n,) in [0, 1]; errors (n,), the quality in the unit
    people read: absolute error, or 1 for a wrong decision."""

    scores: np.ndarray
    losses: np.ndarray
    errors: np.ndarray


class Meter:
    """What one policy would have cost alone: CPU seconds of the fits and scores it asked for, each counted once."""

    def __init__(self) -> None:
        self.fits: dict[Any, float] = {}
        self.scores: dict[Any, float] = {}
        self.own = 0.0

    @property
    def cpu_s(self) -> float:
        """All of it."""
        return sum(self.fits.values()) + sum(self.scores.values()) + self.own


class Models:
    """The models of one history, cached by the windows they learnt from.

    learner, parameters: every fit's; the learner's defaults without parameters. clip: absolute error that counts as
    loss 1, set once the first release is held out.
    """

    def __init__(self, history: History, learner: str, parameters: Mapping[str, Any] | None = None) -> None:
        from fairlead.lab.train.fitting import learner_of

        self.history = history
        self.learner = learner
        rows = history.slots[history.learnt - 1].last
        kind = learner_of(learner)
        self.parameters = dict(parameters) if parameters is not None else kind.default(rows)
        load_libraries(kind, history, self.parameters)
        self.clip = 1.0
        self._meter = Meter()
        self._fitted: dict[Any, tuple[Any, float]] = {}
        self._answers: dict[tuple[Any, int], tuple[Answers, Any]] = {}
        self._costs: dict[Any, float] = {}
        self._reach: dict[Any, int] = {}

    @contextmanager
    def charged_to(self, meter: Meter) -> Iterator[None]:
        """Let what is asked for within count for one policy."""
        before, self._meter = self._meter, meter
        started, known = time.process_time(), sum(self._costs.values())
        try:
            yield
        finally:
            # What was not fitting or scoring is the policy's own work: deciding and watching.
            spent = time.process_time() - started - (sum(self._costs.values()) - known)
            meter.own += max(spent, 0.0)
            self._meter = before

    def fitted(self, key: Key, broken: bool = False) -> Any:
        """The pipeline learnt from these windows. broken: from truths in random order, a challenger that is no good."""
        name = (key, broken)
        if name not in self._fitted:
            started = time.process_time()
            rows = self.history.rows(*key)
            pipeline = fit_rows(self.history, rows, self.learner, self.parameters, broken)
            cost = time.process_time() - started
            self._fitted[name] = pipeline, cost
            self._costs["fit", name] = cost
        pipeline, cost = self._fitted[name]
        self._meter.fits[name] = cost
        return pipeline

    def answers(self, key: Key, window: int, broken: bool = False) -> Answers:
        """What that model answered on a window (position in the history's slots)."""
        name = (key, broken)
        if (name, window) not in self._answers:
            pipeline = self.fitted(key, broken)
            ahead = self._reach.get(name, AHEAD)
            self._reach[name] = min(2 * ahead, MOST_AHEAD)
            self._score(name, pipeline, window, min(window + ahead, len(self.history.slots)))
        found, batch = self._answers[name, window]
        self._meter.fits[name] = self._fitted[name][1]
        self._meter.scores[batch] = self._costs[batch]
        return found

    def loss(self, key: Key, window: int) -> float:
        """Mean loss of that model on a window."""
        return float(self.answers(key, window).losses.mean())

    def error(self, key: Key, window: int) -> float:
        """Mean error of that model on a window."""
        return float(self.answers(key, window).errors.mean())

    def _score(self, name: Any, pipeline: Any, first: int, end: int) -> None:
        """Score a run of windows in one call: calls cost more than rows."""
        started = time.process_time()
        history = self.history
        wanted = [w for w in range(first, end) if (name, w) not in self._answers]
        rows = np.concatenate([history.rows(w, w) for w in wanted])
        scores = score_rows(history, pipeline, rows)
        losses, errors = judged(history, rows, scores, self.clip)
        batch = ("score", name, first, end)
        at = 0
        for window in wanted:
            part = slice(at, at + history.slots[window].rows)
            at = part.stop
            self._answers[name, window] = Answers(scores[part], losses[part], errors[part]), batch
        self._costs[batch] = time.process_time() - started


def load_libraries(learner: Any, history: History, parameters: Mapping[str, Any]) -> None:
    """Import what fitting and watching need, so that no policy is charged for it."""
    import scipy.special  # noqa: F401

    from fairlead.lab.train.preparing import preparation

    preparation(history.material.signature, history.material.preparing)
    learner.build(history.material.signature.task, parameters, 0)


def fit_rows(history: History, rows: np.ndarray, learner: str, parameters: Mapping[str, Any], broken: bool) -> Any:
    """One fit on rows of the history, given by position."""
    from fairlead.lab.train.fitting import fit

    material = history.material.take(rows)
    if broken:
        rng = np.random.default_rng(int(rows[0]) * 1_000_003 + int(rows[-1]))
        material.truth[:] = rng.permutation(material.truth)
    return fit(material, learner, parameters, history.settings.train.seed)


def score_rows(history: History, pipeline: Any, rows: np.ndarray) -> np.ndarray:
    """Scores (n, k) of rows given by position."""
    from fairlead.lab.train.fitting import scores_of

    material = history.material
    scores: np.ndarray = scores_of(pipeline, material.frame.iloc[rows], material.signature)
    return scores


def judged(history: History, rows: np.ndarray, scores: np.ndarray, clip: float) -> tuple[np.ndarray, np.ndarray]:
    """Losses and errors of these rows, (n,) each."""
    from fairlead.lab.stats import class_codes, losses
    from fairlead.lab.stats.measures import decisions
    from fairlead.lab.stats.pinball import errors_of

    signature, truth = history.material.signature, history.material.truth[rows]
    lost = losses(signature.task, truth, scores, signature, clip)
    if signature.task == "classification":
        wrong = decisions(scores, signature) != class_codes(truth, signature.classes)
        return lost, wrong.astype(np.float64)
    return lost, errors_of(truth, scores[:, 0], signature)
