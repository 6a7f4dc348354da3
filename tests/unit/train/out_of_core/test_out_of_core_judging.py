"""The streamed mean keeps its promise: its interval holds the truth in 95 of 100, of rows alone and of rows in time."""

from __future__ import annotations

import numpy as np

from fairlead.lab.train.out_of_core.judging import Blocks


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    random, inside = np.random.default_rng(0), 0
    for _ in range(400):
        values, blocks = random.gamma(0.5, 0.2, 600), Blocks(1)
        for part in np.array_split(values, 7):
            blocks.add(part)
        found = blocks.interval()
        assert abs(found.value - values.mean()) < 1e-12
        inside += found.low <= 0.1 <= found.high
    assert 0.92 < inside / 400 < 0.98


def test_rows_that_follow_each_other_widen_it() -> None:
    random, inside = np.random.default_rng(1), {1: 0, 50: 0}
    for _ in range(200):
        # Runs of 25 rows share half of their loss.
        values = np.repeat(random.normal(size=400), 25) + random.normal(size=10_000)
        for block in inside:
            blocks = Blocks(block)
            blocks.add(values)
            found = blocks.interval()
            inside[block] += found.low <= 0.0 <= found.high
    assert inside[50] / 200 > 0.9
    assert inside[1] / 200 < 0.6


def test_a_single_block_says_nothing_of_a_spread() -> None:
    blocks = Blocks(10)
    blocks.add(np.full(5, 0.3))
    found = blocks.interval()
    assert (found.low, found.high) == (-1.0, 1.0)
