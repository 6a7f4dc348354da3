"""Native bundles: what is sealed, and when one is refused before anything in it runs."""

from __future__ import annotations

import json
import os
import pickle
import sys
from importlib.metadata import version

import msgspec
import numpy as np
import pandas as pd
import pytest
from native_samples import TERMS, Capricious, candidate, rows, sealed
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from fairlead.contract.errors import BundleRefused, NotCompilable
from fairlead.lab.compile import write_bundle
from fairlead.runtime.bundle import inspect, load, seal
from fairlead.runtime.bundle.manifest import NATIVE_ARTEFACT, NATIVE_FORM, PARITY, REQUIREMENTS


def resealed(folder, key, path, data):
    """The bundle with one file replaced, and a seal that holds."""
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    (folder / path).write_bytes(data)
    for name in ("manifest.json", "seal.sig"):
        (folder / name).unlink()
    from fairlead.contract.evidence import Lineage

    lineage = msgspec.convert(manifest["lineage"], Lineage)
    seal(folder, manifest["name"], lineage, manifest["runtime"], manifest["runtime_version"], key)
    return folder


@pytest.fixture
def own(tmp_path, key):
    return sealed(tmp_path / "own", key)


def test_it_says_what_it_holds_and_how_far_it_differs(bundle, key):
    shown = inspect(bundle, (key.public,))
    assert shown["seal"]["verified"]
    assert shown["runtime"] == "native " + ".".join(map(str, sys.version_info[:3]))
    assert {NATIVE_FORM, NATIVE_ARTEFACT} < set(shown["contents"])
    parity = json.loads((bundle / PARITY).read_bytes())
    assert parity["form"] == "native"
    assert parity["flipped"] == 0
    assert parity["max_difference"] <= 1e-12
    assert parity["tried"][0][0] == "compiled"
    assert "Capricious" in parity["tried"][0][1]
    pinned = (bundle / REQUIREMENTS).read_text().splitlines()
    assert f"pandas=={version('pandas')}" in pinned
    assert f"numpy=={version('numpy')}" in pinned


def test_the_same_candidate_seals_to_the_same_id(bundle, own):
    assert (bundle / "manifest.json").read_bytes() == (own / "manifest.json").read_bytes()


def test_a_native_model_is_calibrated_as_a_compiled_one_is(tmp_path, key):
    from threading import Event

    from fairlead.runtime.bundle.calibration import Calibration, Logit

    made = Calibration("sigmoid", (Logit(0.5, 0.3),))
    folder = tmp_path / "calibrated"
    folder.mkdir()
    write_bundle(candidate(Capricious(), rows(), calibration=made), folder, key, native=TERMS)
    model = load(folder, (key.public,), native=TERMS)
    try:
        expected = made.reference(Capricious().predict_proba(rows()))
        cells = [[a, None if p != p else p] for a, p in zip(rows()["amount"], rows()["plan"], strict=True)]
        np.testing.assert_allclose(model.score_rows(cells), expected, atol=1e-12)
        np.testing.assert_allclose(model.probabilities(rows()), expected, atol=1e-12)
        answered, done = [], Event()
        model.submit(cells[:3], lambda found: (answered.append(found), done.set()), 20.0)
        assert done.wait(20.0)
        np.testing.assert_allclose(answered[0], expected[:3], atol=1e-12)
    finally:
        model.close()


def test_without_terms_it_is_neither_sealed_nor_loaded(bundle, key, tmp_path):
    with pytest.raises(BundleRefused, match=r"native models are not trusted here.*trust = \"native\""):
        load(bundle, (key.public,))
    (tmp_path / "none").mkdir()
    with pytest.raises(NotCompilable, match=r"no form fits.*trust = \"native\""):
        write_bundle(candidate(Capricious(), rows()), tmp_path / "none", key)


def test_nothing_is_opened_before_seal_and_hashes_hold(own, key, tmp_path):
    mark = tmp_path / "opened"

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(mark),))

    (own / NATIVE_ARTEFACT).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BundleRefused, match="hash differs"):
        load(own, (key.public,), native=TERMS)
    assert not mark.exists()
    resealed(own, key, NATIVE_ARTEFACT, pickle.dumps(Trap()))
    with pytest.raises(BundleRefused):
        load(own, (), native=TERMS)
    with pytest.raises(BundleRefused):
        load(own, (key.public,))
    assert not mark.exists()


def test_other_versions_are_refused_by_name(own, key):
    pinned = (own / REQUIREMENTS).read_text().replace(f"pandas=={version('pandas')}", "pandas==1.0.0")
    resealed(own, key, REQUIREMENTS, (pinned + "no-such-thing==3\n").encode())
    with pytest.raises(BundleRefused) as refused:
        load(own, (key.public,), native=TERMS)
    assert f"pandas {version('pandas')}, sealed with 1.0.0" in str(refused.value)
    assert "no-such-thing not installed, sealed with 3" in str(refused.value)
    assert "numpy" not in str(refused.value)
    assert "native_python" in str(refused.value)


def test_another_python_is_refused(own, key):
    form = json.loads((own / NATIVE_FORM).read_bytes()) | {"python": "3.9.1"}
    resealed(own, key, NATIVE_FORM, msgspec.json.encode(form))
    with pytest.raises(BundleRefused, match=r"python 3\.1\d, sealed with 3\.9\.1"):
        load(own, (key.public,), native=TERMS)


