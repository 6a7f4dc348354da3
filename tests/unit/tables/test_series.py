"""Rows of series: windows as counted by hand, gaps by number, and what is refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.contract.settings import ModelSettings
from fairlead.lab.tables import series as module
from fairlead.lab.tables.series import Geometry, look_at_series, series_rows
from fairlead.lab.tables.steps import MONTH_S, Step, step_from, step_in


def model(**changes: object) -> ModelSettings:
    usual = {"name": "m", "task": "forecasting", "target": "y", "time": "at", "horizon": 2, "lags": 3}
    return ModelSettings(**{**usual, **changes})  # type: ignore[arg-type]


def hours(values: list[float], start: str = "2024-01-01", name: str = "") -> pd.DataFrame:
    frame = pd.DataFrame({"at": pd.date_range(start, periods=len(values), freq="h"), "y": values})
    return frame.assign(shop=name) if name else frame


def test_windows_by_hand() -> None:
    found = series_rows(hours([1, 2, 3, 4, 5, 6, 7]), model(every="1h"))
    assert found.history[:, :, 0].tolist() == [[1, 2, 3], [2, 3, 4], [3, 4, 5]]
    assert found.truth.tolist() == [[4, 5], [5, 6], [6, 7]]
    assert (found.origins - found.origins[0]).tolist() == [0.0, 3600.0, 7200.0]
    assert found.names is None


def test_series_are_told_apart_and_ordered_by_origin() -> None:
    frame = pd.concat([hours([10, 20, 30, 40, 50, 60], name="b"), hours([1, 2, 3, 4, 5, 6], name="a")])
    found = series_rows(frame, model(series="shop"))
    assert found.names is not None
    assert found.names.tolist() == ["a", "b", "a", "b"]
    assert found.history[:2, :, 0].tolist() == [[1, 2, 3], [10, 20, 30]]
    assert (np.diff(found.origins) >= 0).all()


def test_covariates_stand_beside_the_values() -> None:
    frame = hours([1, 2, 3, 4, 5]).assign(heat=[9, 8, 7, 6, np.nan])
    found = series_rows(frame, model(covariates=("heat",)))
    assert found.history[0].tolist() == [[1, 9], [2, 8], [3, 7]]


def test_gaps_are_filled_in_histories_by_the_season_before_and_never_a_truth() -> None:
    values = [float(at % 4) * 10 + at for at in range(30)]
    frame = hours(values).drop(index=[17])
    geometry = Geometry(6, 2, Step(3600.0), (4,))
    found = series_rows(frame, model(lags=6), geometry=geometry)
    assert found.notes[0].startswith("1 of 30 values are missing; within histories the value 4 steps before")
    start = found.origins[0] - 5 * 3600
    places = ((found.origins - start) / 3600).round().astype(int)
    assert 17 not in places
    assert not {15, 16} & set(places.tolist())
    after = found.history[places.tolist().index(19), :, 0]
    assert after.tolist() == [values[14], values[15], values[16], values[13], values[18], values[19]]
    assert found.incomplete == 2


def test_a_history_that_is_mostly_filled_is_left_out_and_told() -> None:
    frame = hours([float(at) for at in range(60)]).drop(index=list(range(20, 29)))
    found = series_rows(frame, model(lags=10, every="1h"))
    assert any("histories with more than 20% of their values missing" in note for note in found.notes)
    known = np.isin(found.history[:, :, 0], [float(at) for at in (*range(20), *range(29, 60))])
    assert found.rows == known.shape[0] > 0


@pytest.mark.parametrize(
    ("frame", "changes", "part"),
    [
        (pd.concat([hours([1, 2, 3, 4, 5, 6])] * 2, ignore_index=True), {},
         "rows 0 and 6 are both of 2024-01-01T00:00:00Z .one of 6 such times.*name their column as .model. series"),
        (hours([1.0] * 9).assign(at=lambda f: f["at"].where(f.index != 4, f["at"] + pd.Timedelta("17min"))), {},
         "row 4 is at 2024-01-01T04:17:00Z, which is not a whole number of steps of 1h after"),
        (hours([1.0] * 4), {}, "a history of 3 values and a truth of 2 need 5 steps in a row"),
        (hours([1.0] * 200).iloc[::3], {"every": "1h"}, "only 67 of 199 steps of 1h .* Is .model. every right"),
        (hours([1.0] * 9, name="x").assign(shop=["x"] * 8 + [None]), {"series": "shop"}, "row 8: column 'shop'"),
        (hours([1.0]), {}, "nothing says how far its values lie apart"),
    ],
)  # fmt: skip
def test_what_is_refused_names_the_row(frame: pd.DataFrame, changes: dict[str, str], part: str) -> None:
    with pytest.raises(InputInvalid, match=part):
        series_rows(frame, model(**changes))


def test_short_series_are_left_out_by_name() -> None:
    frame = pd.concat([hours([1.0] * 9, name="long"), hours([1.0] * 4, name="brief")])
    found = series_rows(frame, model(series="shop"))
    assert found.notes == ("1 of 2 series have fewer than 5 steps (lags and horizon) and were left out: 'brief'",)


def test_steps_and_seasons() -> None:
    assert step_from("month").seasons == (12,)
    assert step_from("15m").seasons == (96, 672)
    assert step_from("7d").seasons == (52,)
    assert Step(10.0).seasons == (8640, 60480)
    assert step_in([np.array([0.0, 60.0, 120.0, 240.0])]).said == "1m"
    months = np.array([at.timestamp() for at in pd.date_range("2020-01-01", periods=30, freq="MS")])
    found = step_in([months])
    assert found.months
    assert found.seconds == MONTH_S
    with pytest.raises(ConfigInvalid, match="'often' is no step"):
        step_from("often")


def test_months_and_days_of_a_zone_that_turns_its_clocks_lie_on_the_grid() -> None:
    days = pd.date_range("2024-01-01", periods=120, freq="D")
    facts = look_at_series(pd.DataFrame({"at": days, "y": 1.0}), model(timezone="Europe/Paris"))
    assert (facts.step.said, facts.missing, facts.lengths) == ("1d", 0, (120,))
    months = pd.DataFrame({"at": pd.date_range("2020-01-31", periods=24, freq="ME"), "y": range(24)})
    found = series_rows(months, model())
    assert found.geometry.step.months
    assert found.history[0, :, 0].tolist() == [0, 1, 2]


def test_of_a_long_table_origins_are_taken_at_equal_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ELEMENTS", 60)
    found = series_rows(hours([float(at) for at in range(100)]), model(every="1h", lags=3))
    assert found.rows <= 20
    assert len(set(np.diff(found.origins).tolist())) == 1
    assert "every 5th is used" in found.notes[-1]
    assert found.truth[-1].tolist() == [98.0, 99.0]


def test_rows_that_were_asked_are_taken_as_they_are() -> None:
    long = series_rows(hours([1, 2, 3, 4, 5, 6, 7]), model(every="1h"))
    asked = pd.DataFrame({
        "history": list(long.history), "origin": long.origins,
        "y": [[4.0, 5.0], [5.0, None], [6.0, 7.0]],
    })  # fmt: skip
    found = series_rows(asked.iloc[::-1], model(every="1h"))
    assert found.history[:, :, 0].tolist() == [[1, 2, 3], [3, 4, 5]]
    assert found.truth.tolist() == [[4, 5], [6, 7]]
    assert found.incomplete == 1
    with pytest.raises(ConfigInvalid, match=r"model\.every"):
        series_rows(asked, model())


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(1, 4), st.lists(st.floats(0, 9), min_size=14, max_size=40), st.randoms(),
       st.sets(st.integers(0, 39), max_size=3))  # fmt: skip
def test_every_row_is_what_the_table_says(lags, horizon, values, random, gone) -> None:  # type: ignore[no-untyped-def]
    """However rows are shuffled, histories are the values before, truths the values after, origins are known."""
    frame = hours(values)
    frame = frame.drop(index=[at for at in gone if 0 < at < len(frame) - 1])
    order = list(range(len(frame)))
    random.shuffle(order)
    asked = model(lags=lags, horizon=horizon, every="1h")
    known = dict(zip([t.timestamp() for t in frame["at"]],
                     frame["y"], strict=True))  # fmt: skip
    try:
        found = series_rows(frame.iloc[order], asked)
    except InputInvalid:
        return
    for row in range(found.rows):
        origin = found.origins[row]
        assert origin in known
        for step in range(horizon):
            assert found.truth[row, step] == known[origin + (step + 1) * 3600.0]
        for back in range(lags):
            at = origin - (lags - 1 - back) * 3600.0
            if at in known:
                assert found.history[row, back, 0] == known[at]
