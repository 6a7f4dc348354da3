"""Linear models that take one labelled row at a time (river): stochastic gradients with a constant step."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from fairlead.lab.compile.stated_models import Line
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.distributed.answering import of_line
from fairlead.lab.train.learners.asking import library

WORTH = 4_000
"""Rows that a fit looks at, at least: it goes through fewer again and again."""
MOST_PASSES = 40


def dicts(features: Any) -> list[dict[int, float]]:
    """Rows as river takes them."""
    return [dict(enumerate(row)) for row in np.asarray(features, dtype=np.float64).tolist()]


def passes_for(rows: int) -> int:
    """Times that a fit goes through so many rows."""
    return min(MOST_PASSES, max(1, -(-WORTH // max(rows, 1))))


class _Line(BaseEstimator):  # type: ignore[misc]
    """step: of each gradient, constant, so that old rows are forgotten; shrink: by squares of weights."""

    def __init__(self, step: float = 0.02, shrink: float = 1e-4) -> None:
        self.step, self.shrink = step, shrink

    def line(self) -> Line:
        """The model now, as numbers; see `compile.stated_models`."""
        width, model = self.n_features_in_, self.model_
        classes = len(getattr(self, "classes_", ()))
        if classes > 2:
            held = [model.weights[code] for code in range(classes)]
            # The last of them is the constant that every row has.
            table = np.array([[own.get(at, 0.0) for own in held] for at in range(width + 1)])
            return Line(table[:width], table[width], "softmax")
        weights = np.array([[model.weights.get(at, 0.0)] for at in range(width)])
        if classes:
            return Line(weights, np.array([model.intercept]), "sigmoid")
        return Line(weights * self.spread_, np.array([model.intercept * self.spread_ + self.mean_]), "identity")

    def _learned(self, features: Any, aims: list[Any], weights: Any) -> None:
        softmax = len(getattr(self, "classes_", ())) > 2
        own = [1.0] * len(aims) if weights is None else np.asarray(weights, dtype=np.float64).tolist()
        for x, aim, weight in zip(dicts(features), aims, own, strict=True):
            if softmax:
                x[self.n_features_in_] = 1.0
                for optimizer in self.model_.optimizers.values():
                    # Its models of several classes know no weights: a heavy row makes a larger step.
                    optimizer.lr.learning_rate = self.step * weight
                self.model_.learn_one(x, aim)
            else:
                self.model_.learn_one(x, aim, w=weight)


class OnlineLineClassifier(ClassifierMixin, _Line):  # type: ignore[misc]
    """Log-odds, or the shares of several classes. classes_: labels, all of which must be known at first."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """Begin, and learn these rows in their order. features: (n, f); truth: (n,) labels. Raises MissingExtra."""
        library("river", "drift")
        from river import linear_model, optim

        self.classes_ = np.unique(np.asarray(truth))
        self.n_features_in_ = int(np.shape(features)[1])
        if len(self.classes_) > 2:
            self.model_: Any = linear_model.SoftmaxRegression(optimizer=optim.SGD(self.step), l2=self.shrink)
            for code in range(len(self.classes_)):
                _ = self.model_.optimizers[code], self.model_.weights[code]
        else:
            self.model_ = linear_model.LogisticRegression(
                optimizer=optim.SGD(self.step), l2=self.shrink, intercept_lr=self.step
            )
        for _ in range(passes_for(len(np.asarray(truth)))):
            self.learn(features, truth, sample_weight)
        return self

    def learn(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """Take these rows, too, one after the other. Raises ValueError for a class that `fit` had not seen."""
        codes = codes_of(truth, self.classes_)
        aims = codes.tolist() if len(self.classes_) > 2 else [bool(code) for code in codes]
        self._learned(features, aims, sample_weight)
        return self

    def predict_proba(self, features: Any) -> Floats:
        """Probabilities, (n, classes)."""
        return of_line(self.line(), features)

    def predict(self, features: Any) -> Any:
        """Labels, (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]


class OnlineLineRegressor(RegressorMixin, _Line):  # type: ignore[misc]
    """A number, learned in deviations from the mean of the rows that it began with."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """Begin, and learn these rows in their order. features: (n, f); truth: (n,). Raises MissingExtra."""
        library("river", "drift")
        from river import linear_model, optim

        y = np.asarray(truth, dtype=np.float64)
        self.n_features_in_, self.mean_ = int(np.shape(features)[1]), float(y.mean())
        self.spread_ = float(y.std()) or 1.0
        self.model_ = linear_model.LinearRegression(
            optimizer=optim.SGD(self.step), l2=self.shrink, intercept_lr=self.step, clip_gradient=10.0
        )
        for _ in range(passes_for(len(y))):
            self.learn(features, y, sample_weight)
        return self

    def learn(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """Take these rows, too, one after the other."""
        aims = ((np.asarray(truth, dtype=np.float64) - self.mean_) / self.spread_).tolist()
        self._learned(features, aims, sample_weight)
        return self

    def predict(self, features: Any) -> Floats:
        """Numbers, (n,)."""
        return of_line(self.line(), features)[:, 0]


def codes_of(truth: Any, classes: np.ndarray) -> np.ndarray:
    """Positions of labels. Raises ValueError for one that is not among the classes."""
    labels = np.asarray(truth).astype(classes.dtype) if classes.dtype.kind != "U" else np.asarray(truth).astype(str)
    codes = np.searchsorted(classes, labels)
    wrong = np.flatnonzero(classes[np.minimum(codes, len(classes) - 1)] != labels)
    if len(wrong):
        known = ", ".join(map(str, classes))
        raise ValueError(f"class {labels[wrong[0]]!s} is new: the model began with {known}. Begin it anew.")
    return np.asarray(codes)
