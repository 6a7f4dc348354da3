"""Rows that expectations are tried on: some of the judged ones, or rows of nobody drawn from the model's profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.profile import ColumnProfile
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile.probes import NEVER, random_cells
from fairlead.runtime.bundle.cells import cell_of, outside

if TYPE_CHECKING:
    from fairlead.runtime.bundle import Model

Columns = dict[str, np.ndarray]
DRAWN_PER_ROW = 50
"""Simulated rows drawn for one that must fit `where`, before it is said that there are none."""


def length(columns: Mapping[str, np.ndarray]) -> int:
    """How many rows there are."""
    return len(next(iter(columns.values()))) if columns else 0


def taken(columns: Mapping[str, np.ndarray], rows: np.ndarray) -> Columns:
    """These rows alone."""
    return {name: array[rows] for name, array in columns.items()}


def filled(value: Any, column: Column, rows: int) -> np.ndarray:
    """One value in the columns form, for so many rows. Raises CellInvalid."""
    cell = cell_of(value, column, 0)
    if column.kind == "tensor":
        return np.tile(np.frombuffer(cell, dtype=column.dtype), (rows, 1))  # type: ignore[arg-type]
    if column.numeric:
        return np.full(rows, np.nan if cell is None else cell, dtype=np.float64)
    return np.full(rows, cell, dtype=object)


def fitting(columns: Mapping[str, np.ndarray], where: Mapping[str, Any], signature: Signature) -> np.ndarray:
    """Positions of rows whose cells are those of `where`. Shape (m,), ascending."""
    fits = np.ones(length(columns), dtype=bool)
    for column in signature.columns:
        if column.name in where:
            wanted = filled(where[column.name], column, 1)[0]
            held = columns[column.name]
            fits &= np.isnan(held) if column.numeric and np.isnan(wanted) else held == wanted
    return np.flatnonzero(fits)


def simulated(model: Model, rows: int, seed: int) -> Columns:
    """Rows drawn from the sealed profile, each column by itself, so that no row is a person's and none is out of range.

    Columns hang together in the world and not here: a row may be one that never occurs.
    """
    random = np.random.default_rng([seed, 11])
    profiles = {p.bins.name: p for p in model.reference.profile.columns}
    return {column.name: _drawn(column, profiles.get(column.name), rows, random) for column in model.signature.columns}


def _drawn(column: Column, found: ColumnProfile | None, rows: int, random: np.random.Generator) -> np.ndarray:
    if found is None or sum(found.counts) == 0 or column.kind in ("tensor", "text"):
        return np.asarray(random_cells(column, rows, random, 0.0))
    counts = np.asarray(found.counts, dtype=np.float64)
    at = random.choice(len(counts), rows, p=counts / counts.sum())
    gaps = random.random(rows) < (found.missing / found.rows if column.nullable and found.rows else 0.0)
    if column.numeric:
        cells = _numbers(column, found, at, random)
        cells[gaps] = np.nan
        return cells
    kept = found.bins.categories
    rare = [c for c in column.categories if c not in kept] or [kept[-1] if kept else NEVER]
    texts = np.array([kept[i] if i < len(kept) else rare[int(random.integers(len(rare)))] for i in at], dtype=object)
    texts[gaps] = None
    return texts


def _numbers(column: Column, found: ColumnProfile, at: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Evenly within the bins that were drawn; the outer ones end at what training saw."""
    low = found.low if found.low is not None else column.low or 0.0
    high = found.high if found.high is not None else column.high if column.high is not None else low
    edges = np.clip(np.concatenate([[low], found.bins.edges, [high]]), low, high)
    cells: np.ndarray = edges[at] + random.random(len(at)) * (edges[at + 1] - edges[at])
    return cells if column.kind in ("number", "time") else np.clip(np.round(cells), low, high)


def described(columns: Mapping[str, np.ndarray], at: int, signature: Signature) -> str:
    """A simulated row as people write it."""
    parts = []
    for column in signature.columns[:40]:
        cell = columns[column.name][at]
        if column.kind == "tensor":
            parts.append(f"{column.name}=(tensor)")
            continue
        missing = cell is None or cell != cell
        shown = None if missing else outside(float(cell) if column.numeric else cell, column)
        parts.append(f"{column.name}={shown}")
    return ", ".join(parts)
