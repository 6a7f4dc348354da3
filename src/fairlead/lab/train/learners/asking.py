"""What several learners ask of their libraries: that they are there, and constraints under their names for them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from fairlead.contract.errors import MissingExtra


def library(name: str, extra: str) -> Any:
    """The module `name`. Raises MissingExtra with the install line where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name and missing.name.split(".")[0] == name.split(".")[0]:
            raise MissingExtra(name, extra) from missing
        raise


def constrained_trees(estimator: Any, signs: Sequence[int]) -> Any:
    """The unfitted trees of scikit-learn, their answer monotone in features with sign 1 (up) or -1 (down)."""
    return estimator.set_params(monotonic_cst=list(signs))
