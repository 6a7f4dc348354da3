"""Batch scoring on an engine: the bundle goes once to every executor, is verified there as everywhere, and answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import UsageError
from fairlead.contract.settings import Settings
from fairlead.reach.score.batch import Scored, score_batches
from fairlead.reach.score.forecasts import is_long
from fairlead.reach.score.ranks import group_named, with_ranks
from fairlead.runtime.bundle.native_model import NativeModel

if TYPE_CHECKING:
    import pyarrow as pa

    from fairlead.lab.tables.engines import Engine, Place, Step, Work
    from fairlead.runtime.bundle import Model

BUNDLE = "bundle"
FIRST_ALONE = 1 << 40
_FLAGS = ("anomaly", "abstained", "outside_population")


def score_on(
    engine: Engine, model: Model, folder: Path, trusted: Iterable[str], source: Any, out: Path | None,
    settings: Settings, *, rank: bool = False,
) -> Scored:  # fmt: skip
    """As `score_table`, the rows scored by an engine's executors; answers in the order of the rows.

    folder: of the sealed bundle; trusted: hex public keys that may have sealed it.
    Raises UsageError for a long table of series and for native models; CellInvalid or ColumnMissing naming row and
    column, then nothing is written; BundleRefused of an executor where the bundle did not arrive as it was sealed.
    """
    from fairlead.lab.tables import write_rows

    columns = engine.columns(source)
    if is_long(model.signature, columns):
        raise UsageError(
            "a long table of series is forecast from the whole of each: score it here, with --engine local."
        )
    if isinstance(model, NativeModel):
        raise UsageError("this model runs its own code in a process of its own: score with --engine local.")
    if rank:
        group_named(model.signature, columns)
    first = engine.every(source, FIRST_ALONE)
    work = scoring(model, folder, tuple(trusted), first, settings.model.timezone)
    results: Iterator[pa.Table] = engine.map_batches(source, work)
    if rank:
        whole = with_ranks(results, model.signature)
        results = iter(() if whole is None else (whole,))
    if out is not None:
        return Scored(write_rows(results, out), 0)
    import pyarrow as pa

    parts = list(results)
    return Scored(sum(part.num_rows for part in parts), 0, pa.concat_tables(parts).to_pandas() if parts else None)


def scoring(model: Model, folder: Path, trusted: tuple[str, ...], first: pa.Table, zone: str) -> Work:
    """What an executor does: opens the bundle once in each of its processes, and answers batch by batch.

    first: a row of the table, which says of what kinds passed-through columns are. zone: of times without one.
    Raises what that row raises.
    """
    from fairlead.lab.tables.engines import Work

    told = model.signature
    passed = [c for c in (told.key, *told.time, told.group, told.item, told.series) if c]
    asked = tuple(dict.fromkeys((*passed, *(column.name for column in told.columns))))

    def make(place: Place) -> Step:
        from fairlead.runtime.bundle import load

        opened = load(place(BUNDLE), trusted)

        def step(batch: pa.RecordBatch, at: int) -> pa.RecordBatch:
            return _answered(opened, batch, at, zone)

        return step

    schema = _schema(_answered(model, first.combine_chunks().to_batches()[0], 0, zone)) if first.num_rows else None
    if schema is None:
        raise UsageError("there are no rows to write")
    return Work(f"score:{model.id}:{zone}", make, schema, asked, {BUNDLE: folder})


def _answered(model: Model, batch: pa.RecordBatch, at: int, zone: str) -> pa.RecordBatch:
    import pyarrow as pa

    found = pa.concat_tables(score_batches(model, iter((batch,)), zone, at))
    plain = [c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in found.columns]
    return pa.table(plain, names=found.column_names).combine_chunks().to_batches()[0]


def _schema(answer: pa.RecordBatch) -> pa.Schema:
    """Of answers: a first row without one does not say of what kind the others' are."""
    import pyarrow as pa

    kinds = []
    for field in answer.schema:
        empty = pa.bool_() if field.name.removeprefix("predicted_") in _FLAGS else pa.string()
        kinds.append(pa.field(field.name, empty if pa.types.is_null(field.type) else field.type))
    return pa.schema(kinds)
