"""Suspects as a table that a person can read, shorten and hand back as `[data] exclude_rows`."""

from __future__ import annotations

from pathlib import Path

from fairlead.lab.train.suspects.finding import Suspects

COLUMNS = ("row", "key", "check", "given", "suggested", "score", "twin", "table")


def write_suspects(found: Suspects, path: str | Path, table: str) -> int:
    """Write one line a row and check, .csv or .parquet, whole or not at all; returns how many.

    table: hash of the table that the row numbers are of, so that they are never applied to another one.
    """
    import pandas as pd

    from fairlead.lab.tables import write_rows

    lines = [(s.row, s.key, s.check, s.given, s.suggested, s.score, s.twin or None, table) for s in found.suspects]
    frame = pd.DataFrame(lines, columns=list(COLUMNS)).astype({"row": "int64", "twin": "Int64", "score": "float64"})
    return int(write_rows(frame, Path(path)))
