"""The promise: found fast, silent when nothing changes, the same trouble under the same name."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from fairlead.contract.profile import HeldOut
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.ops.monitor import Promise, finding_of, reset, start, step
from fairlead.ops.monitor.budget import between_alarms
from fairlead.ops.monitor.dependence import dependence


def live(rng: np.random.Generator, error: float, rows: int = 500) -> float:
    """Mean 0/1 loss of a window."""
    return float(rng.binomial(rows, error) / rows)


def first_alarm(held: int, before: int, error: float, seed: int) -> int | None:
    """Windows from a change of the error from 10 % until the alarm; None if none came in 12."""
    rng = np.random.default_rng(seed)
    promise = start([live(rng, 0.10) for _ in range(held)])
    for t in range(before):
        promise = step(promise, live(rng, 0.10), 500, t).promise
    promise = reset(promise, 0)
    for t in range(12):
        done = step(promise, live(rng, error), 500, before + t)
        promise = done.promise
        if done.alarm:
            return t + 1
    return None


def test_ten_points_more_error_are_found_within_five_windows_and_mostly_in_two() -> None:
    delays = [first_alarm(8, 6, 0.20, seed) or 99 for seed in range(200)]
    assert np.mean(np.asarray(delays) <= 5) >= 0.95
    assert np.median(delays) <= 2


def test_moderate_harm_is_found_too() -> None:
    delays = [first_alarm(12, 6, 0.14, seed) or 99 for seed in range(100)]
    assert np.mean(np.asarray(delays) <= 8) >= 0.9


def test_at_most_one_false_alarm_in_thirty_windows() -> None:
    alarms, windows = 0, 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        promise = start([live(rng, 0.10) for _ in range(8)])
        for t in range(60):
            done = step(promise, live(rng, 0.10), 500, t)
            promise = reset(done.promise) if done.alarm else done.promise
            alarms += done.alarm
            windows += 1
    assert 30 * alarms / windows <= 1.0


def test_an_improvement_is_no_alarm() -> None:
    rng = np.random.default_rng(0)
    promise = start([live(rng, 0.2) for _ in range(10)])
    for t in range(20):
        done = step(promise, live(rng, 0.05), 500, t)
        promise = done.promise
        assert not done.alarm


def test_too_few_held_out_windows_are_calibrating_until_windows_lived_through_join_them() -> None:
    promise = start([0.1, 0.11, 0.1])
    assert promise.calibrating
    for t in range(5):
        done = step(promise, 0.1 + 0.01 * (t % 2), 500, t)
        promise = done.promise
        assert not done.alarm
    assert not promise.calibrating
    assert len(promise.held_out) == 8
    assert step(promise, 0.6, 500, 9).alarm


def test_the_reference_stays_fixed_and_the_state_survives_a_restart() -> None:
    promise = start([0.1, 0.12, 0.09, 0.11, 0.1, 0.1, 0.12, 0.11], run_length=720)
    assert promise.threshold == 720
    first = promise.held_out
    for t in range(100):
        promise = step(promise, 0.11, 500, t).promise
    again = msgspec.json.decode(msgspec.json.encode(promise), type=Promise)
    assert again == promise
    assert again.held_out == first
    assert len(again.recent) <= 64


def test_an_alarm_keeps_the_time_it_began_and_a_reset_is_silent_for_two_windows() -> None:
    promise = start([0.1, 0.12, 0.09, 0.11, 0.1, 0.1, 0.12, 0.11])
    ids = []
    for t in range(8):
        done = step(promise, 0.11 if t < 3 else 0.3, 500, float(t))
        promise = done.promise
        found = finding_of(done, "m", t)
        if found is not None:
            ids.append((found.id, found.since))
            assert found.low <= found.size <= found.high
            assert found.area == "performance"
    assert len(ids) >= 4
    assert len(set(ids)) == 1
    assert ids[0][1] == 3.0
    promise = reset(promise)
    silent = []
    for t in range(8, 12):
        done = step(promise, 0.3, 500, float(t))
        promise = done.promise
        silent.append(done.alarm)
    assert silent == [False, False, True, True]


def test_a_certain_but_tiny_harm_is_no_alarm() -> None:
    promise = start([0.1000, 0.1001] * 5)
    for t in range(20):
        done = step(promise, 0.1010, 500, t)
        promise = done.promise
        assert not done.alarm


@pytest.mark.parametrize(("loss", "rows"), [(float("nan"), 10), (0.4, 0)])
def test_an_empty_window_changes_nothing(loss: float, rows: int) -> None:
    promise = start([0.1] * 4 + [0.11] * 4)
    assert step(promise, loss, rows, 0.0).promise == promise


def held_out(rng: np.random.Generator, windows: int, rows: int, between: float) -> list[HeldOut]:
    return [HeldOut(i, i + 1.0, rows, float(losses_of(rng, rows, between).mean())) for i in range(windows)]


def losses_of(rng: np.random.Generator, rows: int, between: float, error: float = 0.1) -> np.ndarray:
    """Losses of one window, whose level differs from others' by `between`."""
    level = min(max(error + rng.normal(0.0, between), 0.0), 1.0)
    return rng.binomial(1, level, rows).astype(float)


