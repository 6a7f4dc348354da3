"""Boosters that go on: further trees after those of the older model, which stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.lab.train.out_of_core.lightgbm import StreamedLightGBM
from fairlead.lab.train.out_of_core.xgboost import StreamedXGBoost

ROUNDS = (10, 30, 100)
"""Further rounds that are tried."""


class WarmXGBoost:
    """Port `warm`: of XGBoost's models (its `xgb_model`)."""

    name = "xgboost"

    def artefact(self, estimator: Any) -> bytes | None:
        """See WarmStarted: the booster in XGBoost's own JSON, without pickle."""
        own = getattr(estimator, "booster_", estimator)
        return bytes(own.get_booster().save_raw("json"))

    def tries(self, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """See WarmStarted."""
        return [{**parameters, "n_estimators": rounds} for rounds in ROUNDS]

    def fit(self, estimator: Any, sealed: bytes, stream: Any, classes: Sequence[str]) -> Any:
        """See WarmStarted."""
        way = StreamedXGBoost()
        way.start = sealed
        return way.fit(estimator, stream, classes)


class WarmLightGBM:
    """Port `warm`: of LightGBM's models (its `init_model`)."""

    name = "lightgbm"

    def artefact(self, estimator: Any) -> bytes | None:
        """See WarmStarted: the booster as LightGBM's text."""
        return str(estimator.booster_.model_to_string()).encode()

    def tries(self, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """See WarmStarted."""
        return [{**parameters, "n_estimators": rounds} for rounds in ROUNDS]

    def fit(self, estimator: Any, sealed: bytes, stream: Any, classes: Sequence[str]) -> Any:
        """See WarmStarted."""
        way = StreamedLightGBM()
        way.start = sealed.decode()
        return way.fit(estimator, stream, classes)
