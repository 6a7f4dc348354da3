"""Whether a source stopped telling: missing cells in a block, however few they are of the window."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.events import Cause, Finding
from fairlead.contract.order import Habit, Order
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.sequences import habit_of, joined, places_of, runs_in, usual_order
from fairlead.ops.monitor.statistic import Judged

FEWEST = 10
"""Missing cells in a row below which nothing is said: the effect floor."""


class Gaps:
    """The longest run of missing cells of each column, in order of time; columns that stop together are told together.

    A block of nulls is an upstream that failed for a while; the same number of gaps strewn about is not.
    """

    name = "gaps"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = True

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """Limits are lengths that `allowed` runs of a window are expected to pass, all columns together."""
        from fairlead.lab.stats.order import longest

        rows = seen.rows
        if rows is None or not len(rows.times):
            return []
        places, tails = places_of(rows), dict((seen.memory or {}).get("tails", {}))
        order, severity = usual_order(seen)
        names = [name for name, cells in rows.columns.items() if cells.ndim == 1]
        blocks: dict[tuple[int, int], list[tuple[str, int, float, float]]] = {}
        habits: list[Habit] = []
        ends: dict[str, Any] = {}
        for name in names:
            gone = missing(rows.columns[name])
            if not gone.any():
                habits.append(Habit(name, (), ()))
                continue
            gone = gone[places]
            lengths, starts, before = runs_in(np.zeros(len(gone), dtype=np.int64), gone, tails.get(name), "gone")
            if gone[-1]:
                first = tails[name]["first"] if before and len(lengths) == 1 else rows.times[places[starts[-1]]]
                ends[name] = {"mark": "gone", "rows": int(lengths[-1]), "first": float(first)}
            limit = _limit(seen, order, severity, name, lengths, len(gone), allowed / len(names))
            at = int(np.argmax(lengths)) if len(lengths) else 0
            if limit is not None and len(lengths) and lengths[at] > limit:
                begun = tails[name]["first"] if before and at == 0 else float(rows.times[places[starts[at]]])
                # Columns that stop and begin again at the same rows come from one source.
                key = (int(starts[at]), int(starts[at] + lengths[at]))
                blocks.setdefault(key, []).append((name, int(lengths[at]), limit, begun))
            else:
                # A run that goes on joins when it is over, or it would make itself usual as it grows.
                habits.append(Habit(name, (), longest(lengths[:-1] if gone[-1] else lengths)))
        seen.keep(joined(seen, Order(len(rows.times), tuple(habits)) if habits else None, {"tails": ends}))
        return [_finding(seen, severity, several) for several in list(blocks.values())[:50]]


def missing(cells: np.ndarray) -> np.ndarray:
    """Which cells are missing, (n,)."""
    if cells.dtype == object:
        return np.fromiter((cell is None or cell != cell for cell in cells), dtype=bool, count=len(cells))
    return np.asarray(np.isnan(cells))


def _limit(
    seen: Seen, order: Order | None, severity: Any, name: str, lengths: np.ndarray, rows: int, expected: float
) -> float | None:
    from fairlead.lab.stats.order import run_limit

    habit = None if order is None else habit_of(order, name)
    if habit is None or order is None:
        return None
    limit = max(run_limit(habit.gaps, order.rows, rows, expected), FEWEST)
    length, usual = int(lengths.max(initial=0)), max(habit.gaps, default=0)
    why = f"{length} missing cells in a row, limit {limit:.0f}, {usual} seen in {order.rows:,} rows"
    judged = Judged(length, limit, usual, length > limit, severity == "info", np.nan, why)
    if length:
        seen.tell("gaps", name, judged, "missing cells in a row")
    return limit


def _finding(seen: Seen, severity: Any, several: list[tuple[str, int, float, float]]) -> Finding:
    window = seen.window
    names = tuple(name for name, *_ in several)[:50]
    _, length, limit, begun = several[0]
    who = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    told = f"{who}: {length} missing cells in a row, as if their source had stopped; usually at most {limit:.0f}"
    causes: tuple[Cause, ...] = ()
    if len(names) > 1:
        causes = (Cause("upstream", who, 1.0, f"{len(names)} columns stop at the same row and come back together"),)
    return Finding(
        id=finding_id(window.model, "gaps", names, window.start), model=window.model, area="quality", check="gaps",
        window=window.index, since=window.start, size=length, low=length, high=length, unit="missing cells in a row",
        message=told, columns=names, severity=severity, evidence={"limit": limit}, first=begun, causes=causes,
    )  # fmt: skip
