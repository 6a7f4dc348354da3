"""How rows are split to judge a way of learning: stratified folds, or rolling origins where there is time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fairlead.contract.errors import InputInvalid
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.grouped import dealt_groups, gain_by_group
from fairlead.lab.train.material import Material, strata

FEWEST_ROWS = 20


@dataclass(frozen=True)
class Fold:
    """Learn from `fit`, judge on `judge`: row positions, both ascending, without a row in common."""

    fit: Ints
    judge: Ints


def folds_of(material: Material, count: int, seed: int, repeats: int = 1) -> tuple[Fold, ...]:
    """`count` folds, without time as many times as `repeats`, dealt anew each time.

    Raises InputInvalid when there are too few rows.

    Where there is time, rows are cut into count + 1 equal runs; each run but the first is judged by what was
    learned from all runs before it, so nothing is ever judged by its own future. Else every class (or tenth of
    the target's range) is dealt evenly; of a ranking whole groups are.
    """
    n = material.rows
    if n < max(FEWEST_ROWS, 2 * (count + 1)):
        need = max(FEWEST_ROWS, 2 * count + 2)
        raise InputInvalid(f"{n} rows to learn from are too few: {count} folds need at least {need}. Bring more rows.")
    if material.times is not None:
        cuts = _cuts(material.times, count + 1)
        if len(cuts) < 3:
            raise InputInvalid("all rows carry the same time: no fold can come after another")
        return tuple(Fold(np.arange(start), np.arange(start, stop)) for start, stop in pairwise(cuts[1:]))
    dealt = [
        _dealt(material, count, np.random.default_rng([seed, 2] if not r else [seed, 2, r])) for r in range(repeats)
    ]
    return tuple(Fold(np.flatnonzero(d != f), np.flatnonzero(d == f)) for d in dealt for f in range(count))


def _dealt(material: Material, count: int, random: np.random.Generator) -> Ints:
    """The fold of each row."""
    if material.clusters is not None:
        gain = gain_by_group(material.clusters, material.truth, material.signature)
        return dealt_groups(material.clusters, gain, count, random)
    dealt = np.empty(material.rows, dtype=np.int64)
    group = strata(material)
    first = 0
    for g in np.unique(group):
        members = random.permutation(np.flatnonzero(group == g))
        dealt[members] = (np.arange(len(members)) + first) % count
        first += len(members)
    return dealt


def _cuts(times: Floats, parts: int) -> list[int]:
    """Boundaries of runs of about equal size that never part rows of one instant; first 0, last n."""
    wanted = np.linspace(0, len(times), parts + 1).round().astype(int)
    inner = [int(np.searchsorted(times, times[c], side="left")) for c in wanted[1:-1]]
    return sorted({0, *inner, len(times)})
