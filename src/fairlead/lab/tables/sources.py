"""Where rows come from: CSV, Parquet, Arrow and Feather files, pandas frames, Arrow tables. All are read in batches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as parquet

from fairlead.contract.errors import SourceUnreadable
from fairlead.lab.tables.csv_source import CsvReader

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.tables.schema import Schema

BATCH_ROWS = 65_536
_PAGE_BYTES = 1 << 20
CSV_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")


class Table:
    """Rows that can be read again and again, a batch at a time.

    source: the path, or what was given. columns: names in order.
    """

    source: Any
    columns: tuple[str, ...]

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError

    def _digest(self) -> str:
        raise NotImplementedError

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """All rows in order, at most `rows` a batch. CSV cells are text. Raises SourceUnreadable."""
        for batch in self._read(rows):
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)

    @cached_property
    def hash(self) -> str:
        """Hex sha256 of the file's bytes, or of the Arrow stream of rows in memory."""
        return self._digest()

    @cached_property
    def rows(self) -> int:
        """Number of rows; may need a pass over the source."""
        return sum(batch.num_rows for batch in self._read(BATCH_ROWS))

    @cached_property
    def schema(self) -> Schema:
        """What the columns are, by one pass over the source."""
        from fairlead.lab.tables.inference import infer

        return infer(self)

    def frame(self) -> pd.DataFrame:
        """The whole table in pandas, each column as its kind asks.

        Text that holds numbers, booleans or whole numbers becomes float64, bool or int64; what in
        such a column is no number becomes missing, and the schema's warnings say so.
        """
        from fairlead.lab.tables.cells import typed_frame

        return typed_frame(self)


class CsvTable(Table):
    def __init__(self, path: Path, separator: str | None, encoding: str, decimal: str) -> None:
        self.source = path
        self._reader = CsvReader(path, separator, encoding, decimal)
        self.separator = self._reader.separator
        self.likely_decimal = self._reader.likely_decimal
        self.columns = tuple(self._reader.columns)

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        return self._reader.batches()

    def _digest(self) -> str:
        return _file_hash(self.source)