def false_alarms(share: float, between: float, worlds: int) -> int:
    """Alarms in 60 windows of 168 rows in each world, of which that share is labelled, at random."""
    alarms = 0
    for seed in range(worlds):
        rng = np.random.default_rng([seed, 3])
        promise = start(held_out(rng, 12, 168, between))
        for t in range(60):
            told = losses_of(rng, 168, between)
            told = told[rng.random(168) < share]
            done = step(promise, float(told.mean()), len(told), t, float(told.std()))
            promise = reset(done.promise) if done.alarm else done.promise
            alarms += done.alarm
    return alarms


def test_ten_of_168_labels_do_not_move_the_evidence_as_a_whole_window_does() -> None:
    rng = np.random.default_rng(1)
    promise = start(held_out(rng, 12, 168, 0.0))
    whole = step(promise, 0.4, 168, 0.0, 0.49)
    few = step(promise, 0.4, 10, 0.0, 0.49)
    assert whole.evidence > 30.0
    assert few.evidence == 0.0
    assert not few.alarm
    # They are not lost: together with the next ones they count for what they are.
    for t in range(1, 30):
        few = step(few.promise, 0.4, 10, float(t), 0.49)
    assert few.alarm
    assert few.since == 0.0


def test_where_weeks_differ_more_than_rows_a_part_of_the_labels_is_a_window() -> None:
    promise = start([HeldOut(i, i + 1.0, 168, 0.1 + 0.1 * (i % 2)) for i in range(12)])
    done = step(promise, 0.15, 34, 0.0, 0.15)
    assert done.promise.pending is None
    assert len(done.promise.recent) == 1


@pytest.mark.parametrize(("share", "between"), [(0.2, 0.0), (0.2, 0.03), (1.0, 0.03)])
def test_with_a_fifth_of_the_labels_at_most_one_false_alarm_in_thirty_windows(share: float, between: float) -> None:
    worlds = 20
    assert 30.0 * false_alarms(share, between, worlds) / (60.0 * worlds) <= 1.0


def test_with_a_fifth_of_the_labels_harm_is_still_found() -> None:
    rng = np.random.default_rng(5)
    promise = start(held_out(rng, 12, 168, 0.02))
    for t in range(25):
        told = losses_of(rng, 34, 0.02, 0.25)
        done = step(promise, float(told.mean()), len(told), float(t), float(told.std()))
        promise = done.promise
        if done.alarm:
            break
    assert done.alarm


def test_labels_that_wait_are_kept_with_the_promise_and_end_with_it() -> None:
    rng = np.random.default_rng(1)
    promise = step(start(held_out(rng, 12, 168, 0.0)), 0.4, 10, 7.0, 0.49).promise
    assert msgspec.json.decode(msgspec.json.encode(promise), type=Promise) == promise
    assert promise.pending is not None
    assert promise.pending.start == 7.0
    again = reset(promise)
    assert again.pending is None
    assert again.rows == 168.0


def test_each_alarm_of_one_promise_asks_for_more_evidence_and_real_harm_has_it() -> None:
    promise = start([0.1, 0.12, 0.09, 0.11, 0.1, 0.1, 0.12, 0.11])
    limits, windows = [], []
    for _ in range(10):
        for t in range(6):
            done = step(promise, 0.3, 500, float(t))
            promise = done.promise
            if done.alarm:
                break
        limits.append(promise.limit)
        windows.append(t)
        promise = reset(promise)
    assert limits == [30.0 * min(k, 8) for k in range(1, 11)]
    assert max(windows) <= 3, "two of them silent after the reset"
    quiet = reset(reset(start([0.1, 0.11] * 4)))
    assert quiet.limit == 30.0, "a release without an alarm asks for no more"


