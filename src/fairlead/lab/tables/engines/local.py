"""Engine `local`: in this process, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fairlead.contract.engines import EngineSettings
from fairlead.lab.tables.engines import Fold, Found, State, Work
from fairlead.lab.tables.sources import Table, open_table


class LocalEngine:
    """Engine in this process; memory stays that of a batch."""

    name = "local"

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self._made: dict[str, Any] = {}

    def columns(self, source: Any) -> tuple[str, ...]:
        """See `Engine`."""
        return open_table(source).columns

    def rows(self, source: Any) -> int:
        """See `Engine`."""
        return open_table(source).rows

    def every(self, source: Any, step: int) -> pa.Table:
        """See `Engine`."""
        parts: list[pa.Table] = []
        first = 0
        for batch in open_table(source).batches():
            wanted = np.arange(-first % step, batch.num_rows, step)
            parts.append(pa.Table.from_batches([batch]).take(pa.array(wanted, pa.int64())))
            first += batch.num_rows
        return pa.concat_tables(parts, promote_options="permissive").combine_chunks() if parts else pa.table({})

    def head(self, source: Any, rows: int) -> pa.Table:
        """See `Engine`."""
        parts: list[pa.Table] = []
        for batch in open_table(source).batches():
            parts.append(pa.Table.from_batches([batch]))
            if sum(part.num_rows for part in parts) >= rows:
                break
        return pa.concat_tables(parts, promote_options="permissive").slice(0, rows) if parts else pa.table({})

    def map_batches(self, source: Any, work: Work) -> Iterator[pa.Table]:
        """See `Engine`."""
        step = self._made.get(work.key)
        if step is None:
            step = self._made[work.key] = work.make(lambda name: Path(work.ships[name]))
        for batch, first in _numbered(open_table(source), work.columns):
            yield pa.Table.from_batches([step(batch, first)])

    def fold(self, source: Any, folding: Fold[State, Found]) -> Found:
        """See `Engine`."""
        state = folding.zero(lambda name: Path(folding.ships[name]))
        for batch, first in _numbered(open_table(source), folding.columns):
            state = folding.step(state, batch, first)
        return folding.decode(folding.encode(state))

    def close(self) -> None:
        """See `Engine`."""
        self._made.clear()


def _numbered(table: Table, columns: tuple[str, ...]) -> Iterator[tuple[pa.RecordBatch, int]]:
    first = 0
    for batch in table.batches():
        if batch.num_rows:
            yield _chosen(batch, columns), first
        first += batch.num_rows


def _chosen(batch: pa.RecordBatch, columns: tuple[str, ...]) -> pa.RecordBatch:
    there = [name for name in columns if name in batch.schema.names]
    return batch.select(there) if there else batch
