"""Gaussian naive Bayes on every row: means and variances of each class, put together from those of parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class StreamedNaiveBayes:
    """Port `streamed`: of GaussianNB, in one pass. Source: Chan, Golub and LeVeque, Updating formulae (1979)."""

    how = "means and variances of every row, in one pass"

    def refuses(self, rows: int, width: int, outputs: int, memory: int) -> str | None:
        """See Streamed."""
        return None

    def fit(self, estimator: Any, stream: Any, classes: Sequence[str]) -> Any:
        """See Streamed."""
        shape = (len(classes), stream.width)
        # All rows together come last: their variance says how much is added to all.
        count, mean, spread = (
            np.zeros(len(classes) + 1),
            np.zeros((shape[0] + 1, shape[1])),
            np.zeros((shape[0] + 1, shape[1])),
        )
        for part in stream.parts():
            weights = np.ones(len(part.truth)) if part.weights is None else part.weights
            for at in range(len(classes) + 1):
                chosen = part.truth == at if at < len(classes) else np.ones(len(part.truth), dtype=bool)
                # scikit-learn smooths by the variance of rows that all weigh the same.
                own = weights[chosen] if at < len(classes) else np.ones(len(part.truth))
                _take_in(at, part.features[chosen], own, count, mean, spread)
        variance = spread / np.maximum(count, 1e-300)[:, None]
        estimator.epsilon_ = estimator.var_smoothing * float(variance[-1].max())
        estimator.classes_ = np.array(list(classes))
        estimator.class_count_ = count[:-1]
        estimator.class_prior_ = count[:-1] / count[:-1].sum()
        estimator.theta_ = mean[:-1]
        estimator.var_ = variance[:-1] + estimator.epsilon_
        estimator.n_features_in_ = stream.width
        return estimator


def _take_in(
    at: int, rows: np.ndarray, weights: np.ndarray, count: np.ndarray, mean: np.ndarray, spread: np.ndarray
) -> None:
    here = float(weights.sum())
    if not here:
        return
    own = weights @ rows / here
    apart, total = own - mean[at], count[at] + here
    spread[at] += weights @ (rows - own) ** 2 + apart**2 * (count[at] * here / total)
    mean[at] += apart * (here / total)
    count[at] = total
