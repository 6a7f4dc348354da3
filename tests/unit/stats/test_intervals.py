"""Intervals keep their promise: about 95 of 100 cover the truth, in blocks even when neighbours are alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from fairlead.contract.errors import ShapeMismatch
from fairlead.contract.signature import Signature
from fairlead.lab.stats import block_bootstrap, bootstrap, metric_intervals, resamples

BINARY = Signature(task="classification", columns=(), classes=("no", "yes"), positive="yes")


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 80), st.integers(0, 99))
@limits(max_examples=60, deadline=None)
def test_every_draw_has_as_many_rows_as_there_are(rows: int, draws: int, block: int, seed: int) -> None:
    found = np.concatenate(list(resamples(rows, draws, seed, block)))
    assert found.shape == (draws, rows)
    assert (found >= 0).all()
    assert (found.sum(axis=1) == rows).all()


def test_rows_are_drawn_equally_often_in_blocks() -> None:
    found = np.concatenate(list(resamples(37, 20_000, 0, 10)))
    assert found.mean(axis=0) == pytest.approx(np.ones(37), abs=0.03)


def test_chunks_add_up_to_the_draws_asked_for() -> None:
    assert sum(len(c) for c in resamples(900_000, 11, 0)) == 11


def test_coverage_of_independent_rows() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        interval = bootstrap(random.normal(size=120), seed=seed, draws=300)
        covered += interval.low <= 0.0 <= interval.high
    assert 0.90 <= covered / 300 <= 0.99


def test_blocks_cover_where_single_rows_are_far_too_sure() -> None:
    random = np.random.default_rng(1)
    alone = together = 0
    for seed in range(200):
        noise = random.normal(size=640)
        walk = np.empty(600)
        level = 0.0
        for i in range(640):
            level = 0.8 * level + noise[i]
            if i >= 40:
                walk[i - 40] = level
        single = bootstrap(walk, seed=seed, draws=200)
        blocks = block_bootstrap(walk, 30, seed=seed, draws=200)
        alone += single.low <= 0.0 <= single.high
        together += blocks.low <= 0.0 <= blocks.high
    assert together / 200 >= 0.85
    assert alone / 200 <= 0.65


def test_same_seed_same_interval_and_the_value_lies_inside() -> None:
    random = np.random.default_rng(2)
    p = random.random(400)
    truth = np.where(random.random(400) < p, "yes", "no")
    scores = np.column_stack([1 - p, p])
    first = metric_intervals("classification", truth, scores, BINARY, draws=200, seed=5)
    assert first == metric_intervals("classification", truth, scores, BINARY, draws=200, seed=5)
    for found in first.values():
        assert found.low <= found.value <= found.high
    assert first["roc_auc"].high - first["roc_auc"].low < 0.12


def test_no_rows_is_an_error_that_says_so() -> None:
    with pytest.raises(ShapeMismatch, match="positive"):
        bootstrap([])
