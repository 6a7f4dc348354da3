"""A fitted sklearn pipeline of the user's own: sealed in one line, served, with the same answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Program

import fairlead

CONFIG = """
[model]
name = "churn"
task = "classification"
target = "Churn"
positive = "Churned"
id = "customerID"

[data]
train = "churn.csv"
"""


@pytest.fixture(scope="module")
def fitted(churn_csv: Path) -> tuple[object, pd.DataFrame]:
    """A pipeline as a data scientist would write it, and the rows it was fitted on."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pd.read_csv(churn_csv, na_values=[" ", ""], keep_default_na=False)
    features = frame.drop(columns=["Churn", "customerID"])
    pipeline = make_pipeline(
        make_column_transformer(
            (
                make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
                make_column_selector(dtype_include="number"),
            ),
            (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        ),
        GradientBoostingClassifier(n_estimators=40, random_state=0),
    )
    pipeline.fit(features, frame["Churn"])
    return pipeline, frame


def test_sealed_in_one_line_and_answers_the_same(fitted: tuple[object, pd.DataFrame], tmp_path: Path) -> None:
    pipeline, frame = fitted
    (tmp_path / "fairlead.toml").write_text(CONFIG)
    project = fairlead.open(tmp_path)
    sealed = project.bundle(pipeline, sample=frame)
    assert sealed["parity"]["flipped"] == 0
    rows = frame.drop(columns=["Churn"]).head(300)
    model = fairlead.load(sealed["path"])
    said = model.predict(json.loads(rows.to_json(orient="records")))
    truth = pipeline.predict_proba(rows.drop(columns=["customerID"]))  # type: ignore[attr-defined]
    mine = np.array([[answer["probabilities"][c] for c in pipeline.classes_] for answer in said])  # type: ignore[attr-defined]
    assert np.abs(mine - truth).max() <= 1e-9
    assert [answer["label"] for answer in said] == list(pipeline.predict(rows.drop(columns=["customerID"])))  # type: ignore[attr-defined]


def test_a_joblib_file_is_opened_only_when_trusted(
    fitted: tuple[object, pd.DataFrame], program: Program, churn_csv: Path
) -> None:
    import joblib

    pipeline, frame = fitted
    joblib.dump(pipeline, program.folder / "model.joblib")
    frame.to_csv(program.folder / "rows.csv", index=False)
    (program.folder / "fairlead.toml").write_text(CONFIG)
    refused = program.run("bundle", "model.joblib", "--sample", "rows.csv", expect=2)
    assert "--trust" in refused.stderr
    sealed = program.json("bundle", "model.joblib", "--trust", "--sample", "rows.csv")
    assert sealed["parity"]["flipped"] == 0
    judged = program.json("evaluate", sealed["bundle"], "--data", "rows.csv")
    assert judged["verdict"] == "pass"
    program.run("register", sealed["bundle"])
    deployed = program.json("deploy")
    assert deployed["variants"][0]["bundle"] == sealed["bundle"]
