"""What the metrics' own tests leave open, against scikit-learn: temperatures, top classes, forecasts, shapes, areas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import calibration
from sklearn import metrics as reference

from fairlead.contract.signature import Signature
from fairlead.lab.stats.calibration import temperature
from fairlead.lab.stats.forecasts import forecast_metrics
from fairlead.lab.stats.further import further_metrics
from fairlead.lab.stats.grouping import shape_metrics, silhouettes
from fairlead.lab.tables.quality.auc import auc, auc_difference

SEEDS = st.integers(0, 100_000)


@pytest.mark.skipif(
    not hasattr(calibration, "_TemperatureScaling"), reason="scikit-learn before 1.8 has no temperature"
)
@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(2, 5), st.floats(0.4, 3.0))
def test_the_temperature_is_sklearns(seed: int, k: int, sharper: float) -> None:
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.full(k, 2.0), 300)
    codes = (random.random((300, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, k - 1).astype(np.int64)
    assume(len(set(codes)) == k)
    shown = p**sharper / (p**sharper).sum(axis=1, keepdims=True)
    known = calibration._TemperatureScaling().fit(shown, codes.astype(float)).beta_
    assert temperature(shown, codes) == pytest.approx(known, rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(3, 6), st.integers(3, 60))
def test_the_likeliest_classes_are_counted_as_sklearn_does(seed: int, k: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    classes = tuple("abcdef"[:k])
    truth, scores = random.choice(classes, rows), random.dirichlet(np.ones(k), rows)
    kind = Signature(task="classification", target="y", columns=(), classes=classes)
    found = further_metrics("classification", truth, scores, kind)
    for top in (t for t in (2, 3, 5) if t < k):
        known = reference.top_k_accuracy_score(truth, scores, k=top, labels=list(classes))
        assert found[f"top_{top}"] == pytest.approx(known)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(2, 60))
def test_specificity_and_balanced_accuracy_of_two_classes_are_sklearns(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    truth, p = random.choice(["no", "yes"], rows), random.random(rows)
    assume(len(set(truth)) == 2)
    kind = Signature(task="classification", target="y", columns=(), classes=("no", "yes"), positive="yes")
    found = further_metrics("classification", truth, np.stack([1 - p, p], axis=1), kind)
    said = np.where(p > 0.5, "yes", "no")
    assert found["specificity"] == pytest.approx(reference.recall_score(truth, said, pos_label="no"))
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, said))
    assert found["mcc"] == pytest.approx(reference.matthews_corrcoef(truth, said), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 5), st.integers(2, 40))
def test_errors_of_forecasts_are_sklearns_over_all_steps_that_are_due(seed: int, horizon: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    truth, said = random.normal(size=(rows, horizon)) + 3, random.normal(size=(rows, horizon)) + 3
    truth[random.random(truth.shape) < 0.2] = np.nan
    due = np.isfinite(truth)
    assume(due.any())
    found = forecast_metrics(truth, said, np.ones((1, rows)))
    assert found["mae"][0] == pytest.approx(reference.mean_absolute_error(truth[due], said[due]))
    assert found["rmse"][0] == pytest.approx(reference.root_mean_squared_error(truth[due], said[due]))


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(2, 4), st.integers(12, 60))
def test_shapes_of_any_groups_are_sklearns(seed: int, groups: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    features, clusters = random.normal(size=(rows, 3)), random.integers(0, groups, rows)
    clusters[: 2 * groups] = np.repeat(np.arange(groups), 2)
    found = shape_metrics(features, clusters)
    assert found["silhouette"] == pytest.approx(reference.silhouette_score(features, clusters))
    assert found["davies_bouldin"] == pytest.approx(reference.davies_bouldin_score(features, clusters))
    assert found["calinski_harabasz"] == pytest.approx(reference.calinski_harabasz_score(features, clusters))
    np.testing.assert_allclose(silhouettes(features, clusters), reference.silhouette_samples(features, clusters))


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(2, 80), st.booleans())
def test_areas_of_leaks_are_sklearns_and_their_differences_differ_as_they_do(seed: int, rows: int, ties: bool) -> None:
    random = np.random.default_rng(seed)
    one, other, truth = random.random(rows), random.random(rows), random.random(rows) < 0.5
    truth[:2] = [True, False]
    one = np.round(one, 1) if ties else one
    known = [reference.roc_auc_score(truth, scores) for scores in (one, other)]
    assert auc(one, truth).value == pytest.approx(known[0])
    assert auc_difference(one, other, truth).value == pytest.approx(known[0] - known[1])
