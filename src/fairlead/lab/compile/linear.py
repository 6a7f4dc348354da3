"""Linear models and the baselines that ignore their input, as `tail.json`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.combined import is_combined, line_of, refusal
from fairlead.runtime.bundle.manifest import TAIL_LINEAR
from fairlead.runtime.bundle.tail import LinearForm

CLASSIFIERS = (
    "LogisticRegression",
    "LogisticRegressionCV",
    "SGDClassifier",
    "Perceptron",
    "LinearDiscriminantAnalysis",
)
REGRESSORS = (
    "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "BayesianRidge",
    "HuberRegressor", "SGDRegressor", "ARDRegression", "Lars", "LassoLars", "TheilSenRegressor", "QuantileRegressor",
    "LarsCV", "LassoLarsCV", "LassoLarsIC", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV", "LinearSVR",
)  # fmt: skip
OURS = ("RelativeLogistic", "RelativeNet", "PoissonCounts")
"""Of `lab.train.estimators`; the first holds a LogisticRegression, the others have weights of their own."""
MEANT = ("LogisticRegression", "RelativeLogistic")
"""Of which means are taken, see `combined`."""
EXPONENTIAL = ("PoissonRegressor", "GammaRegressor", "TweedieRegressor", "PoissonCounts")
DUMMIES = ("DummyClassifier", "DummyRegressor")


class Linear:
    """Port `emitter`: link(x @ w + b) in numpy."""

    form = "linear"
    tolerance = 1e-9
    file = TAIL_LINEAR

    def accepts(self, estimator: Any) -> str | None:
        """See Emitter."""
        name, module = type(estimator).__name__, type(estimator).__module__.split(".")[0]
        if is_combined(estimator):
            return refusal(estimator, self._told)
        if module == "fairlead" and name in OURS:
            return self.accepts(estimator.model_) if name == "RelativeLogistic" else None
        if module != "sklearn" or name not in (*CLASSIFIERS, *REGRESSORS, *EXPONENTIAL, *DUMMIES):
            if name == "RidgeClassifier":
                return "RidgeClassifier gives no probabilities; use LogisticRegression"
            return f"{name} is not a linear model that can be compiled"
        if name == "DummyClassifier":
            return _dummy_reason(estimator)
        if name == "SGDClassifier" and (estimator.loss != "log_loss" or len(estimator.classes_) > 2):
            return "SGDClassifier gives the probabilities of a linear model only with loss='log_loss' and two classes"
        if name == "Perceptron":
            return "Perceptron gives no probabilities"
        if (
            name in CLASSIFIERS
            and getattr(estimator, "multi_class", None) == "multinomial"
            and len(estimator.classes_) == 2
        ):
            return "multi_class='multinomial' with two classes is not a sigmoid"
        way = getattr(estimator, "multi_class", None)
        if way == "multinomial" and len(estimator.classes_) == 2:
            return "multi_class='multinomial' with two classes is not a sigmoid"
        multiple = name in CLASSIFIERS and len(estimator.classes_) > 2
        if multiple and (way == "ovr" or estimator.solver == "liblinear"):
            return "one-versus-rest probabilities of more than two classes are not compiled"
        if name in REGRESSORS and np.ndim(estimator.coef_) > 1 and len(estimator.coef_) > 1:
            return "it predicts more than one target"
        return None

    def _told(self, member: Any) -> str | None:
        """Why a model is no log-odds of two classes that are linear."""
        name = type(member).__name__
        return self.accepts(member) or (None if name in MEANT else f"{name} is not linear in log-odds")

    def emit(self, estimator: Any, features: int) -> bytes:
        """Bytes of tail.json."""
        name = type(estimator).__name__
        if is_combined(estimator):
            combined, start = line_of(estimator, features, _line)
            return _form(combined[:, None], np.array([start]), "sigmoid")
        if name == "RelativeLogistic":
            return self.emit(estimator.model_, features)
        if name in DUMMIES:
            constant = _constant(estimator)
            return _form(np.zeros((features, len(constant))), constant, "identity")
        weights = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64)).T
        intercept = np.broadcast_to(np.asarray(estimator.intercept_, dtype=np.float64), (weights.shape[1],))
        if len(weights) != features:
            raise NotCompilable(f"{name} was fitted on {len(weights)} features and gets {features}.")
        if name in CLASSIFIERS:
            return _form(weights, intercept, "sigmoid" if weights.shape[1] == 1 else "softmax")
        return _form(weights, intercept, "exp" if name in EXPONENTIAL and not _straight(estimator) else "identity")


def _line(member: Any) -> tuple[np.ndarray, float]:
    """Weights and intercept of the log-odds of class 1, of a model of two classes."""
    inner = getattr(member, "model_", member)
    return np.ravel(inner.coef_).astype(np.float64), float(np.ravel(inner.intercept_)[0])


def _straight(estimator: Any) -> bool:
    """Whether a TweedieRegressor answers without a logarithm: by its link, which follows its power when not given."""
    link = getattr(estimator, "link", "log")
    return bool(link == "identity" or (link == "auto" and estimator.power <= 0))


def _dummy_reason(estimator: Any) -> str | None:
    if estimator.strategy in ("stratified", "uniform"):
        return f"DummyClassifier(strategy={estimator.strategy!r}) answers at random"
    return "it predicts more than one target" if estimator.n_outputs_ != 1 else None


def _constant(estimator: Any) -> np.ndarray:
    """What a dummy answers to every row: probabilities, or one number."""
    if type(estimator).__name__ == "DummyRegressor":
        return np.ravel(estimator.constant_).astype(np.float64)
    probabilities: np.ndarray = np.asarray(estimator.predict_proba(np.zeros((1, 1))), dtype=np.float64)[0]
    return probabilities


def _form(weights: np.ndarray, intercept: np.ndarray, link: Any) -> bytes:
    rows = tuple(tuple(row) for row in weights.tolist())
    return LinearForm(weights=rows, intercept=tuple(intercept.tolist()), link=link).to_json()
