"""Training rows of a bundle for checks that need rows: every so many of them, bounded, read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.learnt import MOST_ROWS, Learnt

if TYPE_CHECKING:
    import pyarrow as pa

    from fairlead.contract.signature import Signature

MOST_HELD = 4
_HELD: WeakKeyDictionary[Workspace, dict[tuple[str, int], Learnt | None]] = WeakKeyDictionary()


def learnt_rows(ws: Workspace, bundle: str, most: int = MOST_ROWS) -> Learnt | None:
    """What the home still has of the rows a bundle was trained on, at most `most` of them; None where it is gone, or
    holds no plain columns.
    """
    held = _HELD.setdefault(ws, {})
    if (bundle, most) not in held:
        if len(held) >= MOST_HELD:
            held.pop(next(iter(held)))
        held[bundle, most] = _read(ws, bundle, most)
    return held[bundle, most]


def _read(ws: Workspace, bundle: str, most: int) -> Learnt | None:
    from fairlead.contract.errors import FairleadError
    from fairlead.lab.tables import open_table

    model = ws.load(bundle)
    signature = model.signature
    if signature.task == "forecasting" or any(c.kind == "tensor" for c in signature.columns):
        return None
    path = ws.home.tables / model.manifest.lineage.data / "rows.parquet"
    if not path.exists():
        return None
    try:
        table = open_table(path)
        step = max(-(-table.rows // most), 1)
        kept = _thinned(table, step)
        return _learnt(kept, signature, ws, 1.0 / step, bundle, model.reference.profile.end)
    except FairleadError:
        # A table of another layout than the model's cannot be compared with; what counts can judge goes on.
        return None


def _thinned(table: Any, step: int) -> pa.Table:
    import pyarrow as pa

    parts, seen = [], 0
    for batch in table.batches():
        first = -seen % step
        parts.append(batch.take(pa.array(np.arange(first, batch.num_rows, step))))
        seen += batch.num_rows
    return pa.Table.from_batches(parts)


def _learnt(
    rows: pa.Table, signature: Signature, ws: Workspace, share: float, bundle: str, end: float
) -> Learnt | None:
    from fairlead.lab.tables import columns_of, event_times

    columns = dict(columns_of(rows, signature, zone=signature.timezone, invalid="missing"))
    timed = bool(signature.time) and set(signature.time) <= set(rows.column_names)
    times = np.arange(rows.num_rows, dtype=np.float64)
    if timed:
        times = event_times(rows.to_pandas(), signature.time, ws.settings.model.timezone)
        order = np.argsort(times, kind="stable")
        # Rows that were kept for judging are newer than what the reference says.
        order = order[times[order] <= end] if end else order
        times, columns = times[order], {name: cells[order] for name, cells in columns.items()}
    return Learnt(columns, times, timed, share, bundle) if len(times) else None
