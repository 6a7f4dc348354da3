"""The further metrics agree with sklearn's, weighted or not, and say nothing where they have no meaning."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn import metrics as reference

from fairlead.contract.signature import Signature
from fairlead.lab.stats.further import drawn_further, further_metrics, known_metrics


def signature(task: str, classes: tuple[str, ...] = ()) -> Signature:
    return Signature(task=task, target="y", columns=(), classes=classes, positive=classes[-1] if classes else None)


@settings(max_examples=40, deadline=None)
@given(some.integers(0, 10_000), some.integers(2, 5), some.integers(3, 60))
def test_those_of_classes_are_sklearns(seed: int, k: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    classes = tuple("abcde"[:k])
    truth = random.choice(classes, rows)
    scores = np.round(random.dirichlet(np.ones(k), rows), 3)
    decided = np.array(classes)[scores.argmax(axis=1)]
    if k == 2:
        decided = np.where(scores[:, 1] > 0.5, "b", "a")
    found = further_metrics("classification", truth, scores, signature("classification", classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, decided))
        assert found["mcc"] == pytest.approx(reference.matthews_corrcoef(truth, decided), abs=1e-12)
        if k == 2 and "a" in truth:
            assert found["specificity"] == pytest.approx(reference.recall_score(truth, decided, pos_label="a"))
        if k > 3:
            want = reference.top_k_accuracy_score(truth, scores, k=3, labels=list(classes))
            assert found["top_3"] <= want + 1e-12


@settings(max_examples=40, deadline=None)
@given(some.integers(0, 10_000), some.integers(2, 60))
def test_those_of_numbers_are_sklearns_for_rows_repeated_as_often_as_drawn(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    truth, predicted = random.normal(size=rows) + 5, random.normal(size=rows)
    often = random.integers(0, 4, rows)
    often[0] += 1
    drawn = drawn_further("regression", truth, predicted[:, None], signature("regression"))(often[None].astype(float))
    t, p = np.repeat(truth, often), np.repeat(predicted, often)
    assert drawn["median_ae"][0] == pytest.approx(reference.median_absolute_error(t, p))
    assert drawn["mape"][0] == pytest.approx(reference.mean_absolute_percentage_error(t, p))
    assert drawn["bias"][0] == pytest.approx((p - t).mean())


def test_lift_counts_rows_of_equal_score_in_proportion() -> None:
    truth = np.array(["yes"] * 10 + ["no"] * 90)
    kind = signature("classification", ("no", "yes"))
    flat = further_metrics("classification", truth, np.full((100, 2), 0.5), kind)
    assert flat["lift_at_10"] == pytest.approx(1.0)
    best = further_metrics("classification", truth, np.stack([truth == "no", truth == "yes"], 1).astype(float), kind)
    assert best["lift_at_10"] == pytest.approx(10.0)
    assert best["gain_at_10"] == pytest.approx(1.0)


def test_what_has_no_meaning_is_left_out() -> None:
    truth = np.array([0.0, 1.0, 2.0])
    assert "mape" not in further_metrics("regression", truth, truth[:, None], signature("regression"))
    one = further_metrics(
        "classification", np.array(["no", "no"]), np.array([[0.9, 0.1], [0.4, 0.6]]),
        signature("classification", ("no", "yes")),
    )  # fmt: skip
    assert "gain_at_10" not in one
    assert one["specificity"] == 0.5
    assert "balanced_accuracy" in known_metrics("classification")
