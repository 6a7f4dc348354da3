"""Drift of a table, or of what was answered, from what a model was trained on or from another table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.lab.tables.sources import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from fairlead.contract.profile import Profile
    from fairlead.contract.settings import Settings
    from fairlead.lab.tables.drift.folding import Compared, Folded
    from fairlead.lab.tables.drift.report import DriftReport
    from fairlead.lab.tables.drift.together import Spread
    from fairlead.lab.tables.engines import Engine
    from fairlead.ops.flow.drifting_elsewhere import Elsewhere
    from fairlead.ops.flow.workspace import Workspace
    from fairlead.ops.monitor.learnt import Learnt
    from fairlead.runtime.bundle import Model

Say = Callable[[int, float | None], None]
"""Told how many rows were counted, and what share of all that is, where they are known."""

BLOCKS_AT_MOST = 256


class RecordsTable(Table):
    """What was answered, as a table of its features; `out.*` of the answers comes along for scores."""

    def __init__(self, ws: Workspace) -> None:
        from fairlead.runtime.capture import Records

        self.source = "records"
        self._records = Records(ws.home.root, ws.model)
        first = next(self._read(1), None)
        if first is None:
            raise UsageError("no record has been collected yet: serve the model, then `fairlead collect`.")
        self.columns = tuple(first.schema.names)

    def _read(self, rows: int) -> Iterator[pa.RecordBatch]:
        from fairlead.contract import records as names

        for table in self._records.batches(None, None, rows=rows):
            chosen = [n for n in table.schema.names if n.startswith((names.FEATURE_IN, "out."))]
            if table.num_rows and chosen:
                named = table.select(chosen).rename_columns([n.removeprefix(names.FEATURE_IN) for n in chosen])
                yield from named.combine_chunks().to_batches()


def against_table(
    table: Table, other: Table, settings: Settings | None, *, ignored: frozenset[str] = frozenset(),
    say: Say | None = None, engine: Engine | None = None,
) -> DriftReport:  # fmt: skip
    """A table against another one; bins are found on the other. settings: the project's key, time and zone.

    engine: where rows are counted; None: here.
    """
    from fairlead.lab.tables.drift.folding import begun, blocks_beside, fold, known_rows, reference_of
    from fairlead.lab.tables.drift.reporting import drift_report

    started = time.perf_counter()
    model = None if settings is None else settings.model
    terms: Any = {
        "key": model.id if model else None, "time": model.time_columns if model else (), "ignored": ignored,
        "zone": model.timezone if model else "UTC",
    }  # fmt: skip
    if engine is not None:
        from fairlead.lab.tables.engines.drifting import fold_on, reference_on

        short: int | None = engine.rows(table)
        compared, before = reference_on(engine, other, beside=short, **terms)
        lacking = _lacking(compared, table)
        size, _ = blocks_beside(short, before.rows)
        now = fold_on(engine, table, compared, rows=short or 0, block_rows=size, sampled=True)
    else:
        short, batches = begun(table)
        rows = (known_rows(other) or 0) + (short or 0)
        compared, before = reference_of(other, beside=short, say=_saying(say, 0, rows), **terms)
        lacking = _lacking(compared, table)
        size, most = blocks_beside(short, before.rows)
        told = _saying(say, before.rows, rows)
        now = fold(batches, compared, rows=short, say=told, sampled=True, block_rows=size, most=most)
    known = {*compared.signature.names, *compared.left_out}
    return drift_report(
        before.blocks, now.blocks, source=name_of(table), reference=name_of(other), started=started,
        left_out=compared.left_out, lacking=lacking, spread=(_spread(before, compared), _spread(now, compared)),
        surplus=[n for n in table.columns if n not in known and n not in other.columns and not n.startswith("out.")],
    )  # fmt: skip


def against_bundle(
    table: Table, model: Model, name: str, *, say: Say | None = None, redacted: frozenset[str] = frozenset(),
    scored: bool = True, learnt: Learnt | None = None, elsewhere: Elsewhere | None = None,
) -> DriftReport:  # fmt: skip
    """A table, or records, against what a model was trained on; its scores and decisions, too. Raises UsageError.

    learnt: rows that it was trained on, where they are at hand: what all columns together are compared with.
    elsewhere: the engine that counts rows and asks the model; None: here.
    """
    from fairlead.lab.tables.drift.folding import BATCH_ROWS, fold, known_rows
    from fairlead.lab.tables.drift.reporting import drift_report
    from fairlead.lab.tables.drift.together import Spread

    started = time.perf_counter()
    compared = _compared(model, redacted)
    lacking = _lacking(compared, table)
    blocks = list(model.reference.blocks) or [model.reference.profile]
    notes = []
    covered = sum(b.rows for b in blocks) / max(model.reference.profile.rows, 1)
    if covered < 0.9:
        notes.append(f"The model keeps blocks of the newest {covered:.0%} of the rows it was trained on.")
    scores = _scores(model, table, bool(lacking)) if scored and model.reference.profile.scores else None
    if scores is None:
        blocks = [_without_scores(b) for b in blocks]
        if scored:
            notes.append("The model is not asked: the rows lack columns that it needs.")
    bins = [s.bins for s in model.reference.profile.scores]
    usual = int(np.median([b.rows for b in blocks]))
    if elsewhere is not None:
        now = elsewhere.folded(table, compared, model, usual, bins if scores is not None else None, learnt is not None)
    else:
        rows = known_rows(table)
        now = fold(
            table.batches(BATCH_ROWS), compared, rows=rows, block_rows=max(usual, (rows or 0) // BLOCKS_AT_MOST, 1),
            say=_saying(say, 0, rows or 0), scores=scores, score_bins=bins, sampled=learnt is not None,
        )  # fmt: skip
    spread = None if learnt is None else (Spread(learnt.columns, 1.0 / learnt.share), _spread(now, compared))
    if learnt is None:
        notes.append("All columns together are not judged: rows that the model was trained on are not at hand.")
    asked = {*model.signature.names, *model.signature.passthrough, model.signature.target}
    return drift_report(
        blocks, now.blocks, source=name_of(table), reference=name, started=started, signature=model.signature,
        left_out=compared.left_out, lacking=lacking, whole=model.reference.profile, notes=notes,
        independent=not model.reference.profile.end, spread=spread,
        surplus=[n for n in table.columns if n not in asked and not n.startswith("out.")],
    )  # fmt: skip


def name_of(table: Table) -> str:
    """What a table is called in a report."""
    if isinstance(table, RecordsTable):
        return "records"
    return table.source.name if isinstance(table.source, Path) else "table"


def _compared(model: Model, redacted: frozenset[str]) -> Compared:
    import msgspec

    from fairlead.lab.tables.drift.folding import Compared

    signature = model.signature
    plain = {c.name for c in signature.columns if c.kind != "tensor"}
    left_out = {c.name: "tensors are not compared here" for c in signature.columns if c.kind == "tensor"}
    left_out |= {n: "its cells are hidden in records" for n in redacted if n in plain}
    kept = tuple(c for c in signature.columns if c.name not in left_out)
    bins = tuple(c.bins for c in model.reference.profile.columns if c.bins.name in plain - redacted)
    if not bins:
        raise UsageError("this model has no columns that a table could be compared by.")
    return Compared(msgspec.structs.replace(signature, columns=kept), bins, left_out, signature.timezone)


def _lacking(compared: Compared, table: Table) -> list[str]:
    lacking = [b.name for b in compared.bins if b.name not in table.columns]
    if len(lacking) == len(compared.bins):
        raise UsageError(f"{name_of(table)} has none of the columns of the reference: {', '.join(lacking[:10])}.")
    return lacking


def _scores(model: Model, table: Table, lacking: bool) -> Callable[[Any], np.ndarray] | None:
    """What the model says of a batch: as recorded, else asked now; None where it cannot be asked."""
    from fairlead.contract import records as names

    signature = model.signature
    if isinstance(table, RecordsTable) and (signature.classes or signature.task in ("regression", "anomaly")):
        told = [names.PROBABILITY_OUT + n for n in signature.outputs] if signature.classes else [names.VALUE_OUT]
        if set(told) <= set(table.columns):
            return lambda batch: np.column_stack(
                [np.asarray(batch.column(n).to_numpy(zero_copy_only=False), dtype=np.float64) for n in told]
            )
    if lacking or any(c.kind == "tensor" for c in signature.columns) or signature.task == "forecasting":
        return None
    return asking(model)


def asking(model: Model) -> Callable[[Any], np.ndarray]:
    """Scores of a batch by the model; cells that are not of their column's kind are missing."""
    from fairlead.lab.tables import columns_of

    def asked(batch: Any) -> np.ndarray:
        signature = model.signature
        cells = columns_of(batch, signature, zone=signature.timezone, invalid="missing", text="codes")
        found: np.ndarray = model.score_columns(cells)
        return found

    return asked


def _spread(folded: Folded, compared: Compared) -> Spread:
    """Rows all over a folded table, in the columns form."""
    import msgspec

    from fairlead.lab.tables import columns_of
    from fairlead.lab.tables.drift.together import Spread

    assert folded.sample is not None
    kept = tuple(c for c in compared.signature.columns if c.name in folded.sample.column_names)
    signature = msgspec.structs.replace(compared.signature, columns=kept)
    return Spread(columns_of(folded.sample, signature, zone=compared.zone, invalid="missing"), folded.step)


def _without_scores(profile: Profile) -> Profile:
    import msgspec

    return msgspec.structs.replace(profile, scores=())


def _saying(say: Say | None, before: int, rows: int) -> Callable[[int], None] | None:
    if say is None:
        return None
    return lambda done: say(before + done, min((before + done) / rows, 1.0) if rows else None)