class ParquetTable(Table):
    def __init__(self, path: Path) -> None:
        self.source = path
        try:
            with parquet.ParquetFile(path) as file:
                self._names = _names(file.schema_arrow, path.name)
                # Repeated texts stay as codes all the way to the counts: no string is made for a cell.
                self._codes = [f.name for f in file.schema_arrow if pa.types.is_string(f.type)]
                # Of tensors a single row group may be larger than memory, so it is read page by page.
                self._buffer = _PAGE_BYTES if any(pa.types.is_nested(f.type) for f in file.schema_arrow) else 0
                self._rows = file.metadata.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceUnreadable(f"{path.name}: not a readable Parquet file") from error
        self.columns = self._names

    @cached_property
    def rows(self) -> int:
        return int(self._rows)

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        try:
            with parquet.ParquetFile(
                self.source, read_dictionary=self._codes, buffer_size=self._buffer, pre_buffer=not self._buffer
            ) as file:
                yield from file.iter_batches(batch_size=rows, columns=list(self.columns), use_threads=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceUnreadable(f"{self.source.name}: damaged Parquet file") from error

    def _digest(self) -> str:
        return _file_hash(self.source)


class ArrowFileTable(Table):
    def __init__(self, path: Path) -> None:
        self.source = path
        self._mapped = False
        with self._open() as reader:
            self.columns = _names(reader.schema, path.name)
            # A batch of a file may hold more tensors than memory does: mapped, of a slice only its pages are read.
            self._mapped = any(pa.types.is_nested(f.type) for f in reader.schema)

    def _open(self) -> Any:
        try:
            return pa.ipc.open_file(pa.memory_map(str(self.source)) if self._mapped else str(self.source))
        except (pa.ArrowInvalid, OSError):
            pass
        try:
            return pa.ipc.open_stream(pa.OSFile(str(self.source)))
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceUnreadable(f"{self.source.name}: not a readable Arrow or Feather file") from error

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        try:
            with self._open() as reader:
                if hasattr(reader, "num_record_batches"):
                    for i in range(reader.num_record_batches):
                        yield reader.get_batch(i)
                else:
                    yield from reader
        except pa.ArrowInvalid as error:
            raise SourceUnreadable(f"{self.source.name}: damaged Arrow file") from error

    def _digest(self) -> str:
        return _file_hash(self.source)


class MemoryTable(Table):
    """A pandas frame or an Arrow table. The frame's index is not a column."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.columns = tuple(str(n) for n in (source.column_names if isinstance(source, pa.Table) else source.columns))
        _unique(self.columns, "table")

    @cached_property
    def _table(self) -> pa.Table:
        if isinstance(self.source, pa.Table):
            return self.source
        from fairlead.lab.tables.cells import arrow_column

        arrays = [arrow_column(self.source.iloc[:, i]) for i in range(len(self.columns))]
        return pa.table(dict(zip(self.columns, arrays, strict=True)))

    @cached_property
    def rows(self) -> int:
        return len(self.source)

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        yield from self._table.to_batches(max_chunksize=rows)

    def _digest(self) -> str:
        digest = _Digest()
        table = self._table.replace_schema_metadata(None)
        with pa.ipc.new_stream(pa.PythonFile(digest, mode="w"), table.schema) as writer:
            # One layout whatever the chunks were, so equal rows give equal bytes.
            for start in range(0, table.num_rows, BATCH_ROWS):
                for batch in table.slice(start, BATCH_ROWS).combine_chunks().to_batches():
                    writer.write_batch(batch)
        return digest.hexdigest()

    def frame(self) -> pd.DataFrame:
        if isinstance(self.source, pa.Table):
            from fairlead.lab.tables.tensors import frame_from

            return frame_from(self.source)
        found: pd.DataFrame = self.source
        return found


class NumpyTable(MemoryTable):
    """Arrays in a .npz file, each a column, or the one array of a .npy file, named as the file is."""

    def __init__(self, path: Path) -> None:
        from fairlead.lab.tables.numpy_source import table_of

        super().__init__(table_of(path))
        self.path = path

    def _digest(self) -> str:
        return _file_hash(self.path)


def open_table(
    source: Any, *, separator: str | None = None, encoding: str = "utf-8", decimal: str = "."
) -> Table:  # fmt: skip
    """A table from a path (.csv, .tsv, .parquet, .feather, .arrow, .npz, .npy), a pandas frame, Arrow table or batch.

    separator, encoding, decimal: CSV only; without a separator it is found from the first lines.
    A CSV may be gzipped. Raises SourceUnreadable.
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, pa.RecordBatch):
        return MemoryTable(pa.Table.from_batches([source]))
    if isinstance(source, pa.Table) or (hasattr(source, "iloc") and hasattr(source, "columns")):
        return MemoryTable(source)
    if not isinstance(source, str | os.PathLike):
        kind = type(source).__name__
        raise SourceUnreadable(f"a {kind} is not a table; give a path, a pandas frame or an Arrow table")
    text = os.fspath(source)
    if "://" in str(text):
        raise SourceUnreadable("only files of this machine can be read; addresses are not supported yet")
    path = Path(text)
    if not path.is_file():
        raise SourceUnreadable(f"{path.name}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    name = path.name.lower()
    if name.endswith(CSV_ENDINGS):
        return CsvTable(path, separator, encoding, decimal)
    if name.endswith((".parquet", ".pq")):
        return ParquetTable(path)
    if name.endswith((".feather", ".arrow", ".ipc", ".arrows")):
        return ArrowFileTable(path)
    if name.endswith((".npz", ".npy")):
        return NumpyTable(path)
    known = ".csv .tsv .csv.gz .parquet .feather .arrow .npz .npy"
    raise SourceUnreadable(f"{path.name}: unknown kind of table; known: {known}")


def _names(schema: pa.Schema, where: str) -> tuple[str, ...]:
    # pandas keeps a nameless index as a column of this name; it is no column of the user's.
    names = tuple(n for n in schema.names if not n.startswith("__index_level_"))
    _unique(names, where)
    return names


def _unique(names: tuple[str, ...], where: str) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise SourceUnreadable(f"{where}: column names given twice: {', '.join(twice)}")


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Digest:
    """A file that keeps nothing but the sha256 of what is written."""

    closed = False

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def write(self, data: Any) -> int:
        self._sha.update(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def hexdigest(self) -> str:
        return self._sha.hexdigest()
