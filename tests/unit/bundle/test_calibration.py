"""model/calibration.json: checked when loaded, the same for one row and for many, kernel and numpy alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from bundle_samples import FRONT, LINEAGE, SIGNATURE, TAIL, files, write_files
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from fairlead.contract.errors import BundleRefused
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile.trees import Trees
from fairlead.runtime.bundle import Front, SigningKey, load, seal, tail_kernel
from fairlead.runtime.bundle.calibration import Calibrating, Calibration, Knots, Logit, Power, read_calibration
from fairlead.runtime.bundle.front import Number
from fairlead.runtime.bundle.golden import Golden
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.bundle.ops import Impute
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.tail import load_tail

CURVE = Calibration("isotonic", (Knots((0.1, 0.4, 0.9), (0.05, 0.5, 0.8)),))
THREE = Calibration("sigmoid", (Logit(1.5, 0.2), Logit(0.7, -1.0), Logit(0.0, 0.4)))


@pytest.fixture
def kernel() -> None:
    if tail_kernel._tails is None:
        pytest.skip("the kernel of tails was not compiled: there was no C compiler at installation")


@st.composite
def knots(draw: Any) -> Knots:
    points = sorted(draw(st.sets(st.integers(0, 500), min_size=1, max_size=9)))
    levels = sorted(draw(st.lists(st.floats(0.0, 1.0), min_size=len(points), max_size=len(points))))
    return Knots(tuple(point / 500 for point in points), tuple(levels))


logits = st.builds(Logit, st.floats(0.0, 9.0), st.floats(-5.0, 5.0))
curves = st.one_of(knots(), logits, st.builds(Power, st.floats(0.0, 9.0)))


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from([2, 3, 5]))
def test_the_kernel_gives_what_numpy_gives_and_a_row_the_same_alone(data: Any, outputs: int) -> None:
    if tail_kernel._tails is None:
        pytest.skip("the kernel of tails was not compiled: there was no C compiler at installation")
    count = 1 if outputs == 2 else outputs
    made = Calibration("isotonic", tuple(data.draw(curves) for _ in range(count)))
    rows = data.draw(
        st.lists(st.lists(st.floats(0.0, 1.0), min_size=outputs, max_size=outputs), min_size=1, max_size=8)
    )
    table = np.array(rows)
    running = Calibrating(made)
    together = running.applied(table.copy())
    np.testing.assert_allclose(together, made.reference(table), rtol=1e-12, atol=1e-15)
    alone = np.concatenate([running.applied(row[None].copy()) for row in table])
    assert np.array_equal(together, alone)
    np.testing.assert_allclose(together.sum(axis=1), 1.0, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(curves, st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20))
def test_no_curve_turns_two_rows_round(curve: Any, p: list[float]) -> None:
    told = Calibrating(Calibration("isotonic", (curve,))).applied(np.stack([1.0 - np.sort(p), np.sort(p)], axis=1))
    assert (np.diff(told[:, 1]) >= -1e-15).all()


def test_a_number_that_is_none_stays_none(kernel: None) -> None:
    table = np.array([[np.nan, np.nan]])
    assert np.isnan(Calibrating(CURVE).applied(table.copy())).all()
    assert np.isnan(CURVE.reference(table)).all()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"curves": [{"kind": "knots", "x": [0.1, 0.1], "y": [0.0, 1.0]}]}, "monotone"),
        ({"curves": [{"kind": "knots", "x": [0.1, 0.2], "y": [0.5, 0.4]}]}, "monotone"),
        ({"curves": [{"kind": "knots", "x": [0.1, 1.2], "y": [0.5, 0.6]}]}, "within"),
        ({"curves": [{"kind": "knots", "x": [0.0, 5e-324], "y": [0.0, 1.0]}]}, "too close"),
        ({"curves": [{"kind": "knots", "x": [], "y": []}]}, "points"),
        ({"curves": [{"kind": "knots", "x": [0.5], "y": [0.1, 0.2]}]}, "points"),
        ({"curves": [{"kind": "logit", "slope": -0.1, "intercept": 0.0}]}, "monotone"),
        ({"curves": [{"kind": "power", "exponent": -1.0}]}, "monotone"),
        ({"curves": [{"kind": "python", "code": "1"}]}, "python"),
        ({"curves": []}, "0 curves do not fit 2 scores"),
        ({"curves": [{"kind": "power", "exponent": 1.0}] * 2}, "2 curves do not fit 2 scores"),
        ({"curves": [{"kind": "power", "exponent": 1.0}], "format": 2}, "format 2 is not known"),
        ({"curves": [{"kind": "power", "exponent": 1.0}], "more": 1}, "more"),
    ],
)
def test_what_is_no_calibration_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(BundleRefused, match=why):
        read_calibration(json.dumps({"method": "isotonic", **said}).encode(), 2)


def test_bytes_that_are_no_json_are_refused() -> None:
    for data in (
        b"",
        b"[" * 5000,
        b"\xff",
        b'{"method": "isotonic", "curves": [{"kind": "power", "exponent": 1e999}]}',
    ):
        with pytest.raises(BundleRefused):
            read_calibration(data, 2)


def calibrated_files(calibration: Calibration, shift: float = 0.0) -> dict[str, bytes]:
    content = files()
    lines = [msgspec.json.decode(line, type=Golden) for line in content["golden.jsonl"].splitlines()]
    told = calibration.reference([line.scores for line in lines]) + shift
    answers = ["yes" if p > 0.5 else "no" for p in told[:, 1]]
    golden = [Golden(one.row, tuple(p), said) for one, p, said in zip(lines, told.tolist(), answers, strict=True)]
    content["golden.jsonl"] = b"".join(canonical(line) + b"\n" for line in golden)
    content["model/calibration.json"] = calibration.to_json()
    return content


def sealed_with(folder: Path, content: dict[str, bytes], key: SigningKey) -> Path:
    write_files(folder, content)
    seal(folder, "churn", LINEAGE, "linear", "2.4.6", key)
    return folder


def test_a_calibrated_bundle_answers_calibrated_and_its_golden_rows_are(tmp_path: Path, key: SigningKey) -> None:
    model = load(sealed_with(tmp_path / "b", calibrated_files(CURVE), key), [key.public])
    plain = Model("", None, SIGNATURE, FRONT, load_tail({"model/tail.json": TAIL.to_json()}, 4))  # type: ignore[arg-type]
    rows: list[Any] = [[float(age), plan, code] for age in range(18, 90, 3) for plan in ("pro", None) for code in "12"]
    np.testing.assert_allclose(model.score_rows(rows), CURVE.reference(plain.score_rows(rows)), atol=1e-15)
    assert isinstance(model.tail, object)
    np.testing.assert_array_equal(model.tail.uncalibrated.scores(np.ones((2, 4))), plain.tail.scores(np.ones((2, 4))))  # type: ignore[attr-defined]


def test_golden_rows_of_another_calibration_refuse_the_bundle(tmp_path: Path, key: SigningKey) -> None:
    with pytest.raises(BundleRefused, match="golden row 0"):
        load(sealed_with(tmp_path / "b", calibrated_files(CURVE, shift=1e-6), key), [key.public])


def test_a_changed_calibration_breaks_the_seal(tmp_path: Path, key: SigningKey) -> None:
    folder = sealed_with(tmp_path / "b", calibrated_files(CURVE), key)
    (folder / "model/calibration.json").write_bytes(THREE.to_json())
    with pytest.raises(BundleRefused, match=r"calibration\.json is not what was sealed"):
        load(folder, [key.public])


def test_a_calibration_of_other_outputs_is_refused(tmp_path: Path, key: SigningKey) -> None:
    content = calibrated_files(CURVE)
    content["model/calibration.json"] = THREE.to_json()
    with pytest.raises(BundleRefused, match="3 curves do not fit 2 scores"):
        load(sealed_with(tmp_path / "b", content, key), [key.public])


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("outputs", [2, 3])
def test_one_row_and_many_of_boosted_trees(outputs: int, kernels: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernels:
        monkeypatch.setattr(tail_kernel, "_tails", None)
    elif tail_kernel._tails is None:
        pytest.skip("the kernel of tails was not compiled: there was no C compiler at installation")
    random = np.random.default_rng(4)
    x = random.normal(size=(300, 3)).round(2)
    target = np.digitize(x[:, 0], [0.0] if outputs == 2 else [-0.5, 0.5])
    data = Trees().emit(HistGradientBoostingClassifier(max_iter=6, random_state=0).fit(x, target), 3)
    made = CURVE if outputs == 2 else THREE
    names = ("a", "b", "c")
    front = Front(names, (True,) * 3, tuple(Number(one, (Impute(0.0),)) for one in names))
    signature = Signature("classification", tuple(Column(n, "number") for n in names), classes=names[:outputs])
    plain = Model("", None, signature, front, load_tail({"model/tail.onnx": data}, 3))  # type: ignore[arg-type]
    tail = load_tail({"model/tail.onnx": data, "model/calibration.json": made.to_json()}, 3)
    model = Model("", None, signature, front, tail)  # type: ignore[arg-type]
    assert (model._few is not None) == kernels
    rows: list[Any] = x.tolist()
    expected = made.reference(plain.score_rows(rows))
    columns = {name: x[:, at] for at, name in enumerate(names)}
    for found in (model.score_rows(rows), model.score_columns(columns), np.array(model.answer_rows(rows)[1])):
        np.testing.assert_allclose(found, expected, atol=1e-15)
    alone = np.concatenate([model.score_rows([row]) for row in rows[:50]])
    np.testing.assert_array_equal(alone, model.score_rows(rows)[:50])
    np.testing.assert_array_equal(alone, model.score_columns(columns)[:50])


def test_a_signature_that_abstains_outside_of_a_classification_is_refused(tmp_path: Path, key: SigningKey) -> None:
    content = files()
    content["signature.json"] = canonical(msgspec.structs.replace(SIGNATURE, confidence=1.5))
    with pytest.raises(BundleRefused, match="confidence"):
        load(sealed_with(tmp_path / "b", content, key), [key.public])
