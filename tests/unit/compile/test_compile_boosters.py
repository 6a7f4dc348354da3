"""Models of XGBoost and LightGBM and small networks, compiled and compared with their own libraries."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile import certify, compile_pipeline, frame_like, signature_for_estimator
from fairlead.lab.compile.certifying import holds
from fairlead.lab.compile.foreign import columns_like
from fairlead.lab.compile.lightgbm_trees import LightGBMTrees
from fairlead.runtime.bundle.manifest import TAIL_ONNX
from fairlead.runtime.bundle.tail import load_tail

NUMBERS, TEXTS = [f"n{i}" for i in range(9)], [f"t{i}" for i in range(6)]


def frame(rows: int = 800, seed: int = 0) -> pd.DataFrame:
    """15 mixed columns, some cells missing."""
    random = np.random.default_rng(seed)
    found = {}
    for at, name in enumerate(NUMBERS):
        numbers = random.lognormal(at / 4, 1, rows) if at % 2 else random.normal(at, 3, rows)
        found[name] = np.where(random.random(rows) < 0.08, np.nan, numbers)
    for at, name in enumerate(TEXTS):
        words = pd.Series(random.choice([f"w{i}" for i in range(3 + 2 * at)], rows))
        found[name] = words.where(random.random(rows) > 0.05)
    return pd.DataFrame(found)


def truth(rows: pd.DataFrame, kind: str) -> np.ndarray:
    random = np.random.default_rng(1)
    score = rows["n0"].fillna(0) + np.log1p(rows["n1"].fillna(1)) * 2 + (rows["t0"] == "w1") * 3
    score = score + random.normal(0, 1, len(rows))
    if kind == "binary":
        return (score > score.median()).astype(int).to_numpy()
    if kind == "multiclass":
        return np.asarray(pd.qcut(score, 3, labels=False))
    return (score - score.min() + 0.1).to_numpy()


def behind(estimator, *, sparse=0.0, scaler=True):
    """Imputation, scaling and one-hot in front of an estimator."""
    steps = (SimpleImputer(strategy="median"), StandardScaler()) if scaler else (StandardScaler(with_mean=False),)
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    parts = ColumnTransformer([("n", make_pipeline(*steps), NUMBERS), ("t", words, TEXTS)], sparse_threshold=sparse)
    return make_pipeline(parts, estimator)


def fit(pipeline, kind, **options):
    rows = frame()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pipeline.fit(rows, truth(rows, kind), **options), rows


def proven(pipeline, rows, form):
    """Compile, certify, and compare with the pipeline on fresh rows with gaps and unseen words."""
    signature = signature_for_estimator(pipeline, rows, target="y")
    compiled = compile_pipeline(pipeline, signature, rows)
    assert compiled.form == form
    certificate = certify(pipeline, compiled, signature, columns_like(rows, signature), rows)
    assert holds(certificate), certificate
    assert certificate.tolerance <= (1e-5 if form == "xgboost" else 1e-9)
    fresh = frame(300, seed=7)
    fresh.loc[:9, "t2"] = "never seen"
    columns = columns_like(fresh, signature)
    given = frame_like(columns, signature, rows)
    score = pipeline.predict_proba if signature.task == "classification" else pipeline.predict
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(score(given), np.float64).reshape(len(fresh), -1)
        decisions = np.asarray(pipeline.predict(given))
    found = compiled.scores(columns)
    assert np.abs(found - expected).max() <= certificate.tolerance * max(1.0, np.abs(expected).max())
    if signature.task == "classification":
        assert np.array_equal(np.array(signature.classes)[found.argmax(axis=1)], decisions.astype(int).astype(str))
    return compiled, certificate


SIX = {
    "logistic": (LogisticRegression(max_iter=500), "linear"),
    "histogram": (HistGradientBoostingClassifier(max_iter=100, random_state=0), "trees"),
    "forest": (RandomForestClassifier(200, random_state=0), "trees"),
    "xgboost": (XGBClassifier(n_estimators=100, n_jobs=1), "xgboost"),
    "lightgbm": (LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1), "lightgbm"),
    "network": (MLPClassifier((32, 16), max_iter=60, random_state=0), "network"),
}


@pytest.mark.parametrize("name", SIX)
def test_six_families_behind_one_preparation_are_reproduced(name):
    estimator, form = SIX[name]
    _, certificate = proven(*fit(behind(estimator), "binary"), form)
    assert certificate.flipped == 0
    if form not in ("linear", "network"):
        assert certificate.kinds["thresholds"] > 1000


XGB = {
    "multiclass": (XGBClassifier(n_estimators=20), "multiclass"),
    "softmax": (XGBClassifier(n_estimators=10, objective="multi:softmax"), "multiclass"),
    "base score": (XGBClassifier(n_estimators=10, base_score=0.2), "binary"),
    "forest": (XGBRFClassifier(n_estimators=20), "binary"),
    "squared error": (XGBRegressor(n_estimators=20), "number"),
    "poisson": (XGBRegressor(n_estimators=20, objective="count:poisson"), "number"),
    "gamma": (XGBRegressor(n_estimators=20, objective="reg:gamma"), "number"),
    "tweedie": (XGBRegressor(n_estimators=20, objective="reg:tweedie"), "number"),
    "median": (XGBRegressor(n_estimators=20, objective="reg:absoluteerror"), "number"),
    "lossguide": (XGBClassifier(n_estimators=10, grow_policy="lossguide", max_leaves=5), "binary"),
    "exact": (XGBClassifier(n_estimators=10, tree_method="exact"), "binary"),
}


@pytest.mark.parametrize("name", XGB)
@pytest.mark.parametrize("scaler", [True, False], ids=["imputed", "missing as it comes"])
def test_xgboost_is_reproduced_in_its_own_precision(name, scaler):
    estimator, kind = XGB[name]
    proven(*fit(behind(estimator, scaler=scaler), kind), "xgboost")


def test_xgboost_takes_what_a_sparse_matrix_does_not_store_for_missing():
    pipeline, rows = fit(behind(XGBClassifier(n_estimators=20), sparse=1.0), "binary")
    assert pipeline[0].sparse_output_
    proven(pipeline, rows, "xgboost")


@pytest.mark.parametrize("model", [XGBClassifier(n_estimators=200, learning_rate=1.0, early_stopping_rounds=3), None])
def test_trees_after_the_best_iteration_are_left_out(model):
    parts = behind(LogisticRegression())[0]
    rows = frame()
    y = truth(rows, "binary")
    x = parts.fit_transform(rows)
    if model is None:
        import lightgbm

        model = LGBMClassifier(n_estimators=200, learning_rate=1.0, verbose=-1)
        options = {"callbacks": [lightgbm.early_stopping(3, verbose=False)]}
    else:
        options = {"verbose": False}
    model.fit(x[:400], y[:400], eval_set=[(x[400:], y[400:])], **options)
    pipeline = make_pipeline(parts, model)
    proven(pipeline, rows, "xgboost" if isinstance(model, XGBClassifier) else "lightgbm")


LGBM = {
    "multiclass": (LGBMClassifier(n_estimators=15, verbose=-1), "multiclass"),
    "one versus all": (LGBMClassifier(n_estimators=15, objective="multiclassova", verbose=-1), "multiclass"),
    "sigmoid": (LGBMClassifier(n_estimators=15, sigmoid=2.5, verbose=-1), "binary"),
    "forest": (
        LGBMClassifier(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, n_estimators=15, verbose=-1),
        "binary",
    ),
    "dart": (LGBMClassifier(boosting_type="dart", n_estimators=15, verbose=-1), "binary"),
    "no missing": (LGBMClassifier(n_estimators=15, use_missing=False, verbose=-1), "binary"),
    "squared error": (LGBMRegressor(n_estimators=15, verbose=-1), "number"),
    "huber": (LGBMRegressor(n_estimators=15, objective="huber", verbose=-1), "number"),
    "poisson": (LGBMRegressor(n_estimators=15, objective="poisson", verbose=-1), "number"),
}


@pytest.mark.parametrize("name", LGBM)
@pytest.mark.parametrize("scaler", [True, False], ids=["imputed", "missing as it comes"])
def test_lightgbm_is_reproduced(name, scaler):
    estimator, kind = LGBM[name]
    proven(*fit(behind(estimator, scaler=scaler), kind), "lightgbm")


@pytest.mark.parametrize("tiny", [1e-35, -1e-35, 1e-36, -1e-36, 5e-324, 0.0])
def test_lightgbm_takes_tiny_numbers_for_zero(tiny):
    """LightGBM puts splits at just +-float32(1e-35), around zero, and zeroes a cell of that size before it compares."""
    random = np.random.default_rng(3)
    x = random.choice([-1.0, 0.0, 1.0, np.nan], (600, 2))
    y = (x[:, 0] == 0).astype(int) ^ (random.random(600) < 0.1)
    model = LGBMClassifier(n_estimators=10, verbose=-1).fit(x, y)
    probe = np.array([[k * float(np.float32(tiny)), 0.0] for k in (1 - 2**-52, 1, 1 + 2**-52)])
    tail = load_tail({TAIL_ONNX: LightGBMTrees().emit(model, 2)}, 2)
    assert np.abs(tail.scores(probe) - model.predict_proba(probe)).max() < 1e-12


def test_lightgbm_reads_sparse_rows_as_full_ones():
    proven(*fit(behind(LGBMClassifier(n_estimators=20, verbose=-1), sparse=1.0), "binary"), "lightgbm")


NETWORKS = {
    "multiclass": (MLPClassifier((8,), max_iter=40, random_state=0), "multiclass"),
    "tanh": (MLPClassifier((8, 4), activation="tanh", max_iter=40, random_state=0), "binary"),
    "logistic": (MLPClassifier((8,), activation="logistic", max_iter=40, random_state=0), "binary"),
    "number": (MLPRegressor(hidden_layer_sizes=(8,), max_iter=40, random_state=0), "number"),
    "identity": (MLPRegressor(hidden_layer_sizes=(8,), activation="identity", max_iter=40, random_state=0), "number"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_reproduced(name):
    estimator, kind = NETWORKS[name]
    proven(*fit(behind(estimator), kind), "network")


REFUSED = {
    "gblinear": (XGBClassifier(booster="gblinear", n_estimators=3), "binary"),
    "dart": (XGBClassifier(booster="dart", n_estimators=3), "binary"),
    "missing=": (XGBClassifier(missing=0.0, n_estimators=3), "binary"),
    "binary:hinge": (XGBClassifier(objective="binary:hinge", n_estimators=3), "binary"),
    "zeros for missing": (LGBMClassifier(zero_as_missing=True, n_estimators=3, verbose=-1), "binary"),
    "linear trees": (LGBMRegressor(linear_tree=True, n_estimators=3, verbose=-1), "number"),
    "regression sqrt": (LGBMRegressor(reg_sqrt=True, n_estimators=3, verbose=-1), "number"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_parameters_that_change_the_meaning_are_refused_by_name(why):
    estimator, kind = REFUSED[why]
    pipeline, rows = fit(behind(estimator, scaler=False) if kind == "number" else behind(estimator), kind)
    with pytest.raises(NotCompilable, match=why):
        compile_pipeline(pipeline, signature_for_estimator(pipeline, rows), rows)


def test_native_categorical_splits_are_refused():
    rows = frame()[["n0", "n1"]].assign(code=lambda r: (r["n1"].fillna(0) * 3).astype(int) % 7)
    y = rows["code"].isin([1, 4, 5]).astype(int)
    lightgbm = LGBMClassifier(n_estimators=5, min_child_samples=5, verbose=-1)
    lightgbm.fit(rows, y, categorical_feature=["code"])
    xgboost = XGBClassifier(n_estimators=5, enable_categorical=True, max_cat_to_onehot=1)
    xgboost.fit(rows.astype({"code": "category"}), y)
    for model in (lightgbm, xgboost):
        with pytest.raises(NotCompilable, match=r"categor|text"):
            compile_pipeline(model, signature_for_estimator(model, rows), rows)
