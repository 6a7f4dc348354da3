"""Numbers that their own kind of row never has: out-of-fold residuals against their conditional spread."""

from __future__ import annotations

import numpy as np

FAR = 6.0
_MAD = 1.4826


def residual_suspects(
    truth: np.ndarray, answers: np.ndarray, features: np.ndarray, fold: np.ndarray, far: float = FAR
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of rows whose residual is more than `far` conditional deviations, the furthest first; and how far.

    truth, answers: (rows,), the latter out of fold; features: (rows, k) as the learner had them; fold: (rows,) which
    fold judged a row. The deviation of a row is 1.4826 times the median absolute residual of rows like it, by boosted
    trees under the absolute loss (which estimate conditional medians), learned in other folds and drawn to at least
    half of the overall one. Of normal residuals 2 in a billion rows lie beyond 6, of heavy tails (t with 3 degrees)
    about 1 in 200.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    from fairlead.lab.stats import few_threads

    missed = np.abs(truth - answers)
    overall = float(np.median(missed))
    spread = np.full(len(truth), overall)
    for f in np.unique(fold):
        learn, judge = fold != f, fold == f
        model = HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=60, min_samples_leaf=50, early_stopping=False, random_state=0
        )
        with few_threads(int(learn.sum())):
            spread[judge] = model.fit(features[learn], missed[learn]).predict(features[judge])
    floor = max(overall / 2, float(missed.max()) * 1e-9, 1e-12)
    away = missed / (_MAD * np.maximum(spread, floor))
    chosen = np.flatnonzero(away > far)
    order = np.argsort(-away[chosen], kind="stable")
    return chosen[order], away[chosen[order]]
