"""Correlations from sums are those of the rows, however the rows are cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile
from fairlead.lab.stats.correlations import Sums, added, correlations, names_of, sums_of

SIGNATURE = Signature("regression", (Column("a", "number"), Column("w", "category"), Column("b", "number"),
                                     Column("c", "integer")))  # fmt: skip


def rows(seed: int, n: int, missing: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    b = 0.7 * a + rng.normal(size=n)
    c = rng.integers(0, 9, n).astype(float) - b
    found = {"a": 3 + 2 * a, "b": 1e6 + b, "c": c, "w": np.full(n, "x", dtype=object)}
    for name in ("a", "b", "c"):
        found[name][rng.random(n) < missing] = np.nan
    return found


@settings(max_examples=40)
@given(seed=st.integers(0, 99), cut=st.integers(2, 97))
def test_any_cut_of_the_rows_gives_the_correlation_of_all(seed: int, cut: int) -> None:
    whole = rows(seed, 100)
    bins = bins_for(whole, SIGNATURE)
    parts = [profile({k: v[a:b] for k, v in whole.items()}, bins) for a, b in ((0, cut), (cut, 100))]
    sums = sums_of(parts)
    assert sums is not None
    assert names_of(parts[0]) == ("a", "b", "c")
    found = correlations(added(sums, np.ones((1, 2))))[0]
    np.testing.assert_allclose(found, np.corrcoef([whole["a"], whole["b"], whole["c"]]), atol=1e-9)


def test_cells_that_are_missing_leave_correlations_where_they_are() -> None:
    full, gaps = rows(1, 40_000), rows(1, 40_000, missing=0.2)
    bins = bins_for(full, SIGNATURE)
    expected, found = (correlations(sums_of([profile(r, bins)]))[0] for r in (full, gaps))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_columns_that_do_not_vary_or_are_mostly_missing_have_none() -> None:
    table = rows(2, 200)
    table["b"][:150] = np.nan
    table["c"][:] = 4.0
    sums = sums_of([profile(table, bins_for(table, SIGNATURE))])
    assert sums is not None
    found = correlations(sums)[0]
    assert np.isnan(found[0, 1:]).all()
    assert found[0, 0] == 1.0


def test_nothing_is_told_without_sums() -> None:
    table = rows(3, 50)
    assert sums_of([profile(table, bins_for(table, SIGNATURE), gram=False)]) is None
    assert sums_of([]) is None
    empty = Sums(np.zeros((2, 2)), np.zeros(2), np.zeros(2), np.zeros(2), np.array(0.0))
    assert np.isnan(correlations(empty)).all()
