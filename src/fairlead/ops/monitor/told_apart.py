"""Whether rows of a window can be told from those that the champion learned from, by all columns together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fairlead.contract.events import Cause, Finding
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.learnt import Stretches
from fairlead.ops.monitor.seen import Seen
from fairlead.ops.monitor.standing_out import Limit, Part, by_others

if TYPE_CHECKING:
    from fairlead.contract.profile import ColumnProfile
    from fairlead.lab.stats.telling_apart import Against, Told

FLOOR = 0.6
"""Least AUC that matters: of two rows, one of each, the right one is picked six times out of ten."""

MOST_ROWS = 12_000
LEAST_SPREAD = 0.005


def told_apart(seen: Seen, made: Stretches) -> Part | None:
    """A domain classifier: its AUC for every stretch of the training rows, and for the window, against all others."""
    from fairlead.lab.stats.telling_apart import features_of

    reference = [c for c in seen.reference.profile.columns if c.bins.name in made.columns]
    if not reference:
        return None
    made = made.thinned(MOST_ROWS)
    known, against = made.once(("told_apart", tuple(reference)), lambda: _known(made, reference))
    live = {name: cells[made.rows :] for name, cells in made.columns.items()}
    piece = made.piece[made.rows :]
    told = against.told(features_of(live, reference), piece % 2, piece)
    aucs = np.append(known, told.auc)
    centre, spread = by_others(aucs)
    spread = np.maximum(np.nan_to_num(spread), LEAST_SPREAD)
    away = (aucs - centre) / spread
    matters = aucs >= FLOOR
    matters[-1] &= told.low > 0.5

    def tell(limit: Limit) -> list[Finding]:
        if not matters[-1] or away[-1] <= limit.at:
            return []
        begins = max(float(centre[-1] + limit.at * spread[-1]), FLOOR)
        return [_finding(seen, told, float(centre[-1]), begins, limit.p(float(away[-1])), limit)]

    return Part("told_apart", away, np.where(matters, away, -np.inf), tell)


def _known(made: Stretches, reference: list[ColumnProfile]) -> tuple[np.ndarray, Against]:
    """The AUC of each stretch against all other rows that were learned from, (stretches,), and what windows are told
    from.
    """
    from fairlead.lab.stats.telling_apart import Against, Telling, features_of

    columns = {name: cells[: made.rows] for name, cells in made.columns.items()}
    features, piece = features_of(columns, reference), made.piece[: made.rows]
    of_piece = np.full(int(piece.max()) + 1, -1)
    of_piece[piece] = made.stretch[: made.rows]
    ways = np.equal.outer(np.arange(made.stretches), of_piece).astype(np.float64)
    return Telling(features, piece % 2).aucs(ways, piece), Against(features, piece % 2, piece)


def _finding(seen: Seen, told: Told, usually: float, begins: float, p: float, limit: Limit) -> Finding:
    window = seen.window
    names = ", ".join(list(told.by)[:3])
    causes = tuple(
        Cause("column", name, share, f"carries {share:.0%} of what tells the rows apart")
        for name, share in list(told.by.items())[:5]
    )
    message = (
        f"rows can be told from those learned from {told.auc:.0%} of the time (usually {usually:.0%}), "
        f"mostly by {names}; {limit.usual.why}"
    )
    return Finding(
        id=finding_id(window.model, "together", (), window.start), model=window.model, area="data_drift",
        check="together", window=window.index, since=window.start, size=told.auc, low=told.low, high=told.high,
        unit="AUC of telling rows apart", message=message, severity=limit.usual.severity,
        evidence={"limit": begins, "usual": usually, "p": p}, causes=causes,
    )  # fmt: skip
