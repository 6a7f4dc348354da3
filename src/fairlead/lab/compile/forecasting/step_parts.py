"""The calendar of every step that is forecast, from the time of the origin."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from fairlead.lab.tables.steps import DAY_S, MONTH_S
from fairlead.runtime.bundle.ops import Add, AnyOp, Part, all_for_many


class StepParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One column of times (seconds since the epoch) to the parts of the calendar of each step after it, step by step.

    step: seconds from one to the next; months are taken from the middle of the origin's, so that a mean month lands in
    the right one. Compiles.
    """

    def __init__(self, horizon: int, step: float, parts: tuple[str, ...]) -> None:
        self.horizon = horizon
        self.step = step
        self.parts = parts

    def operations(self) -> list[tuple[AnyOp, ...]]:
        """What is done to a time for each output."""
        middle = 14.0 * DAY_S if self.step >= MONTH_S - DAY_S else 0.0
        return [(Add(middle + at * self.step), Part(part)) for at in range(1, self.horizon + 1) for part in self.parts]

    def fit(self, rows: Any, truth: Any = None) -> StepParts:
        """Nothing is learned but the column."""
        if hasattr(rows, "columns"):
            self.feature_names_in_ = np.asarray(rows.columns, dtype=object)
        self.n_features_in_ = np.shape(rows)[1]
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Parts, (n, horizon x parts)."""
        times = np.asarray(rows, dtype=np.float64)[:, 0]
        return np.column_stack([all_for_many(ops, times) for ops in self.operations()])

    def get_feature_names_out(self, names: Any = None) -> np.ndarray:
        """`t+1_hour` and so on."""
        steps = range(1, self.horizon + 1)
        return np.array([f"t+{at}_{part}" for at in steps for part in self.parts], dtype=object)
