"""Distances on counts: known values, and what every distance owes."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import ShapeMismatch
from fairlead.lab.stats import distances

ALL = (
    distances.population_stability_index,
    distances.jensen_shannon,
    distances.total_variation,
    distances.kolmogorov_smirnov,
    distances.cramers_v,
)
counts = st.lists(st.integers(0, 500), min_size=2, max_size=12).filter(lambda c: sum(c) > 0)


def test_examples_hold() -> None:
    failed, tried = doctest.testmod(distances, extraglobs={"np": np})
    assert tried >= 3
    assert failed == 0


@pytest.mark.parametrize("distance", ALL)
@given(data=st.data())
def test_a_distance_is_zero_to_itself_and_never_negative(distance: object, data: st.DataObject) -> None:
    p = np.array(data.draw(counts), dtype=float)
    q = np.array(data.draw(st.lists(st.integers(0, 500), min_size=len(p), max_size=len(p)).filter(any)), dtype=float)
    assert distance(p, p) == pytest.approx(0.0, abs=1e-9)  # type: ignore[operator]
    assert distance(p, q) >= 0.0  # type: ignore[operator]
    if distance is not distances.population_stability_index:
        assert distance(p, q) <= 1.0 + 1e-12  # type: ignore[operator]


def test_wasserstein_is_in_the_columns_unit() -> None:
    edges = np.array([0.0, 10.0, 20.0])
    assert distances.wasserstein(np.array([0, 5, 0, 0]), np.array([0, 0, 5, 0]), edges) == pytest.approx(10.0)


def test_bins_that_differ_are_refused() -> None:
    with pytest.raises(ShapeMismatch, match="cannot be compared"):
        distances.jensen_shannon(np.array([1.0, 2.0]), np.array([1.0]))
    with pytest.raises(ShapeMismatch, match="no rows"):
        distances.total_variation(np.zeros(3), np.ones(3))


def test_coarse_groups_are_neighbours_and_about_equally_full() -> None:
    reference = np.random.default_rng(0).integers(50, 150, 40).astype(float)
    groups = distances.coarsen(reference)
    assert groups.max() == 9
    assert np.all(np.diff(groups) >= 0)
    full = np.bincount(groups, reference)
    assert full.max() < 2.0 * full.min()


@given(data=st.data())
def test_many_at_once_are_the_same_as_one_by_one(data: st.DataObject) -> None:
    p = np.array(data.draw(counts), dtype=float)
    rows = st.lists(st.integers(0, 50), min_size=len(p), max_size=len(p)).filter(any)
    live = np.array(data.draw(st.lists(rows, min_size=1, max_size=5)), dtype=float)
    found = distances.jensen_shannon_rows(p, live)
    assert found == pytest.approx([distances.jensen_shannon(p, q) for q in live], abs=1e-7)
    assert distances.jensen_shannon_rows(p, np.zeros((1, len(p))))[0] == 0.0
