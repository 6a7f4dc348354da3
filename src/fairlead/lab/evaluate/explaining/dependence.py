"""How the answer follows one column: partial dependence and single rows (ICE), by the sealed model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import CellInvalid
from fairlead.lab.evaluate.explaining.answers import answers, followed
from fairlead.lab.evaluate.explaining.evidence import Dependence

if TYPE_CHECKING:
    from fairlead.contract.signature import Column
    from fairlead.runtime.bundle import Model

ROWS, GRID, LINES, CATEGORIES, COLUMNS = 200, 20, 30, 12, 12
"""Rows, grid points, rows that are drawn as lines, categories and columns at most."""


def dependences(
    model: Model,
    rows: Mapping[str, Any],
    wanted: Sequence[str],
    seed: int = 0,
    columns: int = COLUMNS,
    most: int = ROWS,
) -> tuple[Dependence, ...]:
    """Of the first `columns` of `wanted` that can be set: not tensors, not constant. rows: the columns form.

    The mean over at most `most` rows with its 95 % interval over them. Each row meets each value, whether or not the
    two occur together, so where columns go together, parts of a curve are about rows that there are not: `density`
    says how many rows are near. Source: Friedman, Greedy function approximation (2001); lines: Goldstein et al.,
    Peeking inside the black box (2015).
    """
    known = {column.name: column for column in model.signature.columns}
    total = len(next(iter(rows.values())))
    random = np.random.default_rng([seed, 12])
    chosen = np.sort(random.choice(total, most, replace=False)) if total > most else np.arange(total)
    found: list[Dependence] = []
    for name in wanted:
        if len(found) == columns:
            break
        column = known[name]
        if column.kind != "tensor" and (made := _dependence(model, rows, column, chosen)) is not None:
            found.append(made)
    return tuple(found)


def _dependence(model: Model, rows: Mapping[str, Any], column: Column, chosen: np.ndarray) -> Dependence | None:
    grid, density = _grid(np.asarray(rows[column.name]), column)
    if len(grid) < 2:
        return None
    names, places = followed(model)
    base = {name: np.asarray(values)[chosen] for name, values in rows.items()}
    lines = []
    for value in grid:
        cells = base[column.name].copy()
        cells[:] = value
        try:
            lines.append(answers(model, {**base, column.name: cells}, places))
        except CellInvalid:
            return None  # the trained model takes no such rows
    table = np.stack(lines)  # (grid, rows, outputs)
    means = table.mean(axis=1)
    half = 1.96 * table.std(axis=1, ddof=1) / np.sqrt(table.shape[1]) if len(chosen) > 1 else np.zeros_like(means)
    drawn = np.linspace(0, len(chosen) - 1, min(LINES, len(chosen))).astype(int)
    return Dependence(
        column=column.name,
        rows=len(chosen),
        grid=tuple(grid),
        outputs={
            name: tuple(
                zip(means[:, k].tolist(), (means - half)[:, k].tolist(), (means + half)[:, k].tolist(), strict=True)
            )
            for k, name in enumerate(names)
        },
        lines=tuple(tuple(table[:, row, 0].tolist()) for row in drawn),
        density=tuple(density),
        spread=float(means[:, 0].max() - means[:, 0].min()),
    )


def _grid(values: Any, column: Column) -> tuple[list[Any], list[float]]:
    """Grid and share of rows near each of its points. Numbers: evenly over the middle 98 % of the rows' values."""
    if not column.numeric:
        present = [str(value) for value in values if value is not None and value == value]
        names, counts = np.unique(np.array(present, dtype=str), return_counts=True)
        order = sorted(range(len(names)), key=lambda at: (-counts[at], names[at]))[:CATEGORIES]
        return [str(names[at]) for at in order], [float(counts[at] / max(1, len(values))) for at in order]
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    distinct = np.unique(numbers)
    if len(distinct) <= GRID:
        grid = distinct
    else:
        low, high = np.quantile(numbers, [0.01, 0.99])
        grid = np.linspace(low, high, GRID)
        if column.kind in ("integer", "boolean", "time"):
            grid = np.unique(np.round(grid))
    if len(grid) < 2:
        return grid.tolist(), [1.0] * len(grid)
    edges = np.concatenate(([-np.inf], (grid[:-1] + grid[1:]) / 2, [np.inf]))
    counts, _ = np.histogram(numbers, edges)
    return grid.tolist(), (counts / max(1, len(numbers))).tolist()
