"""What is worked out for many at once is what one at a time gives."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fairlead.contract.errors import ShapeMismatch
from fairlead.contract.profile import Bins, Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.lab.stats import profile, total
from fairlead.lab.stats.distances import jensen_shannon, jensen_shannon_rows
from fairlead.lab.stats.evalues import log_wealth, mean_bounds
from fairlead.lab.stats.merging import Totals
from fairlead.lab.stats.order import runs_of
from fairlead.ops.monitor.checks.rhythm import _usual_of_each, same_phase
from fairlead.ops.monitor.checks.units import LEVELS, deciles_of
from fairlead.ops.monitor.grouped import folded_blocks, grouped_of, lengths_of
from fairlead.ops.monitor.statistic import folded, merged_bins
from fairlead.ops.monitor.windows import DAY

CELLS = st.floats(-1e6, 1e6, allow_nan=False)


def days(sizes: list[int], seed: int) -> list:
    """Profiles of days of a numeric and a text column, missing cells among them."""
    rng = np.random.default_rng(seed)
    bins = [
        Bins("size", "number", edges=(-1.0, 0.0, 1.0), shift=0.0, scale=1.0),
        Bins("kind", "category", categories=("a", "b")),
    ]
    made = []
    for day, rows in enumerate(sizes):
        size = np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows))
        kind = rng.choice(np.array(["a", "b", "c", None], dtype=object), size=rows)
        counted = profile({"size": size, "kind": kind}, bins, start=day * DAY, end=(day + 1) * DAY)
        made.append(msgspec.structs.replace(counted, gram=()))
    return made


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(0, 99), st.data())
def test_totals_of_runs_are_the_totals(sizes: list[int], seed: int, data: st.DataObject) -> None:
    profiles = days(sizes, seed)
    first = data.draw(st.integers(0, len(sizes) - 1))
    last = data.draw(st.integers(first + 1, len(sizes)))
    assert Totals(profiles).of(first, last) == total(profiles[first:last])


def test_a_run_of_nothing_has_no_total() -> None:
    with pytest.raises(ShapeMismatch):
        Totals(days([3, 4], 0)).of(1, 1)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, st.integers(1, 200), elements=CELLS))
def test_deciles_are_those_of_numpy(cells: np.ndarray) -> None:
    assert deciles_of(cells) == pytest.approx(np.quantile(cells, LEVELS), rel=1e-12, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3)), min_size=8, max_size=60))
def test_windows_of_one_phase_share_their_usual_number(times: list[tuple[int, int]]) -> None:
    starts = np.array([hours * 3600.0 + minutes * 20.0 for hours, minutes in times])
    logs = np.random.default_rng(len(times)).normal(size=len(starts))
    one_by_one = [float(np.median(logs[same_phase(starts, at)[0]])) for at in starts]
    assert _usual_of_each(starts, logs).tolist() == one_by_one


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 99))
def test_distances_of_many_pairs_are_those_of_each(n: int, bins: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    live, reference = (rng.integers(0, 4, size=(n, bins)).astype(float) for _ in range(2))
    found = jensen_shannon_rows(reference, live)
    for one, before, after in zip(found, reference, live, strict=True):
        there = before.sum() > 0 and after.sum() > 0
        assert one == pytest.approx(jensen_shannon(before, after) if there else 0.0, abs=1e-12)
    assert jensen_shannon_rows(reference[0], live) == pytest.approx(
        jensen_shannon_rows(np.repeat(reference[:1], n, axis=0), live)
    )
    with pytest.raises(ShapeMismatch):
        jensen_shannon_rows(np.ones(bins + 1), live)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, st.integers(2, 120), elements=st.floats(-1, 1)))
def test_bounds_of_a_mean_lie_where_the_bet_against_it_reaches_its_bar(values: np.ndarray) -> None:
    low, high = mean_bounds(values, 0.1)
    bar = np.log(20.0)
    if low > -1.0 + 1e-6:
        assert log_wealth(values, low - 2e-6).max() >= bar - 1e-3
    assert log_wealth(values, min(low + 2e-6, high)).max() < bar + 1e-3 or low >= values.mean() - 1e-6
    assert low <= high


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=40))
def test_runs_are_those_counted_by_hand(cells: list[tuple[int, bool]]) -> None:
    runs: list[list[int]] = []
    for at, (code, wanted) in enumerate(cells):
        if wanted and runs and runs[-1][1] + runs[-1][0] == at and cells[at - 1] == (code, wanted):
            runs[-1][0] += 1
        elif wanted:
            runs.append([1, at])
    codes, kept = np.array([c for c, _ in cells]), np.array([w for _, w in cells])
    lengths, starts = runs_of(codes, kept)
    assert [list(run) for run in zip(lengths.tolist(), starts.tolist(), strict=True)] == runs


def test_blocks_make_windows_as_they_are_summed_one_by_one() -> None:
    profiles = days([20 + day for day in range(17)], 3)
    reference = Reference(total(profiles), tuple(profiles))
    project = Settings(
        model=ModelSettings(name="m", task="regression", target="y"), monitor=MonitorSettings(window="7d")
    )
    lengths = lengths_of(reference, project)
    assert lengths == [7, 7]
    windows = grouped_of(reference, project)
    for number, start in enumerate((0, 7)):
        whole = total(profiles[start : start + 7])
        assert windows.rows[number] == whole.rows
        for at, column in enumerate(whole.columns):
            found = windows.column(at)
            assert found.counts[number].tolist() == list(column.counts)
            assert (found.rows[number], found.missing[number]) == (column.rows, column.missing)
            assert found.z[number] == pytest.approx(column.z)
            assert found.low[number] == (np.inf if column.low is None else column.low)
            assert found.high[number] == (-np.inf if column.high is None else column.high)
    groups = merged_bins(reference.profile)
    one, other = folded_blocks(reference, project, groups), folded(profiles, groups)
    for name, counted in other.columns.items():
        for field in ("rows", "missing", "counts", "z", "zz"):
            assert np.array_equal(getattr(one.columns[name], field), getattr(counted, field))
