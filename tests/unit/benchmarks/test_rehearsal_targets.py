"""What a rehearsal is asked to show: changes of ten points are found soon, challengers that are no good are blocked."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[3] / "benchmarks"))

from fairlead.ops.rehearse.stage import one_thread
from rehearsal_targets import AFTER, SOON, blocked_while_healthy, found_after, told


def within(runs: int) -> tuple[float, float, int, float]:
    """Share of the runs in which the change was found soon, the median delay, alarms before it, and its size."""
    with one_thread():
        delays, early, _, points = found_after(runs, lambda _said: None)
    known = [AFTER + 1 if d is None else d for d in delays]
    return float(np.mean(np.asarray(known) <= SOON)), float(np.median(known)), early, points


def test_a_change_of_ten_points_is_found_soon() -> None:
    share, median, early, points = within(2)
    assert share == 1.0
    assert median <= 2
    assert early == 0
    assert 8.0 < points < 12.0


@pytest.mark.long
def test_changes_of_ten_points_are_found_within_five_windows_in_95_of_100_runs() -> None:
    share, median, early, _ = within(60)
    assert share >= 0.95
    assert median <= 2
    assert early <= 8


@pytest.mark.long
def test_four_of_five_broken_challengers_are_blocked_while_the_champion_is_healthy() -> None:
    with one_thread():
        blocked, total = blocked_while_healthy(10, lambda _said: None)
    assert total >= 50
    assert blocked >= 0.8 * total


def test_shares_are_told_with_their_doubt() -> None:
    assert told(19, 20) == "19 of 20, 95% [76%, 99%]"
    assert told(0, 0) == "none tried"
