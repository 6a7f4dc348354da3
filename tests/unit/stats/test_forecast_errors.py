"""Errors of forecasts: by hand, by numpy, with gaps, and under resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fairlead.contract.errors import ShapeMismatch
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import losses, metrics
from fairlead.lab.stats.forecasts import by_step, forecast_losses, forecast_metrics, season_changes, seasonal_naive

SIGNATURE = Signature("forecasting", (Column("history", "tensor"),), horizon=2, step=60.0)
numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


def test_by_hand() -> None:
    truth, scores = [[1, 2], [3, None]], np.array([[2.0, 2.0], [1.0, 9.0]])
    found = metrics("forecasting", truth, scores, SIGNATURE)
    assert found == {
        "mae": pytest.approx(1.0),
        "rmse": pytest.approx(np.sqrt(5 / 3)),
        "smape": pytest.approx((2 / 3 + 0 + 1) / 3),
        "bias": pytest.approx(-1 / 3),
    }
    assert losses("forecasting", truth, scores, SIGNATURE, 4.0) == pytest.approx([0.125, 0.5])


def test_what_is_not_due_and_what_is_infinite() -> None:
    truth = np.array([[np.nan, np.nan], [1.0, np.nan]])
    assert losses("forecasting", truth, np.array([[1.0, 1.0], [np.inf, 1.0]]), SIGNATURE, 2.0).tolist() == [0.0, 1.0]
    assert np.isnan(forecast_losses(truth, np.ones((2, 2)), 1.0)).tolist() == [True, False]
    with pytest.raises(ShapeMismatch, match="row 1: the truth has 3 numbers, the forecast 2"):
        metrics("forecasting", [[1, 2], [1, 2, 3]], np.ones((2, 2)), SIGNATURE)


@given(arrays(np.float64, (6, 3), elements=numbers), arrays(np.float64, (6, 3), elements=numbers))
def test_as_numpy_says(truth: np.ndarray, scores: np.ndarray) -> None:
    found = forecast_metrics(truth, scores, np.ones((1, 6)), np.full(6, 2.0))
    error = scores - truth
    assert found["mae"][0] == pytest.approx(np.abs(error).mean())
    assert found["rmse"][0] == pytest.approx(np.sqrt((error**2).mean()))
    assert found["mase"][0] == pytest.approx(np.abs(error).mean() / 2.0)
    assert found["bias"][0] == pytest.approx(error.mean(), abs=1e-9)
    assert by_step(truth, scores, np.ones((1, 6)))[0] == pytest.approx(np.abs(error).mean(axis=0))


@given(arrays(np.float64, (5, 2), elements=numbers), st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_a_row_drawn_twice_counts_twice(scores: np.ndarray, counts: list[int]) -> None:
    truth = np.zeros((5, 2))
    truth[2, 1] = np.nan
    if not any(counts):
        return
    repeated = np.repeat(np.arange(5), counts)
    weighted = forecast_metrics(truth, scores, np.array([counts], dtype=float))
    plain = forecast_metrics(truth[repeated], scores[repeated], np.ones((1, len(repeated))))
    for name, value in plain.items():
        assert weighted[name][0] == pytest.approx(value[0], nan_ok=True)


def test_the_seasonal_naive_repeats_the_last_season() -> None:
    history = np.arange(10.0)[None, :]
    assert seasonal_naive(history, 5, 3).tolist() == [[7.0, 8.0, 9.0, 7.0, 8.0]]
    assert seasonal_naive(history, 2, 1).tolist() == [[9.0, 9.0]]
    assert season_changes(history, 3).tolist() == [3.0]
    assert season_changes(history, 10).tolist() == [1.0]
    with pytest.raises(ShapeMismatch, match="a season of 11 steps"):
        seasonal_naive(history, 2, 11)
