"""Profiles as folds: rows of a table counted in blocks of consecutive rows, wherever they are worked on.

Blocks go by the numbers of rows, so a table is cut at the same rows however Spark cut it. Counts add exactly; sums are
added with `math.fsum` where parts meet, and agree to 1e-12 of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from fairlead.contract.profile import Bins, Profile
from fairlead.contract.signature import NUMERIC, Signature
from fairlead.lab.stats.merging import total
from fairlead.lab.stats.profiling import Profiler
from fairlead.lab.tables.cells import columns_of
from fairlead.lab.tables.drift.folding import MOST_GRAM, Compared, Folded
from fairlead.lab.tables.engines import Engine, Fold, Place

Scores = Callable[[pa.RecordBatch], np.ndarray]
Blocks = dict[int, Profile]
_BLOCKS = msgspec.json.Decoder(dict[int, Profile])
_ENCODER = msgspec.json.Encoder(order="deterministic")


class Counting:
    """Profiles of blocks of `block_rows` rows by the numbers of rows; cells that are not of their kind are missing.

    scores: of rows as they come, (rows, outputs), with their bins.
    """

    def __init__(
        self, compared: Compared, block_rows: int, scores: Scores | None = None, score_bins: Sequence[Bins] = ()
    ) -> None:
        self.compared, self.block_rows = compared, max(block_rows, 1)
        self.scores, self.score_bins = scores, tuple(score_bins) if scores is not None else ()
        self.blocks: dict[int, Profiler] = {}
        self._bins: tuple[Bins, ...] = ()
        self._signature: Signature | None = None

    def add(self, batch: pa.RecordBatch, first: int) -> Counting:
        """Count rows. first: number of the first one."""
        if self._signature is None:
            there = set(batch.schema.names)
            self._bins = tuple(b for b in self.compared.bins if b.name in there)
            kept = {b.name for b in self._bins}
            columns = tuple(c for c in self.compared.signature.columns if c.name in kept)
            self._signature = Signature("regression", columns)
        cells = columns_of(batch, self._signature, zone=self.compared.zone, invalid="missing", text="arrow")
        scores = self.scores(batch) if self.scores is not None else None
        at = 0
        while at < batch.num_rows:
            number, behind = divmod(first + at, self.block_rows)
            end = min(at + self.block_rows - behind, batch.num_rows)
            part = {name: values[at:end] for name, values in cells.items()}
            self._block(number).add(part, None if scores is None else scores[at:end])
            at = end
        return self

    def _block(self, number: int) -> Profiler:
        if number not in self.blocks:
            gram = sum(b.kind in NUMERIC for b in self._bins) <= MOST_GRAM
            self.blocks[number] = Profiler(self._bins, self.score_bins, gram=gram)
        return self.blocks[number]

    def encode(self) -> bytes:
        """What was counted, as canonical JSON."""
        return _pack({number: profiler.finish() for number, profiler in self.blocks.items()})


def profile_fold(
    compared: Compared, block_rows: int, scoring: Callable[[Place], Scores] | None = None,
    score_bins: Sequence[Bins] = (), ships: Mapping[str, Path] | None = None, columns: tuple[str, ...] = (),
) -> Fold[Counting, Blocks]:  # fmt: skip
    """Blocks of rows by their numbers. scoring: what asks a model that was shipped; it needs columns of its own."""

    def zero(place: Place) -> Counting:
        return Counting(compared, block_rows, None if scoring is None else scoring(place), score_bins)

    wanted = tuple(dict.fromkeys((*(b.name for b in compared.bins), *columns)))
    return Fold(zero, Counting.add, Counting.encode, _BLOCKS.decode, merged, _pack, wanted, ships or {})


def merged(parts: Sequence[Blocks]) -> Blocks:
    """Blocks of parts of the rows, those of one number added up."""
    numbers = sorted({number for part in parts for number in part})
    return {number: total([part[number] for part in parts if number in part]) for number in numbers}


def profile_on(engine: Engine, source: Any, compared: Compared) -> Profile:
    """The profile of all rows. Raises SourceUnreadable, ColumnMissing; ShapeMismatch for a table without rows."""
    blocks = engine.fold(source, profile_fold(compared, 1 << 62))
    return total(blocks.values())


def folded_of(blocks: Blocks, block_rows: int) -> Folded:
    """As `drift.folding.fold` leaves them: a last block of less than half the others' rows joins the one before."""
    held = [blocks[number] for number in sorted(blocks)]
    if len(held) > 1 and 2 * held[-1].rows < block_rows:
        held[-2:] = [total(held[-2:])]
    return Folded(held, sum(block.rows for block in held))


def _pack(blocks: Blocks) -> bytes:
    return _ENCODER.encode({str(number): block for number, block in blocks.items()})
