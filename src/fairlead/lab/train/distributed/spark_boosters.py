"""XGBoost's trees, grown by executors that each hold a part of the rows and agree on every split (xgboost.spark).

The tasks of a fit run at the same time (Spark's barrier mode), one a slot; so its rows are dealt in as many parts as
there are slots, and the same rows on as many slots give the same trees.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.distributed.sessions import current
from fairlead.lab.train.distributed.spark_rows import AIM, FEATURES, WEIGHT, spark_rows, spark_stored
from fairlead.lab.train.distributed.spark_trials import slots_of


class _Shared(BaseEstimator):  # type: ignore[misc]
    """parameters: of XGBoost's own estimators. booster_: an XGBClassifier or XGBRegressor, as XGBoost fits them."""

    def __init__(self, parameters: dict[str, Any] | None = None) -> None:
        self.parameters = parameters

    def _grown(self, session: Any, rows: Any) -> Self:
        import xgboost
        from xgboost import spark

        classes = len(getattr(self, "classes_", ()))
        kind = spark.SparkXGBClassifier if classes else spark.SparkXGBRegressor
        with _quiet():
            model = kind(
                features_col=FEATURES, label_col=AIM, weight_col=WEIGHT, num_workers=slots_of(session),
                verbosity=0, verbose=False, **(self.parameters or {}),
            ).fit(rows)  # fmt: skip
        self.booster_ = xgboost.XGBClassifier() if classes else xgboost.XGBRegressor()
        self.booster_.load_model(bytearray(model.get_booster().save_raw("ubj")))
        self.booster_.set_params(n_jobs=1)
        self.n_features_in_ = int(self.booster_.n_features_in_)
        return self

    def fit_stored(self, stream: Any, classes: Sequence[str]) -> Self:
        """As `fit`, on rows of `out_of_core.stored.Stored`, whose truth is positions in `classes` or numbers."""
        session = _able(current())
        if classes:
            self.classes_ = np.array(list(classes))
        with spark_stored(session, stream) as rows:
            return self._grown(session, rows)


class SharedClassifier(ClassifierMixin, _Shared):  # type: ignore[misc]
    """Classes, of which XGBoost is told positions. classes_: their labels."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """features: (n, f), finite; truth: (n,) labels; sample_weight: (n,) or None.

        Raises InputInvalid, ConfigInvalid, MissingExtra.
        """
        self.classes_, codes = np.unique(np.asarray(truth), return_inverse=True)
        session = _able(current())
        return self._grown(session, spark_rows(session, features, codes.astype(np.float64), sample_weight))

    def predict_proba(self, features: Any) -> Floats:
        """Probabilities, (n, classes)."""
        return np.asarray(self.booster_.predict_proba(features))

    def predict(self, features: Any) -> Any:
        """Labels, (n,)."""
        return self.classes_[np.argmax(self.predict_proba(features), axis=1)]


class SharedRegressor(RegressorMixin, _Shared):  # type: ignore[misc]
    """A number."""

    def fit(self, features: Any, truth: Any, sample_weight: Any = None) -> Self:
        """features: (n, f), finite; truth: (n,); sample_weight: (n,) or None.

        Raises InputInvalid, ConfigInvalid, MissingExtra.
        """
        session = _able(current())
        return self._grown(session, spark_rows(session, features, truth, sample_weight))

    def predict(self, features: Any) -> Floats:
        """Numbers, (n,)."""
        return np.asarray(self.booster_.predict(features))


def _able(session: Any) -> Any:
    """Raises ConfigInvalid where a session has no barrier mode."""
    if "connect" in type(session).__module__:
        raise ConfigInvalid(
            "xgboost.spark runs tasks that wait for each other, which Spark Connect does not offer.",
            file="fairlead.toml", key="engine.connect", cure="Name a master, or take spark_boosting.",
        )  # fmt: skip
    return session


@contextmanager
def _quiet() -> Iterator[None]:
    """Its loggers write to stderr whatever the program's own do."""
    loggers = [logging.getLogger("XGBoost-PySpark")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
