"""The one preparation of ours: parts of times, as an sklearn transformer that compiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fairlead.runtime.bundle.calendar import PARTS, PERIOD
from fairlead.runtime.bundle.ops import Part, for_many


class TimeParts(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Parts of times (seconds since the epoch, UTC, or datetimes) as numbers; missing stays NaN.

    parts: of `runtime.bundle.calendar.PARTS`; `"hour:cyclic"` gives the sine and the cosine of
    the hour on its circle. Per input column, outputs come in the order of `parts`.
    """

    def __init__(self, parts: tuple[str, ...] = ("month", "weekday", "hour", "epoch_day")) -> None:
        self.parts = parts

    def forms(self) -> list[tuple[str, str]]:
        """(part, "" | "sin" | "cos") of each output. Raises ValueError for a part that does not exist."""
        found: list[tuple[str, str]] = []
        for name in self.parts:
            part, _, cyclic = name.partition(":")
            if part not in PARTS or cyclic not in ("", "cyclic") or (cyclic and part not in PERIOD):
                raise ValueError(f"unknown part of a time: {name!r}. Known: {', '.join(PARTS)}; with :cyclic: "
                                 f"{', '.join(PERIOD)}.")  # fmt: skip
            found += [(part, "sin"), (part, "cos")] if cyclic else [(part, "")]
        return found

    def fit(self, X: Any, y: Any = None) -> TimeParts:
        """Nothing is learned but the columns."""
        self.forms()
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Parts, shape (rows, columns x outputs), float64."""
        check_is_fitted(self, "n_features_in_")
        outputs = []
        for at in range(np.shape(X)[1]):
            seconds = _seconds(X.iloc[:, at] if hasattr(X, "iloc") else np.asarray(X)[:, at])
            outputs += [for_many(Part(part, cyclic), seconds) for part, cyclic in self.forms()]
        return np.column_stack(outputs) if outputs else np.empty((np.shape(X)[0], 0))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """`<column>_<part>`, with `_sin` or `_cos`."""
        names = getattr(self, "feature_names_in_", input_features)
        if names is None:
            names = [f"x{at}" for at in range(self.n_features_in_)]
        forms = ["_".join(filter(None, form)) for form in self.forms()]
        return np.array([f"{name}_{form}" for name in names for form in forms], dtype=object)


def _seconds(values: Any) -> np.ndarray:
    if getattr(getattr(values, "dtype", None), "kind", "") == "M":
        naive = values.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(values.dtype, "tz", None) else values
        stamps = np.asarray(naive, dtype="datetime64[us]")
        return np.where(np.isnat(stamps), math.nan, stamps.astype(np.int64) / 1e6)
    return np.asarray(values, dtype=np.float64)
