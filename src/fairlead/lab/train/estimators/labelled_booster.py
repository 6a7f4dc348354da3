"""XGBoost's classifier for labels that are words: XGBoost itself takes 0, 1, 2 and so on alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class LabelledBooster(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """parameters: of XGBClassifier. booster_: the fitted XGBClassifier, whose class i is classes_[i]."""

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        self.parameters = parameters

    def set_params(self, **given: Any) -> LabelledBooster:
        """Further parameters of XGBClassifier, or all of them as `parameters`."""
        self.parameters = given.pop("parameters", None) or {**(self.parameters or {}), **given}
        return self

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> LabelledBooster:
        """features: (n, f); truth: (n,) labels; sample_weight: (n,) or None."""
        import xgboost

        self.classes_, codes = np.unique(np.asarray(truth), return_inverse=True)
        self.booster_ = xgboost.XGBClassifier(**(self.parameters or {}))
        self.booster_.fit(features, codes, sample_weight=sample_weight)
        self.n_features_in_ = int(self.booster_.n_features_in_)
        return self

    def predict_proba(self, features: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        return self.booster_.predict_proba(features)

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]
