"""Several models of two classes as one, and thresholds of groups as log-odds that are added: what mitigation makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from fairlead.lab.stats.measures import Floats

CERTAIN = 4.0
"""Log-odds of a member that answers every row alike, which has none of its own: 0.982."""

Scale = Literal["log_odds", "probability"]


class Combined(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A weighted mean of fitted members, taken where they sum: log-odds of most, probabilities of forests.

    members: fitted on codes 0 and 1 of being positive; weights: (members,), their sum is 1. The last len(offsets)
    features mark groups and are no member's: offsets (groups,) are added to the log-odds of the positive class, so
    that a group's threshold becomes 0.5; a row of none of the groups gets none. classes: both labels in their order.
    """

    def __init__(
        self,
        members: Sequence[Any],
        weights: Sequence[float],
        classes: Sequence[str],
        positive: str,
        offsets: Sequence[float] = (),
        scale: Scale = "log_odds",
    ) -> None:
        self.members, self.weights, self.classes, self.positive = members, weights, classes, positive
        self.offsets, self.scale = offsets, scale
        self.classes_ = np.array(classes)

    def fit(self, features: Any, truth: Any) -> Combined:
        """It is made of fitted models, and stays as it is."""
        return self

    @property
    def flipped(self) -> bool:
        """Whether the positive class is the first of the two."""
        return bool(self.classes[0] == self.positive)

    def of_positive(self, features: Any) -> Floats:
        """Mean log-odds (with offsets) or mean probability of the positive class, shape (n,)."""
        given = np.asarray(features, dtype=np.float64)
        width = given.shape[1] - len(self.offsets)
        own = given[:, :width]
        parts = [
            weight
            * (log_odds(member, own) if self.scale == "log_odds" else np.asarray(member.predict_proba(own))[:, 1])
            for member, weight in zip(self.members, self.weights, strict=True)
        ]
        found: Floats = np.sum(parts, axis=0)
        if len(self.offsets):
            found = found + given[:, width:] @ np.asarray(self.offsets)
        return found

    def predict_proba(self, features: Any) -> Floats:
        """Probabilities, shape (n, 2), in the order of `classes`."""
        found = self.of_positive(features)
        if self.scale == "log_odds":
            tilt = np.exp(-np.abs(found))
            found = np.where(found >= 0.0, 1.0, tilt) / (1.0 + tilt)
        both = (found, 1.0 - found) if self.flipped else (1.0 - found, found)
        return np.column_stack(both)

    def predict(self, features: Any) -> Any:
        """Labels, shape (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]

    def by_lot(self, features: Any) -> Floats:
        """The chance of being decided positive by a member that is drawn by its weight, shape (n,)."""
        own = np.asarray(features, dtype=np.float64)[:, : np.shape(features)[1] - len(self.offsets)]
        said = [
            w * (np.asarray(m.predict_proba(own))[:, 1] > 0.5) for m, w in zip(self.members, self.weights, strict=True)
        ]
        found: Floats = np.sum(said, axis=0)
        return found


def log_odds(member: Any, features: Floats) -> Floats:
    """Log-odds of class 1 by a fitted model of 0 and 1, shape (n,), as the model itself sums them."""
    name = type(member).__name__
    if name == "DummyClassifier":
        return np.full(len(features), CERTAIN if float(np.ravel(member.constant)[0]) > 0.5 else -CERTAIN)
    if name == "LGBMClassifier":
        return np.asarray(member.predict(features, raw_score=True), dtype=np.float64)
    inner = getattr(member, "model_", member)
    return np.asarray(inner.decision_function(features), dtype=np.float64)
