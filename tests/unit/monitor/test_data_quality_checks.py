"""Faults planted in weeks of the bike table are found, named and dated; the weeks as they are say nothing."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.monitor.bike_windows import Watched, bike, first_window
from tests.unit.monitor.units_by_simulation import PAGE, measure, table

from fairlead.contract.events import Finding
from fairlead.contract.profile import Reference
from fairlead.lab.stats.order import coded, in_order, order_of, repeats_of, run_limit, runs_of, together
from fairlead.ops.monitor.checks.rhythm import same_phase
from fairlead.ops.monitor.checks.vanished import chance_of_none

HOUR = 3600.0
CLEAN = 20
Rows = tuple[dict[str, Any], np.ndarray]


@pytest.fixture(scope="module")
def lived() -> tuple[Watched, list[list[Finding]]]:
    """Twenty weeks as they were, and what was said in each."""
    watched = bike()
    start = first_window(watched)
    return watched, [watched.look(start + week) for week in range(CLEAN)]


def faulty(lived: tuple[Watched, list[list[Finding]]], change: Any) -> dict[str, Finding]:
    """The week after them with a fault: findings by check, and of the first column."""
    watched = lived[0]
    kept = copy.deepcopy(watched.memories)
    try:
        found = watched.look(first_window(watched) + CLEAN, change)
    finally:
        watched.memories = kept
    return {finding.check: finding for finding in reversed(found)}


def hours_in(lived: tuple[Watched, list[list[Finding]]], finding: Finding) -> float:
    assert finding.first is not None
    return (finding.first - lived[0].window(first_window(lived[0]) + CLEAN)[2]) / HOUR


def test_weeks_as_they_are_say_nothing(lived: tuple[Watched, list[list[Finding]]]) -> None:
    assert [f.check for week in lived[1] for f in week] == []


def test_a_sensor_that_stands_still_is_found_and_dated(lived: tuple[Watched, list[list[Finding]]]) -> None:
    def stuck(columns: dict[str, Any], times: np.ndarray) -> Rows:
        columns["hum"][40:140] = columns["hum"][40]
        return columns, times

    finding = faulty(lived, stuck)["stuck"]
    assert finding.columns == ("hum",)
    assert finding.size == 100
    assert finding.severity == "warning"
    assert hours_in(lived, finding) == 40.0


def test_a_sensor_that_stands_still_over_windows_is_found_though_none_is_long_enough() -> None:
    watched = bike(window="1d")
    start = first_window(watched)
    sizes: list[float] = []
    for day in range(8):

        def stuck(columns: dict[str, Any], times: np.ndarray, day: int = day) -> Rows:
            if day >= 3:
                columns["hum"][:] = 0.5
            return columns, times

        sizes += [f.size for f in watched.look(start + day, stuck) if f.check == "stuck"]
    assert sizes
    assert sizes[0] > 24
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(
    ("column", "factor", "offset", "since", "named"),
    [
        ("temp", 100.0, 0.0, 0, 100.0),
        ("hum", 0.001, 0.0, 30, 0.001),
        ("temp", 1.8, 32.0, 0, 1.8),
        ("hum", -1.0, 0.0, 100, -1.0),
        ("windspeed", 3.6, 0.0, 60, None),
    ],
)
def test_a_unit_that_changed_is_found_with_its_factor(
    lived: tuple[Watched, list[list[Finding]]],
    column: str,
    factor: float,
    offset: float,
    since: int,
    named: float | None,
) -> None:
    def other_unit(columns: dict[str, Any], times: np.ndarray) -> Rows:
        columns[column][since:] = columns[column][since:] * factor + offset
        return columns, times

    finding = faulty(lived, other_unit)["unit"]
    assert finding.columns == (column,)
    assert finding.low <= factor <= finding.high
    assert finding.evidence["offset"] == offset
    assert named is None or finding.evidence["factor"] == pytest.approx(named)
    # Calm hours look usual in either unit.
    assert -3 <= hours_in(lived, finding) - since <= (3 if column != "windspeed" else 60)


def test_a_source_that_stopped_for_a_while_is_one_finding(lived: tuple[Watched, list[list[Finding]]]) -> None:
    def silent(columns: dict[str, Any], times: np.ndarray) -> Rows:
        for name in ("temp", "atemp"):
            columns[name][30:60] = np.nan
        return columns, times

    found = faulty(lived, silent)
    assert found["gaps"].columns == ("temp", "atemp")
    assert found["gaps"].size == 30
    assert found["gaps"].causes[0].kind == "upstream"
    assert hours_in(lived, found["gaps"]) == 30.0
    assert hours_in(lived, found["missing"]) == 30.0


def test_the_same_number_of_gaps_strewn_about_is_no_block(lived: tuple[Watched, list[list[Finding]]]) -> None:
    def strewn(columns: dict[str, Any], times: np.ndarray) -> Rows:
        columns["temp"][::6] = np.nan
        return columns, times

    found = faulty(lived, strewn)
    assert "gaps" not in found
    assert found["missing"].size == pytest.approx(1 / 6, abs=0.01)


def test_rows_that_come_twice_too_few_and_at_other_hours(lived: tuple[Watched, list[list[Finding]]]) -> None:
    def again(columns: dict[str, Any], times: np.ndarray) -> Rows:
        kept = np.r_[np.arange(len(times)), np.repeat(np.arange(100), 2)]
        return {name: cells[kept] for name, cells in columns.items()}, times[kept]

    assert faulty(lived, again)["duplicates"].size > 0.5

    def fewer(columns: dict[str, Any], times: np.ndarray) -> Rows:
        return {name: cells[:60] for name, cells in columns.items()}, times[:60]

    volume = faulty(lived, fewer)["volume"]
    assert volume.evidence["usual"] == pytest.approx(168, abs=1)
    assert volume.low <= volume.size <= volume.high < 1.0

    def later(columns: dict[str, Any], times: np.ndarray) -> Rows:
        day = times % 86_400.0 >= 8 * HOUR
        kept = np.r_[np.flatnonzero(day), np.flatnonzero(day)[: len(times) - day.sum()]]
        return {name: cells[kept] for name, cells in columns.items()}, times[kept]

    assert faulty(lived, later)["daily_shape"].low > 0.1


def test_categories_that_come_and_go_with_the_weather_are_no_news_and_one_that_is_always_there_is(
    lived: tuple[Watched, list[list[Finding]]],
) -> None:
    def cloudy(columns: dict[str, Any], times: np.ndarray) -> Rows:
        columns["weathersit"][columns["weathersit"] == "1"] = "2"
        return columns, times

    assert "'1'" in faulty(lived, cloudy)["vanished_category"].message

    def hail(columns: dict[str, Any], times: np.ndarray) -> Rows:
        columns["weathersit"][100:130] = "hail"
        return columns, times

    assert hours_in(lived, faulty(lived, hail)["new_category"]) == 100.0


def test_without_an_order_of_the_reference_nothing_of_it_warns(lived: tuple[Watched, list[list[Finding]]]) -> None:
    watched = bike()
    sealed = watched.reference
    watched.reference = Reference(sealed.profile, sealed.blocks)
    start = first_window(watched)
    for week in range(8):
        watched.look(start + week)

    def stuck(columns: dict[str, Any], times: np.ndarray) -> Rows:
        columns["hum"][:] = 0.5
        return columns, times

    found = [f.severity for week in (8, 9, 10) for f in watched.look(start + week, stuck) if f.check == "stuck"]
    assert set(found) == {"info"}


# What the limits rest on.


def test_limits_of_runs_hold_what_they_promise_on_independent_and_sticky_rows() -> None:
    """Runs beyond the limit a window, by simulation: as many as asked at most, for values that stay by chance."""
    rng = np.random.default_rng(0)
    n, window, expected = 20_000, 500, 0.02
    for stay in (0.0, 0.5, 0.9):
        over = windows = 0
        for _ in range(12):
            drawn = rng.integers(0, 30, n)
            steps = rng.random(n) < stay
            steps[0] = False
            values = drawn[np.maximum.accumulate(np.where(steps, 0, np.arange(n)))].astype(float)
            past, live = values[: n // 2], values[n // 2 :]
            codes, gone = coded(past)
            top = sorted(runs_of(codes, ~gone)[0], reverse=True)[:20]
            limit = run_limit([int(one) for one in top], len(past), window, expected)
            for at in range(0, len(live), window):
                codes, gone = coded(live[at : at + window])
                over += int((runs_of(codes, ~gone)[0] > limit).sum())
                windows += 1
        assert over / windows <= 2.0 * expected, stay


@given(st.lists(st.sampled_from([1.0, 2.0, None]), max_size=30))
def test_runs_are_those_one_would_count(cells: list[float | None]) -> None:
    from itertools import groupby

    values = np.array([np.nan if c is None else c for c in cells], dtype=float)
    codes, gone = coded(values)
    counted = [(len(list(group)), value) for value, group in groupby(cells)]
    assert runs_of(codes, ~gone)[0].tolist() == [n for n, value in counted if value is not None]
    assert runs_of(np.zeros(len(cells), dtype=np.int64), gone)[0].tolist() == [n for n, v in counted if v is None]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", None])), min_size=1, max_size=40))
def test_rows_that_repeat_are_those_one_would_count(cells: list[tuple[int, str | None]]) -> None:
    columns = {"n": np.array([float(n) for n, _ in cells]), "t": np.array([t for _, t in cells], dtype=object)}
    assert order_of(columns, None).repeats == (len(cells) - len(set(cells)),)


def test_rows_of_one_time_stand_in_a_drawn_order_and_time_goes_first() -> None:
    times = np.array([2.0, 1.0, 1.0, 1.0, 0.0])
    places = in_order(times, 5)
    assert times[places].tolist() == sorted(times.tolist())
    batch = np.sort(np.random.default_rng(0).integers(0, 5, 1000)).astype(float)
    codes, gone = coded(batch[in_order(np.zeros(1000), 1000)])
    assert runs_of(codes, ~gone)[0].max() < 15


def test_orders_of_two_sets_of_rows_add_up() -> None:
    rng = np.random.default_rng(1)
    one, other = ({"x": rng.integers(0, 9, 2000).astype(float)} for _ in range(2))
    both = together(order_of(one, None), order_of(other, None))
    assert both.rows == 4000
    assert len(both.repeats) == 8
    assert both.habits[0].runs[0] == max(order_of(o, None).habits[0].runs[0] for o in (one, other))
    assert len(repeats_of([coded(one["x"])[0]], 2000)) == 4


def test_the_chance_of_none_is_the_binomial_one_where_nothing_varies_and_more_where_it_does() -> None:
    rows = np.full(60, 200.0)
    still = chance_of_none(np.full(60, 20.0), rows, 50)
    assert still == pytest.approx(0.9**50, rel=0.01)
    varying = chance_of_none(np.random.default_rng(0).binomial(200, np.tile([0.02, 0.18], 30)).astype(float), rows, 50)
    assert varying > 10 * still
    assert chance_of_none(np.array([0.0, 40.0]), np.array([200.0, 200.0]), 50) == 1.0


def test_a_season_is_asked_of_windows_that_began_alike() -> None:
    hours = np.arange(24 * 7 * 3) * HOUR
    alike, said = same_phase(hours, 24 * 7 * 3 * HOUR)
    assert alike.sum() == 21
    assert "same hour" in said
    alike, _ = same_phase(hours[:24], 24 * HOUR)
    assert alike.all()


@pytest.mark.long
def test_units_are_found_and_their_intervals_hold_the_factor() -> None:
    """The table of docs/how-to/watch-data-quality.md, measured again."""
    measured, clean = measure()
    assert clean == 0
    for one in measured:
        assert one.found >= 0.75 * one.weeks, one
        assert one.covered >= 0.9 * one.found, one
    assert table(measured) in PAGE.read_text()
