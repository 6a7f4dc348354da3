"""Rows out: a whole file or none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from fairlead.contract.errors import UsageError
from fairlead.lab.tables.tensors import table_from


def write_rows(rows: Any, path: str | Path) -> int:
    """Write a frame, an Arrow table or a stream of batches as .parquet, .csv or .feather; returns the number of rows.

    The file appears under its name when it is whole and on disk. Raises UsageError for other endings, no batch, or
    a place that cannot be written.
    """
    target = Path(path)
    ending = target.suffix.lower()
    if ending not in {".parquet", ".csv", ".feather"}:
        raise UsageError(f"{target.name}: unknown kind of table; known: .parquet .csv .feather")
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.touch()
        count = _write(_batches(rows), temporary, ending)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        reason = (error.strerror or str(error)).split("] ", 1)[-1]
        raise UsageError(f"{target} cannot be written: {reason}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return count


def _batches(rows: Any) -> Iterable[pa.Table]:
    if isinstance(rows, pa.Table):
        yield rows
    elif isinstance(rows, pa.RecordBatch):
        yield pa.Table.from_batches([rows])
    elif hasattr(rows, "iloc"):
        yield table_from(rows)
    else:
        for part in rows:
            yield from _batches(part)


def _write(parts: Iterable[pa.Table], path: Path, ending: str) -> int:
    count = 0
    with contextlib.ExitStack() as open_files:
        writer: Any = None
        for part in parts:
            if writer is None:
                writer = open_files.enter_context(_writer(path, part.schema, ending))
            (writer.write_table if ending != ".feather" else writer.write)(part)
            count += part.num_rows
        if writer is None:
            raise UsageError("there are no rows to write")
    return count


def _writer(path: Path, schema: pa.Schema, ending: str) -> Any:
    if ending == ".parquet":
        return parquet.ParquetWriter(path, schema)
    if ending == ".csv":
        return arrow_csv.CSVWriter(str(path), schema)
    return pa.ipc.new_file(str(path), schema)
