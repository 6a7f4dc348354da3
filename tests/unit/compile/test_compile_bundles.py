"""Bundles of the churn table: sealed, loaded, equal to the trained pipeline, the same bytes each time, nobody's row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fairlead.contract.errors import NotCompilable
from fairlead.contract.evidence import Lineage
from fairlead.contract.profile import Profile, Reference
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile import Candidate, frame_like, signature_for_estimator, write_bundle
from fairlead.lab.compile.foreign import columns_like
from fairlead.runtime.bundle import SigningKey, inspect, load

TABLE = Path(__file__).parents[3].parent / "shared" / "data" / "telco-churn.csv"
NUMBERS = ("tenure", "MonthlyCharges", "TotalCharges")
REFERENCE = Reference(Profile(0, ()))
LINEAGE = Lineage("0" * 64, 1000, "logistic", {"C": 1.0, "max_iter": 300}, 0, "c")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return SigningKey.create(tmp_path_factory.mktemp("keys") / "seal.key")


@pytest.fixture(scope="module")
def churn():
    if not TABLE.exists():
        pytest.skip("needs ../shared/data/telco-churn.csv beside the repository")
    rows = pd.read_csv(TABLE).sample(1500, random_state=0).reset_index(drop=True)
    rows["TotalCharges"] = pd.to_numeric(rows["TotalCharges"], errors="coerce")
    return rows


def signature_of(rows: pd.DataFrame) -> Signature:
    columns = []
    for name in rows.columns.drop(["customerID", "Churn"]):
        if name in NUMBERS:
            kind = "integer" if name == "tenure" else "number"
            columns.append(Column(name, kind, low=float(rows[name].min()), high=float(rows[name].max())))
        else:
            known = tuple(sorted(str(v) for v in rows[name].unique()))
            columns.append(Column(name, "category", categories=known))
    return Signature("classification", tuple(columns), "Churn", ("Churned", "Stayed"), "Churned", key="customerID")


def prepared(estimator, numbers, categories):
    fill = SimpleImputer(strategy="constant", fill_value="(missing)")
    parts = [
        ("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), list(numbers)),
        ("c", make_pipeline(fill, OneHotEncoder(handle_unknown="ignore")), list(categories)),
    ]
    return make_pipeline(ColumnTransformer(parts, sparse_threshold=0), estimator)


ESTIMATORS = {
    "logistic": lambda: LogisticRegression(max_iter=300),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "forest": lambda: RandomForestClassifier(20, min_samples_leaf=3, random_state=0, n_jobs=2),
}


@pytest.fixture(params=ESTIMATORS)
def candidate(request, churn):
    signature = signature_of(churn)
    train = churn[:1000]
    columns = columns_like(train, signature)
    categories = [c.name for c in signature.columns if c.kind == "category"]
    pipeline = prepared(ESTIMATORS[request.param](), NUMBERS, categories)
    pipeline.fit(frame_like(columns, signature, None), train["Churn"])
    return Candidate(pipeline, signature, LINEAGE, REFERENCE, columns, name="churn")


def test_a_sealed_model_answers_as_the_trained_one_on_rows_it_never_saw(candidate, churn, key, tmp_path):
    bundle = write_bundle(candidate, tmp_path / "bundle", key)
    model = load(tmp_path / "bundle", (key.public,))
    assert model.id == bundle
    held_out = churn[1000:].copy()
    held_out.loc[held_out.index[:20], "Contract"] = "Never seen"
    held_out.loc[held_out.index[20:40], ["tenure", "TotalCharges"]] = np.nan
    columns = columns_like(held_out, candidate.signature)
    frame = frame_like(columns, candidate.signature, None)
    expected = candidate.pipeline.predict_proba(frame)
    rows = [
        [None if c is None or c != c else c for c in row]
        for row in zip(*[columns[n].tolist() for n in model.signature.names], strict=True)
    ]
    for found in (model.score_columns(columns), np.concatenate([model.score_rows([row]) for row in rows])):
        assert np.abs(found - expected).max() < 1e-12
        assert model.decide(found) == candidate.pipeline.predict(frame).tolist()
    dicts = json.loads(held_out.drop(columns="Churn").to_json(orient="records"))
    assert [a["label"] for a in model.predict(dicts)] == candidate.pipeline.predict(frame).tolist()


def test_the_same_candidate_seals_to_the_same_id_and_the_certificate_is_inside(candidate, key, tmp_path):
    ids = {write_bundle(candidate, tmp_path / name, key) for name in ("one", "two")}
    assert len(ids) == 1
    shown = inspect(tmp_path / "one", (key.public,))
    assert shown["bundle"] in ids
    parity = shown["parity"]
    assert parity["flipped"] == 0
    assert parity["max_difference"] <= 1e-9
    assert parity["kinds"]["training"] == 1000
    assert {"missing", "unseen", "edges", "random"} <= set(parity["kinds"])
    assert ("thresholds" in parity["kinds"]) == (parity["form"] == "trees")
    assert "numpy==" in (tmp_path / "one" / "requirements.txt").read_text()
    assert (tmp_path / "one" / "model_card.md").read_text().startswith("# churn")


def test_golden_and_background_rows_are_nobodys(candidate, key, tmp_path):
    write_bundle(candidate, tmp_path / "bundle", key)
    names = candidate.signature.names
    people = set(zip(*[[str(v) for v in candidate.columns[n].tolist()] for n in names], strict=True))
    golden = [json.loads(line) for line in (tmp_path / "bundle" / "golden.jsonl").read_text().splitlines()]
    background = [json.loads(line) for line in (tmp_path / "bundle" / "background.jsonl").read_text().splitlines()]
    assert len(golden) > 50
    assert len(background) == 100
    for row in [line["row"] for line in golden] + background:
        assert tuple(str(row[n]) for n in names) not in people
    assert any(all(value is None for value in line["row"].values()) for line in golden)
    assert {line["answer"] for line in golden} == {"Churned", "Stayed"}


def test_a_users_own_pipeline_on_a_plain_frame_is_sealed(churn, key, tmp_path):
    rows = churn.drop(columns=["customerID", "Churn"])
    categories = [n for n in rows if n not in NUMBERS]
    pipeline = prepared(
        HistGradientBoostingClassifier(max_iter=10), NUMBERS, [n for n in categories if n != "SeniorCitizen"]
    )
    pipeline.steps[0][1].transformers.append(("flag", OneHotEncoder(handle_unknown="ignore"), ["SeniorCitizen"]))
    pipeline.fit(rows, churn["Churn"])
    signature = signature_for_estimator(pipeline, rows, target="Churn", positive="Churned")
    candidate = Candidate(pipeline, signature, LINEAGE, REFERENCE, columns_like(rows, signature), sample=rows.head(50))
    write_bundle(candidate, tmp_path / "bundle", key)
    model = load(tmp_path / "bundle", (key.public,))
    assert [a["label"] for a in model.predict(rows)] == pipeline.predict(rows).tolist()


def test_a_model_that_no_form_reproduces_is_not_sealed(churn, key, tmp_path, monkeypatch):
    from fairlead.lab.compile.trees import Trees

    class Crooked(Trees):
        def emit(self, estimator, features):
            return super().emit(other, features)

    rows = churn.drop(columns=["customerID", "Churn"])[["tenure", "MonthlyCharges"]]
    good, other = (HistGradientBoostingClassifier(max_iter=n).fit(rows, churn["Churn"]) for n in (5, 6))
    signature = signature_for_estimator(good, rows)
    candidate = Candidate(good, signature, LINEAGE, REFERENCE, columns_like(rows, signature), sample=rows)
    monkeypatch.setattr("fairlead.lab.compile.trees.Trees", Crooked)
    with pytest.raises(NotCompilable, match=r"no form reproduces this model: trees: .*largest difference"):
        write_bundle(candidate, tmp_path / "bundle", key)
    assert not (tmp_path / "bundle" / "manifest.json").exists()
