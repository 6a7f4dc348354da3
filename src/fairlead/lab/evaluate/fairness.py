"""Whether groups of people are treated alike: gaps with intervals that hold for all pairs of groups at once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from fairlead.contract.signature import Task
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.disparities import (
    SMALL_GROUP,
    Disparity,
    GroupRate,
    crossed,
    disparity,
    groups_of,
    measured,
    odds_disparity,
)
from fairlead.lab.stats.measures import Ints

__all__ = [
    "BINARY", "MEANING", "MULTICLASS", "REGRESSION", "SMALL_GROUP", "Disparity", "GroupRate", "disparities",
    "disparity", "groups_of", "measured", "measures_of", "names_of",
]  # fmt: skip

MOST_PAIRS = 10

MEANING: dict[str, str] = {
    "demographic_parity": "share decided positive",
    "equal_opportunity": "share found of those who are positive",
    "false_positive_rate": "share wrongly flagged of those who are not",
    "equalised_odds": "share found or share wrongly flagged",
    "predictive_parity": "share that is right of those flagged",
    "calibration": "mean probability less the share that happened",
    "accuracy": "share decided right",
    "mean_loss": "mean loss",
    "mean_error": "mean of predicted less true",
}
BINARY = (
    "demographic_parity", "equal_opportunity", "false_positive_rate", "equalised_odds", "predictive_parity",
    "calibration", "mean_loss",
)  # fmt: skip
MULTICLASS = ("accuracy", "mean_loss")
REGRESSION = ("mean_error", "mean_loss")


def measures_of(task: Task, classes: int) -> tuple[str, ...]:
    """The measures of fairness that a model of this kind is judged by."""
    if task == "regression":
        return REGRESSION
    if task != "classification":
        return ("mean_loss",)
    return BINARY if classes == 2 else MULTICLASS


def disparities(judged: Judged, sensitive: tuple[str, ...], seed: int) -> tuple[Disparity, ...]:
    """Each measure for each sensitive column that the rows have, and for each pair of them (at most 10 pairs)."""
    present = [column for column in sensitive if column in judged.source.columns]
    grouped: dict[str, tuple[list[str], Ints]] = {c: groups_of(judged.source[c]) for c in present}
    for first, second in list(combinations(present, 2))[:MOST_PAIRS]:
        grouped[f"{first} x {second}"] = crossed(grouped[first], grouped[second])
    parts = measured(judged.signature, judged.truth, judged.scores, judged.loss)
    found = []
    for column, (names, codes) in grouped.items():
        for measure in measures_of(judged.signature.task, len(judged.signature.classes)):
            if measure == "equalised_odds":
                found.append(odds_disparity(column, names, codes, parts, judged.block, seed))
            else:
                found.append(disparity(column, measure, names, codes, *parts[measure], block=judged.block, seed=seed))
    return tuple(found)


def names_of(found: Iterable[Disparity]) -> tuple[str, ...]:
    """The columns (and pairs of columns) compared, once each."""
    return tuple(dict.fromkeys(d.column for d in found))