@pytest.mark.parametrize(
    ("window", "budget", "threshold"), [("7d", 1.0, 30.0), ("1d", 1.0, 100.0), ("1h", 1.0, 2400.0), ("7d", 0.1, 142.86)]
)
def test_the_promise_has_a_part_of_the_budget_not_the_whole(window: str, budget: float, threshold: float) -> None:
    settings = Settings(
        model=ModelSettings(name="m", task="regression", target="y", time="at"),
        monitor=MonitorSettings(window=window, false_alarms_per_month=budget),
    )
    made = start([0.1, 0.11] * 4, between_alarms(settings, "performance"))
    assert made.threshold == pytest.approx(threshold, rel=1e-3)


@pytest.mark.parametrize("threshold", [30.0, 100.0])
def test_limits_of_all_alarms_add_up_to_at_most_the_windows_lived_through(threshold: float) -> None:
    spent, windows = [], 60
    for seed in range(24):
        rng = np.random.default_rng([seed, 31])
        promise = start(list(rng.normal(0.1, 0.01, 8)), threshold)
        spent.append(0.0)
        for t in range(windows):
            done = step(promise, float(rng.normal(0.1, 0.01)), 500, float(t))
            spent[-1] += done.promise.limit * done.alarm
            promise = reset(done.promise) if done.alarm else done.promise
    assert np.mean(spent) <= windows


def test_a_lucky_promise_does_not_alarm_again_and_again() -> None:
    alarms = []
    for seed in range(30):
        rng = np.random.default_rng([seed, 9])
        promise = start(list(rng.normal(0.1, 0.01, 12)))
        alarms.append(0)
        for t in range(79):
            done = step(promise, float(rng.normal(0.1, 0.01)), 500, float(t))
            promise = reset(done.promise) if done.alarm else done.promise
            alarms[-1] += done.alarm
    assert 30.0 * sum(alarms) / (30 * 79) <= 0.75
    assert max(alarms) <= 6


def dependent(rng: np.random.Generator, phi: float, windows: int) -> list[float]:
    """Mean losses of windows, each dependent on the one before."""
    noise = rng.standard_normal(windows)
    for at in range(1, windows):
        noise[at] = phi * noise[at - 1] + np.sqrt(1.0 - phi * phi) * noise[at]
    return (0.1 + 0.01 * noise).tolist()


def lived(losses: list[float], held: int = 16) -> Promise:
    """The promise of the first ones after the others, never reset."""
    promise = start(losses[:held])
    for at, loss in enumerate(losses[held:]):
        promise = step(promise, loss, 500, float(at)).promise
    return promise


@pytest.mark.parametrize(("phi", "least", "most"), [(0.0, 0.0, 0.03), (0.3, 0.0, 0.3), (0.9, 0.9, 1.0)])
def test_windows_that_depend_on_each_other_are_told_and_others_are_not(phi: float, least: float, most: float) -> None:
    found = [dependence(lived(dependent(np.random.default_rng([seed, 3]), phi, 48))) for seed in range(60)]
    known = [one for one in found if one is not None]
    assert len(known) == 60
    assert least <= np.mean([one.high for one in known]) <= most
    # Where an alarm stands, what it takes for a new level is measured about its own mean.
    assert abs(np.median([one.autocorrelation for one in known]) - phi) < 0.25


def test_a_level_that_moved_is_no_dependence() -> None:
    rng = np.random.default_rng(1)
    promise = lived([*dependent(rng, 0.0, 30), *(loss + 0.1 for loss in dependent(rng, 0.0, 12))])
    assert promise.stands
    found = dependence(promise)
    assert found is not None
    assert found.windows == 42
    assert not found.high
    assert abs(found.autocorrelation) < 0.4


@pytest.mark.parametrize("losses", [[], [0.1] * 40, [0.1, 0.2] * 5])
def test_of_few_or_equal_losses_no_dependence_is_told(losses: list[float]) -> None:
    assert dependence(Promise(tuple(losses), 30.0)) is None
