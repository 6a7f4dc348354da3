"""The rows a project learns from: its tables read, its own `[data] prepare` run, and what was read written down."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import FairleadError, SourceUnreadable, UsageError
from fairlead.contract.evidence import TableRead
from fairlead.ops.flow.excluding import left_out
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.tables.reading import Reading
    from fairlead.lab.tables.sources import Table
    from fairlead.lab.train.out_of_core.large import Large

TRAIN = "train"


@dataclass(frozen=True)
class Gathered:
    """Rows as they go into training. tables: every table read, by its part; notes: what a reader should know of them;
    set_aside: lines that could not be read and were kept apart; excluded: rows that `[data] exclude_rows` left out;
    large: the table of which `frame` is a sample, see `ops.flow.large`."""

    frame: pd.DataFrame
    tables: dict[str, TableRead] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    excluded: int = 0
    large: Large | None = None

    @property
    def set_aside(self) -> int:
        """Lines of all tables that were set aside."""
        return sum(table.set_aside for table in self.tables.values())


def gather(
    ws: Workspace,
    source: Any = None,
    *,
    whole: bool = False,
    excluding: bool = False,
    table: Table | None = None,
    notes: tuple[str, ...] = (),
) -> Gathered:
    """The project's training table (or `source`) after its `[data] prepare`, with inferred dtypes.

    Rows of the training table that `[data] exclude_rows` lists are left out, unless `whole`; those of
    `source`, whose rows the list may not mean, with `excluding` alone. table: that of `source`, if it is open already;
    notes: known of it. Raises UsageError without
    a table, SourceUnreadable, ConfigInvalid, and whatever keeps `prepare` from giving rows as UsageError.
    """
    from fairlead.lab.tables.reading import Reading

    data = ws.settings.data
    where = source if source is not None else data.train
    if isinstance(where, str | os.PathLike) and not str(where):
        raise UsageError("no training table: set [data] train in fairlead.toml or give --data.")
    reading = Reading(data, ws.project.root, ws.home.root)
    if table is None:
        frame = reading.frame(where, name=TRAIN, query=data.query, from_root=source is None)
    else:
        frame = table.frame()
        reading.remember(table, TRAIN, reading.shown(where, source is None), len(frame), data.query)
    if frame.empty:
        place = reading.tables[TRAIN].source
        raise SourceUnreadable(f"{place}: the table has no rows" if place else "the table has no rows")
    frame = prepared(ws, frame, reading)
    excluded = 0
    if (source is None or excluding) and not whole:
        frame, excluded = left_out(ws, frame, reading)
    return Gathered(frame, reading.tables, (*reading.notes, *notes), excluded)


def prepared(ws: Workspace, frame: pd.DataFrame, reading: Reading | None = None) -> pd.DataFrame:
    """The rows after the project's own `[data] prepare`, as `file.py:function(frame) -> frame`; as they are without.

    reading: what `fairlead.read_table` in it reads by and writes down in. Raises UsageError with the file and line
    at which the project's code failed.
    """
    from fairlead.lab.tables.reading import Reading
    from fairlead.lab.train import entrypoint_of

    text = ws.settings.data.prepare
    if not text:
        return frame
    file = ws.project.root / text.partition(":")[0]
    with reading or Reading(ws.settings.data, ws.project.root, ws.home.root):
        build = _told(lambda: entrypoint_of(text, ws.project.root, "data.prepare"), file)
        built = _told(lambda: build(frame), file)
    if not hasattr(built, "iloc") or not hasattr(built, "columns"):
        raise UsageError(f"[data] prepare: {text} returned {type(built).__name__}; a DataFrame is needed.")
    if built.empty:
        raise UsageError(f"[data] prepare: {text} returned no rows.")
    twice = sorted({str(name) for name in built.columns if list(built.columns).count(name) > 1})
    if twice:
        raise UsageError(f"[data] prepare: {text} returned columns twice: {', '.join(twice[:20])}.")
    return built  # type: ignore[no-any-return]


def _told(act: Callable[[], Any], file: Path) -> Any:
    """What the project's own code gives; where it raises, file and line of its own, not of what it called."""
    try:
        return act()
    except FairleadError:
        raise
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise UsageError(f"[data] prepare: {file.name}{line}: {error.msg}.") from error
    except Exception as error:
        own = [at for at in traceback.extract_tb(error.__traceback__) if Path(at.filename) == file]
        place = f"{file.name}, line {own[-1].lineno}, in {own[-1].name}" if own else file.name
        said = str(error).strip().splitlines()
        raise UsageError(f"[data] prepare: {place}: {type(error).__name__}: {said[0] if said else ''}") from error
