"""A forecaster: regressors over the signals of a history, one for each step ahead or one for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from fairlead.lab.compile.forecasting.plan import Plan, features_of, signals_of

Floats = npt.NDArray[np.float64]
Fit = Callable[[Floats, Floats], Any]
"""A fitted regressor of features (n, f) and truth (n,)."""
Way = Literal["each", "together"]

MOST_TOGETHER = 60_000
"""Rows of one fit of all steps together: of longer tables (row, step) pairs are drawn, every step as often."""
AT_ONCE = 2_000
"""Rows whose steps are answered at once."""


class Forecaster(BaseEstimator):  # type: ignore[misc]
    """Takes rows as the front gives them, (n, plan.width); answers (n, horizon).

    way: each, a regressor for every step; together, one that is told the step, by its number and its calendar. Both
    answer shares of the row's level. Compiles, see `graph`.
    """

    def __init__(self, plan: Plan, way: Way = "each", seed: int = 0) -> None:
        self.plan = plan
        self.way = way
        self.seed = seed

    def fit(self, features: Floats, truth: Floats, fit_step: Fit) -> Forecaster:
        """Learn from rows of the front, (n, width), and what came after, (n, horizon), whole."""
        signals, level = signals_of(features, self.plan)
        shares = truth / level
        self.means_: list[Floats] = []
        self.scales_: list[Floats] = []
        self.members_: list[Any] = []
        horizon = self.plan.horizon
        if self.way == "together":
            rows, steps = self._drawn(len(features), horizon)
            self._learn(features_of(signals[rows], steps, self.plan), shares[rows, steps], fit_step)
        else:
            for step in range(horizon):
                asked = np.full(len(signals), step)
                self._learn(features_of(signals, asked, self.plan), shares[:, step], fit_step)
        self.n_features_in_ = features.shape[1]
        self.n_outputs_ = horizon
        return self

    def _drawn(self, rows: int, horizon: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows and steps of one fit of all steps, in the order of the rows."""
        each = min(rows, max(MOST_TOGETHER // horizon, 1))
        random = np.random.default_rng([self.seed, 21])
        chosen = [np.sort(random.choice(rows, each, replace=False)) if each < rows else np.arange(rows)] * horizon
        if each < rows:
            chosen = [np.sort(random.choice(rows, each, replace=False)) for _ in range(horizon)]
        found, steps = np.concatenate(chosen), np.repeat(np.arange(horizon), each)
        order = np.argsort(found, kind="stable")
        return found[order], steps[order]

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
        rows, horizon = len(given), self.plan.horizon
        with np.errstate(all="ignore"):
            if self.way == "together":
                steps = np.tile(np.arange(horizon), rows)
                asked = features_of(np.repeat(signals, horizon, axis=0), steps, self.plan)
                return self._said(0, asked).reshape(rows, horizon) * level
            told = [self._said(step, features_of(signals, np.full(rows, step), self.plan)) for step in range(horizon)]
            return np.column_stack(told) * level if rows else np.empty((0, horizon))

    def _said(self, member: int, features: Floats) -> Floats:
        if self.plan.classes:
            features = (features - self.means_[member]) / self.scales_[member]
        found: Floats = np.asarray(self.members_[member].predict(features), dtype=np.float64).ravel()
        return found
