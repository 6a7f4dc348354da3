"""Families of Spark ML that can be read out of it: how each is asked for, and what its fitted model is in numbers."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from fairlead.lab.compile.stated_models import Line
from fairlead.lab.compile.tree_sums import TreeSum
from fairlead.lab.train.distributed.spark_reading import trees_of


class Kind(Protocol):
    """One family. classes: how many, 0 of a regression."""

    def estimator(self, parameters: dict[str, Any], total: float, spread: float, classes: int) -> Any:
        """Spark's estimator, unfitted. total: of all weights; spread: standard deviation of a number."""

    def read(self, session: Any, model: Any, classes: int) -> TreeSum | Line:
        """The fitted model as numbers."""


class Forest(NamedTuple):
    """Bagged trees: the mean of shares of classes, or of numbers."""

    def estimator(self, parameters: dict[str, Any], total: float, spread: float, classes: int) -> Any:
        """See Kind."""
        from pyspark.ml.classification import RandomForestClassifier
        from pyspark.ml.regression import RandomForestRegressor

        return (RandomForestClassifier if classes else RandomForestRegressor)(**parameters)

    def read(self, session: Any, model: Any, classes: int) -> TreeSum | Line:
        """See Kind."""

        def leaf(node: dict[str, Any]) -> list[float]:
            if not classes:
                return [float(node["prediction"])]
            counts = np.asarray(node["impurityStats"], dtype=np.float64)
            shares = counts / (counts.sum() or 1.0)
            return [float(shares[1])] if classes == 2 else shares.tolist()

        trees = trees_of(session, model, leaf)
        targets = classes if classes > 2 else 1
        count = len(trees) // targets
        return TreeSum(trees, targets, np.zeros(targets), "second" if classes == 2 else "identity", count=count)


class Boosted(NamedTuple):
    """Gradient-boosted trees of two classes, or of a number (Friedman, Greedy function approximation, 2001)."""

    def estimator(self, parameters: dict[str, Any], total: float, spread: float, classes: int) -> Any:
        """See Kind. Raises ConfigInvalid for more than two classes."""
        from pyspark.ml.classification import GBTClassifier
        from pyspark.ml.regression import GBTRegressor

        from fairlead.contract.errors import ConfigInvalid

        if classes > 2:
            raise ConfigInvalid(
                f"Spark boosts trees for two classes or a number, and there are {classes} classes.",
                file="fairlead.toml", key="train.learners", cure="Take spark_xgboost or spark_forest.",
            )  # fmt: skip
        return (GBTClassifier if classes else GBTRegressor)(**parameters)

    def read(self, session: Any, model: Any, classes: int) -> TreeSum | Line:
        """See Kind."""
        from dataclasses import replace

        trees = trees_of(session, model, lambda node: [float(node["prediction"])])
        weighted = [replace(t, value=t.value * w) for t, w in zip(trees, model.treeWeights, strict=True)]
        return TreeSum(weighted, 1, np.zeros(1), "half" if classes else "identity")


class Logistic(NamedTuple):
    """Logistic regression. C: inverse of the shrinkage, as scikit-learn has it."""

    def estimator(self, parameters: dict[str, Any], total: float, spread: float, classes: int) -> Any:
        """See Kind."""
        from pyspark.ml.classification import LogisticRegression

        c = float(parameters.pop("C", 1.0))
        # Spark takes the mean of the losses where scikit-learn takes their sum.
        return LogisticRegression(
            regParam=1.0 / (c * total), elasticNetParam=0.0, standardization=False, maxIter=500, tol=1e-10,
            family="binomial" if classes == 2 else "multinomial", **parameters,
        )  # fmt: skip

    def read(self, session: Any, model: Any, classes: int) -> TreeSum | Line:
        """See Kind."""
        weights = np.asarray(model.coefficientMatrix.toArray(), dtype=np.float64).T
        return Line(weights, np.asarray(model.interceptVector.toArray()), "sigmoid" if classes == 2 else "softmax")


class Ridge(NamedTuple):
    """Least squares. alpha: the shrinkage, as scikit-learn has it."""

    def estimator(self, parameters: dict[str, Any], total: float, spread: float, classes: int) -> Any:
        """See Kind."""
        from pyspark.ml.regression import LinearRegression

        alpha = float(parameters.pop("alpha", 0.0))
        return LinearRegression(
            regParam=alpha * spread / total, elasticNetParam=0.0, standardization=False, solver="l-bfgs",
            maxIter=500, tol=1e-10, **parameters,
        )  # fmt: skip

    def read(self, session: Any, model: Any, classes: int) -> TreeSum | Line:
        """See Kind."""
        weights = np.asarray(model.coefficients.toArray(), dtype=np.float64)[:, None]
        return Line(weights, np.array([float(model.intercept)]), "identity")


KINDS: dict[str, Kind] = {"forest": Forest(), "boosting": Boosted(), "logistic": Logistic(), "linear": Ridge()}
