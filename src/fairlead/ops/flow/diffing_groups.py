"""The part of a diff about groups of people: gaps of both versions on the same rows, and groups treated otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fairlead.contract.evidence import Interval

if TYPE_CHECKING:
    from fairlead.lab.evaluate.rows import Judged
    from fairlead.lab.stats.disparities import Disparity
    from fairlead.lab.stats.measures import Floats, Ints
    from fairlead.runtime.bundle import Model

MOST_MOVED = 12
Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


class GapChange(msgspec.Struct, frozen=True):
    """The largest gap of one measure between groups of a column, of both versions; None with fewer than two groups
    large enough. says: whether it surely shrank or grew. small: groups about which nothing is claimed.
    """

    column: str
    measure: str
    old: Interval | None
    new: Interval | None
    says: str
    small: tuple[str, ...] = ()


class GroupMoved(msgspec.Struct, frozen=True):
    """A group whose rate surely is another than before. difference: new less old, paired row by row."""

    column: str
    measure: str
    group: str
    rows: int
    old: float
    new: float
    difference: Interval


class Groups(msgspec.Struct, frozen=True):
    """gaps: of each sensitive column and measure. moved: the groups that changed most, at most 12."""

    rows: int
    gaps: tuple[GapChange, ...]
    moved: tuple[GroupMoved, ...]


def groups_of_both(judged: Judged, old: Model, theirs: Floats, sensitive: tuple[str, ...]) -> Groups | None:
    """judged: rows answered by the new version; theirs: the old one's scores of them. None without sensitive columns.

    Intervals as in the report; those of single groups are widened for how many are looked at (Bonferroni).
    """
    from fairlead.lab.evaluate.fairness import measures_of
    from fairlead.lab.stats.disparities import disparity, groups_of, measured, odds_disparity
    from fairlead.lab.stats.loss import losses

    present = [column for column in sensitive if column in judged.source.columns]
    if not present:
        return None
    task, block = judged.signature.task, judged.block if isinstance(judged.block, int) else 1
    lost = losses(task, judged.truth, theirs, old.signature, judged.clip)
    sides = (measured(old.signature, judged.truth, theirs, lost),
             measured(judged.signature, judged.truth, judged.scores, judged.loss))  # fmt: skip
    gaps: list[GapChange] = []
    moved: list[GroupMoved] = []
    measures = measures_of(task, len(judged.signature.classes))
    for column in present:
        names, codes = groups_of(judged.source[column])
        for measure in measures:
            if measure == "equalised_odds":
                pair = [odds_disparity(column, names, codes, parts, block, 0) for parts in sides]
            else:
                pair = [disparity(column, measure, names, codes, *parts[measure], block=block) for parts in sides]
                looked_at = len(names) * len(measures) * len(present)
                moved += _moved(pair[1], names, codes, sides[0][measure], sides[1][measure], block, looked_at)
            gaps.append(GapChange(column, measure, pair[0].gap, pair[1].gap, _says(*pair), pair[1].small))
    moved.sort(key=lambda one: -abs(one.difference.value))
    return Groups(judged.rows, tuple(gaps), tuple(moved[:MOST_MOVED]))


def _moved(
    new: Disparity,
    names: list[str],
    codes: Ints,
    before: tuple[Floats, Floats],
    after: tuple[Floats, Floats],
    block: int,
    looked_at: int,
) -> Iterator[GroupMoved]:
    from fairlead.lab.stats.intervals import bootstrap

    counted = {group.group for group in new.groups if group.counted}
    for at, name in enumerate(names):
        # A rate of those who are flagged is of other rows in each version.
        if name not in counted or not np.array_equal(before[1], after[1]):
            continue
        rows = np.flatnonzero((codes == at) & (after[1] > 0))
        apart = after[0][rows] - before[0][rows]
        if not apart.any():
            continue
        found = bootstrap(apart, level=1.0 - 0.05 / looked_at, block=min(block, max(1, len(rows) // 8)))
        if found.low > 0 or found.high < 0:
            old, now = float(before[0][rows].mean()), float(after[0][rows].mean())
            yield GroupMoved(new.column, new.measure, name, len(rows), old, now, found)


def _says(old: Disparity, new: Disparity) -> str:
    if old.gap is None or new.gap is None:
        return "inconclusive: fewer than two groups are large enough"
    if new.gap.high < old.gap.low:
        return "surely smaller"
    return "surely larger" if new.gap.low > old.gap.high else "no difference is proven"


def lines_of(found: Groups | None) -> list[Table]:
    """Tables for people: title, heads, rows; only measures of which there is something to say."""
    if found is None:
        return []
    gaps: list[tuple[str, ...]] = [
        (one.column, one.measure.replace("_", " "), _spread(one.old), _spread(one.new),
         one.says + (f"; nothing is claimed of {', '.join(one.small)}" if one.small else ""))
        for one in found.gaps
    ]  # fmt: skip
    tables: list[Table] = [
        ("Fairness: largest gap between groups (95 % interval)", ("column", "measure", "old", "new", "says"), gaps)
    ]
    if found.moved:
        moved: list[tuple[str, ...]] = [
            (one.column, one.group, one.measure.replace("_", " "), f"{one.rows:,}", f"{one.old:.3f} → {one.new:.3f}",
             f"{one.difference.value:+.3f} [{one.difference.low:+.3f}, {one.difference.high:+.3f}]")
            for one in found.moved
        ]  # fmt: skip
        heads = ("column", "group", "measure", "rows", "rate", "difference")
        tables.append(("Groups that are surely treated otherwise", heads, moved))
    return tables


def _spread(found: Interval | None) -> str:
    return "–" if found is None else f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
