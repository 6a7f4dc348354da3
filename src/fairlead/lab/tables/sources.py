"""Where rows come from: files, addresses, databases, pandas frames, Arrow tables. All are read in batches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from fairlead.contract.errors import SourceUnreadable, UsageError
from fairlead.lab.tables.addresses import Address, address_of
from fairlead.lab.tables.bad_lines import Policy, SetAside, aside_folder
from fairlead.lab.tables.csv_source import CsvReader
from fairlead.lab.tables.json_lines import ENDINGS as JSON_ENDINGS
from fairlead.lab.tables.json_lines import JsonLines
from fairlead.lab.tables.remote import local_copy, remove_with

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.tables.schema import Schema

BATCH_ROWS = 65_536
_PAGE_BYTES = 1 << 20
CSV_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")


class Table:
    """Rows that can be read again and again, a batch at a time.

    source: the path, or what was given. columns: names in order. notes: what a reader should know, in words;
    set_aside: lines that could not be read and were kept apart, which may need a pass over the source.
    """

    source: Any
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    set_aside: SetAside = SetAside()

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
    def __init__(self, path: Path, separator: str | None, encoding: str, decimal: str, aside: Path | None) -> None:
        self.source = path
        self._reader = CsvReader(path, separator, encoding, decimal, aside)
        self.separator = self._reader.separator
        self.likely_decimal = self._reader.likely_decimal
        self.columns = tuple(self._reader.columns)

    @cached_property
    def set_aside(self) -> SetAside:  # type: ignore[override]
        return self._reader.set_aside

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        return self._reader.batches()

    def _digest(self) -> str:
        return _file_hash(self.source)


class JsonLinesTable(Table):
    def __init__(self, path: Path, encoding: str, aside: Path | None) -> None:
        self.source = path
        self._reader = JsonLines(path, encoding, aside)
        self.columns = self._reader.columns
        self.notes, self.set_aside = self._reader.notes, self._reader.set_aside

    @cached_property
    def rows(self) -> int:
        return self._reader.rows

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
                self._rows = file.metadata.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceUnreadable(f"{path.name}: not a readable Parquet file") from error
        self.columns = self._names

    @cached_property
    def rows(self) -> int:
        return int(self._rows)

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        try:
            # A single row group may be larger than memory, so it is read page by page.
            with parquet.ParquetFile(
                self.source, read_dictionary=self._codes, buffer_size=_PAGE_BYTES, pre_buffer=False
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
        return _rows_hash(self._table)

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


class SqlTable(Table):
    """What a query of a database answered, fetched once."""

    def __init__(self, address: Address, query: str) -> None:
        from fairlead.lab.tables.sql_source import Fetched

        self.source = address.shown
        self._fetched = Fetched(address, query)
        self.columns, self.notes = self._fetched.columns, self._fetched.notes

    @cached_property
    def rows(self) -> int:
        return self._fetched.rows

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        return self._fetched.batches()

    def _digest(self) -> str:
        return _rows_hash(pa.Table.from_batches(self._fetched.batches(), self._fetched.schema))


def open_table(
    source: Any,
    *,
    separator: str | None = None,
    encoding: str = "utf-8",
    decimal: str = ".",
    query: str = "",
    bad_lines: Policy = "stop",
    home: Path | None = None,
) -> Table:
    """A table from a path, an address, a database, a pandas frame, an Arrow table or batch.

    Paths and addresses (file://, s3://, memory://, whatever fsspec opens): .csv, .tsv, .jsonl, .ndjson (these also
    gzipped), .parquet, .feather, .arrow, .npz, .npy, or a folder of files of one kind. ${NAME} in them is taken from
    the environment.
    separator, encoding, decimal: of a CSV; without a separator it is found from the first lines. query: what a
    database is asked. bad_lines: "set_aside" keeps lines of CSV and JSON lines that cannot be read in the home and
    counts them, "stop" refuses the table and names them. home: the project's home, where fetched tables and such
    lines are kept. Raises SourceUnreadable, UsageError, MissingExtra.
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
    address = address_of(str(os.fspath(source)))
    if address.is_database:
        if not query:
            raise UsageError(f"{address.name}: a database needs [data] query: what to take from which table.")
        return SqlTable(address, query)
    aside = aside_folder(home) if bad_lines == "set_aside" else None
    if address.scheme in {"", "file"}:
        return _open_file(Path(address.text.removeprefix("file://")), separator, encoding, decimal, aside)
    path, done = local_copy(address, home)
    table = _open_file(path, separator, encoding, decimal, aside)
    remove_with(table, done)
    return table


def _open_file(path: Path, separator: str | None, encoding: str, decimal: str, aside: Path | None) -> Table:
    if path.is_dir():
        from fairlead.lab.tables.folder_source import FolderTable

        return FolderTable(path, lambda file: _open_file(file, separator, encoding, decimal, aside))
    if not path.is_file():
        raise SourceUnreadable(f"{path.name}: no such file")
    name = path.name.lower()
    if name.endswith(CSV_ENDINGS):
        return CsvTable(path, separator, encoding, decimal, aside)
    if name.endswith(JSON_ENDINGS):
        return JsonLinesTable(path, encoding, aside)
    if name.endswith((".parquet", ".pq")):
        return ParquetTable(path)
    if name.endswith((".feather", ".arrow", ".ipc", ".arrows")):
        return ArrowFileTable(path)
    if name.endswith((".npz", ".npy")):
        return NumpyTable(path)
    known = ".csv .tsv .csv.gz .jsonl .ndjson .jsonl.gz .parquet .feather .arrow .npz .npy"
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


def _rows_hash(table: pa.Table) -> str:
    digest = _Digest()
    # Texts are texts whichever of Arrow's kinds of them a frame came with: kept rows hash as those that were kept.
    plain = [pa.field(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type) for f in table.schema]
    table = table.cast(pa.schema(plain)) if any(pa.types.is_large_string(f.type) for f in table.schema) else table
    table = table.replace_schema_metadata(None)
    with pa.ipc.new_stream(pa.PythonFile(digest, mode="w"), table.schema) as writer:
        # One layout whatever the chunks were, so equal rows give equal bytes.
        for start in range(0, table.num_rows, BATCH_ROWS):
            for batch in table.slice(start, BATCH_ROWS).combine_chunks().to_batches():
                writer.write_batch(_canonical(batch))
    return digest.hexdigest()


def _canonical(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch in buffers of its own: under missing cells and around slices libraries leave what was there before."""
    every = pa.array(np.arange(batch.num_rows))
    return pa.RecordBatch.from_arrays([column.take(every) for column in batch.columns], schema=batch.schema)


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
