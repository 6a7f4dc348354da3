"""The rows of a training, or of a table larger than memory a sample with the table itself beside it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.contract.signature import UNSUPERVISED
from fairlead.ops.flow.gathering import TRAIN, Gathered, gather
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    from fairlead.lab.tables.sources import Table
    from fairlead.lab.train.out_of_core.large import Plan

Say = Callable[..., None]
FOLDER = "large"


@contextlib.contextmanager
def rows_to_train(ws: Workspace, source: Any, say: Say, plan: Plan | None = None) -> Iterator[Gathered]:
    """As `gather`; of a table that would not fit into memory its sample, with `.large` while the context lasts.

    plan: where a lineage recorded one; None: by the memory there is. Raises what `gather` raises.
    """
    from fairlead.lab.tables.reading import Reading
    from fairlead.lab.train.out_of_core.sizing import memory_for, size_of

    rules, data = ws.settings.train, ws.settings.data
    where = source if source is not None else data.train
    if not isinstance(where, str | os.PathLike) or not str(where) or rules.out_of_core is False:
        yield gather(ws, source)
        return
    reading = Reading(data, ws.project.root, ws.home.root)
    table = reading.open(where, query=data.query, from_root=source is None)
    why = whole_because(ws, table)
    memory, size = memory_for(rules.memory_mb), None if why and not _on_disk(table) else size_of(table)
    larger = size is not None and size.needed > memory
    if why or size is None or not (larger or rules.out_of_core is True or plan):
        told = why and (larger or rules.out_of_core is True)
        yield gather(ws, source, table=table, notes=(f"the table is read whole: {why}",) if told else ())
        return
    with scratch(ws.home.root / FOLDER) as folder:
        from fairlead.lab.train.out_of_core.large import open_large

        large = open_large(table, ws.settings, size, memory, folder, say, plan)
        reading.remember(table, TRAIN, reading.shown(where, source is None), large.index.rows, data.query)
        yield Gathered(large.frame, reading.tables, tuple(reading.notes), large=large)


def whole_because(ws: Workspace, table: Table) -> str:
    """Why this project cannot learn from a table in passes; empty where it can."""
    from fairlead.lab.train.out_of_core.sizing import is_streamed

    settings = ws.settings
    reasons = {
        f"{_kind(table)} are; CSV, Parquet and Arrow files are learned from in passes": not is_streamed(table),
        "[data] prepare runs over all of its rows": settings.data.prepare,
        "[data] exclude_rows counts its rows": settings.data.exclude_rows and True,
        "your own [train] entrypoint takes all rows": settings.train.entrypoint,
        f"a {settings.model.task} is learned from rows in memory": settings.model.task
        in (*UNSUPERVISED, "forecasting"),
        "[model] group keeps rows of a group together": settings.model.group,
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _kind(table: Table) -> str:
    name = type(table).__name__.removesuffix("Table")
    return {"JsonLines": "JSON lines", "Sql": "answers of databases", "Numpy": "NumPy files"}.get(name, f"{name} rows")


def _on_disk(table: Table) -> bool:
    from fairlead.lab.train.out_of_core.sizing import is_streamed

    return is_streamed(table)


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A folder that goes when the context ends; those of processes that were killed go, too."""
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.iterdir():
        owner = left.name.partition("-")[0]
        if owner.isdigit() and not _lives(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=f"{os.getpid()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
