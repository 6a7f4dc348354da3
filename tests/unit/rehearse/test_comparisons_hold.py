"""Intervals of differences between policies: how often they hold what is true, by simulation with fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.ops.rehearse.uncertainty import Resampled


def weeks(rng: np.random.Generator, count: int, rho: float) -> np.ndarray:
    """Windows that depend on the one before, of mean 0 and deviation 1."""
    noise = rng.normal(0.0, np.sqrt(1.0 - rho**2), count)
    found = [rng.normal()]
    for step in noise:
        found.append(rho * found[-1] + step)
    return np.asarray(found[1:])


@pytest.mark.parametrize(("windows", "rho", "least"), [(8, 0.0, 0.9), (24, 0.0, 0.92), (24, 0.5, 0.9), (79, 0.5, 0.88)])
@pytest.mark.parametrize("runs", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_differences_hold_as_often_as_they_say(windows: int, rho: float, least: float, runs: int) -> None:
    held = 0
    for seed in range(runs):
        series = weeks(np.random.default_rng([seed, windows]), windows, rho)
        told = Resampled(np.full(windows, 168.0), seed).mean(series)
        held += told.low <= 0.0 <= told.high
    assert held / runs >= least - 1.96 * np.sqrt(least * (1.0 - least) / runs)


def test_fewer_windows_and_surer_claims_make_wider_intervals() -> None:
    series = weeks(np.random.default_rng(1), 208, 0.0)

    def width(windows: int, level: float) -> float:
        told = Resampled(np.ones(windows)).mean(series[:windows], level)
        return told.high - told.low

    assert width(24, 0.95) > width(104, 0.95) > width(208, 0.95)
    assert width(52, 0.99) > width(52, 0.95)


def test_no_loss_is_below_nothing() -> None:
    told = Resampled(np.ones(24)).mean(np.where(np.arange(24) < 2, 1.0, 0.0))
    assert told.low == 0.0 < told.value < told.high
