"""`[data] exclude_rows`: rows that a person decided not to learn from, left out and counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid

if TYPE_CHECKING:
    import pandas as pd

_KEY = "data.exclude_rows"


def without_rows(
    frame: pd.DataFrame, listed: str | Path, *, key: str | None, table: Callable[[], str]
) -> tuple[pd.DataFrame, int]:
    """The rows that the file does not list, and how many it took away.

    listed: a table with a column `row` (numbers from 1) or `key`. Where the project has a key column and the file
    names keys, rows are found by key, in whatever version of the table; else by number, and then the file's column
    `table`, if it has one, must name this very table, whose hash `table` gives when it is needed. Raises ConfigInvalid
    for a file that fits neither, and for one that takes all rows.
    """
    from fairlead.lab.tables import open_table

    names = open_table(str(listed)).frame()
    by_key = key is not None and key in frame.columns and "key" in names.columns and names["key"].notna().all()
    if by_key and len(names):
        wanted = set(names["key"].astype(str))
        out = frame[key].astype(str).isin(wanted).to_numpy()
    elif "row" in names.columns:
        out = _by_number(names, len(frame), table, Path(listed).name)
    else:
        raise _wrong(f"{Path(listed).name} has neither a column 'row' nor a column 'key' for the project's id.")
    if out.all():
        raise _wrong(f"{Path(listed).name} lists every row: nothing is left to learn from.")
    return frame.loc[~out].reset_index(drop=True), int(out.sum())


def _by_number(names: Any, rows: int, table: Callable[[], str], file: str) -> np.ndarray:
    if "table" in names.columns and len(names) and set(names["table"].astype(str)) != {table()}:
        raise _wrong(f"{file} lists rows of another table than the one that is read.",
                     "Look for suspects again, or list rows by key.")  # fmt: skip
    numbers = np.asarray(names["row"], dtype=np.float64)
    if not (np.isfinite(numbers) & (numbers == np.floor(numbers)) & (numbers >= 1) & (numbers <= rows)).all():
        raise _wrong(f"{file} lists a row that the table has not.", f"Rows are numbered from 1 to {rows:,}.")
    out = np.zeros(rows, dtype=bool)
    out[numbers.astype(np.int64) - 1] = True
    return out


def _wrong(what: str, cure: str = "") -> ConfigInvalid:
    return ConfigInvalid(what, file="fairlead.toml", key=_KEY, cure=cure)
