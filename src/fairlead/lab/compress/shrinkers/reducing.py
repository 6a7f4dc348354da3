"""Fewer of what a learner counts: the shares that are tried, and the least that is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHARES = (0.5, 0.25, 0.125, 0.0625)
ENSEMBLES = {
    "hist_gradient_boosting": "max_iter",
    "explainable_boosting": "max_iter",
    "random_forest": "n_estimators",
    "extra_trees": "n_estimators",
    "xgboost": "n_estimators",
    "lightgbm": "n_estimators",
}
"""How many trees each learner grows."""
FEWEST = {"max_iter": 10, "n_estimators": 5, "max_leaf_nodes": 4, "num_leaves": 4, "max_depth": 2}


def less(parameters: Mapping[str, Any], name: str | None, share: float) -> dict[str, Any] | None:
    """These parameters with a share of one; None where that would be no less, or too little."""
    now = None if name is None else parameters.get(name)
    if name is None or not isinstance(now, int):
        return None
    fewer = max(FEWEST[name], round(now * share))
    return {**parameters, name: fewer} if fewer < now else None
