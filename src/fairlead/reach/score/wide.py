"""Rows with tensors: how many at once, and tensors that a table writes as text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Column, Signature

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
BATCH_BYTES = 32 << 20
"""Bytes of tensors, as the doubles that a model is given, that are looked at together."""
_DOUBLE = 8


def rows_at_once(signature: Signature) -> int:
    """Rows of a batch: many, and with tensors no more than `BATCH_BYTES` of them, one at least."""
    width = sum(math.prod(c.shape) for c in signature.columns if c.kind == "tensor")
    return max(1, min(BATCH_ROWS, BATCH_BYTES // (_DOUBLE * width))) if width else BATCH_ROWS


def pieces(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows, at most so many a batch: a file's own batches may be of any size."""
    for batch in batches:
        for at in range(0, batch.num_rows, rows):
            yield batch.slice(at, rows)


def read_texts(batch: pa.RecordBatch, signature: Signature, first: int) -> pa.RecordBatch:
    """A batch whose tensors are lists where they were texts: JSON as a request has it, or base64 of their bytes.

    first: number of the batch's first row, for errors. Raises CellInvalid.
    """
    import pyarrow as pa

    for column in signature.columns:
        at = batch.schema.get_field_index(column.name) if column.kind == "tensor" else -1
        if at < 0 or not _is_text(batch.schema.field(at).type):
            continue
        texts = batch.column(at).to_pylist()
        cells = [_cell(text, column, first + row) for row, text in enumerate(texts)]
        batch = batch.set_column(at, column.name, pa.array(cells, pa.binary()))
    return batch


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _cell(text: str | None, column: Column, row: int) -> bytes:
    from fairlead.runtime.bundle.tensor_cells import allowed, cell_from

    given: Any = {"b64": (text or "").strip()}
    if text is not None and text.lstrip()[:1] in ("[", "{"):
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            raise CellInvalid(row, column.name, "text that is no JSON", allowed(column)) from None
    cell = cell_from(given, column)
    if cell is None:
        found = "nothing" if not text or not text.strip() else "something else"
        raise CellInvalid(row, column.name, found, f"{allowed(column)}, as JSON, or base64 of its bytes")
    return cell
