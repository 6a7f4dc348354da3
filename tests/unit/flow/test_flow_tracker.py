"""When a window is over, by event time and by rows."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.ops.flow.tracker import Tracker, first_start, next_window, over_silence, watermark

WEEK = 7 * 86_400.0
MONDAY = 1_704_067_200.0


def settings(window: str, time: str | None = "at", lateness: str = "0s") -> Settings:
    """A project with these windows."""
    return Settings(
        model=ModelSettings(name="m", task="classification", target="y", time=time),
        monitor=MonitorSettings(window=window, lateness=lateness),
    )


def test_a_week_is_over_when_the_watermark_passes_its_end() -> None:
    project = settings("7d")
    times = MONDAY + np.array([0.0, 3 * 86_400.0, WEEK - 1.0, WEEK + 5.0])
    tracker = Tracker(start=first_start(project, times))
    assert tracker.start == MONDAY
    assert next_window(tracker, "m", project, times, MONDAY + WEEK - 1.0) is None
    window = next_window(tracker, "m", project, times, MONDAY + WEEK + 5.0)
    assert window is not None
    assert (window.start, window.end, window.index) == (MONDAY, MONDAY + WEEK, 0)


def test_windows_of_rows_keep_the_rows_of_one_request_together() -> None:
    project = settings("3rows", time=None)
    times = np.array([1.0, 2.0, 3.0, 3.0, 4.0])
    tracker = Tracker(start=first_start(project, times))
    window = next_window(tracker, "m", project, times, 4.0)
    assert window is not None
    assert int(np.searchsorted(times, window.end)) == 4


def test_too_few_rows_are_no_window() -> None:
    project = settings("10rows", time=None)
    times = np.arange(9.0)
    assert next_window(Tracker(start=0.0), "m", project, times, 100.0) is None


@pytest.mark.parametrize(
    ("now", "expected"), [(MONDAY + 10.0, MONDAY + 10.0 - 5.0), (MONDAY + 1e6, MONDAY + 100.0 - 5.0)]
)
def test_the_watermark_is_never_beyond_now_and_leaves_time_for_late_rows(now: float, expected: float) -> None:
    assert watermark(Tracker(largest=MONDAY + 100.0), settings("7d", lateness="5s"), now) == expected


def test_a_long_silence_is_told_by_one_empty_window() -> None:
    project = settings("7d")
    first = MONDAY
    late = MONDAY + 2_000 * WEEK
    assert over_silence(first, project, np.array([late + 5.0])) == late - WEEK
    assert over_silence(first, project, np.array([first + 5.0, late])) == first
    assert over_silence(first, project, np.array([first + 3 * WEEK])) == first
    assert over_silence(first, project, np.zeros(0)) == first
    assert over_silence(first, settings("10rows", time=None), np.array([late])) == first
