"""Measures of anomalies and of groups against scikit-learn's, and the thresholds by what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import losses, metric_intervals, metrics, weighted_metrics
from fairlead.lab.stats.grouping import same_grouping, shape_metrics, silhouettes
from fairlead.lab.stats.strangeness import best_threshold, rank_agreement, share_threshold

ODD = Signature("anomaly", (Column("x", "number"),), threshold=0.5)
GROUPS = Signature("clustering", (Column("x", "number"),), classes=("0", "1", "2"))
SCORES = st.lists(st.integers(0, 8).map(lambda n: n / 8), min_size=4, max_size=40)


@given(SCORES, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_areas_and_rates_are_scikit_learns(scores: list[float], random) -> None:
    truth = np.array([float(random.random() < 0.4) for _ in scores])
    found = metrics("anomaly", truth, np.array(scores), ODD)
    flagged = np.array(scores) > 0.5
    assert found["alert_rate"] == pytest.approx(flagged.mean())
    if 0 < truth.sum() < len(truth):
        assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(truth, scores))
        assert found["pr_auc"] == pytest.approx(reference.average_precision_score(truth, scores))
        assert found["precision"] == pytest.approx(reference.precision_score(truth, flagged, zero_division=0.0))
        assert found["recall"] == pytest.approx(reference.recall_score(truth, flagged))
        assert found["f1"] == pytest.approx(reference.f1_score(truth, flagged, zero_division=0.0))
        assert 0.0 <= found["precision_at_k"] <= 1.0


def test_precision_at_k_counts_ties_in_proportion() -> None:
    truth = np.array([1.0, 0.0, 1.0, 0.0])
    assert metrics("anomaly", truth, np.array([4.0, 3.0, 2.0, 1.0]), ODD)["precision_at_k"] == 0.5
    assert metrics("anomaly", truth, np.array([2.0, 2.0, 2.0, 1.0]), ODD)["precision_at_k"] == pytest.approx(2 / 3)


def test_rows_that_nobody_knows_count_for_the_alert_rate_alone() -> None:
    truth, scores = np.array([1.0, 0.0, np.nan, np.nan]), np.array([0.9, 0.1, 0.8, 0.7])
    found = metrics("anomaly", truth, scores, ODD)
    assert (found["alert_rate"], found["precision"], found["recall"]) == (0.75, 1.0, 1.0)
    assert set(metrics("anomaly", np.full(4, np.nan), scores, ODD)) == {"alert_rate"}
    assert losses("anomaly", truth, scores, ODD).tolist() == [0.0, 0.0, 0.0, 0.0]
    assert losses("anomaly", 1.0 - truth, scores, ODD).tolist() == [1.0, 1.0, 0.0, 0.0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_agreement_is_scikit_learns_and_weights_are_rows_drawn_again(rows: list[tuple[int, int, int]]) -> None:
    truth, clusters, weights = map(np.array, zip(*rows, strict=True))
    truth = np.array([f"g{value}" for value in truth], dtype=object)
    scores = np.eye(4)[clusters]
    signature = Signature("clustering", (), classes=("0", "1", "2", "3"))
    found = metrics("clustering", truth, scores, signature)
    assert found["adjusted_rand"] == pytest.approx(reference.adjusted_rand_score(truth, clusters))
    assert found["nmi"] == pytest.approx(reference.normalized_mutual_info_score(truth, clusters), abs=1e-12)
    if weights.sum() > 1:
        drawn = weighted_metrics("clustering", truth, scores, signature, weights[None].astype(float))
        again = np.repeat(np.arange(len(truth)), weights)
        assert drawn["adjusted_rand"][0] == pytest.approx(reference.adjusted_rand_score(truth[again], clusters[again]))


def test_groups_that_nobody_knows_are_left_out() -> None:
    truth = np.array(["a", None, "b", "a"], dtype=object)
    scores = np.eye(3)[[0, 1, 1, 0]]
    assert metrics("clustering", truth, scores, GROUPS)["adjusted_rand"] == 1.0
    assert metrics("clustering", np.array([None] * 4, dtype=object), scores, GROUPS) == {}


@given(SCORES, st.floats(0.01, 0.5))
@settings(max_examples=80, deadline=None)
def test_no_more_than_the_share_is_flagged_unless_rows_are_alike(scores: list[float], share: float) -> None:
    score = np.array(scores)
    flagged = int((score > share_threshold(score, share)).sum())
    wanted = max(round(share * len(score)), 1)
    top = int((score == score.max()).sum())
    assert flagged <= max(wanted, top)
    assert flagged >= min(wanted, top)


@given(SCORES, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_no_threshold_that_flags_at_most_half_has_a_greater_f1(scores: list[float], random) -> None:
    score = np.array(scores)
    truth = np.array([float(random.random() < 0.3) for _ in scores])
    chosen = best_threshold(truth, score)

    def f1(threshold: float) -> float:
        return float(reference.f1_score(truth, score > threshold, zero_division=0.0))

    others = [float(np.nextafter(value, -np.inf)) for value in np.unique(score)]
    fair = [at for at in others if (score > at).sum() <= len(score) // 2]
    assert f1(chosen) >= max((f1(at) for at in fair), default=0.0) - 1e-12


def test_rank_agreement_is_spearmans() -> None:
    from scipy.stats import spearmanr

    random = np.random.default_rng(3)
    one, other = random.integers(0, 5, 60).astype(float), random.integers(0, 5, 60).astype(float)
    assert rank_agreement(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert rank_agreement(np.ones(4), np.ones(4)) == 1.0
    assert rank_agreement(np.ones(4), np.arange(4.0)) == 0.0


def test_shape_is_scikit_learns_on_rows_drawn_with_a_seed() -> None:
    random = np.random.default_rng(0)
    features = np.concatenate([random.normal(at, 1.0, (60, 2)) for at in (0.0, 5.0)])
    clusters = np.repeat([0, 3], 60)
    found = shape_metrics(features, clusters)
    assert found["silhouette"] == pytest.approx(reference.silhouette_score(features, clusters))
    assert found["davies_bouldin"] == pytest.approx(reference.davies_bouldin_score(features, clusters))
    assert found["calinski_harabasz"] == pytest.approx(reference.calinski_harabasz_score(features, clusters))
    assert (found["largest_share"], found["smallest_share"]) == (0.5, 0.5)
    assert silhouettes(features, clusters).mean() == pytest.approx(found["silhouette"])
    alone = shape_metrics(features, np.zeros(120, dtype=np.int64))
    assert alone == {"largest_share": 1.0, "smallest_share": 1.0}
    assert len(silhouettes(features, np.zeros(120, dtype=np.int64))) == 0
    many = np.tile(features, (40, 1))
    assert shape_metrics(many, np.tile(clusters, 40), 1) == shape_metrics(many, np.tile(clusters, 40), 1)


def test_same_grouping_does_not_look_at_names() -> None:
    assert same_grouping(np.array([0, 0, 1, 2]), np.array([5, 5, 3, 0])) == 1.0


def test_intervals_of_anomalies_hold_the_truth_as_often_as_promised() -> None:
    """Of 120 samples from a world with a known area, about 95 in 100 intervals hold it."""
    random = np.random.default_rng(5)
    from scipy.stats import norm

    area, held = float(norm.cdf(1.0 / np.sqrt(2.0))), 0
    for sample in range(120):
        truth = (np.arange(300) < 40).astype(float)
        scores = random.normal(size=300) + truth
        found = metric_intervals("anomaly", truth, scores, ODD, draws=150, seed=sample)["roc_auc"]
        held += found.low <= area <= found.high
    assert 105 <= held <= 120
