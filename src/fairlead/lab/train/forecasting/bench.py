"""Folds of series: every way of forecasting is judged on origins after all that it learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.lab.stats.forecasts import forecast_metrics, season_changes, seasonal_naive
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.forecasting.fitting import forecaster, front_for
from fairlead.lab.train.forecasting.learners import StepLearner
from fairlead.lab.train.forecasting.rows import NAME, seasons_for
from fairlead.lab.train.material import Material
from fairlead.runtime.bundle.forecasts import HISTORY, history_of


class ForecastBench(Bench):
    """A bench whose answers are (rows, horizon). Features are the same in every fold, as the front learns nothing."""

    def __init__(self, material: Material, folds: Sequence[Fold]) -> None:
        super().__init__(material, folds)
        self._features: Floats | None = None
        self.scale = scale_of(material)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_features": None}

    def prepared(self, index: int) -> tuple[Floats, Floats]:
        """See Bench."""
        if self._features is None:
            self._features = np.asarray(front_for(self.material.signature).fit_transform(self.material.frame))
        fold = self.folds[index]
        return self._features[fold.fit], self._features[fold.judge]

    def answers(self, index: int, learner: Any, parameters: Mapping[str, Any], seed: int) -> Floats:
        """See Bench."""
        # A search that is taken up again asks for learners by their names.
        learner = learner if hasattr(learner, "inner") else StepLearner(learner)
        learned, judged = self.prepared(index)
        truth = self.material.truth[self.folds[index].fit]
        return forecaster(self.material, learner, parameters, seed, learned, truth).predict(judged)

    def score(self, index: int, answers: Floats) -> float:
        """The mean absolute error as a share of the series' seasonal changes (mase), infinite for infinite answers."""
        found = self.metrics(index, answers)
        return found.get("mase", found.get("mae", np.inf))

    def metrics(self, index: int, answers: Floats) -> dict[str, float]:
        """See Bench."""
        judge = self.folds[index].judge
        found = forecast_metrics(self.material.truth[judge], answers, np.ones((1, len(judge))), self.scale[judge])
        return {name: float(value[0]) for name, value in found.items() if np.isfinite(value[0])}

    def naive(self) -> dict[str, list[Floats]]:
        """Answers of what needs no learning, a fold each: the last value, and the last season for every season."""
        values = self.material.columns[HISTORY][:, :: history_of(self.material.signature).shape[1]]
        horizon = self.material.signature.horizon
        ways = {"last_value": 1, **{f"seasonal_naive_{season}": season for season in seasons_for(self.material)}}
        return {
            name: [seasonal_naive(values[fold.judge], horizon, season) for fold in self.folds]
            for name, season in ways.items()
        }


def scale_of(material: Material) -> Floats:
    """The mean change from one season to the next of each row's series, (n,), over all of its histories."""
    seasons = seasons_for(material)
    values = material.columns[HISTORY][:, :: history_of(material.signature).shape[1]]
    changes = season_changes(values, seasons[0] if seasons else 1)
    names = material.source[NAME].to_numpy() if NAME in material.source else np.zeros(len(changes), dtype=object)
    return mean_by(changes, names)


def mean_by(values: Floats, names: np.ndarray) -> Floats:
    """The mean of each row's group, (n,)."""
    _, codes = np.unique(names.astype(str), return_inverse=True)
    means = np.bincount(codes, weights=values) / np.bincount(codes)
    return np.asarray(means[codes])
