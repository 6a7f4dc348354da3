"""The tables that learning is compared on, cut into rows to learn from and rows to judge by."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SPLITS = 5
JUDGED = 0.2
NEWEST = 0.12
"""Share of all rows that one split by time judges; the origins of the splits lie as far apart."""


@dataclass(frozen=True)
class Table:
    """Rows with what their columns are. times: the columns that order them, empty where they are drawn at random."""

    frame: pd.DataFrame
    task: str
    target: str
    numbers: tuple[str, ...]
    categories: tuple[str, ...] = ()
    times: tuple[str, ...] = ()

    def split(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the rows to learn from and of those to judge by, one of `SPLITS`.

        In order of time the judged rows come after the others: the newest rows at five origins. Else a fifth is drawn,
        in proportion to the classes.
        """
        n = len(self.frame)
        if self.times:
            stop = n - (SPLITS - 1 - number) * round(NEWEST * n)
            start = stop - round(NEWEST * n)
            return np.arange(start), np.arange(start, stop)
        random = np.random.default_rng([number, 20])
        truth = self.frame[self.target].to_numpy()
        groups = truth if self.task == "classification" else np.zeros(n)
        judged = np.zeros(n, dtype=bool)
        for group in np.unique(groups):
            rows = random.permutation(np.flatnonzero(groups == group))
            judged[rows[: round(JUDGED * len(rows))]] = True
        return np.flatnonzero(~judged), np.flatnonzero(judged)

    def write(self, number: int, folder: Path) -> tuple[dict[str, Any], np.ndarray]:
        """Put a split into a folder as every contender reads it; what it is, and the truth of its judged rows."""
        learn, judge = self.split(number)
        truth = self.frame[self.target].to_numpy()
        classes = sorted(set(truth)) if self.task == "classification" else []
        meta = {
            "task": self.task, "target": self.target, "classes": classes, "numbers": list(self.numbers),
            "categories": list(self.categories), "times": list(self.times), "ordered": bool(self.times),
            "learned": len(learn), "judged": len(judge),
        }  # fmt: skip
        used = list(dict.fromkeys([*self.numbers, *self.categories, *self.times]))
        (folder / "meta.json").write_text(json.dumps(meta))
        self.frame.iloc[learn][[*used, self.target]].to_csv(folder / "learn.csv", index=False)
        self.frame.iloc[judge][used].to_csv(folder / "judge.csv", index=False)
        return meta, truth[judge]


def bundled(load: Callable[..., Any], task: str) -> Table:
    """One of scikit-learn's own tables; classes as texts."""
    found = load(as_frame=True)
    frame = found.frame.rename(columns=lambda name: name.replace(" ", "_").replace("/", "_"))
    if task == "classification":
        frame["target"] = [str(found.target_names[code]) for code in found.target]
    return Table(frame, task, "target", tuple(name for name in frame if name != "target"))


def churn() -> Table:
    """IBM's customers: numbers and categories, eleven blanks, no time."""
    frame = pd.read_csv(DATA / "telco-churn.csv")
    numbers = ("tenure", "MonthlyCharges", "TotalCharges")
    rest = tuple(name for name in frame if name not in {*numbers, "customerID", "Churn"})
    return Table(frame, "classification", "Churn", numbers, rest)


def bike() -> Table:
    """Rented bikes by the hour, in order of time; what adds up to the target is left out."""
    frame = pd.read_csv(DATA / "bike-sharing-hour.csv")
    out = {"instant", "dteday", "casual", "registered", "cnt"}
    return Table(frame, "regression", "cnt", tuple(name for name in frame if name not in out), (), ("dteday", "hr"))


TABLES: dict[str, Callable[[], Table]] = {
    "breast-cancer": lambda: bundled(datasets.load_breast_cancer, "classification"),
    "diabetes": lambda: bundled(datasets.load_diabetes, "regression"),
    "wine": lambda: bundled(datasets.load_wine, "classification"),
    "digits": lambda: bundled(datasets.load_digits, "classification"),
    "iris": lambda: bundled(datasets.load_iris, "classification"),
    "churn": churn,
    "bike": bike,
}
