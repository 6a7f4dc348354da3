"""Quantiles against scipy.stats, which takes too long to import where they are needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fairlead.lab.stats.quantiles import gamma, normal, student

SHARES = st.floats(1e-9, 1 - 1e-9)


@given(SHARES, st.floats(1, 1e5))
def test_student(p: float, freedom: float) -> None:
    assert student(p, freedom) == pytest.approx(stats.t.ppf(p, freedom), rel=1e-9, abs=1e-12)


@given(SHARES)
def test_normal(p: float) -> None:
    assert normal(p) == pytest.approx(stats.norm.ppf(p), rel=1e-12, abs=1e-12)


@given(SHARES, st.floats(0.05, 1e3), st.floats(1e-3, 1e3))
def test_gamma(p: float, shape: float, scale: float) -> None:
    assert gamma(p, shape, scale) == pytest.approx(stats.gamma.ppf(p, shape, scale=scale), rel=1e-9, abs=1e-300)
