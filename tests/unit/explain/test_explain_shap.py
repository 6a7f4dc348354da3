"""Attributions against those of the library shap, where its features are the source columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from explain_samples import NUMBERS, explainable, frame, prepared, truth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightgbm import LGBMRegressor
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from xgboost import XGBRegressor

shap = pytest.importorskip("shap", reason="shap is not installed: attributions are not compared with its")

NUMERIC = list(NUMBERS)


def fitted(estimator: Any, kind: str, seed: int, gaps: float = 0.0) -> tuple[Any, pd.DataFrame, np.ndarray]:
    rows = frame(120, seed, gaps)
    return prepared(estimator, texts=False).fit(rows[NUMERIC], truth(rows, kind)), rows[NUMERIC], truth(rows, kind)


def features(pipeline: Any, rows: pd.DataFrame) -> np.ndarray:
    return np.asarray(pipeline[:-1].transform(rows), dtype=np.float64)


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 1000), depth=st.integers(1, 6))
@pytest.mark.parametrize("family", ["gradient boosting", "hist", "forest", "xgboost", "lightgbm"])
def test_trees_agree_with_interventional_tree_explainer(family: str, seed: int, depth: int) -> None:
    estimator, kind = {
        "gradient boosting": (GradientBoostingRegressor(n_estimators=5, max_depth=depth), "number"),
        "hist": (HistGradientBoostingClassifier(max_iter=5, max_depth=depth, min_samples_leaf=5), "binary"),
        "forest": (RandomForestClassifier(5, max_depth=depth, random_state=seed), "binary"),
        "xgboost": (XGBRegressor(n_estimators=5, max_depth=depth, n_jobs=1), "number"),
        "lightgbm": (LGBMRegressor(n_estimators=5, max_depth=depth, verbose=-1, n_jobs=1), "number"),
    }[family]
    pipeline, rows, _ = fitted(estimator, kind, seed)
    background, fresh = frame(30, seed + 1, 0.0)[NUMERIC], frame(20, seed + 2, 0.0)[NUMERIC]
    ours = explainable(pipeline, rows, background).explain(fresh)
    theirs = shap.TreeExplainer(
        pipeline[-1], features(pipeline, background), feature_perturbation="interventional", model_output="raw"
    ).shap_values(features(pipeline, fresh), check_additivity=False)
    theirs = np.asarray(theirs)
    if theirs.ndim == 3:  # forests: (rows, features, classes)
        theirs = theirs[:, :, 1]
    # shap keeps splits of XGBoost and of scikit-learn's forests in single precision.
    tolerance = 1e-4 if family == "xgboost" else 1e-6
    np.testing.assert_allclose(ours.attributions[:, :, 0], theirs, atol=tolerance * max(1.0, np.abs(theirs).max()))


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_linear_models_agree_with_linear_explainer(seed: int) -> None:
    pipeline, rows, _ = fitted(LogisticRegression(), "binary", seed, gaps=0.1)
    background, fresh = frame(30, seed + 1)[NUMERIC], frame(20, seed + 2)[NUMERIC]
    ours = explainable(pipeline, rows, background).explain(fresh)
    masker = shap.maskers.Independent(features(pipeline, background), max_samples=100)
    theirs = shap.LinearExplainer(pipeline[-1], masker).shap_values(features(pipeline, fresh))
    np.testing.assert_allclose(ours.attributions[:, :, 0], theirs, atol=1e-9)
