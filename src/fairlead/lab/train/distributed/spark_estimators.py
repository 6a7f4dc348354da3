"""Models that Spark ML fits, as scikit-learn would have them: fitted by executors, answering here by numpy alone.

What a fit leaves is numbers (trees, weights): no session, no object of the JVM. Every fit asks Spark for its own
answers to a few of the rows and is refused where ours are others; `apart_` says by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from fairlead.contract.errors import RemoteError
from fairlead.lab.compile.stated_models import Line
from fairlead.lab.compile.tree_sums import TreeSum
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.distributed.answering import of_line, of_trees
from fairlead.lab.train.distributed.sessions import current
from fairlead.lab.train.distributed.spark_rows import AIM, FEATURES, WEIGHT, spark_rows, spark_stored

COMPARED = 256
"""Rows on which every fit is compared with Spark's own answers."""
CLOSE = 1e-9


class _OfSpark(BaseEstimator):  # type: ignore[misc]
    """parameters: of Spark's estimator, by its own names. stated_: the fitted model as numbers."""

    def __init__(self, kind: str = "", parameters: dict[str, Any] | None = None) -> None:
        self.kind, self.parameters = kind, parameters

    def _fitted(self, rows: Any, compared: Floats, total: float, spread: float) -> Self:
        """rows: a table of Spark; compared: (few, f) of them; total: of all weights; spread: of the truth."""
        from fairlead.lab.train.distributed.spark_kinds import KINDS

        session = current()
        kind = KINDS[self.kind]
        names = {"featuresCol": FEATURES, "labelCol": AIM, "weightCol": WEIGHT}
        estimator = kind.estimator(dict(self.parameters or {}), total, spread, self._classes)
        self.n_features_in_ = compared.shape[1]
        model = estimator.copy({getattr(estimator, name): value for name, value in names.items()}).fit(rows)
        self.stated_: TreeSum | Line = kind.read(session, model, self._classes)
        self.apart_ = self._apart(session, model, compared)
        return self

    @property
    def _classes(self) -> int:
        return len(getattr(self, "classes_", ()))

    def _apart(self, session: Any, model: Any, compared: Floats) -> float:
        """The largest difference from Spark's own answers, as a share of the larger of 1 and those."""
        rows = model.transform(spark_rows(session, compared, np.zeros(len(compared)), None))
        column = "probability" if self._classes else "prediction"
        told = np.array([np.ravel(_plain(row[column])) for row in rows.select(column).collect()], dtype=np.float64)
        apart = float((np.abs(self._scores(compared) - told) / np.maximum(1.0, np.abs(told))).max(initial=0.0))
        if apart > CLOSE:
            raise RemoteError(f"what was read of Spark's model answers otherwise than Spark, by up to {apart:.2g}.")
        return apart

    def _scores(self, features: Any) -> Floats:
        stated = self.stated_
        return of_line(stated, features) if isinstance(stated, Line) else of_trees(stated, features)

    def fit_stored(self, stream: Any, classes: Sequence[str]) -> Self:
        """As `fit`, on rows of `out_of_core.stored.Stored`, whose truth is positions in `classes` or numbers."""
        if classes:
            self.classes_ = np.array(list(classes))
        weights = stream.weights()
        spread = 1.0 if classes else _spread(stream.truths(), weights)
        with spark_stored(current(), stream) as rows:
            total = float(stream.rows) if weights is None else float(weights.sum())
            return self._fitted(rows, stream.read(0, min(COMPARED, stream.rows)).features, total, spread)


def _plain(value: Any) -> Any:
    return value.toArray() if hasattr(value, "toArray") else [value]


def _spread(truth: Floats, weights: Floats | None) -> float:
    """Standard deviation of the truth as Spark has it: of a sample, weighted."""
    own = np.ones(len(truth)) if weights is None else np.asarray(weights)
    mean = float(np.average(truth, weights=own))
    # Unbiased, for weights that say how sure a row is.
    free = float(own.sum() - np.square(own).sum() / own.sum())
    return float(np.sqrt((own * (truth - mean) ** 2).sum() / free)) or 1.0 if free > 0.0 else 1.0


class _Stated:
    """What an emitter asks for, by what the model is: `tree_sum` or `line`."""

    stated_: Any

    def __getattr__(self, name: str) -> Any:
        stated = self.__dict__.get("stated_")
        if (name == "tree_sum" and isinstance(stated, TreeSum)) or (name == "line" and isinstance(stated, Line)):
            return lambda: stated
        raise AttributeError(name)


class SparkClassifier(_Stated, ClassifierMixin, _OfSpark):  # type: ignore[misc]
    """Classes, of which Spark is told positions. classes_: their labels."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """features: (n, f), finite; truth: (n,) labels; sample_weight: (n,) or None. Raises InputInvalid, RemoteError,
        MissingExtra.
        """
        self.classes_, codes = np.unique(np.asarray(truth), return_inverse=True)
        x = np.ascontiguousarray(features, dtype=np.float64)
        total = float(len(x)) if sample_weight is None else float(np.sum(sample_weight))
        rows = spark_rows(current(), x, codes.astype(np.float64), sample_weight)
        return self._fitted(rows, x[:COMPARED], total, 1.0)

    def predict_proba(self, features: Any) -> Floats:
        """Probabilities, (n, classes)."""
        return self._scores(features)

    def predict(self, features: Any) -> Any:
        """Labels, (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]


class SparkRegressor(_Stated, RegressorMixin, _OfSpark):  # type: ignore[misc]
    """A number."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """features: (n, f), finite; truth: (n,); sample_weight: (n,) or None. Raises InputInvalid, RemoteError,
        MissingExtra.
        """
        x, y = np.ascontiguousarray(features, dtype=np.float64), np.asarray(truth, dtype=np.float64)
        total = float(len(x)) if sample_weight is None else float(np.sum(sample_weight))
        return self._fitted(spark_rows(current(), x, y, sample_weight), x[:COMPARED], total, _spread(y, sample_weight))

    def predict(self, features: Any) -> Floats:
        """Numbers, (n,)."""
        return self._scores(features)[:, 0]
