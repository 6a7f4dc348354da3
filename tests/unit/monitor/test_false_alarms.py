"""False alarms a month against the budget, by simulation: a sample here, all of it in the long run.

The program of `docs/explanation/false-alarms.md` is what makes the streams and counts the alarms.
"""

from __future__ import annotations

import dataclasses

import pytest
from benchmarks.alarm_bike import bike_lived, bike_rows
from benchmarks.alarm_checks import all_checks
from benchmarks.alarm_months import BUDGET, Rate, Scenario, delays_of, rate_in, rate_of
from benchmarks.alarm_streams import STREAMS
from benchmarks.alarm_table import SEEN, WINDOWS, scenario_of
from tests.conftest import real_table


def within(rate: Rate) -> None:
    """The budget is not excluded from above: what was counted may well come of it."""
    assert rate.months > 0
    assert rate.calibrating == 0
    assert rate.low <= BUDGET
    assert rate.value <= 2 * BUDGET


@pytest.mark.parametrize(("stream", "window"), [("stationary", "1d"), ("days vary", "7d"), ("weekly season", "1d")])
def test_a_sample_stays_within_the_budget(stream: str, window: str) -> None:
    scenario = Scenario(STREAMS[stream], window, rows_a_day=200, days=120, months=6, floors=False)
    within(rate_of(scenario, 10))


def test_a_fault_of_half_a_deviation_is_told_by_an_early_look_before_the_week_is_over() -> None:
    scenario = Scenario(STREAMS["days vary"], "7d", rows_a_day=2000, days=120, months=1)
    _, days = delays_of(scenario, dataclasses.replace(STREAMS["days vary"], moved=0.5), 6)
    assert days < 7.0


@pytest.mark.long
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("stream", SEEN)
def test_every_stream_whose_seasons_were_seen_stays_within_the_budget(stream: str, window: str) -> None:
    few = 10 if window in ("200rows", "1000rows", "1h") else 40
    within(rate_of(scenario_of(STREAMS[stream], window, True, 20_000), few, seed=1000))


@pytest.mark.long
@pytest.mark.parametrize("window", ["1d", "7d"])
@pytest.mark.parametrize("stream", SEEN)
def test_the_statistics_alone_stay_within_the_budget(stream: str, window: str) -> None:
    within(rate_of(scenario_of(STREAMS[stream], window, False, 200), 40, seed=1000))


@pytest.mark.long
@pytest.mark.parametrize("together", [1, 24, 168], ids=["rows", "days", "weeks"])
@pytest.mark.parametrize("window", ["7d", "200rows", "1000rows"])
def test_shuffled_copies_of_the_bike_table_stay_within_the_budget(window: str, together: int) -> None:
    rows = bike_rows(real_table("bike-sharing-hour.csv"))
    within(rate_in([bike_lived(rows, window, together, seed) for seed in range(100, 120)]))


@pytest.mark.long
def test_all_checks_together_stay_within_the_whole_budget() -> None:
    found = all_checks(20, 26, 60, seed=1000)
    months = sum(one.months for one in found)
    assert sum(one.all for one in found) / months <= 1.0
