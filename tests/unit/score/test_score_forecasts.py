"""Tables scored by a model that forecasts: rows of histories, and long tables of values of several series."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parent.parent / "bundle"))

from forecast_samples import HORIZON, LAGS, SIGNATURE, expected, histories, origins, sealed_at

from fairlead.contract.errors import ColumnMissing, UsageError
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.ops.registry.pyfunc import Answers
from fairlead.reach.score import score_table
from fairlead.reach.score.forecasts import requests_of
from fairlead.runtime.bundle import Model, SigningKey, load

SETTINGS = Settings(
    model=ModelSettings(
        name="riders", task="forecasting", target="riders", time="at", series="station", horizon=HORIZON, lags=LAGS,
        every="1h", covariates=("temp",),
    )
)  # fmt: skip
STEPS = ["t+1", "t+2", "t+3"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    home = tmp_path_factory.mktemp("riders")
    key = SigningKey.create(home / "seal.key")
    return load(sealed_at(home / "riders", key), [key.public])


def long(stations: tuple[str, ...] = ("a", "b"), hours: int = 9) -> pd.DataFrame:
    found = histories(len(stations) * 3, seed=1).reshape(len(stations), -1, 2)[:, :hours]
    at = pd.to_datetime(origins(hours), unit="s")
    return pd.concat([
        pd.DataFrame({"at": at, "station": name, "riders": one[:, 0], "temp": one[:, 1]})
        for name, one in zip(stations, found, strict=True)
    ])  # fmt: skip


def wanted(table: pd.DataFrame, station: str) -> np.ndarray:
    own = table[table["station"] == station]
    return expected(own[["riders", "temp"]].to_numpy()[None, -LAGS:], origins(9)[-1:])[0]


def test_a_long_table_gives_a_forecast_a_series(model: Model, tmp_path: Path) -> None:
    table = long()
    scored = score_table(model, table, None, SETTINGS)
    assert scored.frame.columns.tolist() == ["station", "origin", *STEPS]
    assert scored.frame["station"].tolist() == ["a", "b"]
    for at, station in enumerate(("a", "b")):
        assert np.allclose(scored.frame.loc[at, STEPS].to_numpy(dtype=float), wanted(table, station), atol=1e-9)
    assert scored.frame["origin"].iloc[0] == pd.Timestamp(origins(9)[-1], unit="s", tz="UTC")
    table.to_csv(tmp_path / "long.csv", index=False)
    done = score_table(model, str(tmp_path / "long.csv"), tmp_path / "out.csv", SETTINGS)
    assert done.rows == 2
    assert np.allclose(pd.read_csv(tmp_path / "out.csv")[STEPS], scored.frame[STEPS], atol=1e-9)
    # A server is asked the same.
    asked = requests_of(table, SIGNATURE, SETTINGS)
    assert [row["station"] for row in asked] == ["a", "b"]
    assert np.allclose([row["forecast"] for row in model.predict(asked)], scored.frame[STEPS], atol=1e-9)


def test_rows_of_histories_are_scored_as_they_are(model: Model) -> None:
    found, at = histories(5), origins(5)
    table = pd.DataFrame({"history": [one.reshape(-1).tolist() for one in found], "origin": at, "station": "a"})
    scored = score_table(model, table, None, SETTINGS).frame
    assert scored.columns.tolist() == ["origin", "station", *STEPS]
    assert np.allclose(scored[STEPS], expected(found, at), atol=1e-9)
    answers = Answers(model).predict(table)
    assert list(answers.columns) == STEPS
    assert np.allclose(answers, expected(found, at), atol=1e-9)


def test_what_cannot_be_scored_is_named(model: Model) -> None:
    with pytest.raises(ColumnMissing, match="riders"):
        score_table(model, long().drop(columns="riders"), None, SETTINGS)
    with pytest.raises(UsageError, match="ranking"):
        score_table(model, long(), None, SETTINGS, rank=True)
