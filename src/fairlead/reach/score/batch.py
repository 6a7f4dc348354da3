"""Score a table of any size with a sealed bundle, batch by batch, into Parquet, CSV or a DataFrame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import CellInvalid
from fairlead.contract.settings import Settings
from fairlead.contract.signature import Signature
from fairlead.reach.score.forecasts import forecast_table, is_long
from fairlead.reach.score.outside import with_outside
from fairlead.reach.score.ranks import group_named, with_ranks
from fairlead.reach.score.wide import pieces, read_texts, rows_at_once
from fairlead.runtime.bundle.abstaining import abstaining
from fairlead.runtime.bundle.run import decided
from fairlead.runtime.wire.answer_columns import decided_in, score_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from fairlead.runtime.bundle import Model


class Scored(msgspec.Struct, frozen=True):
    """rows written; rejected: lines that could not be read and were set aside, where the project says so, and notes in
    words (a bad cell stops the run, naming it)."""

    rows: int
    rejected: int
    frame: Any = None
    notes: tuple[str, ...] = ()


def answer_columns(model: Model, columns: dict[str, Any]) -> dict[str, np.ndarray]:
    """The answer as columns: `label` and one float64 column a class, `cluster` and one a membership, `anomaly` (bool)
    and `score`, `t+1` ... of a forecast, or `value`. Arrays of shape (rows,)."""
    scores = model.score_columns(columns)
    signature: Signature = model.signature
    answer: dict[str, np.ndarray] = {}
    if signature.task == "anomaly":
        answer["anomaly"] = scores[:, 0] > signature.threshold
    elif signature.labels:
        answer[decided_in(signature)] = np.asarray(model.decide(scores), dtype=object)
    answer.update({name: scores[:, i] for i, name in enumerate(score_columns(signature))})
    if (left := abstaining(signature)) is not None:
        answer["abstained"] = left.of_columns(decided(scores, signature), scores)
    return with_outside(answer, signature, columns)


def score_batches(
    model: Model, batches: Iterator[pa.RecordBatch], zone: str = "UTC", first: int = 0
) -> Iterator[pa.Table]:
    """Each batch of rows as a table of pass-through columns (key, time) and the answer. zone: of times without one.

    first: number of the first row, for errors.
    """
    import pyarrow as pa

    from fairlead.lab.tables import columns_of

    told = model.signature
    kept = dict.fromkeys(c for c in (told.key, *told.time, told.group, told.item, told.series) if c)
    tensors = any(column.kind == "tensor" for column in model.signature.columns)
    if tensors:
        batches = pieces(batches, rows_at_once(model.signature))
    for batch in batches:
        if batch.num_rows == 0:
            continue
        if tensors:
            batch = read_texts(batch, model.signature, first)
        out = {name: batch.column(name) for name in kept if name in batch.schema.names}
        columns = columns_of(batch, model.signature, zone=zone, first_row=first, text="codes")
        try:
            answer = answer_columns(model, columns)
        except CellInvalid as error:
            # What the trained model raised on, which counts rows from the first of these.
            raise CellInvalid(first + error.row, error.column, error.found, error.allowed) from None
        for name, array in answer.items():
            out[f"predicted_{name}" if name in out else name] = pa.array(array)
        first += batch.num_rows
        yield pa.table(out)


def score_table(
    model: Model, source: Any, out: Path | None, settings: Settings, home: Path | None = None, *, rank: bool = False
) -> Scored:
    """Score all rows of `source` (path, address, DataFrame; a database is asked `[data] query`). Memory stays bounded
    when `out` is a file, also for wide tensors. home: for tables that are fetched and lines that are set aside.

    A model that forecasts takes rows of histories, or a long table, of which every series is forecast once, from its
    newest value on. rank: with each row's rank in its group, for which all answers are held in memory.
    Raises UsageError for ranks that cannot be, CellInvalid or ColumnMissing naming row and column; then nothing is
    written.
    """
    from fairlead.lab.tables import write_rows
    from fairlead.lab.tables.reading import Reading, notes_of

    table = Reading(settings.data, home=home).open(source, query=settings.data.query)
    if is_long(model.signature, table.columns):
        if rank:
            group_named(model.signature, table.columns)
        forecasts, notes = forecast_table(model, table.frame(), settings)
        notes = (*notes_of(table, source), *notes)
        if out is None:
            return Scored(forecasts.num_rows, table.set_aside.lines, forecasts.to_pandas(), notes)
        return Scored(write_rows(iter((forecasts,)), out), table.set_aside.lines, None, notes)
    results = score_batches(model, table.batches(rows_at_once(model.signature)), settings.model.timezone)
    if rank:
        group_named(model.signature, table.columns)
        whole = with_ranks(results, model.signature)
        results = iter(() if whole is None else (whole,))
    if out is None:
        import pyarrow as pa

        parts = list(results)
        frame = pa.concat_tables(parts).to_pandas() if parts else None
        return Scored(0 if frame is None else len(frame), table.set_aside.lines, frame, notes_of(table, source))
    return Scored(write_rows(results, out), table.set_aside.lines, None, notes_of(table, source))
