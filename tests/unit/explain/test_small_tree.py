"""The small tree: that of scikit-learn where both can, the best split where cells are missing, rows to leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.tree import DecisionTreeRegressor

from fairlead.lab.evaluate.explaining.small_tree import LEAF, grow


@settings(max_examples=15, deadline=None)
@given(some.integers(0, 10_000), some.integers(1, 4), some.integers(1, 30))
def test_it_is_the_tree_of_scikit_learn(seed: int, depth: int, fewest: int) -> None:
    random = np.random.default_rng(seed)
    features = np.column_stack([random.normal(size=(200, 3)), random.integers(0, 2, 200)])
    wanted = np.sin(features[:, 0]) + features[:, 3] + 0.1 * random.normal(size=200)
    reference = DecisionTreeRegressor(max_depth=depth, min_samples_leaf=fewest, random_state=0).fit(features, wanted)
    found = grow(features, wanted, depth, fewest)
    assert found.depth == reference.get_depth()
    # scikit-learn compares single-precision cells: at a few thresholds a row may fall elsewhere.
    same = np.isclose(found.predict(features), reference.predict(features))
    assert same.mean() > 0.98


@settings(max_examples=15, deadline=None)
@given(some.integers(0, 10_000))
def test_missing_cells_go_where_most_error_is_taken_away(seed: int) -> None:
    random = np.random.default_rng(seed)
    features = random.normal(size=(40, 2))
    features[random.random((40, 2)) < 0.3] = np.nan
    wanted = random.normal(size=40) + np.isnan(features[:, 0])
    found = grow(features, wanted, 1, 3)
    best = 0.0
    for column in range(2):
        cells = features[:, column]
        for cut in np.unique(cells[np.isfinite(cells)])[:-1]:
            for to_left in (False, True):
                left = np.where(np.isnan(cells), to_left, cells <= cut)
                if min(left.sum(), (~left).sum()) >= 3:
                    rest = sum(((wanted[side] - wanted[side].mean()) ** 2).sum() for side in (left, ~left))
                    best = max(best, ((wanted - wanted.mean()) ** 2).sum() - rest)
    left_over = ((wanted - found.predict(features)) ** 2).sum()
    assert ((wanted - wanted.mean()) ** 2).sum() - left_over == pytest.approx(best)


def test_what_cannot_be_split_is_one_leaf() -> None:
    constant = grow(np.ones((50, 2)), np.arange(50.0), 3, 5)
    assert constant.feature == [LEAF]
    assert constant.predict(np.ones((2, 2))).tolist() == [24.5, 24.5]
    assert grow(np.arange(50.0)[:, None], np.ones(50), 3, 5).feature == [LEAF]
    assert grow(np.full((50, 1), np.nan), np.arange(50.0), 3, 5).feature == [LEAF]
    near = np.array([1.0] * 10 + [np.nextafter(1.0, 2.0)] * 10)[:, None]
    split = grow(near, np.repeat([0.0, 1.0], 10), 1, 5)
    assert split.predict(near).tolist() == [0.0] * 10 + [1.0] * 10
