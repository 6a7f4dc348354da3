"""A long table when it is used: the newest history of every series, and the truth of what may have been asked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import InputInvalid
from fairlead.contract.settings import ModelSettings
from fairlead.lab.tables.series import Geometry
from fairlead.lab.tables.series_now import known_truths, newest_rows, times_after
from fairlead.lab.tables.steps import MONTH_S, Step

MODEL = ModelSettings(name="m", task="forecasting", target="y", time="at", series="shop", horizon=2, lags=3, every="1h")
GEOMETRY = Geometry(3, 2, Step(3600.0), ())
START = pd.Timestamp("2026-03-01", tz="UTC")


def shop(name: str, values: list[float], first: int = 0) -> pd.DataFrame:
    at = START + pd.to_timedelta(np.arange(first, first + len(values)), unit="h")
    return pd.DataFrame({"at": at, "shop": name, "y": values})


def test_every_series_is_looked_at_from_its_own_newest_value() -> None:
    table = pd.concat([shop("b", [1, 2, 3, 4]), shop("a", [5, 6, 7, 8, 9, np.nan], 2), shop("c", [1, 2])])
    rows = newest_rows(table, MODEL, GEOMETRY)
    assert rows.names is not None
    assert rows.names.tolist() == ["a", "b"]
    assert rows.history[:, :, 0].tolist() == [[7, 8, 9], [2, 3, 4]]
    assert ((rows.origins - START.timestamp()) / 3600).tolist() == [6, 3]
    assert np.isnan(rows.truth).all()
    assert any("'c'" in note for note in rows.notes)


def test_gaps_are_filled_up_to_a_fifth_and_no_further() -> None:
    table = shop("a", [1, 2, np.nan, 4, 5, 6])
    assert newest_rows(table, MODEL, Geometry(6, 2, Step(3600.0), ())).history[0, :, 0].tolist() == [1, 2, 2, 4, 5, 6]
    with pytest.raises(InputInvalid, match="no series can be forecast"):
        newest_rows(table, MODEL, Geometry(4, 2, Step(3600.0), ()))
    with pytest.raises(InputInvalid, match="fewer than 9 values"):
        newest_rows(table, MODEL, Geometry(9, 2, Step(3600.0), ()))


def test_new_values_are_the_truth_of_what_was_asked_before_them() -> None:
    found = known_truths(shop("a", [10, 11, 12], 5), MODEL, GEOMETRY)
    hours = ((found.origins - START.timestamp()) / 3600).tolist()
    told = [[None if step != step else step for step in row] for row in found.truth.tolist()]
    assert dict(zip(hours, told, strict=True)) == {3: [None, 10], 4: [10, 11], 5: [11, 12], 6: [12, None]}
    late = known_truths(shop("a", [10, 11, 12], 5), MODEL, GEOMETRY, since=START.timestamp() + 5 * 3600)
    assert len(late.origins) == 2
    assert set(found.names) == {"a"}


@given(st.lists(st.one_of(st.none(), st.integers(0, 99)), min_size=4, max_size=12), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_truth_is_what_the_table_says_of_that_time(values: list[int | None], horizon: int) -> None:
    given_values = [1, *(np.nan if value is None else value for value in values), 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    table = shop("a", given_values)
    found = known_truths(table, MODEL, Geometry(3, horizon, Step(3600.0), ()))
    known = {round(t.timestamp()): y for t, y in zip(table["at"], table["y"], strict=True)}
    for origin, truth in zip(found.origins.tolist(), found.truth.tolist(), strict=True):
        wanted = [known.get(round(origin + step * 3600), np.nan) for step in range(1, horizon + 1)]
        assert np.array_equal(truth, wanted, equal_nan=True)
        assert not np.isnan(truth).all()


def test_months_follow_the_calendar() -> None:
    origin = pd.Timestamp("2026-01-31 06:00", tz="UTC").timestamp()
    back = times_after(np.array([pd.Timestamp("2026-01-01 06:00", tz="UTC").timestamp()]), np.array([-1, 0, 1]),
                       Step(MONTH_S, months=True))  # fmt: skip
    said = pd.to_datetime(back[0], unit="s").strftime("%Y-%m-%d %H").tolist()
    assert said == ["2025-12-01 06", "2026-01-01 06", "2026-02-01 06"]
    assert times_after(np.array([origin]), np.array([0]), Step(MONTH_S, months=True))[0, 0] == origin
