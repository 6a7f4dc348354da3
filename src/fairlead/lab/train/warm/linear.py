"""Linear models that go on: they are shrunken towards the older model's coefficients instead of towards 0.

From the same loss an optimum is the same wherever one starts, so starting there alone would change nothing. Shrinking
towards it is the older model as prior: few new rows leave it as it is, many take it wherever they point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.lab.train.out_of_core.least_squares import StreamedLeastSquares
from fairlead.lab.train.out_of_core.logistic import StreamedLogistic
from fairlead.runtime.bundle.tail import LinearForm

STRENGTHS = (1.0, 10.0, 100.0)
"""Times the older model's own shrinkage that are tried."""


class WarmLogistic:
    """Port `warm`: of LogisticRegression."""

    name = "logistic"

    def artefact(self, estimator: Any) -> bytes | None:
        """See WarmStarted: what is sealed says it all."""
        return None

    def tries(self, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """See WarmStarted."""
        return [{**parameters, "C": float(parameters.get("C", 1.0)) / strength} for strength in STRENGTHS]

    def fit(self, estimator: Any, sealed: bytes, stream: Any, classes: Sequence[str]) -> Any:
        """See WarmStarted."""
        way = StreamedLogistic()
        way.centre = _lines(sealed)
        return way.fit(estimator, stream, classes)


class WarmRidge:
    """Port `warm`: of Ridge."""

    name = "ridge"

    def artefact(self, estimator: Any) -> bytes | None:
        """See WarmStarted: what is sealed says it all."""
        return None

    def tries(self, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """See WarmStarted."""
        return [{**parameters, "alpha": float(parameters.get("alpha", 1.0)) * strength} for strength in STRENGTHS]

    def fit(self, estimator: Any, sealed: bytes, stream: Any, classes: Sequence[str]) -> Any:
        """See WarmStarted."""
        way = StreamedLeastSquares()
        way.centre = _lines(sealed)[0, :-1]
        return way.fit(estimator, stream, classes)


def _lines(sealed: bytes) -> np.ndarray:
    """Coefficients with the intercept last, (lines, width + 1), of a sealed linear form."""
    import msgspec

    form = msgspec.json.decode(sealed, type=LinearForm)
    return np.hstack([np.array(form.weights, dtype=np.float64).T, np.array(form.intercept)[:, None]])
