"""Copies in which nothing changes: every row is there once, in time order, and windows stay whole."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.evidence import Interval
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.ops.rehearse.copies import permuted, shuffled
from fairlead.ops.rehearse.history import History, history_of
from fairlead.ops.rehearse.rates import rate_of, rate_over_copies, share_of

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


def test_a_rate_over_copies_covers_where_copies_differ_and_where_they_agree() -> None:
    random = np.random.default_rng(1)
    # An unlucky first release alarms again and again: the rate of a copy is itself drawn, and mostly small.
    for copies, shape in ((2, 0.5), (12, 0.5), (40, 1.0), (12, 1e6)):
        means = 80 / 30 * 0.4 * random.gamma(shape, 1.0 / shape, (1000, copies))
        found = [rate_over_copies(list(counts), 80 / 30) for counts in random.poisson(means).tolist()]
        assert np.mean([f.low <= 0.4 <= f.high for f in found]) >= (0.87 if shape < 1 else 0.92)
        assert all(f.low <= f.value <= f.high for f in found)


def test_two_copies_are_said_to_know_little() -> None:
    assert rate_over_copies([3], 2.0) == rate_of(3, 2.0)
    agreed, apart = rate_over_copies([2, 2], 2.0), rate_over_copies([0, 4], 2.0)
    assert agreed == rate_of(4, 4.0)
    assert apart.value == agreed.value
    assert apart.high > 10 * apart.value
    assert rate_over_copies([0, 0], 2.0).high > 0.5
    # A report is written of it: numbers of numpy could not be.
    assert msgspec.json.decode(msgspec.json.encode(apart), type=Interval) == apart
