"""A table that only an engine reads, where code of ours asks for its name, its columns and how long it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from fairlead.contract.errors import UsageError
from fairlead.lab.tables.engines import Engine
from fairlead.lab.tables.sources import Table

PARQUET = (".parquet", ".pq")


class FarTable(Table):
    """given: what the engine takes. Its rows are not read here: asked for them, it raises UsageError."""

    def __init__(self, engine: Engine, given: Any) -> None:
        self.given, self._engine = given, engine
        self.source = Path(os.fspath(given)) if isinstance(given, str | os.PathLike) else given
        self.columns = engine.columns(given)

    @cached_property
    def rows(self) -> int:
        return self._engine.rows(self.given)

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        raise UsageError(f"these rows are read by the engine {self._engine.name}, not here.")


def is_far(source: Any) -> bool:
    """Whether an engine reads this itself: Parquet in files, folders and at addresses, and Spark's own frames."""
    if hasattr(source, "mapInArrow"):
        return True
    if not isinstance(source, str | os.PathLike):
        return False
    text = str(os.fspath(source))
    if "://" in text and text.endswith("/"):
        return True
    # A folder that is not here is one of the cluster's; one that is here may hold another kind of files.
    return text.lower().endswith(PARQUET) or (Path(text).is_dir() and holds_parquet(Path(text)))


def holds_parquet(folder: Path) -> bool:
    """Whether the files of a folder are Parquet, at least one: Spark's own notes among them do not count."""
    names = (path.name.lower() for path in folder.rglob("*") if not path.name.startswith((".", "_")))
    return any(name.endswith(PARQUET) for name in names)
