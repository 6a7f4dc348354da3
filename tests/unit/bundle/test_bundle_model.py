"""Loading and answering: both forms of the front, decisions, predictions, golden replay."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from bundle_samples import FRONT, LINEAGE, SIGNATURE, TAIL, files, golden, probability, write_files
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import (
    BodyInvalid,
    BundleRefused,
    CellInvalid,
    ColumnMissing,
    ColumnUnknown,
    ShapeMismatch,
)
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import Front, load, seal
from fairlead.runtime.bundle.calendar import PARTS
from fairlead.runtime.bundle.front import Delta, Number, Table
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.bundle.ops import Add, Clip, Divide, Impute, Missing, Multiply, Part
from fairlead.runtime.bundle.run import CROSSOVER, decided, decided_one
from fairlead.runtime.bundle.tail import LinearForm

FIRST = {"age": 1, "plan": "pro", "code": 1}


@pytest.fixture(scope="module")
def model(sealed, key):
    return load(sealed, (key.public,))


def reloaded(tmp_path, key, **changed):
    """Seal the sample bundle with some files changed, and load it."""
    folder = write_files(
        tmp_path / "bundle", files() | {name.replace("__", "/"): data for name, data in changed.items()}
    )
    seal(folder, "churn", LINEAGE, "linear", "2.4.6", key)
    return load(folder, (key.public,))


def test_rows_columns_frames_and_dicts_get_the_same_answers(model):
    rows = [[50.0, "pro", "2"], [None, None, "1"], [20.0, "never", "1"]]
    scores = model.score_rows(rows)
    assert scores[:, 1] == pytest.approx([probability(50, 0, 1, 1), probability(40, 1, 0, 0), probability(20, 0, 0, 0)])
    dicts = [
        {"age": 50, "plan": "pro", "code": 2},
        {"age": None, "plan": None, "code": "1"},
        {"age": 20, "plan": "never", "code": 1},
    ]
    frame = pd.DataFrame({"age": [50, None, 20], "plan": ["pro", None, "never"], "code": [2, 1, 1], "id": list("abc")})
    columns = {"age": [50, None, 20], "plan": ["pro", None, "never"], "code": [2, 1, 1]}
    expected = model.predict(dicts)
    assert expected[0]["label"] == "yes"
    assert set(expected[0]["probabilities"]) == {"no", "yes"}
    assert model.predict(frame) == model.predict(columns)
    for one, other in zip(expected, model.predict(frame), strict=True):
        assert one["label"] == other["label"]
        assert one["probabilities"] == pytest.approx(other["probabilities"])


def test_the_crossover_and_chunks_change_no_answer(model, monkeypatch):
    random = np.random.default_rng(0)
    rows = [
        [float(random.integers(18, 90)), str(random.choice(["basic", "pro", "x"])), "1"] for _ in range(CROSSOVER * 3)
    ]
    one_by_one = np.concatenate([model.score_rows([row]) for row in rows])
    assert model.score_rows(rows) == pytest.approx(one_by_one, abs=1e-15)
    monkeypatch.setattr(model, "_chunk", 7)
    assert model.score_rows(rows) == pytest.approx(one_by_one, abs=1e-15)


@pytest.mark.parametrize(
    ("rows", "error", "says"),
    [
        ([{"age": 1, "plan": "pro"}], ColumnMissing, "columns missing: code"),
        ([{"age": 1, "plan": "pro", "code": 1, "zip": 3}], ColumnUnknown, "columns unknown: zip"),
        ([{"age": "old", "plan": "pro", "code": 1}], CellInvalid, "row 0, column 'age': found text"),
        ([{"age": 1.5, "plan": "pro", "code": 1}], CellInvalid, "found a number, allowed: integer or null"),
        ([{"age": True, "plan": "pro", "code": 1}], CellInvalid, "found a boolean"),
        ([{"age": 1, "plan": 4, "code": 1}], CellInvalid, "found an integer, allowed: category as text"),
        ([{"age": 1, "plan": "pro", "code": None}], CellInvalid, "not nullable"),
        ([{"age": 10**400, "plan": "pro", "code": 1}], CellInvalid, "found an integer"),
        ([FIRST, FIRST | {"code": 7}], CellInvalid, "row 1, column 'code': found a value never"),
        ([3], BodyInvalid, "row 0 is int"),
        ({"age": [1], "plan": ["pro", "x"], "code": [1]}, ShapeMismatch, "different lengths"),
        ({"age": [1.5], "plan": ["pro"], "code": [1]}, CellInvalid, "allowed: integer"),
        ({"age": [1], "plan": ["pro"]}, ColumnMissing, "code"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_refused_with_their_place(model, rows, error, says):
    with pytest.raises(error, match=says):
        model.predict(rows)


def test_regression_gives_numbers(tmp_path, key):
    signature = Signature(task="regression", columns=SIGNATURE.columns)
    tail = LinearForm(weights=TAIL.weights, intercept=TAIL.intercept, link="identity")
    line = canonical({"row": {"age": 50, "plan": "pro", "code": 2}, "scores": [3.75], "answer": 3.75})
    model = reloaded(
        tmp_path,
        key,
        **{"signature.json": canonical(signature), "model__tail.json": tail.to_json(), "golden.jsonl": line},
    )
    assert model.predict([{"age": 60, "plan": "pro", "code": 2}]) == [pytest.approx(4.75)]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("golden.jsonl", b"", "there must be"),
        ("golden.jsonl", b"{}\n" * 20_000, "there must be"),
        ("golden.jsonl", canonical(golden()[0]).replace(b"0.0", b"0.1"), "golden"),
        ("golden.jsonl", canonical({"row": FIRST, "scores": [0.5, 0.5], "answer": "yes"}), "golden row 0 does not get"),
        ("golden.jsonl", canonical({"row": {"age": 50}, "scores": [0.5, 0.5], "answer": "yes"}), "golden.jsonl: row 0"),
        ("signature.json", canonical(Signature("classification", SIGNATURE.columns, classes=("one",))), "two classes"),
        ("signature.json", canonical(Signature("forecasting", SIGNATURE.columns)), "a horizon of 1 to"),
        ("signature.json", canonical(SIGNATURE).replace(b'"classification"', b'"divination"'), "signature.json"),
        ("signature.json", canonical(Signature("regression", SIGNATURE.columns[:2])), "other col"),
        ("signature.json", b"[" * 100_000, "signature.json"),
        ("model__front.json", b'{"columns":["a"],"numeric":[true],"lanes":[],"format":9}', "format 9"),
        ("model__front.json", FRONT.to_json().replace(b'"impute"', b'"eval"'), "front.json"),
        ("model__front.json", FRONT.to_json().replace(b'"by":10.0', b'"by":0.0'), "not usable"),
        ("model__front.json", FRONT.to_json().replace(b'"by":10.0', b'"by":1e999'), "front.json"),
        ("model__tail.json", canonical(LinearForm(((1.0,),), (0.0,), "sigmoid")), "do not fit"),
        ("model__tail.json", TAIL.to_json().replace(b'"sigmoid"', b'"exec"'), "tail.json"),
        ("model__tail.json", canonical(LinearForm(((1.0, 1.0),) * 4, (0.0, 0.0), "sigmoid")), "one output"),
        ("model__tail.json", canonical(LinearForm(((1.0, 1.0, 1.0),) * 4, (0.0,) * 3, "softmax")), "gives 3 scores"),
    ],
)  # fmt: skip
def test_a_sealed_bundle_that_contradicts_itself_is_refused(tmp_path, key, name, data, why):
    with pytest.raises(BundleRefused, match=why):
        reloaded(tmp_path, key, **{name: data})


@pytest.mark.parametrize(
    "lane",
    [
        Number("x"),
        Number("plan"),
        Table("age", ("a",), ((),), (0.0,)),
        Table("plan", (1.0,), ((),), (0.0,)),
        Table("plan", ("a", "a"), ((), ()), (0.0,)),
        Table("plan", ("a",), (), (0.0,)),
        Table("plan", ("a",), ((Delta(1, 1.0),),), (0.0,)),
        Table("plan", ("a",), ((Delta(-1, 1.0),),), (0.0,)),
        Table("plan", ("a",), ((),), (0.0,), before=(Impute(0.0),)),
        Number("age", (Part("century"),)),
        Number("age", (Part("year", "sin"),)),
    ],
)
def test_lanes_that_cannot_run_are_refused(lane):
    front = Front(("age", "plan"), (True, False), (lane,))
    with pytest.raises(BundleRefused, match=r"front\.json"):
        Front.from_json(front.to_json())


def test_every_operation_agrees_in_both_forms():
    random = np.random.default_rng(3)
    cells = [*random.normal(0, 1e6, 200).tolist(), None, 0.0, -0.0, 1e300, -1e300, 5e-324, 1.7e9, -1.0]
    rows = ((Delta(1, 2.0),), (Delta(0, None), Delta(1, 9.0)))
    lanes = (
        Number("a", (Impute(3.5), Multiply(0.1), Add(-7.25), Clip(-2.0, None))),
        Number("a", (Clip(None, 5.0),)),
        Number("a", (Missing(), Divide(3.0))),
        Number("a"),
        *(Number("a", (Part(part),)) for part in PARTS),
        Number("a", (Part("hour", "sin"), Impute(0.0))),
        Number("a", (Part("month", "cos"),)),
        Table("a", (0.0, -1.0), rows, (0.5, 0.0), missing=(Delta(0, 4.0),), before=(Clip(-1.0, 0.0),)),
    )  # fmt: skip
    front = Front.from_json(Front(("a",), (True,), lanes).to_json())
    by_row = front.row_encoder()([[cell] for cell in cells])
    by_column = front.encode({"a": np.array([np.nan if c is None else c for c in cells])})
    assert np.array_equal(by_row, by_column, equal_nan=True)
    assert by_row.shape == (len(cells), front.width)


def test_decisions_follow_the_threshold_and_ties_follow_argmax():
    scores = np.array([[0.5, 0.5], [0.4, 0.6], [0.7, 0.3], [0.25, 0.75]])
    columns = (Column("a", "number"),)
    for positive in ("a", "b"):
        signature = Signature("classification", columns, classes=("a", "b"), positive=positive)
        assert decided(scores, signature).tolist() == scores.argmax(axis=1).tolist()
    high = Signature("classification", columns, classes=("a", "b"), positive="b", threshold=0.6)
    assert decided(scores, high).tolist() == [0, 0, 0, 1]
    assert decided(
        np.array([[0.2, 0.5, 0.3]]), Signature("classification", columns, classes=("a", "b", "c"))
    ).tolist() == [1]


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.4999999999999999, 0.5, 0.75, 1.0]), min_size=2, max_size=4),
    st.sampled_from([0.25, 0.5, 0.75]),
    st.sampled_from([None, 0, 1]),
)
def test_one_row_is_decided_as_many_are(scores: list[float], threshold: float, positive: int | None) -> None:
    classes = tuple("abcd"[: len(scores)])
    chosen = classes[positive] if positive is not None and len(classes) == 2 else None
    signature = Signature("classification", (), classes=classes, positive=chosen, threshold=threshold)
    assert decided_one(scores, signature) == decided(np.array([scores, scores]), signature)[0]
