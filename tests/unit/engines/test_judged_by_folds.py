"""Metrics folded over parts: exact ones are exact, areas within the bound that is told, draws for any parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.signature import Column, Signature
from fairlead.lab.evaluate.folded import _classified, _predicted, add, judged_of, pack, poisson, unpack
from fairlead.lab.stats.further import further_metrics
from fairlead.lab.stats.measures import class_codes, metrics

X = (Column("x", "number"),)
TWO = Signature("classification", X, target="y", classes=("no", "yes"), positive="yes", threshold=0.4)
THREE = Signature("classification", X, target="y", classes=("a", "b", "c"))
NUMBER = Signature("regression", X, target="y")
UNFOLDED = ("lift_at_10", "gain_at_10", "median_ae")
EXACT = ("accuracy", "precision", "recall", "f1", "log_loss", "brier")


def rows_of(told: Signature, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    if not told.classes:
        truth = rng.normal(1e7, 1.0, rows)
        return truth, (truth + rng.normal(0, 0.5, rows))[:, None]
    # Scores in few steps and pushed to one end: ties within and between cells of the grid.
    raw = np.round(rng.random((rows, len(told.classes))) ** 6, int(rng.integers(2, 6))) + 1e-6
    scores = raw / raw.sum(axis=1, keepdims=True)
    drawn = [rng.choice(len(told.classes), p=p) for p in scores]
    return np.array([told.classes[c] for c in drawn], dtype=object), scores


def sums_of(told: Signature, truth: np.ndarray, scores: np.ndarray, keys: np.ndarray, draws: int) -> Any:
    weights = poisson(keys, draws)
    left = {"rows": np.array([len(truth)]), "unlabelled": np.array([0])}
    if told.classes:
        return {**left, **_classified(class_codes(truth, told.classes), scores, weights, told)}
    return {**left, **_predicted(truth, scores[:, 0], weights)}


@settings(max_examples=30)
@given(
    which=st.sampled_from([TWO, THREE, NUMBER]), rows=st.integers(60, 400), seed=st.integers(0, 10_000),
    cut=st.integers(1, 59),
)  # fmt: skip
def test_parts_are_judged_as_the_whole(which: Signature, rows: int, seed: int, cut: int) -> None:
    truth, scores = rows_of(which, rows, seed)
    keys = np.random.default_rng(seed).integers(0, 2**63, rows).astype(np.uint64)
    whole = judged_of(sums_of(which, truth, scores, keys, 20), which)
    parts = [sums_of(which, truth[p], scores[p], keys[p], 20) for p in (slice(cut, None), slice(0, cut))]
    found = judged_of(unpack(pack(add(parts))), which)
    exact = metrics(which.task, truth, scores, which) | further_metrics(which.task, truth, scores, which)
    exact = {name: value for name, value in exact.items() if name not in UNFOLDED}
    assert set(found.metrics) == set(exact)
    for name, value in exact.items():
        told = found.metrics[name]
        assert abs(told.value - value) <= found.off_by.get(name, 0.0) + 1e-9 * max(1.0, abs(value)), name
        # Draws are of rows, not of parts.
        for one, other in zip((told.low, told.high), (whole.metrics[name].low, whole.metrics[name].high), strict=True):
            assert one == pytest.approx(other, rel=1e-9, abs=1e-12)
        if name in EXACT:
            assert told.value == pytest.approx(value, rel=1e-12, abs=1e-12)
            assert name not in found.off_by


def test_events_at_one_score_within_a_cell_are_within_the_bound() -> None:
    # One other above them and many below: their precision is that where all of them end, more than any one's own.
    scores = np.array([0.9] + [0.5003] * 40 + [0.5001] * 300)
    truth = np.array([0] + [1] * 40 + [0] * 300)
    table = np.stack([1 - scores, scores], axis=1)
    labels = np.array(TWO.classes, dtype=object)[truth]
    found = judged_of(sums_of(TWO, labels, table, np.arange(341, dtype=np.uint64), 2), TWO)
    exact = metrics(TWO.task, labels, table, TWO)["pr_auc"]
    assert abs(found.metrics["pr_auc"].value - exact) <= found.off_by["pr_auc"] + 1e-12
    assert found.metrics["pr_auc"].value < exact


def test_weights_are_poisson_of_mean_one_and_independent_between_draws() -> None:
    weights = poisson(np.arange(20_000, dtype=np.uint64), 12)[1:]
    assert abs(weights.mean() - 1.0) < 0.01
    assert abs(weights.var() - 1.0) < 0.02
    apart = np.corrcoef(weights) - np.eye(12)
    assert np.abs(apart).max() < 0.04


def test_intervals_are_as_wide_as_those_of_a_bootstrap_of_rows() -> None:
    from fairlead.lab.stats.intervals import metric_intervals

    truth, scores = rows_of(TWO, 4_000, 3)
    found = judged_of(sums_of(TWO, truth, scores, np.arange(4_000, dtype=np.uint64), 200), TWO).metrics
    usual = metric_intervals("classification", truth, scores, TWO, draws=200)
    for name, told in usual.items():
        assert (found[name].high - found[name].low) == pytest.approx(told.high - told.low, rel=0.35), name
