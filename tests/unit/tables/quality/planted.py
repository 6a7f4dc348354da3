"""Tables of which the truth is known: clean ones, and ones with one thing wrong."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC).timestamp()


def clean(rows: int = 1200, seed: int = 3) -> pd.DataFrame:
    """Customers without a flaw: a key, a time, numbers, categories and a target that hangs on them loosely."""
    random = np.random.default_rng(seed)
    days = np.sort(random.integers(0, 365 * 24, rows))
    income = random.lognormal(8, 0.4, rows)
    age = random.integers(18, 80, rows)
    region = random.choice(["north", "south", "east", "west"], rows, p=[0.4, 0.3, 0.2, 0.1])
    chance = 1 / (1 + np.exp(-(age - 50) / 12 - (region == "north")))
    return pd.DataFrame(
        {
            "customer_id": [f"C{i:06d}" for i in random.permutation(rows)],
            "at": pd.Timestamp("2025-01-01") + pd.to_timedelta(days, unit="h"),
            "age": age,
            "income": income.round(2),
            "visits": random.poisson(3, rows),
            "score": random.normal(0, 1, rows),
            "region": region,
            "plan": random.choice(["basic", "standard", "premium"], rows),
            "bought": np.where(random.random(rows) < chance, "yes", "no"),
        }
    )
