"""A model's answers as numbers that plots and imitations can follow, and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.runtime.bundle import Model

MOST = 6
"""Outputs that are followed at most."""


def followed(model: Model) -> tuple[tuple[str, ...], list[int]]:
    """(names, positions among the outputs): of two classes the positive one, else all, at most 6."""
    signature = model.signature
    if signature.task == "classification" and len(signature.classes) == 2:
        at = 1 if signature.positive is None else signature.classes.index(signature.positive)
        return (signature.classes[at],), [at]
    return signature.outputs[:MOST], list(range(min(MOST, len(signature.outputs))))


def answers(model: Model, columns: Mapping[str, Any], places: list[int]) -> np.ndarray:
    """Scores, shape (n, followed)."""
    return np.asarray(model.score_columns(dict(columns)), dtype=np.float64)[:, places]


def unit(model: Model) -> str:
    """What such a number is."""
    return {"classification": "probability", "clustering": "membership", "anomaly": "score"}.get(
        model.signature.task, "value"
    )
