"""Can a model tell from which of two tables a row comes, and by which columns?"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np

from fairlead.lab.tables.quality.auc import auc
from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.watching import floats_of

ROWS = 10_000  # of each table
FOLDS = 3
FLOOR = 0.55  # an AUC below is no difference worth a word
_COLUMNS = 100
_TOP = 10


class Domain(msgspec.Struct, frozen=True):
    """Cross-validated AUC of a domain classifier with its 95 % interval.

    importance: how much AUC is lost when a column is shuffled among judged rows, the largest first. apart: the
    interval lies above 0.5 and the AUC is at least 0.55. rows: used of the first table.
    """

    value: float
    low: float
    high: float
    apart: bool
    importance: dict[str, float]
    rows: int
    other_rows: int


def told_apart(here: Look, there: Look, names: list[str], coded: dict[str, Any], seed: int = 0) -> Domain | None:
    """Boosted trees of fixed size on at most 10,000 rows of each, three folds. None for fewer than 30 rows of either.

    coded: of words, codes by frequency in both (`representing`). Each fold's AUC is judged by a model that saw none
    of its rows by DeLong; folds are averaged, their variance corrected for the rows they share. Of copies
    of one table the AUC is at most a half.
    """
    names = names[:_COLUMNS]
    random = np.random.default_rng([seed, 17])
    chosen = [_drawn(len(look.numbers), random) for look in (here, there)]
    if not names or min(map(len, chosen)) < 30:
        return None
    parts = []
    for side, (look, rows) in enumerate(zip((here, there), chosen, strict=True)):
        columns = [_floats(here, look, name, coded[name][side])[rows] for name in names]
        parts.append(np.stack(columns, axis=1))
    cells = np.concatenate(parts)
    truth = np.repeat([False, True], [len(p) for p in parts])
    fold = np.concatenate([random.permutation(len(p)) % FOLDS for p in parts])
    found, gains = [], np.zeros(len(names))
    for f in range(FOLDS):
        judge = fold == f
        model = _learnt(cells[~judge], truth[~judge])
        answered = model.predict_proba(cells[judge])[:, 1]
        found.append(auc(answered, truth[judge]))
        if found[-1].value > 0.5:
            gains += _gains(model, cells[judge], truth[judge], found[-1].value, random)
    value = float(np.mean([a.value for a in found]))
    # Folds learn from one another's rows, which their own variances know nothing of: without the correction the
    # interval misses twice as often as it says. Source: Nadeau and
    # Bengio, Inference for the generalization error (2003).
    variance = float(np.mean([a.se**2 for a in found])) * (1 / FOLDS + 1 / (FOLDS - 1))
    se = float(np.sqrt(variance))
    low, high = _logit_interval(value, se)
    order = np.argsort(-gains, kind="stable")[:_TOP]
    importance = {names[i]: round(float(gains[i]) / FOLDS, 4) for i in order}
    return Domain(value, low, high, low > 0.5 and value >= FLOOR, importance, len(parts[0]), len(parts[1]))


def _drawn(rows: int, random: np.random.Generator) -> np.ndarray:
    return np.sort(random.choice(rows, ROWS, replace=False)) if rows > ROWS else np.arange(rows)


def _floats(here: Look, look: Look, name: str, codes: np.ndarray) -> np.ndarray:
    kind = here.column(name).kind
    if kind in {"number", "integer", "time"}:
        return floats_of(look.sample.column(name), kind == "time")
    return codes.astype(np.float64)


def _learnt(cells: np.ndarray, truth: np.ndarray) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    from fairlead.lab.stats import few_threads

    model = HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=15, min_samples_leaf=20, early_stopping=False, random_state=0
    )
    with few_threads(len(truth)):
        return model.fit(cells, truth)


def _gains(model: Any, cells: np.ndarray, truth: np.ndarray, value: float, random: np.random.Generator) -> np.ndarray:
    """AUC lost by shuffling each column. Source: Breiman, Random forests (2001)."""
    lost = np.empty(cells.shape[1])
    for i in range(cells.shape[1]):
        shuffled = cells.copy()
        shuffled[:, i] = random.permutation(shuffled[:, i])
        lost[i] = value - auc(model.predict_proba(shuffled)[:, 1], truth).value
    return lost


def _logit_interval(value: float, se: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf(0.975)
    if not 0.0 < value < 1.0:
        return max(0.0, value - z * se), min(1.0, value + z * se)
    logit, width = np.log(value / (1 - value)), z * se / (value * (1 - value))
    return float(1 / (1 + np.exp(-(logit - width)))), float(1 / (1 + np.exp(-(logit + width))))
