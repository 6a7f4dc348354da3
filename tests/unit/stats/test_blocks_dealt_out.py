"""P-values of blocks that change sides keep their promise, also where neighbouring rows are alike."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.lab.stats.permuting import dealt, jointly, singly


def differences(blocks: np.ndarray, deals: np.ndarray) -> np.ndarray:
    return np.abs(deals @ blocks / deals.sum(axis=1)[:, None] - (1 - deals) @ blocks / (1 - deals).sum(axis=1)[:, None])


def test_ways_of_dealing_keep_how_many_blocks_each_side_has() -> None:
    deals = dealt(11, 4, draws=50, seed=3)
    assert deals.shape == (51, 11)
    assert (deals.sum(axis=1) == 4).all()
    assert deals[0].tolist() == [0.0] * 7 + [1.0] * 4
    assert (dealt(11, 4, draws=50, seed=3) == deals).all()
    assert len({tuple(row) for row in deals.tolist()}) > 30


def test_of_blocks_that_are_alike_few_are_told_apart_be_rows_alike_or_not() -> None:
    rng = np.random.default_rng(0)
    deals = dealt(40, 20, draws=199)
    single, joint = [], []
    for _ in range(300):
        # Means of blocks, as an autocorrelated column gives them: what is within a block does not matter.
        found = differences(rng.normal(size=(40, 6)), deals)
        single.append(singly(found)[0])
        joint.append(jointly(found).min())
    for told in (np.asarray(single), np.asarray(joint)):
        assert (told <= 0.05).mean() <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 300)
        assert 0.35 < np.median(told) < 0.65


def test_one_column_that_moved_is_found_among_many_that_did_not() -> None:
    blocks = np.random.default_rng(1).normal(size=(40, 50))
    blocks[20:, 7] += 2.0
    found = jointly(differences(blocks, dealt(40, 20)))
    assert found[7] <= 0.002
    assert np.delete(found, 7).min() > 0.02


def test_constants_and_nothing_are_no_news() -> None:
    assert jointly(np.zeros((10, 3))).tolist() == [1.0, 1.0, 1.0]
    assert singly(np.zeros((10, 2))).tolist() == [1.0, 1.0]
    assert jointly(np.zeros((10, 0))).shape == (0,)


@pytest.mark.parametrize("seed", range(3))
def test_a_p_value_is_never_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    statistics = np.vstack([np.full((1, 2), 9.0), rng.random((99, 2))])
    assert singly(statistics).tolist() == [0.01, 0.01]
