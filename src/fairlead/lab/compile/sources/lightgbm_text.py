"""Models that LightGBM saved as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import MissingExtra, UsageError
from fairlead.lab.compile.sources.opening import Hints, Opened, first_bytes

if TYPE_CHECKING:
    import pandas as pd


class LightGBMText:
    """Port `source`."""

    def takes(self, where: str) -> bool:
        """See Source."""
        return first_bytes(where, 64).startswith((b"tree\n", b"tree\r\n"))

    def open(self, where: str, sample: pd.DataFrame, hints: Hints) -> Opened:
        """See Source. The file is data: nothing in it runs."""
        try:
            import lightgbm
        except ModuleNotFoundError as missing:
            raise MissingExtra("lightgbm", "boosting") from missing
        booster = lightgbm.Booster(model_file=where)
        return Opened(of_booster(booster, sample), f"read by LightGBM {lightgbm.__version__} as a booster")


class LGBMRegressor:
    """A booster as sklearn would have it. names: columns of a frame, in the booster's order."""

    def __init__(self, booster: Any, names: list[str]) -> None:
        self.booster_ = booster
        self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = len(names)

    def predict(self, frame: Any) -> Any:
        """Numbers, shape (n,)."""
        return self.booster_.predict(frame[list(self.feature_names_in_)].to_numpy(dtype=np.float64))


class LGBMClassifier(LGBMRegressor):
    """A booster of classes, which it knows by number alone."""

    def __init__(self, booster: Any, names: list[str]) -> None:
        super().__init__(booster, names)
        self.classes_ = np.arange(max(2, booster.num_model_per_iteration()))

    def predict_proba(self, frame: Any) -> Any:
        """Probabilities, shape (n, classes)."""
        said = np.asarray(super().predict(frame))
        return np.column_stack((1.0 - said, said)) if said.ndim == 1 else said

    def predict(self, frame: Any) -> Any:
        """Classes, shape (n,)."""
        return self.classes_[self.predict_proba(frame).argmax(axis=1)]


def of_booster(booster: Any, sample: pd.DataFrame) -> LGBMRegressor:
    """The estimator with the booster's objective. Raises UsageError if the sample lacks its columns."""
    objective = str(booster.dump_model(num_iteration=1).get("objective", ""))
    kind = LGBMClassifier if objective.startswith(("binary", "multiclass")) else LGBMRegressor
    return kind(booster, _names(booster.feature_name(), [str(name) for name in sample.columns]))


def _names(known: list[str], there: list[str]) -> list[str]:
    """The sample's columns that the booster's features are: LightGBM writes blanks in names as underscores."""
    if known == [f"Column_{at}" for at in range(len(known))] and not set(known) & set(there):
        if len(there) < len(known):
            raise UsageError(f"the model takes {len(known)} columns without names, the sample has {len(there)}.")
        return there[: len(known)]
    written = {"_".join(name.split()): name for name in there}
    if absent := [name for name in known if name not in written]:
        raise UsageError(f"the sample lacks columns that the model was fitted on: {', '.join(absent)}.")
    return [written[name] for name in known]
