"""A window of a ranking: which rows were put in order together, and how well that was done."""

from __future__ import annotations

from typing import Any

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


def ranking_columns(signature: Signature) -> tuple[str, ...]:
    """Group and item of a ranking, as far as they are passed through and no feature."""
    return tuple(n for n in (signature.group, signature.item) if n is not None and n not in signature.names)


def passed_cells(view: View, name: str, rows: np.ndarray) -> np.ndarray | None:
    """A pass-through column of some rows as text, hashed where it is redacted; None where none was captured."""
    column = names.PASSED_IN + name
    if column not in view.table.column_names:
        return None
    cells: list[str | None] = view.table.column(column).to_pylist()
    return np.array([cells[row] for row in rows], dtype=object)


def cells_as_text(series: Any) -> np.ndarray:
    """A column of a training table as records know it, (n,): text, None where missing."""
    import pandas as pd

    from fairlead.lab.stats import label_text

    codes, values = pd.factorize(np.asarray(series, dtype=object), use_na_sentinel=True)
    return np.array([*(label_text(v) for v in values), None], dtype=object)[codes]


def groups_of(view: View, rows: np.ndarray) -> np.ndarray | None:
    """The group of each of some rows, as captured; None of a model that ranks nothing, and where none was told."""
    group = view.signature.group
    return None if group is None else passed_cells(view, group, rows)


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
