"""Attributions against their definition: all coalitions of cells, put through preparation and model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from explain_samples import by_definition, explainable, frame, prepared, truth
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from fairlead.runtime.bundle.front import sources_of
from fairlead.runtime.explain import Explainable, explaining
from fairlead.runtime.explain.explainers import trees as tree_explainer

ROWS, BACKGROUND = frame(), frame(20, 5)
CASES: dict[str, tuple[Any, str, str, str]] = {
    "logistic": (LogisticRegression(), "binary", "linear", "log-odds"),
    "logistic of three": (LogisticRegression(), "multiclass", "linear", "logits"),
    "ridge": (Ridge(), "number", "linear", "value"),
    "poisson": (PoissonRegressor(), "number", "linear", "logarithm"),
    "boosting": (HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=5), "binary", "trees", "log-odds"),
    "boosting of three": (HistGradientBoostingClassifier(max_iter=4), "multiclass", "trees", "logits"),
    "gradient boosting": (GradientBoostingClassifier(n_estimators=8), "binary", "trees", "log-odds"),
    "forest": (RandomForestClassifier(6, random_state=0), "binary", "trees", "probability"),
    "forest of three": (RandomForestClassifier(6, max_depth=5, random_state=0), "multiclass", "trees", "probability"),
    "forest of numbers": (RandomForestRegressor(6, random_state=0), "number", "trees", "value"),
    "extra trees": (ExtraTreesRegressor(6, random_state=0), "number", "trees", "value"),
    "xgboost": (XGBClassifier(n_estimators=8, max_depth=4, n_jobs=1), "binary", "trees", "log-odds"),
    "xgboost of numbers": (XGBRegressor(n_estimators=8, max_depth=4, n_jobs=1), "number", "trees", "value"),
    "lightgbm": (LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1), "binary", "trees", "log-odds"),
    "network": (MLPClassifier((6,), max_iter=30, random_state=0), "binary", "enumeration", "log-odds"),
    "network of numbers": (
        MLPRegressor(hidden_layer_sizes=(6,), max_iter=30, random_state=0),
        "number",
        "enumeration",
        "value",
    ),
}


def fitted(case: str, positive: str | None = None) -> Explainable:
    estimator, kind, _, _ = CASES[case]
    labels: Any = truth(ROWS, kind)
    if isinstance(estimator, XGBClassifier):
        labels = (labels == "yes").astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = prepared(estimator).fit(ROWS, labels)
        return explainable(pipeline, ROWS, BACKGROUND, positive)


@pytest.mark.parametrize("case", CASES)
def test_attributions_are_shapley_values_of_the_source_columns_and_sum_to_the_margin(case: str) -> None:
    explained = fitted(case)
    fresh = frame(6, 9)
    fresh.loc[0, "t0"] = "never seen"
    found = explained.explain(fresh)
    assert (found.method, found.scale) == CASES[case][2:]
    single = "xgboost" in case  # whose sums are kept in single precision
    assert found.sums
    assert found.residual < (1e-5 if single else 1e-9)
    assert found.columns == ("n0", "n1", "n2", "t0", "t1")
    for row in range(2):
        wanted = by_definition(explained, fresh.iloc[row : row + 1], BACKGROUND)
        assert np.abs(found.attributions[row] - wanted).max() < (1e-5 if single else 1e-9)


@pytest.mark.parametrize("case", ["boosting", "forest of three", "extra trees", "xgboost", "lightgbm"])
def test_numpy_gives_what_the_kernel_gives(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if tree_explainer._shap is None:
        pytest.skip("the kernel _shap was not compiled here")
    fresh = frame(40, 9)
    by_kernel = fitted(case).explain(fresh)
    monkeypatch.setattr(tree_explainer, "_shap", None)
    by_numpy = fitted(case).explain(fresh)
    np.testing.assert_allclose(by_numpy.attributions, by_kernel.attributions, rtol=0, atol=1e-12)


def test_a_row_gets_the_same_bits_alone_and_among_others() -> None:
    explained, fresh = fitted("forest"), frame(300, 9)
    together = explained.explain(fresh).attributions
    for row in (0, 41, 299):
        assert (explained.explain(fresh.iloc[row : row + 1]).attributions[0] == together[row]).all()


@pytest.mark.parametrize("case", ["logistic", "boosting", "forest", "network"])
def test_explanations_are_about_the_positive_class(case: str) -> None:
    fresh = frame(5, 9)
    yes, no = fitted(case, "yes").explain(fresh), fitted(case, "no").explain(fresh)
    assert (yes.outputs, no.outputs) == (("yes",), ("no",))
    np.testing.assert_allclose(no.attributions, -yes.attributions, atol=1e-12)
    assert no.sums
    probabilities = fitted(case).model.probabilities(fresh)
    for found, column in ((no, 0), (yes, 1)):
        margin = found.margins[:, 0]
        told = margin if found.scale == "probability" else 1 / (1 + np.exp(-margin))
        np.testing.assert_allclose(told, probabilities[:, column], atol=1e-9)


@pytest.mark.parametrize("case", ["boosting", "forest of three", "network"])
def test_sampling_is_within_its_errors_of_the_exact_values(case: str) -> None:
    explained, fresh = fitted(case), frame(12, 9)
    exact, sampled = explained.explain(fresh), explained.explain(fresh, method="permutation")
    assert sampled.errors is not None
    assert not sampled.exact
    assert sampled.residual < 1e-9
    apart = np.abs(sampled.attributions - exact.attributions)
    assert (apart <= 2 * sampled.errors + 1e-9).mean() >= 0.95
    assert (apart <= 5 * sampled.errors + 1e-9).all()


def test_a_column_that_the_model_does_not_use_gets_nothing() -> None:
    rows = ROWS.assign(t1="w0")
    pipeline = prepared(RandomForestClassifier(4, random_state=0)).fit(rows, truth(rows, "binary"))
    explained = explainable(pipeline, rows, BACKGROUND.assign(t1="w0"))
    for method in ("trees", "enumeration", "permutation"):
        assert (explained.explain(frame(4, 9).assign(t1="w0"), method=method).attributions[:, 4] == 0).all()


@pytest.mark.parametrize("case", ["logistic", "forest"])
def test_features_of_several_columns_are_shared_as_the_definition_has_it(case: str) -> None:
    estimator = CASES[case][0]
    numbers = make_pipeline(SimpleImputer(), StandardScaler(), PolynomialFeatures(interaction_only=True))
    parts = ColumnTransformer([("n", numbers, ["n0", "n1", "n2"]), ("t", OneHotEncoder(), ["t0", "t1"])])
    pipeline = make_pipeline(parts, estimator).fit(ROWS, truth(ROWS, "binary"))
    explained = explainable(pipeline, ROWS, BACKGROUND)
    assert any(len(set(sources_of(lane))) > 1 for lane in explained.model.front.lanes)
    fresh = frame(4, 9)
    found = explained.explain(fresh)
    assert (found.method, found.sums) == ("enumeration", True)
    for row in range(2):
        wanted = by_definition(explained, fresh.iloc[row : row + 1], BACKGROUND)
        assert np.abs(found.attributions[row] - wanted).max() < 1e-9
    sampled = explained.explain(fresh, method="permutation")
    assert sampled.errors is not None
    assert (np.abs(sampled.attributions - found.attributions) <= 5 * sampled.errors + 1e-9).all()


def test_many_rows_are_explained_in_parts_that_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    explained, fresh = fitted("boosting"), frame(50, 9)
    whole = explained.explain(fresh)
    monkeypatch.setattr(explaining, "CHUNK", 7)
    parts = explained.explain(fresh)
    assert (parts.attributions == whole.attributions).all()
    assert parts.margins.shape == whole.margins.shape
