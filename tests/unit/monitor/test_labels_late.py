"""Labels that come later than they used to, or no longer: found, told in words, and quiet where nothing changes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.events import Finding, Window
from fairlead.contract.profile import Profile, Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.ops.monitor.budget import allowed
from fairlead.ops.monitor.checks.labels_late import (
    KNOWN,
    RELEARNT,
    LabelsLate,
    Memory,
    _with,
    expected_share,
)
from fairlead.ops.monitor.seen import Rows, Seen
from fairlead.ops.monitor.thresholds import calibrate

DAY = 86_400.0
SIGNATURE = Signature("classification", (Column("a", "number"),), target="y", classes=("no", "yes"))
SETTINGS = Settings(
    model=ModelSettings(name="m", task="classification", target="y", positive="yes"),
    monitor=MonitorSettings(window="7d", label_delay="7d"),
)
REFERENCE = Reference(Profile(0, ()))
ALLOWED = allowed(SETTINGS, "concept") / 5.0


def seen_of(
    index: int, share: float, memory: Any, *, rows: int = 200, wait: float = DAY, seed: int = 0,
    settings: Settings = SETTINGS, others: bool = False,
) -> Seen:  # fmt: skip
    """A window of which that share is labelled, after `wait` seconds each, give or take."""
    rng = np.random.default_rng([seed, index])
    start = index * 7 * DAY
    times = np.sort(rng.uniform(start, start + 7 * DAY, rows))
    labelled = rng.random(rows) < share
    arrived = np.where(labelled, times + wait * rng.lognormal(0.0, 0.3, rows), np.nan)
    definitions = np.full(rows, "second" if others else None, dtype=object)
    known = Rows(
        {}, times, labels=np.full(rows, "no", dtype=object), labelled=labelled & (not others), arrived=arrived,
        definitions=definitions,
    )  # fmt: skip
    window = Window("m", index, start, start + 7 * DAY, rows=rows, state="scored")
    return Seen(
        window,
        Profile(rows, ()),
        REFERENCE,
        calibrate(REFERENCE, settings),
        settings,
        SIGNATURE,
        rows=known,
        memory=memory,
    )


def lived(shares: list[float], waits: list[float] | None = None, **more: Any) -> list[list[Finding]]:
    """What is found in each of consecutive windows."""
    memory: Any = None
    told = []
    for index, share in enumerate(shares):
        wait = DAY if waits is None else waits[index]
        seen = seen_of(index, share, memory, wait=wait, **more)
        told.append(LabelsLate().look(seen, ALLOWED))
        memory = msgspec.json.decode(msgspec.json.encode(seen.kept[0] if seen.kept else memory))
    return told


@pytest.mark.parametrize(("usual", "after"), [(1.0, 0.2), (0.9, 0.4), (0.3, 0.05), (0.9, 0.0)])
def test_labels_that_come_late_or_stop_are_found_in_the_first_window_and_until_they_come_again(usual, after) -> None:
    told = lived([usual] * 8 + [after] * 3 + [usual] * 2)
    assert [[f.severity for f in window] for window in told] == [[]] * 8 + [["warning"]] * 3 + [[]] * 2
    finding = told[8][0]
    assert (finding.area, finding.check) == ("labels", "labels_late")
    assert finding.low <= finding.size <= finding.high
    assert finding.low > 0.0
    assert ("no label came" if after == 0.0 else f"only {finding.evidence['labelled']:.0%}") in finding.message
    assert "7d after the window was over" in finding.message


def test_four_windows_are_enough_for_a_large_fall_and_fewer_say_that_they_are_calibrating() -> None:
    assert lived([1.0] * KNOWN + [0.2])[-1][0].severity == "warning"
    seen = seen_of(1, 1.0, None)
    LabelsLate().look(seen, ALLOWED)
    assert seen.told[0].judged.provisional
    assert f"{KNOWN} are needed" in seen.told[0].judged.why
    assert not any(lived([1.0] * (KNOWN - 1) + [0.2]))


def test_labels_that_take_longer_but_come_in_time_inform() -> None:
    told = lived([0.9] * 12, [DAY] * 10 + [3.0 * DAY] * 2)
    assert not any(told[:10])
    (finding,) = told[10]
    assert finding.severity == "info"
    assert 2.0 < finding.low < finding.size < finding.high
    assert "days (median)" in finding.message


def test_another_share_is_usual_after_some_windows_and_after_another_label_delay() -> None:
    told = lived([0.9] * 6 + [0.3] * (RELEARNT + 4))
    assert [bool(w) for w in told] == [False] * 6 + [True] * RELEARNT + [False] * 4
    memory: Any = None
    for index in range(6):
        seen = seen_of(index, 0.9, memory)
        LabelsLate().look(seen, ALLOWED)
        memory = seen.kept[0]
    shorter = msgspec.structs.replace(SETTINGS, monitor=MonitorSettings(window="7d", label_delay="1d"))
    assert LabelsLate().look(seen_of(6, 0.3, memory), ALLOWED)
    assert not LabelsLate().look(seen_of(6, 0.3, memory, settings=shorter), ALLOWED)


def test_labels_of_another_definition_have_come() -> None:
    memory: Any = None
    for index in range(6):
        seen = seen_of(index, 0.9, memory)
        LabelsLate().look(seen, ALLOWED)
        memory = seen.kept[0]
    assert not LabelsLate().look(seen_of(6, 0.9, memory, others=True), ALLOWED)


def test_where_labels_were_never_told_nobody_is_told_that_they_are_missing() -> None:
    assert not any(lived([0.0] * 20))


def false_alarms(rate: float, deviation: float, *, rows: int, windows: int, worlds: int, memory: float = 0.0) -> int:
    """Windows that speak; shares vary between windows by `deviation`, on the scale of arcsines, each of them keeping
    `memory` of the one before."""
    alarms = 0
    for seed in range(worlds):
        rng = np.random.default_rng([seed, rows])
        angle, kept = 0.0, Memory()
        for _ in range(windows):
            angle = memory * angle + (1.0 - memory**2) ** 0.5 * rng.normal(0.0, deviation)
            share = float(np.sin(np.clip(np.arcsin(np.sqrt(rate)) + angle, 0.0, np.pi / 2.0)) ** 2)
            told = int(rng.binomial(rows, share))
            one = expected_share(kept.rows, kept.told, rows, ALLOWED)
            falls = one is not None and one.passed(rows, told)
            alarms += falls
            kept = _with(kept, (rows, told, 0 if one is None else int(np.ceil(one.limit * rows))), None, falls)
    return alarms


@pytest.mark.parametrize("deviation", [0.0, 0.1])
def test_quiet_windows_alarm_within_the_budget(deviation: float) -> None:
    alarms = false_alarms(0.7, deviation, rows=60, windows=40, worlds=10)
    assert alarms <= 2, "400 windows, of which a third of one may alarm"


@pytest.mark.long
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.7, 0.97, 1.0])
@pytest.mark.parametrize("deviation", [0.0, 0.05, 0.15])
@pytest.mark.parametrize("rows", [60, 1000])
def test_quiet_windows_alarm_within_the_budget_whatever_is_usual(rate: float, deviation: float, rows: int) -> None:
    windows, worlds = 60, 400
    alarms = false_alarms(rate, deviation, rows=rows, windows=windows, worlds=worlds)
    # Shares that hardly ever leave the whole, and then fall far, are no normal values: four windows do not show it.
    most = ALLOWED * windows * worlds * (2.0 if rate >= 0.97 and deviation == 0.15 else 1.0)
    assert alarms <= most + 3.0 * most**0.5, alarms / (windows * worlds)


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.floats(0.0, 1.0)), min_size=KNOWN, max_size=40),
    st.integers(1, 5000),
    st.floats(1e-6, 0.5),
)
def test_what_is_expected_is_a_share_and_its_limit_is_lower_the_rarer_it_may_be_passed(windows, count, rate) -> None:
    rows = [n for n, _ in windows]
    told = [int(n * share) for n, share in windows]
    one = expected_share(rows, told, count, rate)
    rarer = expected_share(rows, told, count, rate / 10.0)
    assert one is not None
    assert rarer is not None
    assert 0.0 <= one.low <= one.value <= one.high <= 1.0
    assert 0.0 <= rarer.limit <= one.limit <= 1.0
