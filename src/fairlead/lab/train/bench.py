"""Folds of a material with their prepared features, and what any way of learning answers on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.lab.stats.baselines import constant_scores
from fairlead.lab.stats.measures import Floats, Ints, metrics
from fairlead.lab.stats.ranking import ranking_metrics
from fairlead.lab.stats.threads import few_threads
from fairlead.lab.train.fitting import scores_of, targets
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.learning import learn
from fairlead.lab.train.material import Material
from fairlead.lab.train.terms import Terms, signs_of

SELECTED_BY = {
    "classification": "log_loss", "regression": "mae", "clustering": "1 - silhouette", "anomaly": "disorder",
    "forecasting": "mase",
}  # fmt: skip
"""What decides between models, smaller is better: a proper score of probabilities, and the error that is watched."""
QUANTILE_BY = "pinball"
CACHED_BYTES = 512 * 1024 * 1024


def selected_by(signature: Signature) -> str:
    """The metric that decides between models of this signature."""
    return QUANTILE_BY if signature.quantile else SELECTED_BY[signature.task]


class Bench:
    """Folds with their prepared features, so that trials of all learners share one preparation a fold."""

    def __init__(self, material: Material, folds: Sequence[Fold], repeats: int = 1) -> None:
        self.material, self.folds, self.repeats = material, tuple(folds), repeats
        self._cache: dict[int, tuple[Floats, Floats]] = {}
        self._signs: dict[int, list[int] | None] = {}
        self._terms: dict[int, Terms] = {}
        self._bytes = 0

    def __getstate__(self) -> dict[str, Any]:
        # Another process prepares its own.
        return {**self.__dict__, "_cache": {}, "_signs": {}, "_terms": {}, "_bytes": 0}

    def first(self) -> Bench:
        """The folds of the first repeat alone: each row is judged once."""
        return self if self.repeats == 1 else Bench(self.material, self.folds[: len(self.folds) // self.repeats])

    def learned(self, index: int) -> Ints:
        """Positions of the rows that a fold learns from: those of its part that settings do not leave out."""
        rows = self.material.learned(self.folds[index].fit)
        return self.folds[index].fit if rows is None else rows

    def prepared(self, index: int) -> tuple[Floats, Floats]:
        """Features to learn from and to judge on, prepared by what the former alone say."""
        if index in self._cache:
            return self._cache[index]
        fold, frame = self.folds[index], self.material.frame
        signature, rows = self.material.signature, self.learned(index)
        fitted = self.material.preparation()
        truth = targets(self.material.truth[rows], signature)
        learned = np.ascontiguousarray(fitted.fit_transform(frame.iloc[rows], truth), dtype=np.float64)
        judged = np.ascontiguousarray(fitted.transform(frame.iloc[fold.judge]), dtype=np.float64)
        self._signs[index] = signs_of(fitted, frame.iloc[fold.fit], self.material.signature, self.material.terms)
        self._terms[index] = self.material.terms_for(rows).seeing(fitted, signature)
        self._bytes += learned.nbytes + judged.nbytes
        if self._bytes <= CACHED_BYTES:
            self._cache[index] = (learned, judged)
        return learned, judged

    def terms(self, index: int) -> Terms:
        """What the project asks of a fit of the rows that a fold learns from, once they are prepared."""
        return self._terms.get(index, self.material.terms_for(self.learned(index)))

    def answers(self, index: int, learner: Any, parameters: Mapping[str, Any], seed: int) -> Floats:
        """Scores of one fold's judged rows after learning from its others. Shape (judged rows, outputs)."""
        learned, judged = self.prepared(index)
        rows = self.learned(index)
        signature, truth = self.material.signature, self.material.truth[rows]
        weights = self.material.fit_weights(rows)
        if signature.task == "classification" and len(set(truth)) < 2:
            # An early run of a time series may hold one class alone, from which most learners cannot learn.
            codes = self.material.codes()[rows]
            return constant_scores(signature.task, codes, len(judged), len(signature.classes))
        with few_threads(len(learned)):
            estimator = learn(
                learner, signature.task, parameters, seed, learned, targets(truth, signature),
                weights=weights, signs=self._signs[index], terms=self.terms(index),
                ordered=self.material.times is not None,
            )  # fmt: skip
        return scores_of(estimator, judged, signature)

    def score(self, index: int, answers: Floats) -> float:
        """What `selected_by` says about the answers to one fold."""
        signature = self.material.signature
        truth = self.material.truth[self.folds[index].judge]
        return float(metrics(signature.task, truth, answers, signature)[selected_by(signature)])

    def metrics(self, index: int, answers: Floats) -> dict[str, float]:
        """Every metric of the answers to one fold."""
        signature, judged, clusters = self.material.signature, self.folds[index].judge, self.material.clusters
        truth = self.material.truth[judged]
        order = {} if clusters is None else ranking_metrics(truth, answers, clusters[judged], signature)
        return metrics(signature.task, truth, answers, signature) | order

    def naive(self) -> dict[str, list[Floats]]:
        """Answers of what needs no learning and is of a task's own, a list of folds each; see ForecastBench."""
        return {}

    def whole(self, parts: Sequence[Floats]) -> Floats:
        """Answers of all folds as one table, (rows, outputs), NaN where no fold judged."""
        table = np.full((self.material.rows, parts[0].shape[1]), np.nan)
        # The first repeat comes last, so that its answers stay.
        for fold, part in reversed(list(zip(self.folds, parts, strict=True))):
            table[fold.judge] = part
        return table
