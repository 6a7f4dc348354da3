"""Rows to profiles of consecutive blocks, in bounded memory: what a drift report is made of.

A table in a file is passed over once, the reference at most twice: while it fits
in `HELD_BYTES` it is held and its bins are found on rows spread all over it; a
larger one is sampled in a first pass and counted in a second.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from fairlead.contract.errors import SourceUnreadable
from fairlead.contract.profile import Bins, Profile
from fairlead.contract.signature import NUMERIC, Column, Signature
from fairlead.lab.stats.bins import bins_for
from fairlead.lab.stats.merging import merge
from fairlead.lab.stats.profiling import Profiler
from fairlead.lab.tables.cells import columns_of
from fairlead.lab.tables.drift.sampling import EverySo
from fairlead.lab.tables.inference import infer
from fairlead.lab.tables.schema import ColumnFacts, Schema
from fairlead.lab.tables.sources import Table

BLOCKS = 32
"""Blocks that rows are folded into, at most twice as many where nothing asks for more."""

MOST_BLOCKS = 1024
"""Where the other side is much shorter: blocks have to be no longer than a quarter of it."""

BATCH_ROWS = 131_072
FIRST_BLOCK = 4_096
HELD_BYTES = 192 << 20
SAMPLE_ROWS = 16_000
MOST_GRAM = 60
"""Numeric columns up to which correlations are kept."""

Say = Callable[[int], None]
Batches = Iterable[pa.RecordBatch]
Scores = Callable[[pa.RecordBatch], np.ndarray]


@dataclass
class Folded:
    """Rows as profiles of consecutive blocks, oldest first, all in the same bins. total: their sum.

    sample: rows spread evenly over them, each standing for `step` rows; None where they were not wanted.
    """

    blocks: list[Profile] = field(default_factory=list)
    rows: int = 0
    sample: pa.Table | None = None
    step: int = 1

    def total(self) -> Profile:
        """The profile of all rows."""
        from fairlead.lab.stats.merging import total

        return total(self.blocks)


@dataclass(frozen=True)
class Compared:
    """What of a reference is compared: features with their bins, and columns left out with the reason."""

    signature: Signature
    bins: tuple[Bins, ...]
    left_out: Mapping[str, str]
    zone: str = "UTC"


class Folder:
    """Folds batches into blocks of `block_rows` rows; when there are `most`, an even number, neighbours become one.

    absent: columns of the bins that the rows do not have. scores: of rows as they come, with their bins.
    """

    def __init__(
        self, compared: Compared, block_rows: int, present: Sequence[str],
        scores: Scores | None = None, score_bins: Sequence[Bins] = (), most: int = 2 * BLOCKS,
    ) -> None:  # fmt: skip
        kept = [b for b in compared.bins if b.name in set(present)]
        columns = tuple(c for c in compared.signature.columns if c.name in {b.name for b in kept})
        self.signature = Signature("regression", columns)
        self.bins, self.zone = tuple(kept), compared.zone
        self.block_rows, self.most = max(block_rows, 1), most
        self.gram = sum(b.kind in NUMERIC for b in kept) <= MOST_GRAM
        self.scores, self.score_bins = scores, tuple(score_bins) if scores is not None else ()
        self.folded = Folded()
        self._open: Profiler | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Count rows. Cells that are not of their column's kind count as missing."""
        columns = columns_of(batch, self.signature, zone=self.zone, invalid="missing", text="arrow")
        scores = self.scores(batch) if self.scores is not None else None
        at = 0
        while at < batch.num_rows:
            if self._open is None:
                self._open = Profiler(self.bins, self.score_bins, gram=self.gram)
            end = min(at + self.block_rows - self._open.rows, batch.num_rows)
            part = {name: cells[at:end] for name, cells in columns.items()}
            self._open.add(part, None if scores is None else scores[at:end])
            self.folded.rows += end - at
            at = end
            if self._open.rows >= self.block_rows:
                self._shut()

    def finish(self) -> Folded:
        """What was folded; a last block of less than half the others' rows joins the one before it."""
        if self._open is not None and self._open.rows:
            short = 2 * self._open.rows < self.block_rows
            self._shut(halving=False)
            blocks = self.folded.blocks
            if short and len(blocks) > 1:
                blocks[-2:] = [merge(blocks[-2], blocks[-1])]
        return self.folded

    def _shut(self, halving: bool = True) -> None:
        assert self._open is not None
        self.folded.blocks.append(self._open.finish())
        self._open = None
        if halving and len(self.folded.blocks) >= self.most:
            held = self.folded.blocks
            self.folded.blocks = [merge(a, b) for a, b in zip(held[::2], held[1::2], strict=True)]
            self.block_rows *= 2


def fold(
    batches: Batches, compared: Compared, *, rows: int | None = None, block_rows: int = 0, say: Say | None = None,
    scores: Scores | None = None, score_bins: Sequence[Bins] = (), sampled: bool = False, most: int = 0,
) -> Folded:  # fmt: skip
    """Fold a stream of batches. rows: how many there are, where that is known. block_rows: of a block, else of 32.
    sampled: keep rows all over the stream. most: blocks, else twice 32, or 1,024 of `block_rows` rows.

    say: told how many rows were counted, after every batch. Raises SourceUnreadable for a stream without rows.
    """
    folder: Folder | None = None
    sampler = EverySo(SAMPLE_ROWS, rows) if sampled else None
    for batch in batches:
        if folder is None:
            size = block_rows or _block_rows(rows, batch.num_rows)
            bound = most or (MOST_BLOCKS if block_rows else 2 * BLOCKS)
            folder = Folder(compared, size, batch.schema.names, scores, score_bins, bound)
        if sampler is not None:
            sampler.add(_kept(batch, compared), folder.folded.rows)
        folder.add(batch)
        if say is not None:
            say(folder.folded.rows)
    if folder is None or not folder.folded.rows:
        raise SourceUnreadable("the table has no rows")
    found = folder.finish()
    if sampler is not None:
        found.sample, found.step = sampler.table, sampler.step
    return found


