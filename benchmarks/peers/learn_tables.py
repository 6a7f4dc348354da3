"""The table that every contender learns from, as files: learn.csv and judge.csv, with what their columns are.

meta.json: `task`, `target`, `classes`, `numbers`, `categories`, `times`, `ordered` (rows are in order of time).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd


def read(folder: Path) -> tuple[dict[str, Any], pd.DataFrame, Any, pd.DataFrame]:
    """meta, features to learn from, their truth, features to judge by: numbers as float64, categories as objects."""
    meta = json.loads((folder / "meta.json").read_text())
    learn, judge = (pd.read_csv(folder / name, dtype=str) for name in ("learn.csv", "judge.csv"))

    def features(table: pd.DataFrame) -> pd.DataFrame:
        found = {name: pd.to_numeric(table[name], errors="coerce").astype(float) for name in meta["numbers"]}
        return pd.DataFrame(found | {name: table[name].astype(object) for name in meta["categories"]})

    truth = learn[meta["target"]]
    truth = truth.astype(float) if meta["task"] == "regression" else truth
    return meta, features(learn), truth.to_numpy(), features(judge)
