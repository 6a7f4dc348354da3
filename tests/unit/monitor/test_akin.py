"""Columns that go together are told from those that do not, whatever their kinds, against dependence that is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.events import Window
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile
from fairlead.ops.monitor import calibrate
from fairlead.ops.monitor.akin import akin_to, maximal_correlation, rank_correlation
from fairlead.ops.monitor.learnt import Learnt
from fairlead.ops.monitor.seen import Seen

SIGNATURE = Signature(
    "regression",
    (Column("temp", "number"), Column("felt", "number"), Column("season", "category"), Column("hum", "number"),
     Column("code", "category")),
    target="y",
)  # fmt: skip
SETTINGS = Settings(model=ModelSettings(name="m", task="regression", target="y"))


def weather(rows: int = 3000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    season = rng.choice(4, rows)
    temp = np.array([0.0, 15.0, 25.0, 12.0])[season] + rng.normal(0, 4, rows)
    return {
        "temp": temp, "felt": -temp + rng.normal(0, 2, rows), "season": np.array(list("wspa"), dtype=object)[season],
        "hum": rng.random(rows), "code": np.array([f"c{n}" for n in rng.choice(800, rows)], dtype=object),
    }  # fmt: skip


def seen(rows: bool) -> Seen:
    table = weather()
    reference = Reference(profile(table, bins_for(table, SIGNATURE)))
    learnt = Learnt(table, np.arange(3000.0), False) if rows else None
    window = Window("m", 1, 0.0, 1.0)
    return Seen(
        window, reference.profile, reference, calibrate(reference, SETTINGS), SETTINGS, SIGNATURE, learnt=learnt
    )


def test_rows_tell_of_all_kinds_and_sums_of_numbers() -> None:
    by_rows = seen(rows=True)
    assert set(akin_to(("temp",), by_rows, {})) == {"felt", "season"}
    assert akin_to(("season",), by_rows, {})[0] == "temp"
    assert akin_to(("hum",), by_rows, {}) == ()
    assert akin_to(("code",), by_rows, {}) == (), "rare values go together with nothing"
    assert akin_to(("temp",), seen(rows=False), {}) == ("felt",)
    assert akin_to(("gone",), by_rows, {}) == ()


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6, 0.9])
def test_of_normal_columns_it_is_pearsons(correlation: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, 4000)
    y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(0, 1, 4000)
    codes = [np.searchsorted(np.quantile(v, np.linspace(0, 1, 21)[1:-1]), v) for v in (x, y)]
    assert maximal_correlation(codes[0], codes[1]) == pytest.approx(correlation, abs=0.1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=20, max_size=60))
def test_ranks_are_spearmans(pairs: list[tuple[int, int]]) -> None:
    from scipy import stats

    one, other = (np.array(side) for side in zip(*pairs, strict=True))
    varied = len(set(one)) > 1 and len(set(other)) > 1
    known = abs(stats.spearmanr(one, other).statistic) if varied else 0.0
    assert rank_correlation(one, other) == pytest.approx(known, abs=1e-9)


def test_hours_of_a_day_are_not_taken_for_months_by_thinning() -> None:
    """A table by the hour of which every second row is at hand."""
    hours = np.arange(20_000) * 2
    table = {"hr": hours % 24 * 1.0, "mnth": (hours // 720 % 12) * 1.0, "y": np.zeros(20_000)}
    signature = Signature("regression", (Column("hr", "number"), Column("mnth", "number")), target="y")
    reference = Reference(profile(table, bins_for(table, signature)))
    learnt = Learnt(table, np.arange(20_000.0), False)
    about = Seen(
        Window("m", 1, 0.0, 1.0), reference.profile, reference, calibrate(reference, SETTINGS), SETTINGS, signature,
        learnt=learnt,
    )  # fmt: skip
    assert akin_to(("hr",), about, {}) == ()


@given(st.integers(0, 99), st.integers(1, 30), st.integers(1, 30))
def test_it_is_between_none_and_all_and_the_same_from_both_sides(seed: int, k: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.choice(k, 500), rng.choice(m, 500)
    found = maximal_correlation(one, other)
    assert 0.0 <= found <= 0.5, "chance is taken off"
    assert found == pytest.approx(maximal_correlation(other, one), abs=1e-5)
    assert maximal_correlation(one, one) == (1.0 if len(set(one)) > 1 else 0.0)
