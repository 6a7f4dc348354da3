"""Every so many rows of a stream: rows all over it, for bins to be found on, whatever its length."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fairlead.lab.tables.parsing import plain


class EverySo:
    """Between `rows` and twice as many rows, evenly spread; all of them while there are no more than that.

    known: how many will come, where that is known, which saves taking rows that are let go later.
    """

    def __init__(self, rows: int, known: int | None = None) -> None:
        self.most = 2 * rows
        self.step = 1
        while known is not None and known // self.step > self.most:
            self.step *= 2
        self._parts: list[pa.Table] = []
        self._held = 0

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        """Take part of a batch. before: rows that came before it."""
        self._keep(pa.Table.from_batches([batch]), -before % self.step, self.step)
        if self._held > self.most:
            whole, self._parts, self._held = self.table, [], 0
            self.step *= 2
            self._keep(whole, 0, 2)

    def _keep(self, part: pa.Table, first: int, step: int) -> None:
        if step > 1:
            part = _without_words(part.take(_numbers(np.arange(first, part.num_rows, step))))
        if part.num_rows:
            self._parts.append(part)
            self._held += part.num_rows

    @property
    def table(self) -> pa.Table:
        """The rows."""
        return pa.concat_tables(_alike(self._parts), promote_options="permissive").combine_chunks()


def _without_words(part: pa.Table) -> pa.Table:
    """Without dictionaries that hold more words than there are rows: those of rows let go are let go, too."""
    for at, field in enumerate(part.schema):
        if pa.types.is_dictionary(field.type) and len(part.column(at).chunk(0).dictionary) > part.num_rows:
            part = part.set_column(at, field.name, plain(part.column(at)))
    return part


def _alike(parts: list[pa.Table]) -> list[pa.Table]:
    """Words as they are where all parts have their dictionary, or none has; else plain in all of them."""
    coded = [{f.name for f in part.schema if pa.types.is_dictionary(f.type)} for part in parts]
    mixed = set().union(*coded) - set.intersection(*coded) if coded else set()
    found = []
    for part, own in zip(parts, coded, strict=True):
        for name in mixed & own:
            at = part.schema.get_field_index(name)
            part = part.set_column(at, name, plain(part.column(at)))
        found.append(part)
    return found


def _numbers(places: np.ndarray) -> pa.Array:
    # `pa.array` of a numpy array loads pandas, which takes longer than the rest of a small report.
    held = np.ascontiguousarray(places, dtype=np.int64)
    return pa.Int64Array.from_buffers(pa.int64(), len(held), [None, pa.py_buffer(held)])
