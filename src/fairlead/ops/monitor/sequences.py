"""What is usual of rows in their order: sealed with the reference, and joined by quiet windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np

from fairlead.contract.order import MOST_PIECES, Habit, Order
from fairlead.ops.monitor.seen import Rows, Seen

KNOWN_ROWS = 2000
"""Rows of quiet windows that say what is usual where no order was sealed with the reference."""


def usual_order(seen: Seen) -> tuple[Order | None, Literal["info", "warning"]]:
    """What is usual, and what a finding may be at most: "info" where too little is known of it."""
    from fairlead.lab.stats.order import together

    sealed, kept = seen.reference.order, (seen.memory or {}).get("order")
    joined = None if kept is None else msgspec.convert(kept, Order)
    if sealed is None:
        enough = joined is not None and joined.rows >= max(KNOWN_ROWS, 5 * len(seen.rows.times if seen.rows else ()))
        return joined, "warning" if enough else "info"
    return (sealed if joined is None else together(sealed, joined)), "warning"


def joined(seen: Seen, window: Order | None, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A memory with a quiet window joined to it; `window` None where it was not quiet."""
    from fairlead.lab.stats.order import together

    memory = dict(seen.memory or {})
    if window is not None:
        kept = memory.get("order")
        both = window if kept is None else together(window, msgspec.convert(kept, Order))
        memory["order"] = msgspec.to_builtins(msgspec.structs.replace(both, repeats=both.repeats[-MOST_PIECES:]))
    return memory | dict(more or {})


def places_of(rows: Rows) -> np.ndarray:
    """Positions of rows in order of time, (n,)."""
    return rows.places


def runs_in(
    codes: np.ndarray, wanted: np.ndarray, tail: Mapping[str, Any] | None, mark: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """Lengths and starts of runs, and how many rows of the window before the first run goes on from.

    tail: what the window before ended with: `mark` of its last value and the length of its last run.
    """
    from fairlead.lab.stats.order import runs_of

    lengths, starts = runs_of(codes, wanted)
    before = int(tail["rows"]) if tail and len(starts) and starts[0] == 0 and tail.get("mark") == mark else 0
    if before:
        lengths = lengths.copy()
        lengths[0] += before
    return lengths, starts, before


def habit_of(order: Order, name: str) -> Habit | None:
    """What is usual of one column."""
    return next((habit for habit in order.habits if habit.name == name), None)
