"""`[data] exclude_rows` applied to the rows a project learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.tables.reading import Reading

PART = "exclude_rows"


def left_out(ws: Workspace, frame: pd.DataFrame, reading: Reading) -> tuple[pd.DataFrame, int]:
    """The rows without those that a person listed, and how many these were; the list joins what was read.

    frame: after `[data] prepare`, which is what row numbers count. Raises ConfigInvalid, SourceUnreadable.
    """
    from fairlead.lab.tables import open_table
    from fairlead.lab.train.suspects import without_rows

    given = ws.settings.data.exclude_rows
    if not given:
        return frame, 0
    reading.frame(given, name=PART)
    kept, gone = without_rows(
        frame, ws.project.root / given, key=ws.settings.model.id, table=lambda: open_table(frame).hash
    )
    if gone:
        reading.notes.append(f"{gone:,} rows are left out, as [data] exclude_rows says; {len(kept):,} are left.")
    return kept, gone
