"""The joint calibration: one maximum of all statistics, over units that the budget is counted in."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest
from benchmarks.alarm_months import Scenario, live, settings_of
from benchmarks.alarm_streams import STREAMS, Stream, counts_of, profiles_of, reference_of
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fairlead.contract.events import Window
from fairlead.contract.profile import Profile, Reference
from fairlead.contract.settings import MonitorSettings, Settings
from fairlead.contract.signature import Signature
from fairlead.lab.stats import total
from fairlead.ops.monitor.budget import JOINT, PARTS, allowed, quiet_limit, values_needed
from fairlead.ops.monitor.calibration import Calibration, calibration_of, height_of
from fairlead.ops.monitor.folding import runs, taken, thinned, without
from fairlead.ops.monitor.grid import grid_of
from fairlead.ops.monitor.joint import joining, joint_of, statistics_in_use
from fairlead.ops.monitor.looking import shown_by
from fairlead.ops.monitor.seen import Rows, Seen
from fairlead.ops.monitor.statistics import ColumnDistance, MissingRisen, OthersRisen, ScoreDistance
from fairlead.ops.monitor.thresholds import _least_of_others, calibrate
from fairlead.ops.monitor.windows import DAY

OURS = (ColumnDistance(), ScoreDistance(), MissingRisen(), OthersRisen())
MONDAY = 4 * DAY


def reference(days: int, stream: str = "days vary", rows: float = 200.0, step: float = 1.0) -> Reference:
    at = np.arange(0, days, step)
    counts = counts_of(STREAMS[stream], at, rows * step, np.random.default_rng(0))
    return reference_of(counts, at * DAY + MONDAY, step * DAY)


def of_window(
    window: str, days: int = 120, stream: str = "days vary", rows: float = 200.0, **monitor: object
) -> Calibration:
    settings = settings_of(Scenario(STREAMS[stream], window))
    wanted = MonitorSettings(window=window, **monitor)  # type: ignore[arg-type]
    settings = Settings(model=settings.model, monitor=wanted)
    return calibration_of(reference(days, stream, rows), settings, OURS)


def live_window(days: int, rows: float = 200.0, stream: Stream | None = None, seed: int = 9) -> Profile:
    counts = counts_of(stream or STREAMS["days vary"], np.arange(float(days)), rows, np.random.default_rng(seed))
    return total(profiles_of(counts, np.zeros(days), np.ones(days)))


# The budget


def test_a_month_has_one_false_alarm_whatever_the_window() -> None:
    for window in ("1d", "2d", "7d", "14d"):
        grid = grid_of(reference(200), settings_of(Scenario(STREAMS["stationary"], window)))
        assert grid.rate * 30 * DAY / grid.unit_s == pytest.approx(JOINT)
    assert JOINT + sum(PARTS.values()) == pytest.approx(1.0)


def test_about_a_hundred_days_are_needed_whatever_the_window_and_how_long_is_said() -> None:
    for window, days in (("1d", 99), ("7d", 93), ("14d", 86)):
        short, enough = of_window(window, days - 8), of_window(window, days + 8)
        assert short.provisional
        assert 0 < short.days_left < 20
        assert "calibrating" in short.why
        assert "more days" in short.why
        assert not enough.provisional
        assert enough.why.startswith("calibrated on")
    # A tighter budget asks for more.
    assert of_window("7d", 200, false_alarms_per_month=0.1).provisional


def test_nothing_but_information_while_calibrating() -> None:
    short = of_window("7d", 60)
    moved = dataclasses.replace(STREAMS["stationary"], moved=2.0)
    window = Window("m", 30, 30 * 7 * DAY + MONDAY, 31 * 7 * DAY + MONDAY, state="closed")
    judged, _ = short.judge(window, live_window(7, stream=moved))
    assert judged["drift"]["x0"].speaks
    assert judged["drift"]["x0"].severity == "info"
    assert "calibrating" in judged["drift"]["x0"].why
    assert of_window("7d", 5).judge(window, live_window(7, stream=moved))[0]["drift"] == {}


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=60), st.floats(0.01, 0.5))
def test_a_quiet_limit_is_passed_by_as_few_of_its_own_values_as_are_allowed(values: list[float], rate: float) -> None:
    limit = quiet_limit(values, rate)
    assert (limit is None) == (len(values) < values_needed(rate))
    if limit is not None:
        beyond = sum(v > limit for v in values)
        assert (beyond + 1) / (len(values) + 1) <= rate + 1e-9


def test_one_more_value_passes_a_quiet_limit_as_often_as_allowed() -> None:
    rng = np.random.default_rng(0)
    passed = [rng.standard_cauchy() > (quiet_limit(rng.standard_cauchy(120).tolist(), 0.05) or 0) for _ in range(4000)]
    assert 0.04 < np.mean(passed) < 0.06


def test_units_beyond_the_limit_weigh_what_the_budget_allows() -> None:
    units = np.arange(100.0)
    assert height_of(units, np.ones(100), (), 0, 1 / 101) == 99.0
    assert height_of(units, np.ones(100), (), 0, 3 / 101) == 97.0
    # Runs of seven days overlap: seven of them stand for one.
    assert height_of(units, np.full(100, 1 / 7), (), 0, 2 * 7 / 107) >= 92.0
    # Too few: a guess beyond all that was seen. Nothing: no limit at all.
    assert height_of(units, np.ones(100), (), 0, 1e-4) > 99.0
    assert height_of(np.zeros(0), np.zeros(0), (), 0, 0.1) == float("inf")


def test_the_share_of_a_family_grows_with_the_window_alone() -> None:
    settings = settings_of(Scenario(STREAMS["stationary"], "7d"))
    assert allowed(settings, "performance") == pytest.approx(PARTS["performance"] * 7 / 30)


# What a window is compared with


def test_a_week_with_weekends_is_compared_with_weekdays_of_its_kind() -> None:
    calm = of_window("1d", 200, "weekly season", 800.0)
    assert calm.season.told == "the same weekdays"
    sunday = Window("m", 0, 216 * DAY + MONDAY, 217 * DAY + MONDAY, state="closed")
    counts = counts_of(STREAMS["weekly season"], np.arange(210.0, 217.0), 800.0, np.random.default_rng(3))
    like_sunday = profiles_of(taken(counts, np.array([6])), np.zeros(1), np.ones(1))[0]
    like_monday = profiles_of(taken(counts, np.array([0])), np.zeros(1), np.ones(1))[0]
    calm_day, _ = calm.judge(sunday, like_sunday)
    odd_day, _ = calm.judge(sunday, like_monday)
    assert not calm_day["drift"]["x0"].speaks
    # A Sunday that looks like a Monday would hide in all of the reference; among Sundays it does not.
    assert odd_day["drift"]["x0"].speaks
    hidden = of_window("1d", 200, "weekly season", 800.0, seasons="none").judge(sunday, like_monday)[0]
    assert not hidden["drift"]["x0"].speaks


def test_a_season_is_not_seen_where_there_is_none() -> None:
    assert of_window("1d", 200, "days vary").season.length == 0
    assert of_window("1d", 200, "days vary", seasons="week").season.length == 7


def test_hours_of_a_day_are_compared_with_their_like() -> None:
    settings = settings_of(Scenario(STREAMS["daily season"], "1h"))
    hourly = calibration_of(reference(110, "daily season", rows=4800.0, step=1 / 24), settings, OURS)
    assert hourly.season.told == "the same hours of other days"
    assert hourly.grid.by_day
    assert not hourly.provisional


def test_windows_of_rows_are_as_strict_as_the_pace_asks() -> None:
    known = reference(200, rows=2000.0)
    settings = settings_of(Scenario(STREAMS["stationary"], "500rows"))
    slow, fast = (calibration_of(known, settings, OURS, DAY / pace) for pace in (2000.0, 2e5))
    assert slow.grid.per_block == pytest.approx(4.0)
    assert not slow.provisional
    # A hundred times the rows are a hundred times the windows in a day, each of which could cry.
    assert fast.limit > slow.limit


def test_a_window_of_few_rows_has_wider_limits() -> None:
    calibration = of_window("7d", 120, "stationary")
    window = Window("m", 30, 30 * 7 * DAY + MONDAY, 31 * 7 * DAY + MONDAY, state="closed")
    whole = calibration.judge(window, live_window(7))[0]["drift"]["x1"]
    few = calibration.judge(window, live_window(7, rows=8.0))[0]["drift"]["x1"]
    assert few.limit > whole.limit
    assert calibration.judge(window, live_window(1, rows=20.0))[0]["drift"] == {}


def test_an_early_look_has_limits_of_its_own_length() -> None:
    calibration = of_window("7d", 120)
    begin = 30 * 7 * DAY + MONDAY
    early = Window("m", 30, begin, begin + 2 * DAY, state="open")
    closed = Window("m", 30, begin, begin + 7 * DAY, state="closed")
    assert calibration.look_of(early, live_window(2)) == 2
    assert calibration.look_of(closed, live_window(7)) == 7
    two, week = (calibration.judge(w, live_window(n))[0]["drift"]["x0"].limit for w, n in ((early, 2), (closed, 7)))
    assert two > week


def test_what_is_certain_but_small_stays_below_the_floor_and_says_so() -> None:
    calibration = of_window("7d", 120, "stationary")
    slight = dataclasses.replace(STREAMS["stationary"], moved=0.12)
    window = Window("m", 30, 30 * 7 * DAY + MONDAY, 31 * 7 * DAY + MONDAY, state="closed")
    known = calibration_of(
        reference(120, "stationary", rows=20_000.0), settings_of(Scenario(STREAMS["stationary"], "7d")), OURS
    )
    judged = known.judge(window, live_window(7, rows=20_000.0, stream=slight))[0]["drift"]["x0"]
    assert not judged.speaks
    assert "below the effect floor" in judged.why
    bare = dataclasses.replace(known, settings=settings_of(Scenario(STREAMS["stationary"], "7d", floors=False)))
    assert bare.judge(window, live_window(7, rows=20_000.0, stream=slight))[0]["drift"]["x0"].speaks
    assert calibration.why


# Quiet windows that join


def test_quiet_windows_end_the_calibration_and_what_was_not_quiet_cannot() -> None:
    known = reference(70)
    settings = settings_of(Scenario(STREAMS["days vary"], "7d"))
    memory = None
    for index in range(30):
        joint = joint_of(known, settings, 0.0, memory)
        if not joint.provisional:
            break
        for until in (*range(1, 7), 7):
            state = "closed" if until == 7 else "open"
            begin = (200 + index * 7) * DAY
            window = Window("m", index, begin, begin + until * DAY, state=state)  # type: ignore[arg-type]
            _, largest = joint.judge(window, live_window(until, seed=index))
            memory = joining(memory, joint, known, window, largest, troubled=index % 5 == 4)
    assert not joint.provisional
    assert 4 <= len(joint.live) <= 20
    assert "lived through" in joint.why
    assert memory is not None
    # Windows while an alarm about performance stood did not join.
    assert len(memory["units"]) <= index - index // 5


def test_windows_beyond_the_guess_count_as_the_furthest_of_all() -> None:
    units = np.linspace(0, 1, 60)
    quiet = height_of(units, np.ones(60), (0.5,) * 45, 0, 0.01)
    assert quiet <= 1.0
    excluded = height_of(units, np.ones(60), (0.5,) * 45, 3, 0.01)
    assert excluded > quiet


# Arithmetic


def test_sums_of_blocks_and_what_is_left_without_them() -> None:
    counts = counts_of(STREAMS["stationary"], np.arange(10.0), 50.0, np.random.default_rng(0))
    every = runs(counts, np.array([0]), np.array([10]))
    some = runs(counts, np.array([2, 5]), np.array([4, 9]))
    left = without(taken(every, np.zeros(2, dtype=int)), some)
    assert left.rows.tolist() == [every.rows[0] - some.rows[0], every.rows[0] - some.rows[1]]
    assert np.array_equal(left.columns["x0"].counts + some.columns["x0"].counts,
                          np.repeat(every.columns["x0"].counts, 2, axis=0))  # fmt: skip


def test_a_thinned_window_varies_as_one_of_so_few_rows() -> None:
    rng = np.random.default_rng(0)
    counts = counts_of(STREAMS["stationary"], np.arange(3000.0), 400.0, rng)
    few = thinned(counts, 100.0, rng)
    shares = few.columns["x2"].counts[:, 0] / few.columns["x2"].counts.sum(axis=1)
    plain = counts_of(STREAMS["stationary"], np.arange(3000.0), 100.0, rng).columns["x2"]
    assert shares.std() == pytest.approx((plain.counts[:, 0] / plain.counts.sum(axis=1)).std(), rel=0.06)


def test_simulated_windows_are_judged_as_the_product_judges_them() -> None:
    scenario = Scenario(STREAMS["days vary"], "1d", rows_a_day=300, days=110, months=1, floors=False)
    found = live(scenario, 3)
    rng = np.random.default_rng(3)
    days = np.arange(0, 140.0)
    counts = counts_of(scenario.stream, days, 300.0, rng)
    known = reference_of(taken(counts, np.arange(110)), (days[:110] + 4) * DAY, DAY)
    calibration = calibration_of(known, settings_of(scenario), statistics_in_use(), DAY / 300)
    spoke = []
    for place, profile in enumerate(profiles_of(taken(counts, np.arange(110, 140)), np.zeros(30), np.ones(30))):
        begin = (114 + place) * DAY
        judged, _ = calibration.judge(Window("m", place, begin, begin + DAY, state="closed"), profile)
        spoke.append(any(one.speaks for by_key in judged.values() for one in by_key.values()))
    assert spoke == found.alarmed.tolist()


def test_a_week_of_which_three_days_were_seen_is_compared_with_three_days() -> None:
    known = reference(120)
    settings = settings_of(Scenario(STREAMS["days vary"], "7d"))
    joint = calibration_of(known, settings, OURS)
    begin = 30 * 7 * DAY + MONDAY
    window = Window("m", 30, begin, begin + 7 * DAY, state="closed")

    def seen_of(times: np.ndarray) -> Seen:
        return Seen(
            window=window, profile=live_window(3), reference=known, thresholds=calibrate(known, settings),
            settings=settings, signature=Signature("regression", ()), rows=Rows({}, times),
        )  # fmt: skip

    part, said = shown_by(seen_of(begin + DAY * np.array([4.2, 4.9, 5.5, 6.5])), joint)
    assert (part.start, part.end, part.state) == (begin + 4 * DAY, begin + 7 * DAY, "open")
    assert "3 of its 7 days" in said
    assert joint.look_of(part, live_window(3)) == 3
    assert shown_by(seen_of(begin + DAY * (np.arange(7) + 0.5)), joint) == (window, "")


def test_rows_in_no_order_tell_nothing_of_days_and_say_so() -> None:
    counts = counts_of(STREAMS["stationary"], np.arange(60.0), 500.0, np.random.default_rng(0))
    known = reference_of(counts, np.zeros(60), 0.0)
    settings = settings_of(Scenario(STREAMS["stationary"], "500rows"))
    # At an unknown pace a window a day is assumed; at a known one a day is many windows.
    for pace, days in ((0.0, (35, 42)), (DAY / 50_000, (97, 101))):
        calibration = calibration_of(known, settings, OURS, pace)
        assert calibration.provisional
        assert days[0] <= calibration.days_left <= days[1]
        window = Window("m", 3, 0.0, 3600.0, state="closed")
        moved = live_window(1, rows=500.0, stream=dataclasses.replace(STREAMS["stationary"], moved=2.0))
        judged = calibration.judge(window, moved)[0]["drift"]
        assert (judged["x0"].speaks, judged["x0"].severity) == (True, "info")
        assert not calibration.judge(window, live_window(1, rows=500.0))[0]["drift"]["x1"].speaks


def test_a_level_that_a_person_expects_is_what_its_column_is_compared_with() -> None:
    known = reference(120, "stationary")
    joint = calibration_of(known, settings_of(Scenario(STREAMS["stationary"], "7d")), OURS)
    higher = dataclasses.replace(STREAMS["stationary"], moved=1.0)
    expected = live_window(14, stream=higher, seed=4)
    columns = tuple(
        e if e.bins.name == "x0" else c for c, e in zip(known.profile.columns, expected.columns, strict=True)
    )
    amended = msgspec.structs.replace(known.profile, columns=columns)
    begin = 30 * 7 * DAY + MONDAY
    window = Window("m", 30, begin, begin + 7 * DAY, state="closed")
    now, before = live_window(7, stream=higher), live_window(7)
    assert joint.judge(window, now)[0]["drift"]["x0"].speaks
    assert not joint.judge(window, now, amended)[0]["drift"]["x0"].speaks
    assert joint.judge(window, before, amended)[0]["drift"]["x0"].speaks
    # The new level rests on fewer rows than the sealed one, and varies more for it; other columns keep theirs.
    sealed, told = (joint.judge(window, now, of)[0]["drift"] for of in (known.profile, amended))
    assert told["x0"].usual > sealed["x0"].usual
    assert told["x1"] == sealed["x1"]


# What is known once


def test_a_release_is_calibrated_once_whoever_asks() -> None:
    known, settings = reference(60), settings_of(Scenario(STREAMS["days vary"], "7d"))
    signature = Signature(task="regression", columns=())
    calibrate(known, settings, signature=signature)
    found = joint_of(known, settings, 37.0, None, signature)
    assert found is joint_of(known, settings, 0.0, None, signature)


def test_windows_of_rows_are_calibrated_at_their_pace() -> None:
    known, settings = reference(60), settings_of(Scenario(STREAMS["days vary"], "1000rows"))
    assert joint_of(known, settings, 432.0) is not joint_of(known, settings, 43.2)


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=9))
def test_the_least_of_all_others(values: list[float]) -> None:
    naive = [min(v for j, v in enumerate(values) if j != i) for i in range(len(values))]
    assert _least_of_others(np.array(values)).tolist() == naive
