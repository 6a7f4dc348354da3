"""Inputs that go wrong on their way: noise, cells that are missing, values never seen, numbers in another unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fairlead.contract.errors import CellInvalid
from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Column
from fairlead.lab.compile.probes import NEVER
from fairlead.lab.evaluate.robustness.evidence import Damage
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.blocks import Block, block_among
from fairlead.lab.stats.intervals import bootstrap
from fairlead.lab.stats.loss import losses

Columns = dict[str, Any]
NOISE = (0.01, 0.1, 0.3)
"""Standard deviations of the noise, as shares of each column's own."""
UNITS = (("a thousand times", 1000.0), ("a thousandth", 0.001), ("a hundred times", 100.0), ("a hundredth", 0.01))
MOST_COLUMNS = 60
DRAWS = 300


def damages_of(judged: Judged, rows: np.ndarray, seed: int) -> tuple[Damage, ...]:
    """Every damage tried on these rows, the most harmful first; of units the worst of each column.

    At most 60 columns are damaged one by one.
    """
    columns = {name: np.asarray(values)[rows] for name, values in judged.columns.items()}
    found: list[Damage] = []
    for kind, column, tries in _plans(judged, columns, seed):
        tried = [_tried(judged, rows, columns, kind, column, what, changed, seed) for what, changed in tries]
        found += tried if kind == "noise" else [max(tried, key=lambda d: (not d.refused, d.rise.value))]
    return tuple(sorted(found, key=lambda d: -d.rise.value))


Plan = tuple[str, str, list[tuple[str, Columns]]]


def _plans(judged: Judged, columns: Columns, seed: int) -> Iterator[Plan]:
    signature = judged.signature
    numbers = [c for c in signature.columns if c.kind in ("number", "integer")]
    random = np.random.default_rng([seed, 17])
    if numbers:
        yield (
            "noise",
            "",
            [(f"{share:g} standard deviations", _noisy(columns, numbers, share, random)) for share in NOISE],
        )
    for column in signature.columns[:MOST_COLUMNS]:
        cells = columns[column.name]
        if column.nullable and column.kind != "tensor":
            gap = np.full(len(cells), np.nan) if column.numeric else np.full(len(cells), None, dtype=object)
            yield "missing", column.name, [("never there", {column.name: gap})]
        if column.kind == "category" and column.coded != "boolean":
            yield "unseen", column.name, [("a value never seen", {column.name: _never(column, len(cells))})]
        if column.kind in ("number", "integer"):
            yield "units", column.name, [(words, {column.name: cells * by}) for words, by in UNITS]


def _noisy(columns: Columns, numbers: list[Column], share: float, random: np.random.Generator) -> Columns:
    changed: Columns = {}
    for column in numbers:
        cells = columns[column.name]
        spread = float(np.nanstd(cells)) if np.isfinite(cells).any() else 0.0
        moved = cells + random.normal(size=len(cells)) * share * spread
        moved = np.round(moved) if column.kind == "integer" else moved
        low = -np.inf if column.low is None else column.low
        high = np.inf if column.high is None else column.high
        # A sensor that trembles does not leave its range: noise beyond it would be seen by anyone.
        inside = (cells >= low) & (cells <= high)
        changed[column.name] = np.where(inside, np.clip(moved, low, high), moved)
    return changed


def _never(column: Column, rows: int) -> np.ndarray:
    known = set(column.categories)
    if column.coded == "integer":
        value = str(max((int(c) for c in known), default=0) + 1)
    else:
        value = NEVER
    return np.full(rows, value, dtype=object)


def _tried(
    judged: Judged, rows: np.ndarray, columns: Columns, kind: str, column: str, what: str, changed: Columns, seed: int
) -> Damage:
    signature = judged.signature
    visible = _visible(judged, columns, changed)
    try:
        scores = np.asarray(judged.model.score_columns(columns | changed), dtype=np.float64)
    except CellInvalid:
        return Damage(kind, column, what, Interval(0.0, 0.0, 0.0), None, visible, refused=True)
    after = losses(signature.task, judged.truth[rows], scores, signature, judged.clip)
    rise = bootstrap(after - judged.loss[rows], seed=seed, draws=DRAWS, block=_drawn(judged, rows))
    flipped = None
    if signature.task == "classification":
        before = judged.model.decide(judged.scores[rows])
        flipped = float(np.mean([a != b for a, b in zip(before, judged.model.decide(scores), strict=True)]))
    return Damage(kind, column, what, rise, flipped, visible)


def _drawn(judged: Judged, rows: np.ndarray) -> Block:
    """What is drawn together of these rows: groups, or neighbours in time, of whom 8 runs at least remain."""
    block = block_among(judged.block, rows)
    return block if isinstance(block, np.ndarray) else min(block, max(1, len(rows) // 8))


def _visible(judged: Judged, columns: Columns, changed: Columns) -> float:
    """Share of the changed cells that are missing and were not, never seen, or out of range and were not."""
    shown = total = 0
    for column in judged.signature.columns:
        if column.name not in changed:
            continue
        before, after = columns[column.name], changed[column.name]
        if column.numeric:
            low = -np.inf if column.low is None else column.low
            high = np.inf if column.high is None else column.high
            same = (before == after) | (np.isnan(before) & np.isnan(after))
            out = [np.isnan(cells) | (cells < low) | (cells > high) for cells in (before, after)]
        else:
            same = np.asarray([a == b for a, b in zip(before, after, strict=True)])
            known = set(column.categories)
            out = [np.asarray([cell is None or cell not in known for cell in cells]) for cells in (before, after)]
        shown += int((out[1] & ~out[0] & ~same).sum())
        total += int((~same).sum())
    return shown / total if total else 0.0
