"""Learning so that groups are treated more alike: `[train] mitigate`.

Reweighing is what can be sealed and served: the model is fitted with other weights and is otherwise as any other. It
never sees the sensitive columns, neither in training (unless they are features) nor when it answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.lab.stats.measures import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

FEWEST_ROWS = 10
"""A group of fewer rows of one class would let single rows weigh as much as many others; it keeps its weights."""


def groups_for(source: pd.DataFrame, settings: Settings) -> Ints | None:
    """The group of each row (n,) by all sensitive columns together; None where the project mitigates nothing.

    Rare groups stay apart, a missing value is a group. Numbers of more than 12 values are cut in quarters.
    Raises ConfigInvalid where the rows lack a sensitive column.
    """
    if settings.train.mitigate != "reweighing":
        return None
    import pandas as pd

    codes = np.zeros(len(source), dtype=np.int64)
    for column in settings.model.sensitive:
        if column not in source.columns:
            raise ConfigInvalid(
                f"reweighing needs the sensitive column {column!r} in the rows that are learned from.",
                file="fairlead.toml", key="train.mitigate", cure="Bring it, or take mitigate out.",
            )  # fmt: skip
        cells = source[column]
        if pd.api.types.is_numeric_dtype(cells) and cells.nunique() > 12:
            cells = pd.qcut(cells, 4, duplicates="drop")
        own, _ = pd.factorize(cells.astype(object).where(cells.notna(), "missing").astype(str))
        codes = np.unique(codes * (int(own.max()) + 1) + own, return_inverse=True)[1].reshape(-1)
    return codes.astype(np.int64)


def reweighed(truth: np.ndarray, groups: Ints, weights: Floats | None = None) -> Floats:
    """Weights (n,) that make class and group independent: P(group) P(class) / P(group and class), times `weights`.

    truth: classes (n,); groups: codes (n,). Each class and each group keeps its whole weight.
    Source: Kamiran and Calders, Data preprocessing techniques for classification without discrimination (2012).
    """
    own = np.ones(len(truth)) if weights is None else weights
    _, classes = np.unique(truth.astype(str), return_inverse=True)
    _, members = np.unique(groups, return_inverse=True)
    k, g = int(classes.max()) + 1, int(members.max()) + 1
    cell = members * k + classes
    both = np.bincount(cell, weights=own, minlength=g * k).reshape(g, k)
    rows = np.bincount(cell, minlength=g * k).reshape(g, k)
    wanted = both.sum(axis=1, keepdims=True) * both.sum(axis=0, keepdims=True) / both.sum()
    factor = np.where(rows >= FEWEST_ROWS, wanted / np.maximum(both, 1e-300), 1.0)
    found: Floats = own * factor.reshape(-1)[cell]
    return found
