"""What estimators that learn without a truth are asked: memberships of clusters, and how strange a row is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract.signature import Task

Floats = npt.NDArray[np.float64]


def untaught_scores(estimator: Any, rows: Any, task: Task) -> Floats:
    """Scores, shape (n, outputs), of an estimator or a pipeline that ends with one.

    Anomaly: the negative of scikit-learn's `score_samples`, so that larger is stranger, (n, 1). Clustering:
    `predict_proba` where there is one, else 1 for the cluster that `predict` gives and 0 for the others.
    """
    if task == "anomaly":
        found: Floats = -np.asarray(estimator.score_samples(rows), dtype=np.float64).reshape(-1, 1)
        return found
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(rows), dtype=np.float64)
    chosen = np.asarray(estimator.predict(rows), dtype=np.int64)
    table = np.zeros((len(chosen), clusters_of(estimator)))
    table[np.arange(len(chosen)), chosen] = 1.0
    return table


def clusters_of(estimator: Any) -> int:
    """How many clusters an estimator, or a pipeline that ends with one, tells apart."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    centres = getattr(last, "cluster_centers_", None)
    return int(last.n_components if centres is None else len(centres))


def refusal(estimator: Any, task: Task, classes: tuple[str, ...]) -> str:
    """Why an estimator does not do the task, empty where it does."""
    kind = type(estimator).__name__
    if task == "anomaly":
        return "" if hasattr(estimator, "score_samples") else f"{kind} has no score_samples, so it scores no anomaly."
    if not hasattr(estimator, "predict"):
        return f"{kind} puts no new row into a cluster."
    if not hasattr(estimator, "cluster_centers_") and not hasattr(estimator, "predict_proba"):
        return f"{kind} has neither centres nor memberships, so it is no clustering that can be compiled."
    found = clusters_of(estimator)
    return "" if found == len(classes) else f"the estimator has {found} clusters, the signature {len(classes)}."
