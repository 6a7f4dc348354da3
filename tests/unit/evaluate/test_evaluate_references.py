"""Curves and gaps between groups, against scikit-learn and fairlearn."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn import metrics as fairlearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from fairlead.contract.signature import Signature
from fairlead.lab.evaluate.curves import calibration, confusion, ranking
from fairlead.lab.stats.disparities import disparity, measured, odds_disparity

SEEDS = st.integers(0, 100_000)
BINARY = Signature(task="classification", target="y", columns=(), classes=("no", "yes"), positive="yes")
THREE = Signature(task="classification", target="y", columns=(), classes=("a", "b", "c"))
NUMBER = Signature(task="regression", target="y", columns=())


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(2, 90), st.booleans())
def test_points_of_the_roc_and_of_precision_are_sklearns(seed: int, rows: int, ties: bool) -> None:
    random = np.random.default_rng(seed)
    score, event = random.random(rows), random.random(rows) < 0.4
    event[:2] = [True, False]
    score = np.round(score, 1) if ties else score
    found = ranking(event, score)
    fpr, tpr, _ = reference.roc_curve(event, score, drop_intermediate=False)
    # Points are rounded for the page.
    np.testing.assert_allclose(found["fpr"], fpr, atol=1e-4)
    np.testing.assert_allclose(found["tpr"], tpr, atol=1e-4)
    precision, _, _ = reference.precision_recall_curve(event, score)
    np.testing.assert_allclose(found["precision"][1:], precision[:-1][::-1], atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 12))
def test_the_calibration_curve_is_sklearns_where_bins_hold_equal_rows(seed: int, tens: int) -> None:
    random = np.random.default_rng(seed)
    score = random.permutation(np.linspace(0.01, 0.99, 10 * tens))
    event = random.random(10 * tens) < score
    share, said = calibration_curve(event, score, n_bins=10, strategy="quantile")
    found = calibration(event, score)
    assert [one["happened"] for one in found] == pytest.approx(share.tolist())
    assert [one["said"] for one in found] == pytest.approx(said.tolist())


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 60))
def test_confusions_are_sklearns(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    codes, scores = random.integers(0, 3, rows), random.dirichlet(np.ones(3), rows)
    known = reference.confusion_matrix(codes, scores.argmax(axis=1), labels=[0, 1, 2])
    assert confusion(codes, scores, THREE) == known.tolist()


@settings(max_examples=5, deadline=None)
@given(SEEDS, st.integers(2, 4))
def test_numbers_of_groups_and_their_widest_gap_are_fairlearns_for_every_task(seed: int, groups: int) -> None:
    random = np.random.default_rng(seed)
    codes = np.concatenate([np.repeat(np.arange(groups), 3), random.integers(0, groups, 40)])
    rows, names = len(codes), list("abcd"[:groups])
    truth, said = random.normal(size=rows), random.normal(size=rows)
    numbers = measured(NUMBER, truth, said[:, None], np.abs(said - truth))
    labels, scores = random.integers(0, 3, rows), random.dirichlet(np.ones(3), rows)
    classes = measured(THREE, np.array(list("abc"))[labels], scores, 1 - scores[np.arange(rows), labels])
    asked = (
        ("mean_loss", numbers, reference.mean_absolute_error, truth, said),
        ("mean_error", numbers, lambda y, p: float(np.mean(p - y)), truth, said),
        ("accuracy", classes, reference.accuracy_score, labels, scores.argmax(axis=1)),
    )
    for measure, parts, metric, y, p in asked:
        frame = fairlearn.MetricFrame(metrics=metric, y_true=y, y_pred=p, sensitive_features=codes)
        found = disparity("g", measure, names, codes, *parts[measure], smallest=1)
        assert found.gap is not None
        assert found.gap.value == pytest.approx(frame.difference(method="between_groups"))
        rates = [group.rate.value for group in found.groups if group.rate is not None]
        assert rates == pytest.approx([frame.by_group[code] for code in range(groups)])


@settings(max_examples=4, deadline=None)
@given(SEEDS)
def test_equalised_odds_are_fairlearns(seed: int) -> None:
    random = np.random.default_rng(seed)
    codes, y = np.repeat([0, 1, 2], 80), np.tile([0, 1], 120)
    said = np.clip(random.random(240) + 0.1 * codes * y, 0, 1)
    truth = np.where(y == 1, "yes", "no")
    parts = measured(BINARY, truth, np.stack([1 - said, said], axis=1), np.abs(y - said))
    found = odds_disparity("g", list("abc"), codes, parts, 1, seed)
    assert found.gap is not None
    known = fairlearn.equalized_odds_difference(y, (said > 0.5).astype(int), sensitive_features=codes)
    assert found.gap.value == pytest.approx(known)
