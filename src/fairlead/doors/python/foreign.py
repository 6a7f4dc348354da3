"""Models trained elsewhere, on their way to a bundle: opened, made candidates, and said why in which form."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.ops.flow import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.compile import Candidate
    from fairlead.runtime.bundle import Model

FORMS = {
    "linear": "a linear model is one matrix product, in double precision",
    "trees": "trees of scikit-learn are reproduced split by split, in double precision",
    "xgboost": "trees of XGBoost are reproduced split by split, in its own single precision",
    "lightgbm": "trees of LightGBM are reproduced split by split, in double precision",
    "network": "a small network is a few matrix products, in double precision",
    "onnx": "the ONNX graph runs as it is, in its own precision, all its operators being plain arithmetic",
}


def candidate_from(
    ws: Workspace, source: Any, frame: pd.DataFrame, *, trust: bool, target: str | None
) -> tuple[Candidate, str]:
    """The candidate, and what was done to open it. source: an estimator, a path, or an MLflow URI."""
    from fairlead.lab.compile.sources import Hints, Opened, open_source
    from fairlead.lab.train import candidate_of

    model = ws.settings.model
    truth = target or model.target
    labels = tuple(frame[truth].dropna().unique().tolist()) if truth in frame.columns else ()
    apart = {truth, target, model.id, *model.time_columns} - {None}
    features = frame.drop(columns=[name for name in apart if name in frame.columns])
    if isinstance(source, str | Path):
        hints = Hints(trust, model.task, labels if model.task == "classification" else (), registry_of(ws, source))
        opened = open_source(source, features, hints)
    else:
        opened = Opened(source, "took the estimator from memory")
    estimator = opened.estimator
    if model.trust == "native":
        estimator = _with_probabilities(estimator, labels)
    if getattr(estimator, "feature_names_in_", None) is None:
        # It knows no names, so all columns are its own but those that the project says are not.
        kept = [model.target] if model.target in frame.columns else []
        frame = frame[[*features.columns, *kept]]
    candidate = candidate_of(estimator, frame, ws.settings)
    return replace(candidate, artefact=opened.artefact), opened.said


def registry_of(ws: Workspace, source: str | Path) -> str:
    """Where a URI of MLflow is looked up: in the project's registry, else where the environment says, else at home."""
    from fairlead.lab.compile.sources.opening import URIS
    from fairlead.ops.registry import quiet

    quiet()
    if not str(source).startswith(URIS) or ("MLFLOW_TRACKING_URI" in os.environ and not ws.settings.registry.mlflow):
        return ""
    ws.registry.prepare()
    return ws.registry.uri


def _with_probabilities(estimator: Any, labels: tuple[Any, ...]) -> Any:
    """A classifier that gives labels alone, as one that is always certain."""
    from fairlead.lab.compile.sources.labels import Labelling

    classes = getattr(estimator, "classes_", None)
    if classes is None or hasattr(estimator, "predict_proba"):
        return estimator
    return Labelling(estimator, classes)


def why(parity: dict[str, Any]) -> str:
    """Why the bundle has its form, in a sentence or two."""
    passed = dict(parity["tried"])
    if parity["form"] == "native":
        return f"it runs its own code, in a process of its own, because: {passed.get('compiled', 'no form takes it')}"
    failed = [f"{form} was passed over: {reason}" for form, reason in passed.items() if "decisions flipped" in reason]
    return "; ".join([FORMS.get(parity["form"], f"the form {parity['form']} reproduces it"), *failed])


def metrics_of(model: Model, frame: pd.DataFrame, target: str) -> dict[str, float]:
    """Metrics of the sealed model on the sample's rows whose truth is known."""
    from fairlead.lab.stats import metrics
    from fairlead.lab.stats.measures import label_text
    from fairlead.lab.tables import columns_of

    signature = model.signature
    rows = frame[frame[target].notna()].reset_index(drop=True)
    scores = model.score_columns(columns_of(rows, signature, zone=signature.timezone, invalid="missing"))
    if signature.task != "classification":
        return metrics(signature.task, rows[target].to_numpy(dtype=np.float64), scores, signature)
    truth = np.array([label_text(v) for v in rows[target].tolist()], dtype=object)
    return metrics(signature.task, truth, scores, signature)
