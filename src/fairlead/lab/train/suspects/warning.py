"""What a training says about leaks: those found in its table, and copies on both sides of its split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fairlead.contract.settings import Settings
from fairlead.lab.tables.quality.hashing import column_hashes, row_hashes

if TYPE_CHECKING:
    import pandas as pd

ROWS = 20_000
SHARE = 0.01
_TASKS = ("classification", "regression")


def leak_warnings(frame: pd.DataFrame, settings: Settings, holdout: pd.DataFrame) -> list[str]:
    """Sentences, none where nothing was found. frame: all rows of the training; holdout: those kept for judging.

    Bounded: leaks are looked for on at most 40,000 rows spread over the table.
    """
    from fairlead.lab.tables.quality import examine

    if settings.model.task not in _TASKS or len(frame) < 100:
        return []
    report = examine(frame, settings=settings, checks=("leak", "time_travel"), sample_rows=ROWS)
    told = [f"{i.column} may leak {settings.model.target}: {i.says}." for i in report.issues]
    copies = copies_across(frame, holdout, settings)
    if copies >= max(SHARE * len(holdout), 1):
        told.append(
            f"{copies:,} of {len(holdout):,} rows kept for judging are copies of rows learned from "
            f"({copies / len(holdout):.1%}): what they say of quality is too good."
        )
    return told


def copies_across(frame: pd.DataFrame, holdout: pd.DataFrame, settings: Settings) -> int:
    """How many rows of the holdout are, features and target alike, among the rows learned from.

    frame: all rows, those of the holdout among them. Keys and event times do not count as features.
    """
    model = settings.model
    names = [n for n in frame.columns if n in holdout.columns and n not in {model.id, *model.time_columns}]
    names = [n for n in names if not model.features or n in {*model.features, model.target}]
    if not names or holdout.empty:
        return 0
    everywhere, kept = _hashes(frame, names), _hashes(holdout, names)
    values, counts = np.unique(everywhere, return_counts=True)
    own, mine = np.unique(kept, return_counts=True)
    place = np.searchsorted(values, own)
    place = np.where(place < len(values), place, 0)
    elsewhere = (values[place] == own) & (counts[place] > mine)
    return int(mine[elsewhere].sum())


def _hashes(frame: pd.DataFrame, names: list[str]) -> np.ndarray:
    from fairlead.lab.tables.cells import arrow_column

    return row_hashes([column_hashes(arrow_column(frame[name])) for name in names])
