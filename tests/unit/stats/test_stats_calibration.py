"""Calibration maths against scikit-learn, and against its own promise by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from fairlead.lab.stats.calibration import calibration_error, isotonic, log_odds, pooled, sigmoid, steps, temperature

scored = st.lists(st.tuples(st.integers(0, 40).map(lambda n: n / 40), st.booleans()), min_size=2, max_size=80)


def both(rows: list[tuple[float, bool]]) -> tuple[Any, Any]:
    return np.array([p for p, _ in rows]), np.array([float(event) for _, event in rows])


@settings(max_examples=150, deadline=None)
@given(scored)
def test_pooled_blocks_are_sklearns_isotonic_regression(rows: list[tuple[float, bool]]) -> None:
    score, event = both(rows)
    known = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(score, event)
    np.testing.assert_allclose(steps(pooled(score, event), score, event), known.predict(score), atol=1e-12)


@settings(max_examples=150, deadline=None)
@given(scored)
def test_the_isotonic_curve_rises_and_lies_within_what_was_seen(rows: list[tuple[float, bool]]) -> None:
    score, event = both(rows)
    x, y = isotonic(score, event)
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) >= 0).all()
    assert score.min() - 1e-12 <= x[0] <= x[-1] <= score.max() + 1e-12
    assert y[0] + (1 - y[-1]) > 0.0
    assert len(x) == 1 or (np.diff(y) / np.diff(x)).max() <= 1e6


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans()), min_size=10, max_size=60), st.integers(0, 5))
def test_the_sigmoid_is_sklearns(rows: list[tuple[float, bool]], seed: int) -> None:
    score, event = both(rows)
    odds = log_odds(score)
    known = _SigmoidCalibration().fit(odds, event)
    slope, intercept = sigmoid(odds, event)
    if -known.a_ < 0.0:
        assert slope == 0.0
        return
    found = 1.0 / (1.0 + np.exp(-(slope * odds + intercept)))
    np.testing.assert_allclose(found, known.predict(odds), atol=2e-4)


def test_a_temperature_is_found_again() -> None:
    random = np.random.default_rng(3)
    logits = random.normal(size=(6000, 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = (random.random((6000, 1)) > p.cumsum(axis=1)).sum(axis=1).astype(np.int64)
    sharp = p**2.5 / (p**2.5).sum(axis=1, keepdims=True)
    assert temperature(sharp, codes) == pytest.approx(1 / 2.5, rel=0.08)


def test_the_calibration_error_of_true_probabilities_vanishes_and_of_wrong_ones_is_how_wrong_they_are() -> None:
    random = np.random.default_rng(1)
    p = random.random(40_000)
    happened = random.random(40_000) < p
    assert calibration_error(p, happened) < 0.01
    assert calibration_error(np.clip(p + 0.2, 0, 1.2), happened) == pytest.approx(0.2, abs=0.01)
    assert calibration_error(np.empty(0), np.empty(0, bool)) == 0.0
