"""A season is found where there is one, and not where there is none: by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.lab.stats.seasonality import autocorrelation, season_of


def test_autocorrelation_is_what_numpy_says_with_and_without_gaps() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=200).cumsum()
    found = autocorrelation(values, 5)
    centred = values - values.mean()
    for lag in range(6):
        pairs = centred[lag:] * centred[: len(values) - lag]
        assert found[lag] == pytest.approx(pairs.mean() / (centred**2).mean())
    values[::7] = np.nan
    assert autocorrelation(values, 5)[1] > 0.8
    assert autocorrelation(np.ones(10), 3).tolist() == [0.0] * 4


@pytest.mark.parametrize("season", [5, 12, 37])
def test_seasons_are_found_through_noise_and_trend(season: int) -> None:
    hits = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        at = np.arange(season * 12)
        shape = random.normal(size=season)
        values = shape[at % season] + 0.05 * at + random.normal(0, 0.3, len(at))
        values[random.random(len(at)) < 0.02] = np.nan
        hits += season_of([values]) == season
    assert hits >= 18


def test_noise_and_random_walks_have_no_season() -> None:
    found = []
    for seed in range(50):
        random = np.random.default_rng(seed)
        found += [season_of([random.normal(size=300)]), season_of([random.normal(size=300).cumsum()])]
    assert sum(season > 0 for season in found) <= 2
    assert season_of([]) == season_of([np.arange(5.0)]) == 0
