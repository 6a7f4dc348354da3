"""Boosted trees that learn which row of a group stands above which, and say it on the scale of the gains."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from fairlead.contract.errors import ConfigInvalid

LEAST_SLOPE = 1e-6


class OrderedBooster(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """parameters: of XGBRanker. clusters: the group of each row to learn from (n,), set ahead of `fit`; None: one.

    booster_: the fitted XGBRanker, whose scores mean an order alone; slope_, shift_: the line through gains and scores
    that least squares finds in the rows learned from, so that the answer slope_ * (score + shift_) is a gain in the
    same order. Source: Burges, From RankNet to LambdaRank to LambdaMART (2010).
    """

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        self.parameters = parameters
        self.clusters: np.ndarray | None = None

    def set_params(self, **given: Any) -> OrderedBooster:
        """Further parameters of XGBRanker, or all of them as `parameters`."""
        self.parameters = given.pop("parameters", None) or {**(self.parameters or {}), **given}
        return self

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> OrderedBooster:
        """features: (n, f); truth: (n,) gains; sample_weight: (n,) or None, of which a group has the mean, and rows of
        weight 0 are left out.

        Raises ConfigInvalid for rows that are of no group, as made ones.
        """
        import xgboost

        gains = np.asarray(truth, dtype=np.float64)
        clusters = np.zeros(len(gains), dtype=np.int64) if self.clusters is None else np.asarray(self.clusters)
        if len(clusters) != len(gains):
            raise ConfigInvalid(
                "rows that are made belong to no group, and nothing says what they stand above.",
                file="fairlead.toml", key="train.augment", cure="Take it out, or learn row by row.",
            )  # fmt: skip
        weights = np.ones(len(gains)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        # A pair has no weight of its own rows, so those without weight are left out before pairs are made.
        order = np.argsort(clusters, kind="stable")
        order = order[weights[order] > 0.0]
        weights, gains, groups = weights[order], gains[order], np.unique(clusters[order], return_inverse=True)[1]
        self.booster_ = xgboost.XGBRanker(**(self.parameters or {}))
        of_groups = np.bincount(groups, weights=weights) / np.bincount(groups)
        self.booster_.fit(features[order], gains, qid=groups, sample_weight=of_groups)
        self._draw_line(np.asarray(self.booster_.predict(features[order]), dtype=np.float64), gains, weights)
        self.n_features_in_ = int(features.shape[1])
        return self

    def _draw_line(self, scores: np.ndarray, gains: np.ndarray, weights: np.ndarray) -> None:
        share = weights / weights.sum()
        middle, mean = float(share @ scores), float(share @ gains)
        spread = float(share @ (scores - middle) ** 2)
        slope = float(share @ ((scores - middle) * (gains - mean))) / spread if spread > 0 else 1.0
        self.slope_ = max(slope, LEAST_SLOPE)
        self.shift_ = mean / self.slope_ - middle

    def predict(self, features: Any) -> Any:
        """Gains, shape (n,)."""
        return self.slope_ * (np.asarray(self.booster_.predict(features), dtype=np.float64) + self.shift_)
