"""Metrics agree with sklearn's, row by row weights included; losses are what the contract says."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from fairlead.contract.errors import ShapeMismatch
from fairlead.contract.signature import Signature
from fairlead.lab.stats import class_codes, loss_clip, losses, metrics, weighted_metrics

BINARY = Signature(task="classification", columns=(), classes=("no", "yes"), positive="yes")
THREE = Signature(task="classification", columns=(), classes=("a", "b", "c"))
NUMBER = Signature(task="regression", columns=())


def binary_rows(seed: int, rows: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    p = random.random(rows)
    p = np.round(p, 1) if ties else p
    truth = np.where(random.random(rows) < 0.2 + 0.6 * p, "yes", "no").astype(object)
    return truth, np.column_stack([1 - p, p])


@given(st.integers(0, 10_000), st.integers(4, 300), st.booleans())
@settings(max_examples=60, deadline=None)
def test_binary_metrics_equal_sklearn(seed: int, rows: int, ties: bool) -> None:
    truth, scores = binary_rows(seed, rows, ties)
    y, p = (truth == "yes").astype(int), scores[:, 1]
    said = (p > 0.5).astype(int)
    found = metrics("classification", truth, scores, BINARY)
    expected = {
        "accuracy": reference.accuracy_score(y, said),
        "precision": reference.precision_score(y, said, zero_division=0),
        "recall": reference.recall_score(y, said, zero_division=0),
        "f1": reference.f1_score(y, said, zero_division=0),
        "log_loss": reference.log_loss(y, p, labels=[0, 1]),
        "brier": reference.brier_score_loss(y, p),
    }
    if 0 < y.sum() < rows:
        expected["roc_auc"] = reference.roc_auc_score(y, p)
        expected["pr_auc"] = reference.average_precision_score(y, p)
    assert found == pytest.approx(expected, abs=1e-10)


@given(st.integers(0, 10_000), st.integers(20, 200))
@settings(max_examples=30, deadline=None)
def test_multiclass_metrics_equal_sklearn(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.dirichlet([1.0, 1.0, 1.0], size=rows)
    y = np.array([random.choice(3, p=s) for s in scores])
    y[:3] = [0, 1, 2]
    truth = np.array(["a", "b", "c"], dtype=object)[y]
    said = scores.argmax(axis=1)
    found = metrics("classification", truth, scores, THREE)
    corners = np.eye(3)[y]
    expected = {
        "accuracy": reference.accuracy_score(y, said),
        "precision": reference.precision_score(y, said, average="macro", zero_division=0),
        "recall": reference.recall_score(y, said, average="macro", zero_division=0),
        "f1": reference.f1_score(y, said, average="macro", zero_division=0),
        "roc_auc": reference.roc_auc_score(y, scores, multi_class="ovr"),
        "pr_auc": reference.average_precision_score(corners, scores, average="macro"),
        "log_loss": reference.log_loss(y, scores, labels=[0, 1, 2]),
        "brier": 0.5 * ((scores - corners) ** 2).sum(axis=1).mean(),
    }
    assert found == pytest.approx(expected, abs=1e-10)


@given(st.integers(0, 10_000), st.floats(-1e6, 1e6), st.integers(2, 200))
@settings(max_examples=40, deadline=None)
def test_regression_metrics_equal_sklearn(seed: int, offset: float, rows: int) -> None:
    random = np.random.default_rng(seed)
    truth = offset + random.normal(size=rows)
    # A truth that hardly moves for its size is taken as constant: its r2 would be rounding noise.
    assume(np.ptp(truth) > 1e-6 * abs(offset))
    predicted = truth + random.normal(size=rows)
    found = metrics("regression", truth, predicted, NUMBER)
    expected = {
        "mse": reference.mean_squared_error(truth, predicted),
        "rmse": reference.root_mean_squared_error(truth, predicted),
        "mae": reference.mean_absolute_error(truth, predicted),
        "r2": reference.r2_score(truth, predicted),
    }
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_weights_equal_repeated_rows() -> None:
    truth, scores = binary_rows(3, 200, ties=True)
    counts = np.random.default_rng(1).integers(0, 4, size=(5, 200))
    many = weighted_metrics("classification", truth, scores, BINARY, counts.astype(float))
    for draw, count in enumerate(counts):
        rows = np.repeat(np.arange(200), count)
        one = metrics("classification", truth[rows], scores[rows], BINARY)
        assert {name: v[draw] for name, v in many.items()} == pytest.approx(one, abs=1e-10)


def test_an_area_with_one_class_present_is_left_out_rather_than_invented() -> None:
    scores = np.array([[0.4, 0.6], [0.3, 0.7]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics("classification", np.array(["yes", "yes"]), scores, BINARY)
    assert "roc_auc" not in found
    assert "pr_auc" not in found
    assert found["accuracy"] == 1.0


def test_r2_of_a_constant_truth_is_left_out() -> None:
    assert "r2" not in metrics("regression", np.full(5, 7.0), np.arange(5.0), NUMBER)


def test_a_label_the_model_never_saw_counts_as_wrong() -> None:
    scores = np.array([[0.9, 0.1], [0.9, 0.1]])
    found = metrics("classification", np.array(["no", "perhaps"], dtype=object), scores, BINARY)
    assert found["accuracy"] == 0.5


def test_labels_read_as_tables_write_them() -> None:
    assert class_codes(np.array([1.0, 0.0, 7.0]), ("0", "1")).tolist() == [1, 0, -1]
    assert class_codes(np.array([True, False]), ("false", "true")).tolist() == [1, 0]
    assert class_codes(np.array(["b", None, "a"], dtype=object), ("a", "b")).tolist() == [1, -1, 0]


def test_lengths_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ShapeMismatch, match="expected"):
        metrics("classification", np.array(["yes"]), np.zeros((2, 2)), BINARY)


def test_loss_of_two_classes_is_brier_and_of_more_half_the_squared_distance() -> None:
    two = losses("classification", np.array(["yes", "no"]), np.array([[0.3, 0.7], [0.3, 0.7]]), BINARY)
    assert two == pytest.approx([0.09, 0.49])
    three = losses("classification", np.array(["a"]), np.array([[0.0, 0.0, 1.0]]), THREE)
    assert three == pytest.approx([1.0])


def test_loss_of_numbers_is_the_clipped_share_of_the_error() -> None:
    found = losses("regression", np.zeros(4), np.array([5.0, -20.0, 0.0, np.nan]), NUMBER, 10.0)
    assert found == pytest.approx([0.5, 1.0, 0.0, 1.0])


def test_loss_clip_ignores_one_outlier_and_is_never_zero() -> None:
    errors = np.append(np.linspace(0, 1, 1000), 1e9)
    assert 0.98 < loss_clip(errors) < 1.01
    assert loss_clip(np.zeros(10)) == 1.0
    assert loss_clip(np.append(np.zeros(999), 3.0)) == 3.0
