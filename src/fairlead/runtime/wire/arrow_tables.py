"""Tables as Arrow IPC streams: rows in without a copy where Arrow and numpy agree, answers out as columns.

pyarrow is imported when first asked. A body comes from anywhere: its schema is held against an allow-list of types
before any of its data is read, buffers are validated in full, and nothing in it may stand for more than it holds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import numpy as np

from fairlead.contract.errors import BodyInvalid, MediaUnsupported, MissingExtra
from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.coded import FEW, with_gaps
from fairlead.runtime.bundle.collecting import no_collection
from fairlead.runtime.bundle.zones import zone_of
from fairlead.runtime.wire.answer_columns import decided_in, score_columns
from fairlead.runtime.wire.arrow_tensors import tensor_reader
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer, Header, Parsed
from fairlead.runtime.wire.tables import first_twice
from fairlead.runtime.wire.whole_columns import Values

MEDIA = "application/vnd.apache.arrow.stream"
HEAD: tuple[Header, ...] = (("content-type", MEDIA),)
_FREE = 1_000_000
"""Cells that a body may hold whatever its size; beyond, at least a byte each, as flags and nulls cost almost none."""

_HEAD = 4096
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def read_arrow(body: bytes, checks: Checks) -> Parsed:
    """The rows of a stream. Raises MediaUnsupported without pyarrow, InputInvalid and below."""
    pa = _pyarrow()
    try:
        _plain_buffers(pa, body)
        with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
            _names_fit(stream.schema)
            kinds = [_reader(pa, field, checks) for field in stream.schema]
            batches, cells = [], 0
            for batch in _batches(stream):
                cells += batch.num_rows * max(1, batch.num_columns)
                if cells > max(_FREE, len(body)):
                    raise BodyInvalid("the table has more cells than its body can hold, send fewer rows")
                batch.validate(full=True)
                batches.append(batch)
            table = pa.Table.from_batches(batches, stream.schema)
    except (pa.ArrowException, OSError, ValueError):
        raise BodyInvalid("body is not a valid Arrow IPC stream") from None
    with no_collection():
        columns = {name: read(table.column(at)) for at, (name, read) in enumerate(kinds)}
        rows, passes = checks.columns(columns)
    if not rows:
        raise BodyInvalid("the table has no rows")
    checks.check_times(passes)
    return Parsed(rows, passes, head=HEAD)


def write_arrow(signature: Signature, answer: Answer) -> bytes:
    """The answer as columns: `label` and one float64 column a class, `cluster` and one a membership, `anomaly` (bool)
    and `score`, `t+1` ... of a forecast, or `value`; of a model that abstains `abstained` (bool) comes last."""
    pa = _pyarrow()
    scores = np.array(answer.scores, dtype=np.float64)
    names, arrays = [], []
    if answer.labels is not None and signature.task == "anomaly":
        names, arrays = ["anomaly"], [pa.array([label == "true" for label in answer.labels], pa.bool_())]
    elif answer.labels is not None:
        names, arrays = [decided_in(signature)], [pa.array(answer.labels, pa.string())]
    names += score_columns(signature)
    arrays += [pa.array(scores[:, at]) for at in range(scores.shape[1])]
    if answer.abstained is not None:
        names.append("abstained")
        arrays.append(pa.array(answer.abstained, pa.bool_()))
    batch = pa.RecordBatch.from_arrays(arrays, names)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    whole: bytes = sink.getvalue().to_pybytes()
    return whole


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ModuleNotFoundError:
        raise MediaUnsupported(f"Arrow is not taken here: {MissingExtra('pyarrow', 'studio')}") from None
    return pyarrow


def _batches(stream: Any) -> Iterator[Any]:
    while True:
        try:
            yield stream.read_next_batch()
        except StopIteration:
            return


def _names_fit(schema: Any) -> None:
    if len(set(schema.names)) != len(schema.names):
        raise BodyInvalid(f"column {first_twice(schema.names)[:80]!r} is given twice")


def _reader(pa: Any, field: Any, checks: Checks) -> tuple[str, Any]:
    """A column's name and what turns its chunks into values. Raises BodyInvalid for a type that is not taken."""
    kind, types = field.type, pa.types
    if field.name in checks.tensors:
        return field.name, tensor_reader(pa, kind, checks.tensors[field.name])
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return field.name, _numbers
    if types.is_string(kind) or types.is_large_string(kind):
        return field.name, _texts
    if types.is_dictionary(kind) and (types.is_string(kind.value_type) or types.is_large_string(kind.value_type)):
        return field.name, _categories
    if types.is_date(kind):
        return field.name, lambda column: [None if day is None else day.isoformat() for day in column.to_pylist()]
    if types.is_timestamp(kind):
        zoned = kind.tz is not None or zone_of(checks.signature.timezone) is UTC
        return field.name, _instants if zoned else _wall_times
    said = "numbers, booleans, text, dictionaries of text, dates and timestamps"
    raise BodyInvalid(f"column {field.name[:80]!r}: Arrow columns may be {said}")


