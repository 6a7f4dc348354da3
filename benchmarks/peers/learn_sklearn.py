"""scikit-learn's default learners: the one that cross-validates best on the rows to learn from, fitted on all of them.

    python learn_sklearn.py FOLDER SECONDS SEED

SECONDS is not kept: every default is tried once. Writes answers.npy, prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from cost import by_cpu, cost
from learn_tables import read
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

FOLDS = 5


def defaults(task: str, seed: int) -> dict[str, Any]:
    """Learners with no setting but their seed. SVC tells no probabilities by itself: wrapped as its page says."""
    if task == "regression":
        return {
            "linear": LinearRegression(), "ridge": Ridge(), "lasso": Lasso(), "neighbours": KNeighborsRegressor(),
            "svr": SVR(), "tree": DecisionTreeRegressor(random_state=seed), "mlp": MLPRegressor(random_state=seed),
            "random_forest": RandomForestRegressor(random_state=seed),
            "extra_trees": ExtraTreesRegressor(random_state=seed),
            "gradient_boosting": GradientBoostingRegressor(random_state=seed),
            "hist_gradient_boosting": HistGradientBoostingRegressor(random_state=seed),
        }  # fmt: skip
    return {
        "logistic": LogisticRegression(), "naive_bayes": GaussianNB(), "neighbours": KNeighborsClassifier(),
        "svc": CalibratedClassifierCV(SVC(random_state=seed), ensemble=False),
        "tree": DecisionTreeClassifier(random_state=seed), "mlp": MLPClassifier(random_state=seed),
        "random_forest": RandomForestClassifier(random_state=seed),
        "extra_trees": ExtraTreesClassifier(random_state=seed),
        "gradient_boosting": GradientBoostingClassifier(random_state=seed),
        "hist_gradient_boosting": HistGradientBoostingClassifier(random_state=seed),
    }  # fmt: skip


def prepared(estimator: Any, meta: dict[str, Any]) -> Any:
    """As the user guide prepares mixed columns: medians and scales for numbers, one-hot for categories."""
    cells = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), meta["numbers"]),
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), meta["categories"]),
        ]
    )
    return make_pipeline(cells, estimator)


def main() -> None:
    by_cpu()
    folder, seed = Path(sys.argv[1]), int(sys.argv[3])
    warnings.simplefilter("ignore")
    meta, learn, truth, judge = read(folder)
    started = time.perf_counter()
    classifies = meta["task"] == "classification"
    folds = (
        TimeSeriesSplit(FOLDS)
        if meta["ordered"]
        else (StratifiedKFold if classifies else KFold)(FOLDS, shuffle=True, random_state=seed)
    )
    scoring = "neg_log_loss" if classifies else "neg_mean_absolute_error"
    scores = {}
    for name, estimator in defaults(meta["task"], seed).items():
        found = cross_val_score(prepared(estimator, meta), learn, truth, cv=folds, scoring=scoring)
        scores[name] = float(-found.mean())
    best = min(scores, key=scores.__getitem__)
    model = prepared(defaults(meta["task"], seed)[best], meta).fit(learn, truth)
    seconds = time.perf_counter() - started
    if classifies:
        place = [list(model.classes_).index(label) for label in meta["classes"]]
        answers = model.predict_proba(judge)[:, place]
    else:
        answers = model.predict(judge).reshape(-1, 1)
    np.save(folder / "answers.npy", np.asarray(answers, dtype=np.float64))
    said = {"chosen": best, "seconds": round(seconds, 2), "scores": {n: round(v, 5) for n, v in scores.items()}}
    print(json.dumps(said | cost()))


if __name__ == "__main__":
    main()
