"""An hourly series that anybody can predict, and the settings of a model that does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fairlead.contract.settings import ModelSettings, Settings, TrainSettings

DAYS, LAGS, HORIZON = 40, 48, 6


def demand(days: int = DAYS, seed: int = 0, shop: str = "", growth: float = 0.0) -> pd.DataFrame:
    """Hours of a day that is busy at noon and quiet on Sundays."""
    random = np.random.default_rng(seed)
    at = pd.date_range("2024-01-01", periods=24 * days, freq="h")
    hour, weekday = at.hour.to_numpy(), at.day_of_week.to_numpy()
    level = 1.0 + growth * np.arange(len(at)) / len(at)
    count = level * (50 + 40 * np.sin((hour - 6) * np.pi / 12)) * np.where(weekday == 6, 0.5, 1.0)
    frame = pd.DataFrame(
        {"at": at, "count": (count + random.normal(0, 4, len(at))).round(2), "heat": random.random(len(at))}
    )
    return frame.assign(shop=shop) if shop else frame


def settings(**changes: Any) -> Settings:
    model = {"name": "demand", "task": "forecasting", "target": "count", "time": "at", "horizon": HORIZON, "lags": LAGS}
    train = {"learners": ("ridge",), "trials": 1, "folds": 2} | changes.pop("train", {})
    return Settings(model=ModelSettings(**{**model, **changes}), train=TrainSettings(**train))
