"""Whether rows of two tables can be told apart by all their columns together: what no column shows alone.

Rows spread evenly over both, as dense on one side as on the other, in blocks of
neighbours that change sides. Where the reference is at least eight times as long,
the rows have to be told from it better than stretches of it of their length are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fairlead.contract.profile import ColumnProfile
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.stats.permuting import dealt_within, singly
from fairlead.lab.stats.telling_apart import Features, Telling, features_of
from fairlead.lab.tables.drift.judging import ALPHA, FEWEST_BLOCKS, PARTS, STRETCHES
from fairlead.lab.tables.drift.report import Together

MOST_ROWS = 12_000
"""Of both sides together."""

LEAST_ROWS = 30
MOST_BLOCKS = 1024
MOST_STRETCHES = 128
FLOOR = 0.6
"""Least AUC that matters: of two rows, one of each side, the right one is picked six times out of ten."""

LEAST_SHARE = 0.1
"""Of the difference, that a column carries to be named in a sentence."""

USUAL = ALPHA * PARTS["columns"]
"""Share of stretches of the reference that may go further than what is usual."""


class Spread(NamedTuple):
    """Rows all over a table. columns: columns form, (n,) each, oldest first; step: each stands for so many rows."""

    columns: Mapping[str, np.ndarray]
    step: float

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def thinned(self, step: float) -> Spread:
        """Fewer of them, each standing for `step` rows. Raises ValueError for fewer than it stands for now."""
        if step < self.step:
            raise ValueError(f"step has to be at least {self.step}, is {step}")
        chosen = np.arange(0.0, self.rows, step / self.step).astype(np.int64)
        return Spread({name: cells[chosen] for name, cells in self.columns.items()}, step)


def judge_together(
    before: Spread, now: Spread, reference: Sequence[ColumnProfile], seed: int = 0
) -> tuple[Together | None, str]:
    """How well rows of both are told apart; None with the reason where that cannot be said.

    reference: the columns to go by, with their bins and counts before.
    """
    both = [c for c in reference if c.bins.name in before.columns and c.bins.name in now.columns]
    step = max(before.step, now.step, (before.rows * before.step + now.rows * now.step) / MOST_ROWS)
    before, now = before.thinned(step), now.thinned(step)
    if not both or min(before.rows, now.rows) < LEAST_ROWS:
        return None, f"the shorter side has fewer than {LEAST_ROWS} of the {before.rows + now.rows:,} rows looked at"
    blocks, split = _blocks(before.rows, now.rows)
    if min(split, int(blocks[-1]) + 1 - split) < FEWEST_BLOCKS:
        return None, "the shorter side has too few blocks of neighbouring rows"
    cells = {c.bins.name: np.concatenate([s.columns[c.bins.name] for s in (before, now)]) for c in both}
    features, second = features_of(cells, both), blocks >= split
    telling = Telling(features, blocks % 2)
    told = telling.told(second, blocks)
    count = int(blocks[-1]) + 1
    deals = dealt_within(np.arange(count) % 2, np.arange(count) >= split, seed=seed)
    p = float(singly(telling.separations(deals, blocks)[:, None])[0])
    stretches = _stretches(features, blocks, split)
    usual = float(np.median(stretches)) if len(stretches) else None
    limit = _limit(stretches, split // (count - split)) if len(stretches) else None
    certain = p <= ALPHA * PARTS["together"] and told.auc >= FLOOR and told.low > 0.5
    moved = certain and (limit is None or told.auc > limit)
    return Together(
        auc=told.auc, low=told.low, high=told.high, p=p, moved=moved, by=told.by, rows=now.rows,
        other_rows=before.rows, usual=usual, limit=limit, stretches=len(stretches),
        says=_says(told.auc, told.by, moved, certain, limit),
    ), ""  # fmt: skip


def _blocks(before: int, now: int) -> tuple[Ints, int]:
    """The block of each row, of about as many rows each, and how many of them lie before.

    32 on the shorter side where both are about as long, eight where the reference is much longer.
    """
    size = max(min(before // 32, now // 8), min(before, now) // 32, -(-(before + now) // MOST_BLOCKS), 1)
    split, rest = max(round(before / size), 1), max(round(now / size), 1)
    return np.concatenate([np.arange(before) * split // before, split + np.arange(now) * rest // now]), split


def _stretches(features: Features, blocks: Ints, split: int) -> Floats:
    """AUC of stretches of the reference, as long as the other side, against all the rest of it."""
    size = int(blocks[-1]) + 1 - split
    if split < STRETCHES * size:
        return np.zeros(0)
    before = blocks[blocks < split]
    telling = Telling(features._replace(matrix=features.matrix[blocks < split]), before % 2)
    starts = np.unique(np.linspace(0, split - size, min(2 * split // size, MOST_STRETCHES)).astype(np.int64))
    places = np.arange(split)
    return telling.aucs(((places >= starts[:, None]) & (places < starts[:, None] + size)).astype(np.float64), before)


def _limit(stretches: Floats, disjoint: int) -> float:
    return float(stretches.max()) if disjoint * USUAL < 1.0 else float(np.quantile(stretches, 1.0 - USUAL))


def _says(auc: float, by: Mapping[str, float], moved: bool, certain: bool, limit: float | None) -> str:
    told = f"of two rows, one of each side, the right one is picked {auc:.0%} of the time (50% is guessing)"
    if moved:
        return f"{told}, mostly by {', '.join([name for name, share in by.items() if share >= LEAST_SHARE][:3])}"
    if certain and limit is not None:
        return f"{told}; within what is usual: stretches of the reference are told from the rest of it {limit:.0%}"
    return f"{told}; no more than chance, or too little to matter"
