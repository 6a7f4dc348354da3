"""A history with images is rehearsed by its other columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import fairlead

CONFIG = """
[model]
name = "m"
task = "classification"
target = "shade"
positive = "a"
time = "at"
[train]
learners = ["logistic"]
trials = 1
folds = 2
"""


def test_columns_of_tensors_are_left_out_and_nothing_breaks(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(0), 700
    x = rng.normal(size=rows)
    frame = pd.DataFrame({
        "at": pd.date_range("2024-01-01", periods=rows, freq="2h"),
        "image": list(rng.integers(0, 255, (rows, 6, 6), dtype=np.uint8)),
        "x": x,
        "shade": np.where(x + rng.normal(size=rows) > 0, "a", "b"),
    })  # fmt: skip
    (tmp_path / "fairlead.toml").write_text(CONFIG)
    done = fairlead.open(tmp_path).rehearse(data=frame)
    assert (done["rows"], done["windows"]) == (rows, 9)
