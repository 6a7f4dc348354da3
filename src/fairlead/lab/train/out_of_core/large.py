"""A table larger than memory, opened for training: what its columns are, which rows judge, and a sample of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from fairlead.contract.errors import CellInvalid, InputInvalid
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats.measures import Floats, Ints, class_codes
from fairlead.lab.tables.sources import Table
from fairlead.lab.train.out_of_core.drawing import Drawer, Index, indexed
from fairlead.lab.train.out_of_core.sizing import Size

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.tables.schema import Schema
    from fairlead.lab.train.material import Material

Say = Callable[..., None]
LOOKED_AT = 10_000
"""Rows on which the parts of columns are decided; their kinds are decided on all."""
SAMPLE_SHARE = 0.5
"""Of the memory, what the sample takes: the rest is for parts of the table, folds and the fit."""
FEWEST_ROWS = 200
MOST_AT_ONCE, FEWEST_AT_ONCE = 65_536, 8_192


class Plan(NamedTuple):
    """How much is in memory together: rows of the sample, and of the table as it passes by. A lineage records it, so
    that the same model comes out where there is more memory or less.
    """

    sample: int
    at_once: int


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of the table. codes, held, times: as in the index."""

    rows: pa.RecordBatch
    codes: Ints
    held: np.ndarray
    times: Floats | None

    def part(self, chosen: np.ndarray) -> pa.RecordBatch:
        """These of its rows."""
        return self.rows.filter(pa.array(chosen))


@dataclass(frozen=True)
class Large:
    """frame: the sample, typed as the whole table would be; kept: which of its rows are for judging, (n,).

    memory: bytes there are for rows; folder: for what has to lie on the disk meanwhile; plan: by which it was drawn.
    """

    table: Table
    signature: Signature
    index: Index
    size: Size
    memory: int
    folder: Path
    frame: pd.DataFrame
    kept: np.ndarray
    plan: Plan

    def stretches(self) -> Iterator[Stretch]:
        """The table once more, with what each row is."""
        first = 0
        for batch in self.table.batches(self.plan.at_once):
            yield Stretch(batch, *self.index.read(first, batch.num_rows))
            first += batch.num_rows

    @property
    def learners(self) -> tuple[str, ...]:
        """Tried where the project names none: those that every row can teach come first."""
        linear = "logistic" if self.signature.task == "classification" else "ridge"
        boosters = (name for name in ("lightgbm", "xgboost") if find_spec(name) is not None)
        return (linear, *islice(boosters, 1), "hist_gradient_boosting")

    def split(self, material: Material) -> tuple[Ints, Ints]:
        """Rows of the sample's material to learn from and to judge on: the same as in all other passes."""
        held = self.kept
        if material.times is not None and self.index.cut is not None:
            cut = self.index.cut
            held = material.times > cut if self.index.after else material.times >= cut
        return np.flatnonzero(~held), np.flatnonzero(held)


def plan_for(memory: int, size: Size) -> Plan:
    """A sample of half the memory, and stretches of a sixteenth of it."""
    row = max(size.row_bytes, 1.0)
    at_once = int(np.clip(memory / 16 / row, FEWEST_AT_ONCE, MOST_AT_ONCE))
    return Plan(max(int(SAMPLE_SHARE * memory / row), FEWEST_ROWS), at_once)


def open_large(
    table: Table, settings: Settings, size: Size, memory: int, folder: Path, say: Say, plan: Plan | None = None
) -> Large:
    """Three passes over the table: what its columns are, which rows judge, and the sample.

    plan: where it was recorded; else as the memory has it.
    Raises InputInvalid, ColumnMissing, CellInvalid, ConfigInvalid, SourceUnreadable.
    """
    from fairlead.lab.tables import infer, signature_of

    model, plan = settings.model, plan or plan_for(memory, size)
    say("reading what the columns are, first of four passes", done=0.0)
    target = model.target if model.target in table.columns else None
    schema = infer(table, target, roles=False, sample_rows=LOOKED_AT)
    signature = signature_of(table, settings, schema=schema)
    say("reading targets and times, second of four passes", done=0.0)
    index = indexed(
        _facts(table, signature, settings, plan.at_once), max(len(signature.classes), 1), folder,
        settings.data.holdout, settings.train.seed,
    )  # fmt: skip
    say("drawing the sample, third of four passes", done=0.0)
    drawer = Drawer(index, plan.sample)
    picked, kept, first = [], [], 0
    for batch in table.batches(plan.at_once):
        codes, held, _ = index.read(first, batch.num_rows)
        places = drawer.draw(first, codes, held)
        first += batch.num_rows
        if len(places):
            picked.append(_plain(batch.take(pa.array(places))))
            kept.append(held[places])
    frame = _Picked(table, picked, schema).frame()
    return Large(table, signature, index, size, memory, folder, frame, np.concatenate(kept), plan)


def _facts(
    table: Table, signature: Signature, settings: Settings, at_once: int
) -> Iterator[tuple[Ints, Floats | None]]:
    from fairlead.lab.tables import event_times, target_of

    model = settings.model
    timed = bool(model.time_columns) and set(model.time_columns) <= set(table.columns)
    first = 0
    for batch in table.batches(at_once):
        try:
            truth = target_of(batch, signature)
            times = event_times(batch, model.time_columns, model.timezone) if timed else None
        except CellInvalid as wrong:
            raise CellInvalid(first + wrong.row, wrong.column, wrong.found, wrong.allowed) from None
        first += batch.num_rows
        if signature.classes:
            known = np.array([label is not None for label in truth], dtype=bool)
            codes = np.full(len(truth), -1, dtype=np.int64)
            codes[known] = class_codes(truth[known], signature.classes)
        else:
            codes = np.where(np.isfinite(truth), 0, -1).astype(np.int64)
        yield codes, times


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Without dictionaries, of which every part of a file may have its own."""
    arrays = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


class _Picked(Table):
    """Rows of another table, of the kinds that were found in all of it."""

    def __init__(self, table: Table, batches: list[pa.RecordBatch], schema: Schema) -> None:
        self.source, self.columns = table.source, table.columns
        self._batches, self.schema = batches, schema

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        yield from self._batches


def weights_in(batch: pa.RecordBatch, name: str | None) -> Floats | None:
    """The weight of each row as the table states it, (n,), or None without `[train] weight`. Raises InputInvalid."""
    if name is None:
        return None
    from fairlead.lab.tables import columns_of

    found: Any = columns_of(batch, Signature("regression", (Column(name, "number"),)), invalid="missing")[name]
    if not (np.isfinite(found) & (found >= 0.0)).all():
        raise InputInvalid(f"some rows have no weight of 0 or more in the column {name!r}")
    return np.asarray(found)
