"""Whether rows come more than once: a client that sends again what it sent, a job that ran twice."""

from __future__ import annotations

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.order import PIECE, Order
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.quality import wilson
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.sequences import joined, places_of, usual_order
from fairlead.ops.monitor.statistic import Judged

LEAST = 50
PIECES = 8
"""Pieces of 500 rows that say what is usual."""

FLOOR = 0.05
"""Share of rows beyond what is usual that matters."""


class Repeats:
    """Rows that equal an earlier one among 500 that follow each other in time: the piece with most of them."""

    name = "repeats"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = True

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """The limit is what `allowed` windows pass, by the tail of the pieces of the reference and of quiet windows."""
        from fairlead.lab.stats.extremes import once_in
        from fairlead.lab.stats.order import repeats_of

        rows = seen.rows
        if rows is None or len(rows.times) < LEAST:
            return []
        order, severity = usual_order(seen)
        flat = {name: cells for name, cells in rows.columns.items() if cells.ndim == 1}
        known = {habit.name for habit in order.habits} if order is not None and order.habits else set(flat)
        if not flat or not known <= set(flat):
            # Without some columns rows look more alike than they are.
            return []
        places, n = places_of(rows), len(rows.times)
        codes = [np.where(gone, -1, one) if gone.any() else one for one, gone in rows.codes.values()]
        counts, size = repeats_of(codes, n), min(PIECE, n)
        window = Order(n, (), tuple(int(c) for c in counts) if size == PIECE else ())
        past = np.asarray(order.repeats if order is not None else (), dtype=np.float64) / PIECE
        at = int(np.argmax(counts))
        share = float(counts[at]) / size
        if len(past) < PIECES:
            severity, limit, usual = "info", 0.5, 0.0
        else:
            limit = max(once_in(past, allowed / len(counts)), 2.0 * float(past.max())) + FLOOR
            usual = float(np.median(past))
        why = f"{share:.1%} of {size} rows in a row repeat another, limit {limit:.1%}"
        judged = Judged(share, limit, usual, share > limit, severity == "info", np.nan, why)
        seen.tell("repeats", "", judged, "share of rows")
        if share <= limit:
            seen.keep(joined(seen, window))
            return []
        # Where a run of pieces is beyond the limit, the first of them is when it began.
        begun = int(np.argmax(counts > limit * size)) * size
        low, high = wilson(int(counts[at]), size)
        told = f"{share:.1%} of {size} rows that follow each other repeat another exactly, usually {usual:.1%}"
        return [
            Finding(
                id=finding_id(seen.window.model, "duplicates", (), seen.window.start), model=seen.window.model,
                area="quality", check="duplicates", window=seen.window.index, since=seen.window.start, size=share,
                low=low, high=high, unit="share of rows", message=told, severity=severity,
                evidence={"limit": limit, "usual": usual, "rows": float(counts.sum())},
                first=float(rows.times[places[begun]]),
            )
        ]  # fmt: skip
