"""Least squares on every row: two passes that add up what the solution asks for, so it is that of all rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.out_of_core.stored import moments

WIDEST = 5_000
CUTOFF = 1e-12


class StreamedLeastSquares:
    """Port `streamed`: of Ridge and LinearRegression of scikit-learn's, from centred sums of products."""

    centre: Floats | None = None
    """Coefficients towards which is shrunken instead of 0, (width,). Set by whoever goes on from another model."""

    how = "sums of products over every row, which give the least squares of all rows at once"

    def refuses(self, rows: int, width: int, outputs: int, memory: int) -> str | None:
        """See Streamed."""
        return f"more than {WIDEST:,} features are not solved from their products" if width > WIDEST else None

    def fit(self, estimator: Any, stream: Any, classes: Sequence[str]) -> Any:
        """See Streamed."""
        # Means first: sums of products of what is far from 0 would lose the digits that tell rows apart.
        _, mean, aim = moments(stream)
        gram, right = np.zeros((stream.width, stream.width)), np.zeros(stream.width)
        for part in stream.parts():
            centred, aims = part.features - mean, part.truth - aim
            weighed = centred if part.weights is None else centred * part.weights[:, None]
            gram += weighed.T @ centred
            right += weighed.T @ aims
        alpha = float(getattr(estimator, "alpha", 0.0))
        if alpha > 0.0:
            towards = np.zeros(stream.width) if self.centre is None else self.centre
            coefficients = np.linalg.solve(gram + alpha * np.eye(stream.width), right + alpha * towards)
        else:
            # Of many solutions the one with the smallest weights, as scikit-learn's.
            coefficients = np.linalg.lstsq(gram, right, rcond=CUTOFF)[0]
        estimator.coef_ = coefficients
        estimator.intercept_ = float(aim[0] - mean @ coefficients)
        estimator.n_features_in_ = stream.width
        return estimator