def test_an_interpreter_that_is_not_there_is_said(bundle, key):
    with pytest.raises(BundleRefused, match="interpreter for native models cannot be started"):
        load(bundle, (key.public,), native=msgspec.structs.replace(TERMS, python="/no/such/python"))


def test_an_artefact_that_cannot_be_opened_is_refused_with_the_kind_of_error(own, key):
    resealed(own, key, NATIVE_ARTEFACT, b"not a pickle")
    with pytest.raises(BundleRefused, match=r"opening the native model raised \w+Error"):
        load(own, (key.public,), native=TERMS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": 2}, "format 2"),
        ({"outputs": 3}, "3 scores"),
        ({"columns": []}, "other columns"),
        ({"loader": "shell"}, "form.json"),
        ({"extra": 1}, "form.json"),
    ],
)
def test_a_form_that_contradicts_the_signature_is_refused(own, key, change, why):
    form = json.loads((own / NATIVE_FORM).read_bytes()) | change
    resealed(own, key, NATIVE_FORM, msgspec.json.encode(form))
    with pytest.raises(BundleRefused, match=why):
        load(own, (key.public,), native=TERMS)


def test_golden_rows_are_replayed(own, key):
    golden = (own / "golden.jsonl").read_bytes().splitlines()
    first = json.loads(golden[0])
    first["scores"] = [0.5, 0.5]
    resealed(own, key, "golden.jsonl", b"\n".join([json.dumps(first).encode(), *golden[1:]]) + b"\n")
    with pytest.raises(BundleRefused, match="golden row 0"):
        load(own, (key.public,), native=TERMS)


def test_a_half_native_bundle_is_refused(own, key):
    (own / NATIVE_FORM).unlink()
    with pytest.raises(BundleRefused):
        load(own, (key.public,), native=TERMS)
    with pytest.raises(BundleRefused, match="holds one model"):
        resealed(own, key, NATIVE_ARTEFACT, b"x")


def mixed(count=300):
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "n": random.normal(size=count),
            "i": random.integers(0, 50, count),
            "b": random.random(count) < 0.5,
            "t": random.choice(["x", "y", "z"], count),
            "c": pd.Categorical(random.choice(["lo", "hi"], count), categories=["lo", "hi"]),
            "at": pd.to_datetime("2024-01-01") + pd.to_timedelta(random.integers(0, 999, count), unit="h"),
        }
    )


def flat(frame):
    """Everything as numbers; written out so that a wrong dtype in the other process would show."""
    assert str(frame.dtypes["c"]) == "category"
    assert frame.dtypes["b"].kind == "b"
    assert frame.dtypes["i"].kind == "i"
    numbers = frame[["n", "i"]].to_numpy(float)
    hours = (frame["at"] - pd.Timestamp("2024-01-01")).dt.total_seconds().to_numpy() / 3.6e6
    return np.column_stack([numbers, frame["b"], frame["t"] == "x", frame["c"].cat.codes, hours])


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_dtype_arrives_as_the_model_was_fitted_on_it(tmp_path, key, task):
    frame = mixed()
    y = (frame["n"] > 0).to_numpy() if task == "classification" else frame["n"].to_numpy()
    learner = KNeighborsClassifier() if task == "classification" else KNeighborsRegressor()
    pipeline = make_pipeline(FunctionTransformer(flat), learner).fit(frame, y)
    model = load(sealed(tmp_path / "dtypes", key, pipeline, frame), (key.public,), native=TERMS)
    given = [dict(zip(frame.columns, row, strict=True)) for row in frame.head(9).itertuples(index=False)]
    given = [{**row, "at": row["at"].isoformat(), "b": bool(row["b"])} for row in given]
    answers = model.predict(given)
    if task == "classification":
        expected = pipeline.predict_proba(frame.head(9))
        assert [list(a["probabilities"].values()) for a in answers] == expected.tolist()
        assert model.signature.classes == ("false", "true")
    else:
        assert answers == pipeline.predict(frame.head(9)).tolist()
    model.close()


def test_a_sklearn_pipeline_that_no_form_takes(tmp_path, key):
    frame = rows().fillna({"plan": "none"})
    y = frame["amount"] > 50
    pipeline = make_pipeline(OneHotEncoder(handle_unknown="ignore"), KNeighborsClassifier(7)).fit(frame, y)
    model = load(sealed(tmp_path / "knn", key, pipeline, frame), (key.public,), native=TERMS)
    cells = frame.astype(object).to_numpy().tolist()
    assert np.array_equal(model.score_rows(cells), pipeline.predict_proba(frame))
    assert "scikit-learn" in (tmp_path / "knn" / REQUIREMENTS).read_text()
    model.close()


def test_what_cannot_be_written_down_is_said(tmp_path, key):
    broken = Capricious()
    broken.lock = __import__("threading").Lock()
    with pytest.raises(NotCompilable, match="cannot be written down"):
        sealed(tmp_path / "broken", key, broken)


def test_tasks_without_a_form_stay_refused(tmp_path, key):
    frame = rows()[["amount"]]
    with pytest.raises(NotCompilable, match="outlier_detector"):
        sealed(tmp_path / "forest", key, IsolationForest().fit(frame), frame)
