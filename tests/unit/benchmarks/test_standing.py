"""What the benchmarks say about who stands where: ranks by hand, intervals by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.standing import corrected, mean_ranks, standing

THREE = ("ours", "one", "other")


def test_ranks_are_means_over_splits_and_ties_share() -> None:
    losses = {
        "a": [{"ours": 1.0, "one": 2.0, "other": 3.0}, {"ours": 2.0, "one": 1.0, "other": 3.0}],
        "b": [{"ours": 1.0, "one": 1.0, "other": 0.5}],
    }
    assert mean_ranks(losses, THREE).tolist() == [[1.5, 1.5, 3.0], [2.5, 2.5, 1.0]]


def test_half_the_loss_everywhere_is_a_ratio_of_a_half_and_the_first_rank() -> None:
    random = np.random.default_rng(0)
    losses = {}
    for name in "abcdefgh":
        level = random.random(5) + 0.5
        losses[name] = [{"ours": v, "one": 2 * v, "other": 3 * v} for v in level]
    found = standing(losses, THREE)
    assert found["ranks"] == {"ours": [1.0, 1.0, 1.0], "one": [2.0, 2.0, 2.0], "other": [3.0, 3.0, 3.0]}
    assert found["ratios"] == {"one": [0.5, 0.5, 0.5], "other": pytest.approx([0.333] * 3)}
    # Nemenyi's critical difference of 3 contenders on 8 tables: 2.343 * sqrt(3 * 4 / 48).
    low, high = found["simultaneous"]["one"]
    assert high - low == pytest.approx(2.343 * np.sqrt(12 / 48), abs=0.02)
    assert found["simultaneous"]["ours"][0] == 1.0  # no rank lies above the first
    assert found["friedman"] < 0.001


def test_intervals_over_splits_that_share_rows_hold_the_truth() -> None:
    inside = plain = 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        rows = random.normal(size=100)
        gaps = np.array([rows[random.permutation(100)[:20]].mean() for _ in range(5)])
        _, low, high = corrected(gaps, 20, 80)
        inside += low <= 0.0 <= high
        half = 2.776 * gaps.std(ddof=1) / np.sqrt(5)
        plain += abs(gaps.mean()) <= half
    assert inside / 300 > 0.93
    assert inside > plain
