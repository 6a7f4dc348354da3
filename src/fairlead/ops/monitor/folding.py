"""Arithmetic of counted windows: runs of blocks, what is left of all without them, windows of fewer rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fairlead.ops.monitor.statistic import Counted, Folded

Change = Callable[[np.ndarray], np.ndarray]


def each(windows: Folded, change: Change) -> Folded:
    """The same change of every array, whose first axis is the windows."""

    def of(parts: Mapping[str, Counted]) -> dict[str, Counted]:
        return {
            name: Counted(
                c.bins, change(c.rows), change(c.missing), change(c.counts), change(c.z), change(c.zz), c.groups
            )
            for name, c in parts.items()
        }

    return Folded(change(windows.rows), of(windows.columns), of(windows.scores))


def taken(windows: Folded, chosen: np.ndarray) -> Folded:
    """Some of the windows, in that order."""
    return each(windows, lambda array: array[chosen])


def runs(blocks: Folded, first: np.ndarray, last: np.ndarray) -> Folded:
    """Sums of blocks [first, last) each. first, last: (n,) positions."""

    def between(sums: np.ndarray) -> np.ndarray:
        found: np.ndarray = sums[last] - sums[first]
        return found

    return each(blocks.running, between)


def by_phase(windows: Folded, phase: np.ndarray, phases: int) -> Folded:
    """All windows of each phase together: (phases,)."""
    member = np.equal.outer(np.arange(phases), phase).astype(np.float64)
    return each(windows, lambda array: member @ array)


def without(whole: Folded, part: Folded) -> Folded:
    """What is left of `whole` without `part`, never below nothing; both n windows, or `whole` one."""

    def left(a: Counted, b: Counted) -> Counted:
        return Counted(
            a.bins, np.maximum(a.rows - b.rows, 0), np.maximum(a.missing - b.missing, 0),
            np.maximum(a.counts - b.counts, 0), a.z - b.z, np.maximum(a.zz - b.zz, 0), a.groups,
        )  # fmt: skip

    return Folded(
        np.maximum(whole.rows - part.rows, 0),
        {name: left(c, part.columns[name]) for name, c in whole.columns.items() if name in part.columns},
        {name: left(c, part.scores[name]) for name, c in whole.scores.items() if name in part.scores},
    )


def thinned(windows: Folded, rows: float, rng: np.random.Generator) -> Folded:
    """Windows of `rows` rows as these are: each shows what chance adds where fewer rows are looked at.

    Rows are drawn with replacement from a window whose own shares are uncertain already; so many are drawn that both
    together are as uncertain as `rows` rows are. Windows that have no more than `rows` stay as they are.
    """
    have = np.maximum(windows.rows, 1.0)
    fewer = have > 1.02 * rows
    drawn = np.where(fewer, np.round(rows * have / np.maximum(have - rows, 1e-9)), have)

    def of(counted: Counted) -> Counted:
        cells = np.column_stack([counted.counts, counted.missing])
        shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1.0)
        shares[:, -1] = np.clip(1.0 - shares[:, :-1].sum(axis=1), 0.0, 1.0)
        made = rng.multinomial(drawn.astype(np.int64), shares).astype(np.float64)
        present = np.maximum(counted.rows - counted.missing, 1.0)
        mean = counted.z / present
        spread = np.sqrt(np.maximum(counted.zz / present - mean**2, 0.0))
        kept = made[:, :-1].sum(axis=1)
        moved = mean + spread * rng.standard_normal(len(mean)) / np.sqrt(np.maximum(kept, 1.0))
        keep = ~fewer
        column = keep[:, None]
        return Counted(
            counted.bins,
            np.where(keep, counted.rows, drawn),
            np.where(keep, counted.missing, made[:, -1]),
            np.where(column, counted.counts, made[:, :-1]),
            np.where(keep, counted.z, moved * kept),
            np.where(keep, counted.zz, (spread**2 + moved**2) * kept),
            counted.groups,
        )

    return Folded(
        np.where(fewer, drawn, windows.rows),
        {name: of(c) for name, c in windows.columns.items()},
        {name: of(c) for name, c in windows.scores.items()},
    )
