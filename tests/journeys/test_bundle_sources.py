"""Models trained elsewhere, in every form they come in: sealed, and equal to their own library's answers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fairlead
from fairlead.contract.errors import SourceUnreadable, UsageError

CONFIG = """
[model]
name = "loans"
task = "{task}"
target = "repaid"
id = "loan"
trust = "{trust}"
"""
NUMBERS = ["amount", "income", "years"]


def table(rows: int = 500, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "loan": [f"L{seed}{i:05d}" for i in range(rows)],
            "amount": random.lognormal(8, 1, rows).round(2),
            "income": np.where(random.random(rows) < 0.1, np.nan, random.lognormal(10, 0.5, rows).round(2)),
            "years": random.integers(0, 40, rows).astype(float),
            "kind": random.choice(["car", "home", "study"], rows),
        }
    )
    score = np.log(found["income"].fillna(20_000) / found["amount"]) + (found["kind"] == "home")
    found["repaid"] = (score + random.normal(0, 0.5, rows) > 2).astype(int)
    return found


def numeric(seed: int = 0) -> pd.DataFrame:
    return table(seed=seed).fillna({"income": 0.0}).drop(columns=["kind"])


@pytest.fixture
def project(tmp_path: Path) -> Any:
    def make(task: str = "classification", trust: str = "") -> fairlead.Project:
        (tmp_path / "fairlead.toml").write_text(CONFIG.format(task=task, trust=trust))
        return fairlead.open(tmp_path)

    return make


def pipeline(estimator: Any) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    parts = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["kind"]),
    )
    rows = table()
    return make_pipeline(parts, estimator).fit(rows[[*NUMBERS, "kind"]], rows["repaid"])


def answers(sealed: dict[str, Any], rows: pd.DataFrame, **options: Any) -> np.ndarray:
    """Probabilities (or numbers) of a sealed bundle, shape (n, k)."""
    model = fairlead.load(sealed["path"], **options)
    names = model.signature.names
    said = model.predict(json.loads(rows[list(names)].to_json(orient="records", double_precision=15)))
    found = [list(one["probabilities"].values()) if isinstance(one, dict) else [one] for one in said]
    return np.array(found)


def same(found: np.ndarray, expected: Any, tolerance: float = 1e-9) -> None:
    expected = np.asarray(expected, np.float64).reshape(len(found), -1)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * max(1.0, np.abs(expected).max())
    if found.shape[1] > 1:
        assert np.array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def fresh(rows: pd.DataFrame | None = None) -> pd.DataFrame:
    found = table(120, seed=5) if rows is None else rows
    if "kind" in found:
        found.loc[:5, "kind"] = "boat"
    return found


def test_skops_needs_no_trust_for_types_that_are_data(project, tmp_path):
    import skops.io
    from sklearn.neural_network import MLPClassifier

    model = pipeline(MLPClassifier((8,), max_iter=50, random_state=0))
    skops.io.dump(model, tmp_path / "model.skops")
    sealed = project().bundle(tmp_path / "model.skops", table())
    assert sealed["form"] == "network"
    assert "audited" in sealed["did"]
    assert "small network" in sealed["why"]
    assert "metrics" not in sealed
    rows = fresh()
    same(answers(sealed, rows), model.predict_proba(rows[[*NUMBERS, "kind"]]))


def test_skops_names_the_types_that_need_trust(project, tmp_path):
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    rows = numeric()
    model = make_pipeline(FunctionTransformer(json.dumps, validate=False), LogisticRegression())
    model.steps[0][1].func = None
    model.fit(rows[NUMBERS], rows["repaid"])
    model.steps[0][1].func = json.dumps
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(UsageError, match=r"may run code: json\.dumps"):
        project().bundle(tmp_path / "model.skops", rows)


@pytest.mark.parametrize("ending", ["joblib", "pkl"])
def test_pickles_are_opened_only_when_trusted(project, tmp_path, ending):
    import pickle

    import joblib
    from sklearn.linear_model import LogisticRegression

    model = pipeline(LogisticRegression())
    path = tmp_path / f"model.{ending}"
    path.write_bytes(pickle.dumps(model)) if ending == "pkl" else joblib.dump(model, path, compress=3)
    with pytest.raises(UsageError, match="--trust"):
        project().bundle(path, table())
    sealed = project().bundle(path, table(), trust=True, target="repaid")
    assert sealed["form"] == "linear"
    assert 0.7 < sealed["metrics"]["roc_auc"] <= 1.0
    rows = fresh()
    same(answers(sealed, rows), model.predict_proba(rows[[*NUMBERS, "kind"]]))


@pytest.mark.parametrize("ending", ["json", "ubj"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_xgboost_files(project, tmp_path, ending, task):
    import xgboost

    rows = table()
    kind = xgboost.XGBClassifier if task == "classification" else xgboost.XGBRegressor
    model = kind(n_estimators=30, n_jobs=1).fit(rows[NUMBERS], rows["repaid"])
    model.save_model(tmp_path / f"model.{ending}")
    sealed = project(task).bundle(tmp_path / f"model.{ending}", rows)
    assert sealed["form"] == "xgboost"
    assert sealed["parity"]["flipped"] == 0
    given = fresh()
    score = model.predict_proba if task == "classification" else model.predict
    same(answers(sealed, given), score(given[NUMBERS]), 1e-5)


@pytest.mark.parametrize("names", ["named", "blanks", "none"])
def test_lightgbm_text(project, tmp_path, names):
    import lightgbm

    rows = table().rename(columns={"amount": "amount asked"} if names == "blanks" else {})
    columns = ["amount asked" if names == "blanks" else "amount", "income", "years"]
    given = rows[columns] if names != "none" else rows[columns].to_numpy()
    model = lightgbm.LGBMClassifier(n_estimators=30, verbose=-1).fit(given, rows["repaid"])
    model.booster_.save_model(tmp_path / "model.txt")
    sample = rows if names != "none" else rows[[*columns, "loan", "repaid"]]
    sealed = project().bundle(tmp_path / "model.txt", sample)
    assert sealed["form"] == "lightgbm"
    later = fresh().rename(columns={"amount": columns[0]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(answers(sealed, later), model.predict_proba(later[columns]))


@pytest.mark.parametrize("shape", ["matrix", "columns"])
@pytest.mark.parametrize("model", ["logistic", "forest", "regression"])
def test_onnx_files(project, tmp_path, shape, model):
    import onnxruntime
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    chosen = {
        "logistic": LogisticRegression(),
        "forest": RandomForestClassifier(20, random_state=0),
        "regression": RandomForestRegressor(10, random_state=0),
    }[model]
    rows = numeric()
    fitted = make_pipeline(make_column_transformer((StandardScaler(), NUMBERS)), chosen)
    if shape == "matrix":
        fitted = make_pipeline(StandardScaler(), chosen)
    given = rows[NUMBERS] if shape == "columns" else rows[NUMBERS].to_numpy()
    fitted.fit(given, rows["repaid"])
    types = [(name, FloatTensorType([None, 1])) for name in NUMBERS]
    if shape == "matrix":
        types = [("input", FloatTensorType([None, 3]))]
    made = skl2onnx.convert_sklearn(fitted, initial_types=types, target_opset={"": 21, "ai.onnx.ml": 3})
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    sample = rows if shape == "columns" else rows[[*NUMBERS, "loan", "repaid"]]
    sealed = project("regression" if model == "regression" else "classification").bundle(
        tmp_path / "model.onnx", sample
    )
    assert sealed["form"] == "onnx"
    assert "ONNX graph" in sealed["did"]
    later = fresh(numeric(seed=5))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the order of sums in single precision, and so a tie's decision, depends on it
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", options)
    single = later[NUMBERS].to_numpy(np.float32)
    feeds = {n: single[:, [at]] for at, n in enumerate(NUMBERS)} if shape == "columns" else {"input": single}
    said = session.run(None, feeds)
    expected = said[0] if model == "regression" else [[p[0], p[1]] for p in said[1]]
    same(answers(sealed, later), expected, 1e-6)


def test_onnx_with_operators_that_are_no_arithmetic_is_refused(project, tmp_path):
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [
            helper.make_node("RandomNormalLike", ["input"], ["noise"]),
            helper.make_node("Add", ["input", "noise"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    rows = numeric().rename(columns={"amount": "input"})
    with pytest.raises(Exception, match=r"RandomNormalLike.*not allowed"):
        project("regression").bundle(tmp_path / "model.onnx", rows)


@pytest.fixture
def mlflow_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'tracking.db'}")
    return tmp_path / "saved"


def test_mlflow_sklearn_is_compiled(project, mlflow_folder):
    import mlflow.sklearn
    from sklearn.ensemble import RandomForestClassifier

    model = pipeline(RandomForestClassifier(20, random_state=0))
    mlflow.sklearn.save_model(model, mlflow_folder, serialization_format="cloudpickle", pip_requirements=[])
    with pytest.raises(UsageError, match="--trust"):
        project().bundle(mlflow_folder, table())
    sealed = project().bundle(mlflow_folder, table(), trust=True)
    assert sealed["form"] == "trees"
    rows = fresh()
    same(answers(sealed, rows), model.predict_proba(rows[[*NUMBERS, "kind"]]))


def test_an_mlflow_uri_of_a_run(project, mlflow_folder, tmp_path):
    import mlflow
    import mlflow.sklearn
    from sklearn.linear_model import LogisticRegression

    model = pipeline(LogisticRegression())
    mlflow.sklearn.save_model(
        model, mlflow_folder, serialization_format="skops", skops_trusted_types=["numpy.dtype"], pip_requirements=[]
    )
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("e", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment)
    client.log_artifacts(run.info.run_id, str(mlflow_folder), "model")
    sealed = project().bundle(f"runs:/{run.info.run_id}/model", table())
    assert sealed["form"] == "linear"
    assert "MLflow" in sealed["did"]
    rows = fresh()
    same(answers(sealed, rows), model.predict_proba(rows[[*NUMBERS, "kind"]]))


def save_pyfunc(folder: Path, gives: str) -> None:
    import mlflow.pyfunc

    class Thrifty(mlflow.pyfunc.PythonModel):
        def __init__(self, gives: str) -> None:
            self.gives = gives

        def predict(self, context, model_input, params=None):
            import numpy as np

            share = model_input["amount"] / (model_input["amount"] + model_input["years"] * 1000 + 1)
            if self.gives == "number":
                return share
            if self.gives == "label":
                return np.where(share > 0.5, 1, 0)
            return np.column_stack([share, 1 - share])

    mlflow.pyfunc.save_model(folder, python_model=Thrifty(gives), pip_requirements=[])


@pytest.mark.parametrize("gives", ["number", "label", "probabilities"])
def test_mlflow_pyfunc_runs_natively_where_that_is_trusted(project, mlflow_folder, gives):
    from fairlead.contract.errors import NotCompilable

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_pyfunc(mlflow_folder, gives)
    task = "regression" if gives == "number" else "classification"
    rows = numeric()[[*NUMBERS, "loan", "repaid"]]
    with pytest.raises(UsageError, match="--trust"):
        project(task).bundle(mlflow_folder, rows)
    with pytest.raises(NotCompilable, match=r'trust = "native"'):
        project(task).bundle(mlflow_folder, rows, trust=True)
    sealed = project(task, "native").bundle(mlflow_folder, rows, trust=True)
    assert sealed["form"] == "native"
    assert "because" in sealed["why"]
    later = numeric(seed=5)
    share = later["amount"] / (later["amount"] + later["years"] * 1000 + 1)
    expected = np.column_stack([share, 1 - share])
    if gives == "number":
        expected = share.to_numpy()
    if gives == "label":
        expected = np.column_stack([share <= 0.5, share > 0.5])
    same(answers(sealed, later, trust_native=True), expected)


def test_what_is_nothing_we_know_is_said(project, tmp_path):
    (tmp_path / "notes.md").write_text("no model")
    with pytest.raises(SourceUnreadable, match=r"not a form that is known: .*skops"):
        project().bundle(tmp_path / "notes.md", table())
    with pytest.raises(SourceUnreadable, match="no such file"):
        project().bundle(tmp_path / "nowhere.onnx", table())
    (tmp_path / "broken.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(SourceUnreadable, match="cannot be opened as onnx"):
        project().bundle(tmp_path / "broken.onnx", table())
    (tmp_path / "model.txt").write_text("tree\nversion=v4\n")
    with pytest.raises(SourceUnreadable, match="cannot be opened as lightgbm"):
        project().bundle(tmp_path / "model.txt", table())
    with pytest.raises(UsageError, match="no column 'paid'"):
        project().bundle(tmp_path / "model.txt", table(), target="paid")


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "onnx"])
def test_served_over_a_socket_it_answers_as_the_library_does(library, project, program, tmp_path):
    import os
    import re
    import signal
    import urllib.request

    import lightgbm
    import xgboost
    from tests.conftest import eventually

    rows = table().fillna({"income": 0.0})
    later = fresh().fillna({"income": 0.0} if library == "onnx" else {})
    if library == "xgboost":
        model = xgboost.XGBClassifier(n_estimators=50, n_jobs=1).fit(rows[NUMBERS], rows["repaid"])
        model.save_model(tmp_path / "model.json")
        file = "model.json"
    elif library == "lightgbm":
        model = lightgbm.LGBMClassifier(n_estimators=50, verbose=-1).fit(rows[NUMBERS], rows["repaid"])
        model.booster_.save_model(tmp_path / "model.txt")
        file = "model.txt"
    else:
        import skl2onnx
        from skl2onnx.common.data_types import FloatTensorType
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[NUMBERS].to_numpy(), rows["repaid"])
        made = skl2onnx.convert_sklearn(model, initial_types=[("input", FloatTensorType([None, 3]))])
        (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
        file = "model.onnx"
    project()
    rows[[*NUMBERS, "loan", "repaid"]].to_csv(tmp_path / "rows.csv", index=False)
    sealed = program.json("bundle", file, "--sample", "rows.csv")
    assert sealed["form"] == library
    server = program.start("serve", "--bundle", sealed["path"], "--port", "0")
    log = tmp_path / "serve.log"
    try:
        url = eventually(lambda: re.search(r"ready: (\S+)", log.read_text()), 60, "the ready line")[1]
        body = later[NUMBERS].to_json(orient="records", double_precision=15).encode()
        asked = urllib.request.Request(f"{url}/predict/loans", body, {"content-type": "application/json"})
        with urllib.request.urlopen(asked, timeout=20) as reply:
            said = json.load(reply)["predictions"]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
    found = np.array([list(one["probabilities"].values()) for one in said])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = later[NUMBERS].to_numpy() if library == "onnx" else later[NUMBERS]
        same(found, model.predict_proba(given), 1e-9 if library == "lightgbm" else 1e-5)
