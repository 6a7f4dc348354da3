"""Models that XGBoost saved, as JSON or UBJ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import MissingExtra
from fairlead.lab.compile.sources.opening import Hints, Opened, first_bytes

if TYPE_CHECKING:
    import pandas as pd

CLASSIFIES = ("binary:", "multi:")


class XGBoostFile:
    """Port `source`."""

    def takes(self, where: str) -> bool:
        """See Source."""
        start = first_bytes(where)
        return Path(where).suffix in (".json", ".ubj", ".ubjson", ".xgb") and start[:1] == b"{" and b"learner" in start

    def open(self, where: str, sample: pd.DataFrame, hints: Hints) -> Opened:
        """See Source. The file is data: nothing in it runs."""
        try:
            import xgboost
        except ModuleNotFoundError as missing:
            raise MissingExtra("xgboost", "boosting") from missing
        booster = xgboost.Booster(model_file=where)
        return Opened(of_booster(booster), f"read by XGBoost {xgboost.__version__} as a booster")


def of_booster(booster: Any) -> Any:
    """A booster as the estimator that has its objective."""
    import xgboost

    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    kind = xgboost.XGBClassifier if objective.startswith(CLASSIFIES) else xgboost.XGBRegressor
    model = kind(n_jobs=1)
    model.load_model(booster.save_raw("ubj"))
    return model
