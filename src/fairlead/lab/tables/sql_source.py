"""Rows of a database: one query, run once in a transaction that cannot write, its answer kept in a file of our own.

A table is read several times (its columns, its hash, its rows), and a database may change in between; so what the
query answered is fetched in batches by a cursor on the server's side into an Arrow file that goes with the table.
"""

from __future__ import annotations

import datetime
import decimal
import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
import pyarrow as pa

from fairlead.contract.errors import MissingExtra, SourceUnreadable, UsageError
from fairlead.lab.tables.addresses import Address

BATCH_ROWS = 10_000
MOST_NOTES = 10
_DRIVERS = {"postgresql": "postgresql+pg8000", "postgres": "postgresql+pg8000"}
_QUIET = "fairlead-source"
_BIND = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_ARROW = {
    "boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "text": pa.string(),
    "date": pa.date32(), "time": pa.timestamp("us"), "zoned time": pa.timestamp("us", "UTC"), "bytes": pa.binary(),
}  # fmt: skip
# Classes of SQLSTATE whose messages speak of the query and never of a cell: connection, login, names, rights, cancel.
_SPOKEN = ("08", "28", "3D", "3F", "42", "53", "57", "25")


class Fetched:
    """What a query answered, in a file that is removed with this object. columns, rows, notes: of the answer."""

    def __init__(self, address: Address, query: str) -> None:
        self.notes: tuple[str, ...] = ()
        self._folder = tempfile.TemporaryDirectory(prefix="fairlead-sql-")
        self._path = Path(self._folder.name) / "rows"
        self._parts: list[tuple[int, int]] = []
        self._kinds: list[set[str]] = []
        self.rows = 0
        with self._path.open("wb") as file:
            for names, block in _answer(address, query):
                if not self._kinds:
                    _check_names(names)
                    self.columns = names
                    self._kinds = [set() for _ in names]
                self._keep(file, block)
        self.schema = pa.schema([(n, _type(k)) for n, k in zip(self.columns, self._kinds, strict=True)])
        self.notes = tuple(self._notes(query))

    def _keep(self, file: IO[bytes], block: Sequence[Sequence[Any]]) -> None:
        arrays = []
        for found, values in zip(
            self._kinds, zip(*block, strict=True) if block else [[]] * len(self._kinds), strict=True
        ):
            kinds = {_kind_of(value) for value in values} - {"null"}
            found |= kinds
            arrays.append(_array(values, kinds))
        batch = pa.RecordBatch.from_arrays(arrays, names=[f"c{i}" for i in range(len(arrays))])
        start = file.tell()
        with pa.ipc.new_stream(file, batch.schema) as writer:
            writer.write_batch(batch)
        self._parts.append((start, file.tell() - start))
        self.rows += len(block)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in the order in which they came, every batch of one schema."""
        with self._path.open("rb") as file:
            for start, length in self._parts:
                file.seek(start)
                (batch,) = pa.ipc.open_stream(file.read(length))
                arrays = [_as(array, field.type) for array, field in zip(batch.columns, self.schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _notes(self, query: str) -> Iterator[str]:
        if not re.search(r"\border\s+by\b", query, re.IGNORECASE):
            yield "the query has no order by: its rows may come in another order each time, and then hash differently"
        mixed = [n for n, k in zip(self.columns, self._kinds, strict=True) if len(_merged(k)) > 1]
        if mixed:
            shown = ", ".join(mixed[:MOST_NOTES]) + (", ..." if len(mixed) > MOST_NOTES else "")
            yield f"columns that hold values of several kinds are taken as text: {shown}"


def _answer(address: Address, query: str) -> Iterator[tuple[tuple[str, ...], Sequence[Any]]]:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    engine = _engine(address)
    try:
        with engine.connect() as connection:
            _only_read(connection)
            connection = connection.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS)
            result = connection.execute(text(_plain(query)))
            if not result.returns_rows:
                raise UsageError(f"{address.name}: [data] query answers no rows; it should be a select.")
            names, empty = tuple(result.keys()), True
            for block in result.partitions(BATCH_ROWS):
                empty = False
                yield names, block
            if empty:
                yield names, []
    except (SQLAlchemyError, OSError) as error:
        raise SourceUnreadable(f"{address.name}: {_in_words(error, address)}") from None
    finally:
        engine.dispose()


def _plain(query: str) -> str:
    """The query so that a colon in it means itself: there are no parameters."""
    return _BIND.sub(r"\\:\1", query.strip().rstrip(";"))


def _engine(address: Address) -> Any:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    # A cursor that cannot be closed after a failed query is logged with all that the database said, cells included.
    logging.getLogger(f"{NullPool.__module__}.{NullPool.__name__}.{_QUIET}").disabled = True
    scheme, _, rest = address.text.partition("://")
    dialect = _DRIVERS.get(scheme, scheme)
    if scheme.startswith("sqlite"):
        _check_file(rest, address)
    try:
        return create_engine(f"{dialect}://{rest}", poolclass=NullPool, pool_logging_name=_QUIET)
    except ModuleNotFoundError as missing:
        if missing.name == "pg8000":
            raise MissingExtra("pg8000", "postgres") from None
        raise UsageError(f"{address.name}: the database driver {missing.name} is not installed.") from None
    except NoSuchModuleError:
        raise UsageError(
            f"{address.name}: SQLAlchemy knows no database {scheme!r} here; is its driver installed?"
        ) from None
    except (ArgumentError, ValueError):
        raise UsageError(
            f"{address.name}: not a database URL. Write it as postgresql://user:${{NAME}}@host/db."
        ) from None


def _check_file(rest: str, address: Address) -> None:
    # sqlite would make an empty database of a name that is misspelt.
    name = rest.partition("?")[0].removeprefix("/")
    if name and name != ":memory:" and not Path(name).is_file():
        raise SourceUnreadable(f"{Path(name).name}: no such file")


def _only_read(connection: Any) -> None:
    dialect = connection.dialect.name
    if dialect == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif dialect == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _in_words(error: Exception, address: Address) -> str:
    """What the database said, where that speaks of the query or the connection; else its kind alone, since it may quote
    a cell."""
    origin: Any = getattr(error, "orig", None) or error
    first = origin.args[0] if getattr(origin, "args", ()) else ""
    kind = type(origin).__name__
    if isinstance(first, dict):  # PostgreSQL, by pg8000: S severity, C code, M message
        code = str(first.get("C", ""))
        said = str(first.get("M", "")) if code.startswith(_SPOKEN) else ""
        return f"{kind} {code}" + (f": {address.scrubbed(said)}" if said else "")
    if type(origin).__module__.startswith("sqlite3") and kind in {"OperationalError", "DatabaseError"}:
        return f"{kind}: {address.scrubbed(str(first))}"
    if kind == "InterfaceError" or isinstance(origin, OSError):
        return f"the database cannot be reached: {address.scrubbed(str(first) or kind)}"
    return kind


def _check_names(names: tuple[str, ...]) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise SourceUnreadable(f"the query gives column names twice: {', '.join(twice)}. Name them apart with `as`.")


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    kind = next((kind for kind, types in _PYTHON if isinstance(value, types)), "other")
    if kind == "integer" and not -(2**63) <= value < 2**63:
        return "other"
    if kind == "time" and value.tzinfo is not None:
        return "zoned time"
    return kind


_PYTHON: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("boolean", bool),
    ("integer", int),
    ("number", (float, decimal.Decimal)),
    ("text", str),
    ("time", datetime.datetime),
    ("date", datetime.date),
    ("bytes", (bytes, bytearray, memoryview)),
    ("list", list),
)


def _merged(kinds: set[str]) -> set[str]:
    if kinds == {"integer", "number"}:
        return {"number"}
    return {"time"} if kinds == {"date", "time"} else kinds


def _type(kinds: set[str]) -> pa.DataType:
    kinds = _merged(kinds)
    if not kinds:
        return pa.null()
    if kinds == {"list"}:
        return pa.list_(pa.float64())
    return _ARROW.get(next(iter(kinds)), pa.string()) if len(kinds) == 1 else pa.string()


def _array(values: Sequence[Any], kinds: set[str]) -> pa.Array:
    kind = _type(kinds)
    if pa.types.is_string(kind):
        return pa.array([_text(value) for value in values], kind)
    if pa.types.is_floating(kind):
        return pa.array([None if value is None else float(value) for value in values], kind)
    if pa.types.is_binary(kind):
        return pa.array([None if value is None else bytes(value) for value in values], kind)
    if kinds == {"date", "time"}:
        midnight = datetime.time()
        values = [
            datetime.datetime.combine(v, midnight) if v is not None and not isinstance(v, datetime.datetime) else v
            for v in values
        ]
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, OverflowError):
        # Lists of texts, of lists of different depths: nothing a model takes, but readable.
        kinds.add("other")
        return pa.array([_text(value) for value in values], pa.string())


def _as(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type == kind:
        return array
    if pa.types.is_string(kind) and not pa.types.is_null(array.type):
        return pa.array([_text(value) for value in array.to_pylist()], kind)
    return array.cast(kind)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return msgspec.json.encode(value, enc_hook=str).decode()
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)
