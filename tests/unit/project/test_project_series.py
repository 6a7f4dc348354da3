"""What `init` finds for a forecast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import UsageError
from fairlead.ops.project import init_project
from fairlead.ops.project.reading import parse_settings


def made(tmp_path: Path, frame: pd.DataFrame, **chosen: object) -> tuple[object, str]:
    frame.to_csv(tmp_path / "t.csv", index=False)
    result = init_project(tmp_path, tmp_path / "t.csv", "sold", task="forecasting", **chosen)  # type: ignore[arg-type]
    return result, (tmp_path / "fairlead.toml").read_text()


def sales(days: int = 90, shops: tuple[str, ...] = ("a", "b")) -> pd.DataFrame:
    random = np.random.default_rng(0)
    at = pd.date_range("2024-01-01", periods=days, freq="D")
    parts = [
        pd.DataFrame({"day": at, "shop": shop, "sold": (50 + 20 * at.day_of_week + random.integers(0, 9, days)),
                      "heat": random.random(days).round(3)})
        for shop in shops
    ]  # fmt: skip
    return pd.concat(parts).sample(frac=1.0, random_state=0)


def test_series_step_season_and_how_far_are_found(tmp_path: Path) -> None:
    result, text = made(tmp_path, sales())
    model = parse_settings(text)[0].model
    assert (model.series, model.horizon, model.every, model.lags) == ("shop", 7, "1d", 14)
    assert model.time_columns == ("day",)
    assert 'covariates = ["heat"]' in text
    assert {c["name"]: c["role"] for c in result.columns} == {  # type: ignore[attr-defined]
        "day": "time", "shop": "series", "sold": "target", "heat": "unused",
    }  # fmt: skip
    assert "seasons of 7 steps" in text


def test_what_is_given_holds(tmp_path: Path) -> None:
    _, text = made(tmp_path, sales(days=400), horizon=28, series="shop", every="1d")
    settings = parse_settings(text)[0]
    assert settings.model.horizon == 28
    assert settings.monitor.label_delay == "1d"


def test_months_and_gaps_are_told(tmp_path: Path) -> None:
    at = pd.date_range("2010-01-01", periods=120, freq="MS")
    frame = pd.DataFrame({"day": at, "sold": np.arange(120) % 12 + 5.0}).drop(index=[40, 41])
    result, text = made(tmp_path, frame)
    model = parse_settings(text)[0].model
    assert (model.every, model.horizon, model.lags) == ("month", 12, 24)
    assert "2 of 120 steps have no value" in result.warnings[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda f: f.drop(columns="shop"), "several rows are of the same time"),
        (lambda f: f.drop(columns="day"), "a forecast goes by time"),
        (lambda f: f.assign(sold="many"), "holds no numbers; anything else cannot be forecast"),
    ],
)
def test_what_cannot_be_forecast_is_refused(tmp_path: Path, change, part) -> None:
    with pytest.raises(UsageError, match=part):
        made(tmp_path, change(sales()))
    with pytest.raises(UsageError, match="say --task forecasting"):
        init_project(tmp_path, tmp_path / "t.csv", "heat", horizon=3)
