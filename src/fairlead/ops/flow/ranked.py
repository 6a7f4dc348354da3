"""A window of a ranking: which rows were put in order together, and how well that was done."""

from __future__ import annotations

import numpy as np

from fairlead.contract import records as names
from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Signature
from fairlead.lab.stats.ranking import (
    gains_of,
    group_codes,
    group_measures,
    order_of,
    ranking_intervals,
    whole_codes,
)
from fairlead.ops.flow.view import View


def groups_of(view: View, rows: np.ndarray) -> np.ndarray | None:
    """The group of each of some rows, as captured; None of a model that ranks nothing, and where none was told."""
    group = view.signature.group
    column = None if group is None else names.PASSED_IN + group
    if column is None or column not in view.table.column_names:
        return None
    cells: list[str | None] = view.table.column(column).to_pylist()
    return np.array([cells[row] for row in rows], dtype=object)


def drawn_together(groups: np.ndarray | None) -> int | np.ndarray:
    """What intervals of such rows draw together: whole groups."""
    return 1 if groups is None or not len(groups) else whole_codes(group_codes(groups))


def order_intervals(
    groups: np.ndarray | None, truth: np.ndarray, scores: np.ndarray, signature: Signature, *, draws: int, seed: int
) -> dict[str, Interval]:
    """NDCG and the like of the groups in a window; empty without groups. Rows whose truth is unknown are not in it, so
    a group counts as far as its labels came.
    """
    if groups is None or not len(groups):
        return {}
    measures = group_measures(group_codes(groups), gains_of(truth, signature), order_of(scores, signature))
    return ranking_intervals(measures, draws=draws, seed=seed)
