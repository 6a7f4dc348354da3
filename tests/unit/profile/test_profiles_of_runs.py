"""Days counted together are what `profile` says of each, to the bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile
from fairlead.lab.stats.runs import profiles_of

SIGNATURE = Signature(
    columns=(
        Column("a", "number"),
        Column("b", "integer"),
        Column("c", "category", categories=("x", "y")),
        Column("d", "text"),
    ),
    task="regression",
    target="y",
)


def cells(rng: np.random.Generator, rows: int, missing: float) -> dict[str, np.ndarray]:
    words = rng.choice(np.array(["x", "y", "new", None], dtype=object), rows)
    numbers = np.where(rng.random(rows) < missing, np.nan, rng.normal(5.0, 2.0, rows))
    return {
        "a": numbers, "b": rng.integers(-3, 40, rows).astype(np.float64), "c": words,
        "d": rng.choice(np.array(["u", "v w", None], dtype=object), rows),
    }  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 90), min_size=1, max_size=12), st.sampled_from([0.0, 0.3, 1.0]))
def test_runs_are_counted_as_each_by_itself(seed: int, sizes: list[int], missing: float) -> None:
    rng = np.random.default_rng(seed)
    bins = bins_for(cells(np.random.default_rng(0), 400, 0.1), SIGNATURE)
    cuts = [0, *np.cumsum(sizes).tolist()]
    columns = cells(rng, cuts[-1], missing)
    each = [profile({n: v[a:b] for n, v in columns.items()}, bins, gram=False) for a, b in pairwise(cuts)]
    assert profiles_of(columns, bins, cuts) == each


@pytest.mark.parametrize("far", [1e200, -1e300])
def test_cells_as_large_as_numbers_can_be_are_counted_alike(far: float) -> None:
    columns = cells(np.random.default_rng(1), 60, 0.1)
    bins = bins_for(columns, SIGNATURE)
    columns["b"][7] = far
    each = [profile({n: v[a:b] for n, v in columns.items()}, bins, gram=False) for a, b in ((0, 20), (20, 60))]
    assert profiles_of(columns, bins, [0, 20, 60]) == each
    assert np.isfinite(each[0].columns[1].zz)
