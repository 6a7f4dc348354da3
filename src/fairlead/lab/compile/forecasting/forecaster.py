"""A forecaster: regressors over the signals of a history, one for each step ahead, or one for several."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from fairlead.lab.compile.forecasting.plan import Plan, features_of, signals_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Fit = Callable[[Floats, Floats], Any]
"""A fitted regressor of features (n, f) and truth (n,)."""
Way = Literal["each", "spans"]

MOST_ROWS = 20_000
"""Rows of one fit of several steps: of longer tables (row, step) pairs are drawn, every step as often."""
AT_ONCE = 2_000
"""Rows whose steps are answered at once."""


def spans_of(way: Way, horizon: int) -> list[range]:
    """Steps (from 0) that share a regressor: each its own, or spans that double in length, as near steps differ more.

    >>> spans_of("spans", 10)
    [range(0, 1), range(1, 2), range(2, 4), range(4, 8), range(8, 10)]
    """
    if way == "each":
        return [range(step, step + 1) for step in range(horizon)]
    edges = [0]
    while edges[-1] < horizon:
        edges.append(min(max(1, 2 * edges[-1]), horizon))
    return [range(first, last) for first, last in itertools.pairwise(edges)]


class Forecaster(BaseEstimator):  # type: ignore[misc]
    """Takes rows as the front gives them, (n, plan.width); answers (n, horizon).

    way: which steps share a regressor, see `spans_of`; one of several steps is told which by its number and its
    calendar. All answer shares of the row's level. Compiles, see `graph`.
    """

    def __init__(self, plan: Plan, way: Way = "each", seed: int = 0) -> None:
        self.plan = plan
        self.way = way
        self.seed = seed

    @property
    def spans(self) -> list[range]:
        """The steps of each of `members_`."""
        return spans_of(self.way, self.plan.horizon)

    def fit(self, features: Floats, truth: Floats, fit_step: Fit) -> Forecaster:
        """Learn from rows of the front, (n, width), and what came after, (n, horizon), whole."""
        signals, level = signals_of(features, self.plan)
        shares = truth / level
        self.means_: list[Floats] = []
        self.scales_: list[Floats] = []
        self.members_: list[Any] = []
        for span in self.spans:
            rows, steps = self._drawn(len(features), span)
            self._learn(features_of(signals[rows], steps, self.plan), shares[rows, steps], fit_step)
        self.n_features_in_ = features.shape[1]
        self.n_outputs_ = self.plan.horizon
        return self

    def _drawn(self, rows: int, span: range) -> tuple[Ints, Ints]:
        """Rows and steps of one fit, in the order of the rows."""
        each = min(rows, max(MOST_ROWS // len(span), 1)) if len(span) > 1 else rows
        random = np.random.default_rng([self.seed, 21, span.start])
        found = [np.sort(random.choice(rows, each, replace=False)) if each < rows else np.arange(rows) for _ in span]
        every, steps = np.concatenate(found), np.repeat(np.array(span), each)
        order = np.argsort(every, kind="stable")
        return every[order], steps[order]

    def _learn(self, features: Floats, shares: Floats, fit_step: Fit) -> None:
        if self.plan.classes:
            mean, scale = features.mean(axis=0), features.std(axis=0)
            # What hardly moves in training would be all noise of rounding.
            scale[scale <= 1e-9 * np.maximum(np.abs(mean), 1.0)] = 1.0
            features = (features - mean) / scale
            self.means_.append(mean)
            self.scales_.append(scale)
        self.members_.append(fit_step(features, shares))

    def predict(self, features: Any) -> Floats:
        """Values of every step ahead, (n, horizon), of rows of the front."""
        given = np.asarray(features, dtype=np.float64)
        if len(given) > AT_ONCE:
            return np.concatenate([self.predict(given[at : at + AT_ONCE]) for at in range(0, len(given), AT_ONCE)])
        signals, level = signals_of(given, self.plan)
        with np.errstate(all="ignore"):
            told = [self._said(at, signals, span) for at, span in enumerate(self.spans)]
            return np.concatenate(told, axis=1) * level

    def _said(self, member: int, signals: Floats, span: range) -> Floats:
        """Shares of a span's steps, (n, steps)."""
        if not len(signals):
            return np.empty((0, len(span)))
        steps = np.tile(np.array(span), len(signals))
        features = features_of(np.repeat(signals, len(span), axis=0), steps, self.plan)
        if self.plan.classes:
            features = (features - self.means_[member]) / self.scales_[member]
        found = np.asarray(self.members_[member].predict(features), dtype=np.float64)
        return found.reshape(len(signals), len(span))