def _numbers(column: Any) -> Values:
    if column.null_count:
        values: list[Any] = column.to_pylist()
        return values
    found: Values = column.to_numpy()
    return found


def _texts(column: Any) -> Values:
    """As codes where texts repeat, told by the first rows: each text is then made and checked once."""
    if len(column) > FEW and 2 * len(column.slice(0, _HEAD).unique()) <= min(_HEAD, len(column)):
        return _categories(column.combine_chunks().dictionary_encode())
    values: list[Any] = column.to_numpy().tolist()
    return values


def _categories(column: Any) -> Values:
    """By reference: a dictionary decoded in Arrow would hold each text as often as it is named."""
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    found: list[Any] = []
    for chunk in chunks:
        # One after the other, as each may have a large dictionary of its own of which it names little.
        part = with_gaps(chunk.indices.cast("int64").fill_null(-1).to_numpy(), chunk.dictionary.to_pylist())
        if len(chunks) == 1 and len(part.cells) <= len(part):
            return part
        found += part
    return found


def _instants(column: Any) -> Values:
    """Seconds since the epoch."""
    unit = _UNITS[column.type.unit]
    stamps = column.cast("int64")
    if stamps.null_count:
        return [None if stamp is None else stamp / unit for stamp in stamps.to_pylist()]
    found: Values = stamps.to_numpy() / unit
    return found


def _wall_times(column: Any) -> list[Any]:
    moments = column.cast("timestamp[us]", safe=False).to_pylist()
    return [None if moment is None else moment.isoformat() for moment in moments]


def _plain_buffers(pa: Any, body: bytes) -> None:
    """Raises BodyInvalid for compressed buffers, which may stand for any amount of memory."""
    reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(body))
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        if message.type in ("record batch", "dictionary") and _compressed(message.metadata.to_pybytes()):
            raise BodyInvalid("Arrow buffers must not be compressed; compress the body as a whole instead")


def _compressed(metadata: bytes) -> bool:
    """Whether a message's batch names a compression: its fourth field (Message.fbs of Arrow's columnar format).

    Raises ValueError for metadata that cannot be read.
    """
    try:
        message = struct.unpack_from("<I", metadata, 0)[0]
        batch = _field(metadata, message, 2)
        assert batch is not None
        batch += struct.unpack_from("<I", metadata, batch)[0]
        if metadata[_at(metadata, message, 1)] == 2:
            inner = _at(metadata, batch, 1)  # a dictionary's batch is its second field
            batch = inner + struct.unpack_from("<I", metadata, inner)[0]
        return _field(metadata, batch, 3) is not None
    except (struct.error, IndexError, AssertionError):
        raise ValueError("metadata") from None


def _field(data: bytes, table: int, number: int) -> int | None:
    """Where a field of a FlatBuffers table is, None when it is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if vtable < 0 or struct.unpack_from("<H", data, vtable)[0] < 6 + 2 * number:
        return None
    offset = struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]
    return table + int(offset) if offset else None


def _at(data: bytes, table: int, number: int) -> int:
    found = _field(data, table, number)
    if found is None:
        raise IndexError
    return found
