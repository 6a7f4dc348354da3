"""A straight line over what a network of the user's own makes of a picture: the network stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.estimators.picture_network import the_picture
from fairlead.lab.train.estimators.torch_estimator import shares_of
from fairlead.lab.train.layout import Layout
from fairlead.lab.train.transferring import Transferred, invalid


class _Head(BaseEstimator):  # type: ignore[misc]
    """strength: of what keeps weights small is 1 / strength. layout: where the image lies among the features; begin:
    the network; both are set before the fit. trunk_: what is asked; head_: (weights (numbers, outputs), bias).
    """

    layout: Layout = Layout()
    begin: Transferred | None = None

    def __init__(self, strength: float = 1.0, random_state: int = 0) -> None:
        self.strength, self.random_state = strength, random_state

    def _numbers(self, features: Any) -> Floats:
        return self.trunk_.numbers(np.asarray(features, dtype=np.float64))

    def _prepared(self, features: Any, sample_weight: Any) -> tuple[Floats, Floats, Floats]:
        """What the network makes of the rows, in deviations, with what these were."""
        from fairlead.lab.compile.trunks import Trunk

        if self.begin is None or not self.begin.data:
            raise invalid("image_head needs the network of a file.", 'Write from = "trunk.onnx".', "from")
        rules = self.begin.rules
        picture = the_picture(self.layout)
        self.trunk_ = Trunk(self.begin.data, picture, rules.layer, scaled=rules.pixels == "0_to_1")
        numbers = self._numbers(features)
        weights = np.ones(len(numbers)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        mean = np.average(numbers, axis=0, weights=weights)
        spread = np.sqrt(np.average((numbers - mean) ** 2, axis=0, weights=weights))
        spread = np.where(spread > 1e-6 * np.maximum(1.0, np.abs(mean)), spread, np.inf)
        self.n_features_in_ = np.shape(features)[1]
        return (numbers - mean) / spread, mean, spread

    def _settled(self, weights: Floats, bias: Floats, mean: Floats, spread: Floats) -> None:
        """weights: (numbers, outputs) over deviations."""
        own = weights / spread[:, None]
        self.head_ = (own, bias - mean @ own)

    def _raw(self, features: Any) -> Floats:
        weights, bias = self.head_
        return np.asarray(self._numbers(features) @ weights + bias)


class HeadClassifier(ClassifierMixin, _Head):  # type: ignore[misc]
    """Logistic regression over the network's numbers."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> HeadClassifier:
        """features: (n, f); truth: (n,) labels; sample_weight: (n,) or None. Raises ConfigInvalid."""
        from sklearn.linear_model import LogisticRegression

        numbers, mean, spread = self._prepared(features, sample_weight)
        found = LogisticRegression(C=self.strength, max_iter=300, tol=1e-5).fit(numbers, truth, sample_weight)
        self.classes_ = found.classes_
        self._settled(found.coef_.T, found.intercept_, mean, spread)
        return self

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        return shares_of(self._raw(features))

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]


class HeadRegressor(RegressorMixin, _Head):  # type: ignore[misc]
    """Ridge regression over the network's numbers."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> HeadRegressor:
        """features: (n, f); truth: (n,); sample_weight: (n,) or None. Raises ConfigInvalid."""
        from sklearn.linear_model import Ridge

        numbers, mean, spread = self._prepared(features, sample_weight)
        found = Ridge(alpha=1.0 / self.strength).fit(numbers, np.asarray(truth, dtype=np.float64), sample_weight)
        self._settled(found.coef_.reshape(-1, 1), np.atleast_1d(found.intercept_), mean, spread)
        return self

    def predict(self, features: Any) -> Any:
        """Numbers, shape (n,)."""
        return self._raw(features)[:, 0]
