"""Whether a measured column stands still: one value row after row, for longer than it ever does."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.order import Habit, Order
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Rows, Seen
from fairlead.ops.monitor.sequences import habit_of, joined, places_of, runs_in, usual_order
from fairlead.ops.monitor.statistic import Judged

FEWEST = 20
"""Rows in a row below which nothing is said, however unusual: the effect floor."""

VALUES = 8
"""Different values that a column has at least to be taken for a measurement; flags and codes stand still by nature."""


class Stuck:
    """The longest run of one value in each measured column, in order of time; runs go on from window to window."""

    name = "stuck"
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
        names = [name for name, cells in rows.columns.items() if cells.dtype != object and cells.ndim == 1]
        found: list[Finding] = []
        habits: list[Habit] = []
        ends: dict[str, Any] = {}
        for name in names:
            codes, gone = rows.codes[name]
            lengths, starts, before = runs_in(codes, ~gone, tails.get(name), _mark(codes[0]))
            ends[name] = _end(rows, places, codes, gone, lengths, starts, tails.get(name) if before else None)
            finding = None
            if order is not None and len(lengths):
                first = tails[name]["first"] if before and int(np.argmax(lengths)) == 0 else None
                finding = _judged(seen, order, severity, name, lengths, starts, places, first, allowed / len(names))
            if finding is not None:
                found.append(finding)
            else:
                kinds = len(set(codes[~gone][:100_000].tolist()))
                # A run that goes on joins when it is over, or it would make itself usual as it grows.
                over = lengths if gone[-1] else lengths[:-1]
                habits.append(Habit(name, longest(over), (), min(kinds, 64)))
        # Columns that stand still are not what is usual of them; the others still are.
        seen.keep(joined(seen, Order(len(rows.times), tuple(habits)) if habits else None, {"tails": ends}))
        return found


def _mark(code: Any) -> str:
    return hashlib.blake2b(int(code).to_bytes(8, "little", signed=True), digest_size=6).hexdigest()


def _end(
    rows: Rows,
    places: np.ndarray,
    codes: np.ndarray,
    gone: np.ndarray,
    lengths: np.ndarray,
    starts: np.ndarray,
    tail: dict[str, Any] | None,
) -> dict[str, Any]:
    """What the window ends with, for the next one."""
    if gone[-1] or not len(lengths):
        return {}
    whole = tail is not None and len(lengths) == 1
    first = tail["first"] if whole and tail is not None else float(rows.times[places[starts[-1]]])
    return {"mark": _mark(codes[-1]), "rows": int(lengths[-1]), "first": first}


def _judged(
    seen: Seen,
    order: Order,
    severity: Any,
    name: str,
    lengths: np.ndarray,
    starts: np.ndarray,
    places: np.ndarray,
    first: float | None,
    expected: float,
) -> Finding | None:
    from fairlead.lab.stats.order import run_limit

    habit, rows = habit_of(order, name), seen.rows
    if habit is None or habit.distinct < VALUES or rows is None:
        return None
    at = int(np.argmax(lengths))
    length, usual = int(lengths[at]), max(habit.runs, default=1)
    limit = max(run_limit(habit.runs, order.rows, len(rows.times), expected), FEWEST)
    speaks = length > limit
    why = f"{length} rows in a row, limit {limit:.0f}, {usual} seen in {order.rows:,} rows"
    seen.tell("stuck", name, Judged(length, limit, usual, speaks, severity == "info", np.nan, why), "rows in a row")
    if not speaks:
        return None
    window = seen.window
    begun = first if first is not None else float(rows.times[places[starts[at]]])
    told = f"{name}: {length} rows in a row hold one value, as if it were stuck; usually at most {usual}"
    return Finding(
        id=finding_id(window.model, "stuck", (name,), window.start), model=window.model, area="quality", check="stuck",
        window=window.index, since=window.start, size=length, low=length, high=length, unit="rows in a row",
        message=told, columns=(name,), severity=severity, evidence={"limit": limit, "usual": float(usual)},
        first=begun,
    )  # fmt: skip