def _kept(batch: pa.RecordBatch, compared: Compared) -> pa.RecordBatch:
    return batch.select([n for n in compared.signature.names if n in batch.schema.names])


def _block_rows(rows: int | None, first: int) -> int:
    if rows is None:
        # A short first batch is likely all there is; of a long table blocks grow with it.
        return max(-(-first // BLOCKS), 1) if first < FIRST_BLOCK * BLOCKS // 4 else FIRST_BLOCK
    return max(-(-rows // BLOCKS), 1)


def blocks_beside(rows: int | None, reference: int) -> tuple[int, int]:
    """Rows of a block and how many blocks at most, of rows that are compared with `reference` rows: as `fold` takes.

    Of rows many times as many as the reference, blocks of 32 would be longer than all of it; these are an eighth of it,
    so that what neighbours share stays within them.
    """
    if rows is None:
        return 0, MOST_BLOCKS
    if rows <= 4 * reference:
        return 0, 0
    return max(reference // 8, -(-rows // (MOST_BLOCKS - 1)), 1), MOST_BLOCKS


def known_rows(table: Table) -> int | None:
    """Rows of a table where they are known without a pass over it."""
    from fairlead.lab.tables.sources import MemoryTable, ParquetTable

    return table.rows if isinstance(table, ParquetTable | MemoryTable) else None


def begun(table: Table) -> tuple[int | None, Iterator[pa.RecordBatch]]:
    """How many rows a table has, where that is known or they are few enough to be read now, and its batches.

    A file of text does not say how long it is; a short one beside a long reference needs blocks as short.
    """
    known = known_rows(table)
    batches = iter(table.batches(BATCH_ROWS))
    if known is not None:
        return known, batches
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(b.num_rows for b in held) > BATCH_ROWS:
            return None, itertools.chain(held, batches)
    return sum(b.num_rows for b in held), iter(held)


def reference_of(
    table: Table, *, key: str | None = None, time: tuple[str, ...] = (), ignored: frozenset[str] = frozenset(),
    zone: str = "UTC", beside: int | None = None, say: Say | None = None,
) -> tuple[Compared, Folded]:  # fmt: skip
    """What is compared of a table, with bins found on rows all over it, and the table folded.

    beside: rows that it is to be compared with: of few there have to be stretches as short.
    key, time: left out, beside what is found to be a key, a number of rows or event time. Raises SourceUnreadable.
    """
    held: list[pa.RecordBatch] = []
    sampler, size, seen = EverySo(SAMPLE_ROWS, known_rows(table)), 0, 0
    for batch in table.batches(BATCH_ROWS):
        sampler.add(batch, seen)
        seen += batch.num_rows
        if size <= HELD_BYTES:
            held.append(batch)
            size += batch.nbytes
            if size > HELD_BYTES:
                held = []
        if say is not None:
            say(seen // 2)
    if not seen:
        raise SourceUnreadable("the reference has no rows")
    compared = compared_of(sampler.table, key, time, ignored, zone)
    again: Iterator[pa.RecordBatch] = iter(held) if held else table.batches(BATCH_ROWS)
    told = None if say is None else (lambda rows: say((seen + rows) // 2))
    # Stretches as long as what is compared, of several blocks each, so far as blocks stay a bounded number.
    size = 0 if beside is None else max(min(-(-seen // BLOCKS), beside // 8), -(-seen // (MOST_BLOCKS - 1)), 1)
    folded = fold(again, compared, rows=seen, block_rows=size, say=told)
    folded.sample, folded.step = sampler.table, sampler.step
    return compared, folded


def compared_of(
    sample: pa.Table, key: str | None, time: tuple[str, ...], ignored: frozenset[str], zone: str
) -> Compared:
    """What of a table is compared, from rows all over it: features with their bins. Arguments as for `reference_of`."""
    names = set(sample.column_names)
    found: Schema = infer(sample, None, key if key in names else None, time if time and set(time) <= names else None)
    left_out: dict[str, str] = {}
    columns: list[Column] = []
    for facts in found.columns:
        why = _left_out(facts, found, ignored)
        if why:
            left_out[facts.name] = why
        else:
            columns.append(_column(facts))
    signature = Signature("regression", tuple(columns))
    cells = columns_of(sample, signature, zone=zone, invalid="missing", text="arrow")
    return Compared(signature, bins_for(cells, signature), left_out, zone)


def _left_out(facts: ColumnFacts, found: Schema, ignored: frozenset[str]) -> str:
    if facts.name in ignored:
        return "it is left out by the project"
    if facts.name == found.key or facts.role == "id":
        return "it numbers rows"
    if facts.name in found.time[:1]:
        return "it is the time of the rows, which moves by itself"
    if facts.kind == "tensor":
        return "tensors of two tables are not compared"
    return "it cannot be read" if facts.role == "unusable" else ""


def _column(facts: ColumnFacts) -> Column:
    if facts.kind == "category":
        return Column(facts.name, "category", coded=facts.coded)
    return Column(facts.name, facts.kind)
