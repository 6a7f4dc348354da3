"""Estimators of scikit-learn that were fitted on a matrix, of which some columns are the elements of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


class OverElements:
    """A fitted estimator that knows no names, as one that takes columns, tensors among them.

    Columns come in their order side by side, a tensor as its elements row-major, in double precision. native_inner:
    the estimator itself.
    """

    def __init__(self, inner: Any, names: tuple[str, ...]) -> None:
        self.native_inner = inner
        self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = inner.n_features_in_
        if hasattr(inner, "classes_"):
            self.classes_ = inner.classes_
        if hasattr(inner, "predict_proba"):
            self.predict_proba = self._probabilities

    def __sklearn_tags__(self) -> Any:
        return self.native_inner.__sklearn_tags__()

    @property
    def steps(self) -> Any:
        """Of a pipeline."""
        return getattr(self.native_inner, "steps", [("", self.native_inner)])

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """What the estimator was fitted on, shape (n, features)."""
        from fairlead.lab.tables.tensors import together

        parts = []
        for name in self.feature_names_in_:
            found = together(frame[name])
            parts.append((frame[name].to_numpy() if found is None else found).reshape(len(frame), -1))
        return np.concatenate(parts, axis=1, dtype=np.float64)

    def predict(self, frame: pd.DataFrame) -> Any:
        """Labels or numbers, shape (n,)."""
        return self.native_inner.predict(self.matrix(frame))

    def _probabilities(self, frame: pd.DataFrame) -> Any:
        return self.native_inner.predict_proba(self.matrix(frame))


def over_elements(estimator: Any, sample: pd.DataFrame, apart: set[str]) -> Any:
    """The estimator as it is, or as one that takes the sample's tensors. apart: columns that are no features.

    Raises UsageError where the sample's tensors are not what it was fitted on.
    """
    from fairlead.lab.tables.tensors import column_of
    from fairlead.runtime.bundle.tensor_cells import size

    fitted_on = getattr(estimator, "n_features_in_", None)
    if fitted_on is None or getattr(estimator, "feature_names_in_", None) is not None:
        return estimator
    names = tuple(str(name) for name in sample.columns if str(name) not in apart)
    tensors = {name: column for name in names if (column := column_of(name, sample[name])) is not None}
    wide = sum(size(tensors[name]) if name in tensors else 1 for name in names)
    if tensors and wide != fitted_on:
        shapes = ", ".join(f"{name} {list(column.shape)}" for name, column in tensors.items())
        raise UsageError(
            f"the model was fitted on {fitted_on} features; the sample has {wide}, the elements of {shapes} among them."
        )
    return OverElements(estimator, names) if tensors else estimator
