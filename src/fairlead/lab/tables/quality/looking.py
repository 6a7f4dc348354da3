"""One pass over a table or a stream of batches, in bounded memory: all that the checks of quality need.

Exact on every row: counts of missing cells and of kinds, levels up to 10,000 a
column, repeated rows and keys up to 4 million rows, the 64 least and greatest
values, stand-ins for missing, dates out of range. Checks between columns and
quantiles use a sample of 100,000 to 200,000 rows spread over the table; a table
of up to 200,000 rows is its own sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fairlead.contract.errors import ColumnMissing, SourceUnreadable
from fairlead.contract.signature import Column
from fairlead.lab.tables.cells import _texts
from fairlead.lab.tables.facts import Facts
from fairlead.lab.tables.inference import infer, schema_from
from fairlead.lab.tables.parsing import is_text, plain
from fairlead.lab.tables.quality.hashing import Repeats, column_hashes, mixed, row_hashes
from fairlead.lab.tables.quality.watching import Watch, floats_of
from fairlead.lab.tables.roles import Sample
from fairlead.lab.tables.schema import ColumnFacts, Schema
from fairlead.lab.tables.sources import Table, open_table

SAMPLE_ROWS = 100_000
HEAD_ROWS = 50_000


class Look:
    """What one pass over the rows kept. Checks read it and change nothing.

    schema: kinds and roles by the rules of `infer`. sample: rows spread over the table; numbers: their numbers, from 1.
    whole: the sample is the table. head: the first rows as they came, one after the other. excluded: columns that the
    project leaves out already. key_named: the key was given, not found. target, task, key, time: as the project says,
    else as found.
    """

    def __init__(self, target: str, task: str, key: str, time: tuple[str, ...], now: float) -> None:
        self.target, self.task, self.key, self.time, self.now = target, task, key, time, now
        self.source = ""
        self.rows = 0
        self.facts: dict[str, Facts] = {}
        self.watches: dict[str, Watch] = {}
        self.ids: tuple[str, ...] = ()
        self.row_repeats, self.key_repeats = Repeats(), Repeats()
        self.schema: Schema = Schema((), 0)
        self.sample = pa.table({})
        self.numbers = np.empty(0, dtype=np.int64)
        self.head = pa.table({})
        self.excluded: frozenset[str] = frozenset()
        self.key_named = bool(key)
        self._floats: dict[str, np.ndarray] = {}
        self._codes: dict[str, tuple[np.ndarray, list[str]]] = {}

    @property
    def whole(self) -> bool:
        """Whether the sample is every row."""
        return len(self.numbers) == self.rows

    @property
    def scale(self) -> float:
        """Rows of the table for each row of the sample."""
        return self.rows / max(len(self.numbers), 1)

    def column(self, name: str) -> ColumnFacts:
        """What `infer` says about a column."""
        return self.schema.column(name)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Columns that may be features: neither target, key, id nor event time, and not empty."""
        out = {self.target, self.key, *self.ids, *self.time[:1], *self.excluded}
        return tuple(c.name for c in self.schema.columns if c.name not in out and c.role not in {"empty", "unusable"})

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds amounts, codes or counts rather than words."""
        column = self.column(name)
        return column.kind in {"number", "integer"} or (column.kind == "category" and column.coded == "integer")

    def is_categorical(self, name: str) -> bool:
        """Whether a column holds a few words, codes or flags."""
        return self.column(name).kind in {"category", "boolean"}

    def floats(self, name: str) -> np.ndarray:
        """A column of the sample as float64 with NaN for missing; moments in seconds. Shape (sample,)."""
        if name not in self._floats:
            self._floats[name] = floats_of(self.sample.column(name), self.column(name).kind == "time")
        return self._floats[name]

    def codes(self, name: str) -> tuple[np.ndarray, list[str]]:
        """A column of the sample as (codes, words): codes (sample,) int64, -1 for missing, into words."""
        if name not in self._codes:
            facts = self.column(name)
            coded: Any = "integer" if facts.kind == "integer" else facts.coded
            array = _texts(plain(self.sample.column(name)), Column(name, "category", coded=coded))[0]
            codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
            self._codes[name] = (codes, array.dictionary.to_pylist())
        return self._codes[name]

    def examples(self, chosen: np.ndarray, most: int = 5) -> tuple[int, ...]:
        """Numbers of the first sampled rows that are chosen. chosen: (sample,) bool."""
        return tuple(self.numbers[np.flatnonzero(chosen)[:most]].tolist())

    def projected(self, count: int) -> int:
        """A count in the sample as a count in the table."""
        return count if self.whole else round(count * self.scale)


def look_at(
    source: Any,
    *,
    target: str = "",
    task: str = "",
    key: str = "",
    time: tuple[str, ...] = (),
    now: float,
    sample_rows: int = SAMPLE_ROWS,
) -> Look:
    """Pass once over a table, or over an iterable of Arrow batches or tables. Raises SourceUnreadable, ColumnMissing.

    target, task, key, time: as the project says; empty: found, but for the target, which is then none.
    """
    look = Look(target, task, key, time, now)
    sample = _Sampler(sample_rows)
    head: list[pa.RecordBatch] = []
    for batch in _batches(source):
        if not look.facts:
            begin(look, batch)
        if look.rows < HEAD_ROWS:
            head.append(batch.slice(0, HEAD_ROWS - look.rows))
        take_in(look, batch)
        sample.add(batch, look.rows)
        look.rows += batch.num_rows
    look.source = source.source.name if isinstance(source, Table) and isinstance(source.source, Path) else ""
    if not look.rows:
        raise SourceUnreadable(f"{look.source or 'stream'}: the table has no rows")
    look.sample, look.numbers = sample.table, sample.numbers
    top = pa.Table.from_batches([b.combine_chunks() if isinstance(b, pa.Table) else b for b in head])
    look.head = top
    held = Sample(top, top.num_rows, top.num_rows == look.rows)
    look.schema = schema_from(look.facts, held, look.target or None, look.key or None, look.time)
    look.key, look.time = look.key or look.schema.key or "", look.time or look.schema.time
    look.task = look.task or look.schema.task or ""
    return look


def is_stream(source: Any) -> bool:
    """Whether this is an iterable of batches, which can be read once, rather than a table."""
    known = isinstance(source, str | Path | pa.Table | pa.RecordBatch | Table) or hasattr(source, "iloc")
    return not known and isinstance(source, Iterable)


def _batches(source: Any) -> Iterator[pa.RecordBatch]:
    if not is_stream(source):
        yield from open_table(source).batches()
        return
    for part in source:
        yield from (part.combine_chunks().to_batches() if isinstance(part, pa.Table) else [part])


def begin(look: Look, batch: pa.RecordBatch) -> None:
    """What the first rows say of the columns: which name rows, which are watched. Raises ColumnMissing."""
    names = tuple(batch.schema.names)
    absent = [n for n in (look.target, look.key, *look.time) if n and n not in names]
    if absent:
        raise ColumnMissing(absent, names)
    found = infer(batch, look.target or None, look.key or None, look.time or None)
    look.facts = {n: Facts(n) for n in names}
    look.ids = tuple(n for n in (look.key or found.key, *found.ids) if n)
    look.key = look.key or found.key or ""
    for column in found.columns:
        if column.kind in {"number", "integer", "time"} or column.coded == "integer":
            look.watches[column.name] = Watch(column.kind == "time", look.now)


def take_in(look: Look, batch: pa.RecordBatch) -> None:
    """Count rows that come after `look.rows`, which stays as it is."""
    first = look.rows + 1
    hashed: list[np.ndarray] = []
    for name, facts in look.facts.items():
        column = batch.column(name)
        if is_text(column.type):
            # Counts, numbers and hashes are found of each distinct cell once.
            column = column.dictionary_encode()
        facts.add(column, batch.schema.field(name))
        cells = column_hashes(column)
        if name == look.key:
            look.key_repeats.add(cells, first, column.is_null().to_numpy(zero_copy_only=False))
        if name not in look.ids:
            hashed.append(cells)
        if name in look.watches:
            look.watches[name].add(column, first)
    if hashed:
        look.row_repeats.add(row_hashes(hashed), first)


class _Sampler:
    """At least `rows` rows spread over all that pass (all of them while they are at most twice as many)."""

    def __init__(self, rows: int) -> None:
        self._most = 2 * rows
        self._level = np.uint64(0)
        self._parts: list[pa.Table] = []
        self._numbers: list[np.ndarray] = []
        self._held = 0

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        numbers = np.arange(before + 1, before + 1 + batch.num_rows)
        part = pa.Table.from_batches([batch])
        self._keep(part, numbers)
        while self._held > self._most:
            self._level = self._level << np.uint64(1) | np.uint64(1)
            old, self._held = list(zip(self._parts, self._numbers, strict=True)), 0
            self._parts, self._numbers = [], []
            for held, rows in old:
                self._keep(held, rows)

    def _keep(self, part: pa.Table, numbers: np.ndarray) -> None:
        if self._level:
            chosen = (mixed(numbers.astype(np.uint64)) & self._level) == 0
            part, numbers = _decoded(part.filter(pa.array(chosen))), numbers[chosen]
        if len(numbers):
            self._parts.append(part)
            self._numbers.append(numbers)
            self._held += len(numbers)

    @property
    def table(self) -> pa.Table:
        return pa.concat_tables(self._parts, promote_options="permissive").combine_chunks()

    @property
    def numbers(self) -> np.ndarray:
        return np.concatenate(self._numbers)


def _decoded(part: pa.Table) -> pa.Table:
    """Without dictionaries that hold more words than there are rows: what was filtered out is let go."""
    for at, field in enumerate(part.schema):
        if pa.types.is_dictionary(field.type) and len(part.column(at).chunk(0).dictionary) > part.num_rows:
            part = part.set_column(at, field.name, plain(part.column(at)))
    return part
