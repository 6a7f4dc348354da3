"""Copies in which nothing changes: every row is there once, in time order, and windows stay whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.ops.rehearse.copies import permuted, shuffled
from fairlead.ops.rehearse.history import History, history_of
from fairlead.ops.rehearse.injecting import rate_of, share_of

MODEL = ModelSettings(name="m", task="regression", target="y", time="at")


def history(window: str) -> History:
    """Twelve weeks of uneven traffic."""
    random = np.random.default_rng(0)
    at = np.sort(random.uniform(0, 12 * 604_800, 600)) + 1_704_067_200
    frame = pd.DataFrame({"at": pd.to_datetime(at, unit="s"), "x": np.arange(600.0), "y": random.normal(size=600)})
    return history_of(frame, Settings(model=MODEL, monitor=MonitorSettings(window=window)), 4)


WEEKS, COUNTED = history("7d"), history("50rows")


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.booleans())
def test_windows_in_random_order_are_whole(seed: int, timed: bool) -> None:
    known = WEEKS if timed else COUNTED
    copy = permuted(known, seed)
    assert (np.diff(copy.times) >= 0).all()
    assert len(copy.slots) == len(known.slots)
    before = {tuple(known.material.columns["x"][s.first : s.last]) for s in known.slots}
    after = {tuple(copy.material.columns["x"][s.first : s.last]) for s in copy.slots}
    assert after == before
    again = permuted(known, seed)
    assert (again.material.columns["x"] == copy.material.columns["x"]).all()


def test_shuffled_rows_keep_the_times() -> None:
    copy = shuffled(WEEKS, 3)
    assert (copy.times == WEEKS.times).all()
    assert sorted(copy.material.columns["x"]) == sorted(WEEKS.material.columns["x"])
    assert (copy.material.columns["x"] != WEEKS.material.columns["x"]).any()


@given(st.integers(0, 50), st.integers(1, 50))
def test_shares_and_rates_lie_within_their_intervals(count: int, total: int) -> None:
    share = share_of(min(count, total), total)
    assert 0.0 <= share.low <= share.value <= share.high <= 1.0
    rate = rate_of(count, float(total))
    assert 0.0 <= rate.low <= rate.value <= rate.high


def test_intervals_cover_what_they_promise() -> None:
    random = np.random.default_rng(0)
    shares = [share_of(int(k), 20) for k in random.binomial(20, 0.8, 2000)]
    rates = [rate_of(int(k), 40.0) for k in random.poisson(40.0 * 0.3, 2000)]
    assert np.mean([s.low <= 0.8 <= s.high for s in shares]) >= 0.93
    assert np.mean([r.low <= 0.3 <= r.high for r in rates]) >= 0.95
