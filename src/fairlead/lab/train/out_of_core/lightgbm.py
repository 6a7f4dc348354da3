"""LightGBM on every row: the features are binned as they are read, and only the bins stay in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairlead.lab.train.estimators.held_boosters import LGBMClassifier, LGBMRegressor
from fairlead.lab.train.learners.asking import library

NOT_THEIRS = ("n_estimators", "class_weight", "importance_type", "objective")
"""Parameters of the estimator that the library itself does not take."""


class StreamedLightGBM:
    """Port `streamed`: of LGBMClassifier and LGBMRegressor. Needs the extra `boosting`."""

    how = "LightGBM's sequences: every row, a byte a cell in memory"
    start: str | None = None
    """A booster to go on from, as LightGBM saves it."""

    def refuses(self, rows: int, width: int, outputs: int, memory: int) -> str | None:
        """See Streamed."""
        needed = rows * (width + 32 * max(1, outputs if outputs > 2 else 1))
        return f"LightGBM keeps {needed >> 20:,} MB of bins and gradients in memory" if needed > memory else None

    def fit(self, estimator: Any, stream: Any, classes: Sequence[str]) -> Any:
        """See Streamed."""
        lightgbm = library("lightgbm", "boosting")
        rules = {k: v for k, v in estimator.get_params().items() if v is not None and k not in NOT_THEIRS}
        rules["objective"] = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
        if len(classes) > 2:
            rules["num_class"] = len(classes)
        # A model to go on from is asked about the rows, which it takes as a matrix alone.
        features = stream.features if hasattr(stream, "features") else _sequence(lightgbm, stream)
        rows = lightgbm.Dataset(
            features, label=stream.truths(), weight=stream.weights(), params=rules,
        )  # fmt: skip
        before = None if self.start is None else lightgbm.Booster(model_str=self.start)
        booster = lightgbm.train(rules, rows, num_boost_round=estimator.n_estimators, init_model=before)
        return LGBMClassifier(booster, classes) if classes else LGBMRegressor(booster)


def _sequence(lightgbm: Any, stream: Any) -> Any:
    class Rows(lightgbm.Sequence):  # type: ignore[misc]
        """The rows by number, as LightGBM asks for them."""

        batch_size = stream.part_rows

        def __len__(self) -> int:
            return int(stream.rows)

        def __getitem__(self, at: Any) -> np.ndarray:
            if isinstance(at, slice):
                first, stop, _ = at.indices(len(self))
                return np.asarray(stream.read(first, stop - first).features)
            if isinstance(at, list | np.ndarray):
                return np.stack([self[int(one)] for one in at])
            return np.asarray(stream.read(int(at), 1).features[0])

    return Rows()
