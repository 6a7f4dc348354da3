"""Models that hold rows they were trained on: who has the bundle has those rows, and it must say so."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.evidence import Lineage
from fairlead.lab.compile.walk import unwrapped

HOLDERS = (
    "KNeighborsClassifier", "KNeighborsRegressor", "RadiusNeighborsClassifier", "RadiusNeighborsRegressor",
    "LocalOutlierFactor", "OneClassSVM", "SVC", "NuSVC", "SVR", "NuSVR", "KernelRidge", "GaussianProcessClassifier",
    "GaussianProcessRegressor", "LabelPropagation", "LabelSpreading", "KNNImputer",
    "NeighbourClassifier", "NeighbourRegressor", "OutlierNeighbours",
)  # fmt: skip
"""Estimators that answer from rows they keep, whole (neighbours) or in part (support vectors)."""
INNER = (
    "machines_", "machine_", "estimators_", "estimator_", "calibrated_classifiers_", "estimator", "final_estimator_",
    "best_estimator_", "members_", "native_inner", "regressor_", "base_estimator_",
)  # fmt: skip
DEEPEST, MOST = 8, 2000


def holds_training_rows(estimator: Any) -> bool:
    """Whether a fitted estimator, or any part of it, answers from rows that it was trained on.

    A linear support vector regression is compiled to one weight a feature and holds none.
    """
    found = 0

    def look(part: Any, depth: int) -> bool:
        nonlocal found
        found += 1
        if depth > DEEPEST or found > MOST or isinstance(part, str | int | float):
            return False
        part = unwrapped(part)
        straight = type(part).__name__ == "SVR" and part.kernel == "linear"
        if type(part).__name__ in HOLDERS and not straight:
            return True
        return any(look(inner, depth + 1) for inner in _inner(part))

    return look(estimator, 0)


def _inner(part: Any) -> list[Any]:
    if isinstance(part, list | tuple):
        return list(part)
    parts = [inner for _, inner in getattr(part, "steps", None) or ()]
    parts += [entry[1] for entry in getattr(part, "transformers_", None) or ()]
    for name in INNER:
        inner = part.__dict__.get(name) if hasattr(part, "__dict__") else None
        if inner is not None:
            parts += list(inner.ravel()) if hasattr(inner, "ravel") else [inner]
    return parts


def stated(lineage: Lineage, estimator: Any) -> Lineage:
    """The lineage, saying whether the model contains training rows."""
    return msgspec.structs.replace(lineage, contains_training_rows=holds_training_rows(estimator))
