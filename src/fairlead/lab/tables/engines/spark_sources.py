"""Tables as Spark reads them, each row with its number in the table, from 0."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from fairlead.contract.errors import SourceUnreadable, UsageError
from fairlead.lab.tables.engines.executing import ROW
from fairlead.lab.tables.engines.far import PARQUET, FarTable, holds_parquet
from fairlead.lab.tables.sources import ParquetTable, Table, open_table

MOST_BYTES = 1 << 30
"""Of a table that has to go through this process."""

_FILE = "__fairlead_file"
_PATTERN = re.compile(r"[{}\[\]*?\\]")
_ESCAPED = re.compile(r"\\(.)")


def columns_of(spark: Any, source: Any) -> tuple[str, ...]:
    """Names in order."""
    where = _address(source)
    if where is not None:
        return tuple(_read(spark, where).columns)
    return tuple(_given(source).columns) if _is_frame(source) else open_table(source).columns


def rows_of(spark: Any, source: Any) -> int:
    """How many there are."""
    where = _address(source)
    if where is not None:
        return int(_read(spark, where).count())
    return int(_given(source).count()) if _is_frame(source) else open_table(source).rows


@contextmanager
def numbered(spark: Any, source: Any) -> Iterator[Any]:
    """A frame of Spark's with the number of each row as `ROW`, which is to be used within the block.

    Of Parquet the place in its file says it, files of a folder by their names; of a frame of Spark's the order of its
    partitions. Raises SourceUnreadable, UsageError for a table too large to go through this process.
    """
    where = _address(source)
    if where is not None:
        yield _parquet(spark, where)
    elif _is_frame(source):
        with _of_frame(spark, _given(source)) as found:
            yield found
    else:
        yield _sent(spark, open_table(source))


def _given(source: Any) -> Any:
    return source.given if isinstance(source, FarTable) else source


def _is_frame(source: Any) -> bool:
    source = _given(source)
    return hasattr(source, "mapInArrow") and hasattr(source, "sparkSession")


def _address(source: Any) -> str | None:
    """Where Spark finds a table itself; None for one that goes through this process."""
    source = _given(source)
    if isinstance(source, ParquetTable):
        source = source.source
    if not isinstance(source, str | os.PathLike):
        return None
    text = str(os.fspath(source))
    if "://" in text:
        # Hadoop's name of it; the plain one is that of a file system long gone.
        text = text.replace("s3://", "s3a://", 1) if text.startswith("s3://") else text
        return text if text.lower().endswith(PARQUET) or text.endswith("/") else None
    path = Path(text)
    if (path.is_dir() and holds_parquet(path)) or (path.is_file() and path.name.lower().endswith(PARQUET)):
        return file_address(path)
    return None


def file_address(path: Path) -> str:
    """A file or folder of this machine as Hadoop names it to read it: as it is, but for what would be a pattern."""
    return "file://" + _PATTERN.sub(r"\\\g<0>", str(path.absolute()))


def _require_alike(where: str) -> None:
    """Of files with other columns than the first Spark takes those alone that it happens to look at, without a word.

    At an address of a cluster they are not looked at. Raises SourceUnreadable, as a folder that is read here does.
    """
    folder = _folder_here(where)
    if folder is None:
        return
    first, known = "", set[str]()
    for path in sorted(p for p in folder.rglob("*") if p.name.lower().endswith(PARQUET) and p.is_file()):
        if any(part.startswith((".", "_")) for part in path.relative_to(folder).parts):
            continue
        try:
            names = {name for name in parquet.read_schema(path).names if not name.startswith("__index_level_")}
        except (ValueError, OSError):
            continue  # Spark says what is wrong with it.
        if not first:
            first, known = path.name, names
        elif names != known:
            apart = ", ".join(sorted(names ^ known)[:10])
            raise SourceUnreadable(f"{folder.name}: {path.name} has other columns than {first}: {apart}")


def _folder_here(where: str) -> Path | None:
    path = Path(_ESCAPED.sub(r"\1", where.removeprefix("file://"))) if where.startswith("file://") else None
    return path if path is not None and path.is_dir() else None


def _read(spark: Any, where: str) -> Any:
    _require_alike(where)
    found = spark.read.parquet(where)
    kept = [name for name in found.columns if not name.startswith("__index_level_")]
    return found if len(kept) == len(found.columns) else found.select(*[quoted(name) for name in kept])


def _parquet(spark: Any, where: str) -> Any:
    from pyspark.sql import functions as of

    _require_alike(where)
    found = spark.read.parquet(where)
    kept = [quoted(name) for name in found.columns if not name.startswith("__index_level_")]
    rows = found.select(*kept, of.col("_metadata.row_index").alias(ROW), of.col("_metadata.file_path").alias(_FILE))
    if not where.lower().endswith(PARQUET) or _is_folder(where):
        counts = {row[0]: row[1] for row in rows.groupBy(_FILE).count().collect()}
        if len(counts) > 1:
            return _behind(spark, rows, counts)
    return rows.drop(_FILE)


def _is_folder(where: str) -> bool:
    return not where.startswith("file:") or _folder_here(where) is not None


def _behind(spark: Any, rows: Any, counts: dict[str, int]) -> Any:
    """Rows of several files, one after the other in the order of their names."""
    from pyspark.sql import functions as of

    # Spark tells them quoted, which would change their order.
    names = sorted(counts, key=unquote)
    before = np.concatenate([[0], np.cumsum([counts[name] for name in names])[:-1]]).tolist()
    starts = spark.createDataFrame(list(zip(names, before, strict=True)), f"{_FILE} string, __before long")
    placed = rows.join(of.broadcast(starts), _FILE)
    return placed.withColumn(ROW, of.col(ROW) + of.col("__before")).drop(_FILE, "__before")


@contextmanager
def _of_frame(spark: Any, frame: Any) -> Iterator[Any]:
    """Spark keeps the rows meanwhile: asked twice, it may divide them in two ways, and each row has one number."""
    from pyspark.sql import functions as of

    part, inner = "__fairlead_part", "__fairlead_inner"
    # The number within a partition is the lower 33 bits of what Spark counts by.
    counted = frame.withColumn(inner, of.monotonically_increasing_id())
    split = counted.withColumn(part, of.shiftright(of.col(inner), 33).cast("int")).persist()
    try:
        counts = {row[0]: row[1] for row in split.groupBy(part).count().collect()}
        parts = sorted(counts)
        before = np.concatenate([[0], np.cumsum([counts[p] for p in parts])[:-1]]).tolist() if parts else []
        starts = spark.createDataFrame(list(zip(parts, before, strict=True)), f"{part} int, __before long")
        placed = split.join(of.broadcast(starts), part)
        number = of.col(inner).bitwiseAND(of.lit((1 << 33) - 1)) + of.col("__before")
        yield placed.withColumn(ROW, number).drop(part, inner, "__before")
    finally:
        split.unpersist()


def _sent(spark: Any, table: Table) -> Any:
    batches, held = [], 0
    for batch in table.batches():
        held += batch.nbytes
        if held > MOST_BYTES:
            raise UsageError(
                f"a table of more than {MOST_BYTES >> 20} MiB that is not Parquet cannot be handed to Spark: "
                "write it as Parquet first, which Spark reads in pieces."
            )
        batches.append(_plain(batch))
    if not batches:
        raise SourceUnreadable("the table has no rows")
    whole = pa.Table.from_batches(batches)
    return spark.createDataFrame(whole.append_column(ROW, pa.array(np.arange(whole.num_rows), pa.int64())))


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Without dictionaries, which Spark does not take."""
    arrays = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def quoted(name: str) -> str:
    """A name as Spark reads it, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"
