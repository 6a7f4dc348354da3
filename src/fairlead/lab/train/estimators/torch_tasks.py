"""What networks of any kind are taught: classes by their shares, or a number. Mixed into a `TorchEstimator`, which
brings `_fit` and `_raw`.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

from fairlead.lab.train.estimators.torch_estimator import class_aims, number_aims, shares_of


class LearnsClasses(ClassifierMixin):  # type: ignore[misc]
    """Shares of classes by cross-entropy."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """features: (n, f); truth: (n,) labels; sample_weight: (n,) or None. Raises MissingExtra, ConfigInvalid."""
        self.classes_, codes = np.unique(np.asarray(truth), return_inverse=True)
        x = np.ascontiguousarray(features, dtype=np.float64)
        self._fit(x, class_aims(codes, len(self.classes_)), sample_weight)
        return self

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        return shares_of(self._raw(features))

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]


class LearnsNumbers(RegressorMixin):  # type: ignore[misc]
    """A number by squared errors, learned in deviations from the mean, which the last sums undo by `_undo`."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """features: (n, f); truth: (n,); sample_weight: (n,) or None. Raises MissingExtra, ConfigInvalid."""
        aims, mean, spread = number_aims(truth, sample_weight)
        self._fit(np.ascontiguousarray(features, dtype=np.float64), aims, sample_weight, mean, spread)
        self._undo(mean, spread)
        return self

    def predict(self, features: Any) -> Any:
        """Numbers, shape (n,)."""
        return self._raw(features)[:, 0]
