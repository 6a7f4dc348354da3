"""Predictions that need no model: what every model must be compared with."""

from __future__ import annotations

import numpy as np

from fairlead.contract.signature import Task
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.stats.pinball import constant_quantile


def constant_scores(task: Task, truth: Floats | Ints, rows: int, classes: int, quantile: float = 0.0) -> Floats:
    """The same answer for every row: class shares ("most_frequent"), the mean or a quantile of `truth`: (rows, k).

    truth: class codes or numbers of the rows that the baseline may look at.
    """
    if task == "classification":
        shares = np.bincount(np.asarray(truth, dtype=np.int64), minlength=classes) / max(len(truth), 1)
        return np.tile(shares, (rows, 1))
    return np.full((rows, 1), constant_quantile(truth, quantile) if quantile else float(np.mean(truth)))


def last_value_scores(
    task: Task,
    known: Floats | Ints,
    truth: Floats | Ints,
    classes: int,
    *,
    first: Floats | Ints | None = None,
) -> Floats:
    """Each row answered from the truth of the row before it ("last_value"). Shape (len(truth), k).

    Rows are in time order; `known` is the truth before the first of them. A number is repeated; a class gives
    the shares with which, in `known`, each class followed it (one added to every count, so nothing is impossible).
    first: shape (1,), the truth before the first row where that is not the last of `known`.
    """
    previous = np.concatenate([known[-1:] if first is None else first, truth[:-1]])
    if task != "classification":
        return previous.astype(np.float64).reshape(-1, 1)
    follows = np.ones((classes, classes))
    before = np.asarray(known, dtype=np.int64)
    np.add.at(follows, (before[:-1], before[1:]), 1.0)
    table: Floats = follows / follows.sum(axis=1, keepdims=True)
    return table[np.asarray(previous, dtype=np.int64)]
