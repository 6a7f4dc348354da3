"""Blocks of a reference as windows, a column at a time as arrays: what several checks ask of every window anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fairlead.contract.profile import Profile, Reference
from fairlead.contract.settings import Settings
from fairlead.ops.monitor.statistic import Counted, Folded, folded_scores
from fairlead.ops.monitor.windows import window_spec

KEPT = 16
"""References whose windows are kept while a process lives."""


class GroupedColumn(NamedTuple):
    """One column over n windows. rows, missing, z, zz: (n,); counts: (n, bins); low, high: (n,), infinite where a
    window has none."""

    rows: np.ndarray
    missing: np.ndarray
    counts: np.ndarray
    z: np.ndarray
    zz: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Cells that are not missing, (n,)."""
        found: np.ndarray = self.rows - self.missing
        return found


class Grouped:
    """Windows that blocks of a reference make, one or more blocks each, oldest first.

    profiles: the blocks. lengths: how many each window is made of, one after the other. blocks: each for itself, whose
    columns are summed up; None where the blocks are the windows.
    """

    def __init__(self, profiles: Sequence[Profile], lengths: Sequence[int], blocks: Grouped | None = None) -> None:
        self._profiles, self._lengths, self._blocks = profiles, lengths, blocks
        self._columns: dict[int, GroupedColumn] = {}
        self.rows = self._over(np.array([block.rows for block in profiles], dtype=np.float64))

    def __len__(self) -> int:
        return len(self._lengths)

    def column(self, at: int) -> GroupedColumn:
        """The column at a place of the reference's profile; worked out once."""
        if at not in self._columns:
            self._columns[at] = self._counted(at) if self._blocks is None else self._summed(self._blocks.column(at))
        return self._columns[at]

    def _counted(self, at: int) -> GroupedColumn:
        parts = [block.columns[at] for block in self._profiles]
        told = [
            (c.rows, c.missing, c.z, c.zz, np.inf if c.low is None else c.low, -np.inf if c.high is None else c.high)
            for c in parts
        ]
        rows, missing, z, zz, low, high = np.array(told, dtype=np.float64).reshape(-1, 6).T
        counts = np.array([c.counts for c in parts], dtype=np.float64)
        return GroupedColumn(rows, missing, counts, z, zz, low, high)

    def _summed(self, blocks: GroupedColumn) -> GroupedColumn:
        over = self._over
        return GroupedColumn(
            over(blocks.rows), over(blocks.missing), over(blocks.counts), over(blocks.z), over(blocks.zz),
            over(blocks.low, np.minimum), over(blocks.high, np.maximum),
        )  # fmt: skip

    def _over(self, values: np.ndarray, how: np.ufunc = np.add) -> np.ndarray:
        if not self._lengths or self._blocks is None:
            return values[: len(self._lengths)]
        ends = np.cumsum(self._lengths)
        found: np.ndarray = how.reduceat(values[: ends[-1]], np.concatenate([[0], ends[:-1]]), axis=0)
        return found


_known: OrderedDict[tuple[int, str], tuple[Reference, Grouped]] = OrderedDict()


def grouped_of(reference: Reference, settings: Settings, single: bool = False) -> Grouped:
    """The reference in windows as long as the project's; single: each block for itself. Kept while a process lives."""
    # The reference is held beside them, so that its id stays its own.
    key = id(reference), "" if single else settings.monitor.window
    if key not in _known:
        blocks = reference.blocks
        if single:
            made = Grouped(blocks, [1] * len(blocks))
        else:
            made = Grouped(blocks, lengths_of(reference, settings), grouped_of(reference, settings, single=True))
        _known[key] = reference, made
        while len(_known) > KEPT:
            _known.popitem(last=False)
    _known.move_to_end(key)
    return _known[key][1]


def folded_blocks(
    reference: Reference, settings: Settings, groups: Mapping[tuple[str, str], np.ndarray | None]
) -> Folded:
    """The blocks of a reference as `statistic.folded` has them. At least one; each with all columns."""
    blocks = grouped_of(reference, settings, single=True)
    columns = {}
    for at, column in enumerate(reference.profile.columns):
        one, bins = blocks.column(at), column.bins
        merged = groups.get(("columns", bins.name))
        columns[bins.name] = Counted(bins, one.rows, one.missing, one.counts, one.z, one.zz, merged)
    return Folded(blocks.rows, columns, folded_scores(reference.blocks, groups))


def lengths_of(reference: Reference, settings: Settings) -> list[int]:
    """Blocks of each run as long as a window, oldest first, one run after the other; what does not fill one is left
    out at the end."""
    spec = window_spec(settings)
    lengths: list[int] = []
    held: list[Profile] = []
    for block in reference.blocks:
        held.append(block)
        if spec.timed:
            # Within a block's length of a window is a window: blocks of a day rarely end on the second.
            full = held[-1].end - held[0].start >= spec.seconds - 0.5 * (block.end - block.start) - 1e-6
        else:
            full = sum(b.rows for b in held) >= spec.rows
        if full:
            lengths.append(len(held))
            held = []
    return lengths
