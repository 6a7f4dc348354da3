"""The two sides of a drift report, folded by an engine: the blocks, bins and rows that a pass in this process finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fairlead.contract.errors import SourceUnreadable
from fairlead.contract.profile import Bins
from fairlead.lab.tables.drift.folding import BLOCKS, MOST_BLOCKS, SAMPLE_ROWS, Compared, Folded, compared_of
from fairlead.lab.tables.engines import Engine, Place
from fairlead.lab.tables.engines.profiles import Scores, folded_of, profile_fold


def reference_on(
    engine: Engine, source: Any, *, key: str | None = None, time: tuple[str, ...] = (),
    ignored: frozenset[str] = frozenset(), zone: str = "UTC", beside: int | None = None,
) -> tuple[Compared, Folded]:  # fmt: skip
    """As `drift.folding.reference_of`. Raises SourceUnreadable."""
    rows = engine.rows(source)
    if not rows:
        raise SourceUnreadable("the reference has no rows")
    step = step_of(rows)
    sample = engine.every(source, step)
    compared = compared_of(sample, key, time, ignored, zone)
    size = 0 if beside is None else max(min(-(-rows // BLOCKS), beside // 8), -(-rows // (MOST_BLOCKS - 1)), 1)
    folded = fold_on(engine, source, compared, rows=rows, block_rows=size)
    folded.sample, folded.step = sample, step
    return compared, folded


def fold_on(
    engine: Engine, source: Any, compared: Compared, *, rows: int, block_rows: int = 0, sampled: bool = False,
    scoring: Callable[[Place], Scores] | None = None, score_bins: Sequence[Bins] = (),
    ships: Mapping[str, Path] | None = None, columns: tuple[str, ...] = (),
) -> Folded:  # fmt: skip
    """As `drift.folding.fold` of a table whose rows are known. scoring, columns, ships: as `profile_fold` has them."""
    if not rows:
        raise SourceUnreadable("the table has no rows")
    size = block_rows or max(-(-rows // BLOCKS), 1)
    found = folded_of(engine.fold(source, profile_fold(compared, size, scoring, score_bins, ships, columns)), size)
    if sampled:
        found.step = step_of(rows)
        kept = set(compared.signature.names)
        sample = engine.every(source, found.step)
        found.sample = sample.select([name for name in sample.column_names if name in kept])
    return found


def step_of(rows: int) -> int:
    """Every which row is taken of so many, as `EverySo` does."""
    step = 1
    while -(-rows // step) > 2 * SAMPLE_ROWS:
        step *= 2
    return step
