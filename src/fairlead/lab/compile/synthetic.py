"""Rows of nobody: golden and background rows, drawn column by column, independently of each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Cell, Column, Signature
from fairlead.lab.compile.probes import NEVER, random_cells
from fairlead.runtime.bundle.cells import outside
from fairlead.runtime.bundle.golden import Golden
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.bundle.run import Model

GOLDEN, BACKGROUND = 32, 100


def background(signature: Signature, seed: int = 1) -> bytes:
    """background.jsonl: rows as in requests, one a line."""
    rows = _rows(signature, BACKGROUND, np.random.default_rng(seed), gaps=0.0)
    return _lines([_outside(row, signature) for row in rows])


def golden(model: Model, seed: int = 2) -> bytes:
    """golden.jsonl: random and edge rows with the answers of the compiled model.

    Edges: every nullable cell missing, a category never seen, values at and beyond the
    range, negative zero. Rows that the model refuses, as its trained form did, are left out.
    """
    signature = model.signature
    rows = _rows(signature, GOLDEN, np.random.default_rng(seed), gaps=0.1)
    for at, column in enumerate(signature.columns):
        for number, cell in enumerate(_edges(column)):
            row = list(rows[(at + number) % GOLDEN])
            row[at] = cell
            rows.append(row)
    rows.append([None if c.nullable else cell for c, cell in zip(signature.columns, rows[0], strict=True)])
    found: list[Any] = []
    for row in rows:
        try:
            scores = model.score_rows([row])
        except CellInvalid:
            continue
        if np.isfinite(scores).all():
            answer = model.decide(scores)[0]
            answer = answer if isinstance(answer, str) else float(answer)
            found.append(Golden(_outside(row, signature), tuple(scores[0].tolist()), answer))
    return _lines(found)


def _lines(things: list[Any]) -> bytes:
    return b"".join(canonical(thing) + b"\n" for thing in things)


def _outside(row: list[Cell], signature: Signature) -> dict[str, Any]:
    return {column.name: outside(cell, column) for column, cell in zip(signature.columns, row, strict=True)}


def _rows(signature: Signature, rows: int, random: np.random.Generator, gaps: float) -> list[list[Cell]]:
    drawn = [_drawn(column, rows, random, gaps) for column in signature.columns]
    return [list(row) for row in zip(*drawn, strict=True)] if drawn else [[] for _ in range(rows)]


def _drawn(column: Column, rows: int, random: np.random.Generator, gaps: float) -> list[Cell]:
    cells: list[Any] = random_cells(column, rows, random, gaps).tolist()
    if not column.numeric:
        return cells
    return [None if cell != cell else float(f"{cell:.6g}") if column.kind == "number" else cell for cell in cells]


def _edges(column: Column) -> list[Cell]:
    edges: list[Cell] = [None] if column.nullable else []
    if column.kind in ("number", "integer"):
        low, high = column.low or 0.0, column.high or 1.0
        edges += [low, high, low - 1.0, high + 1.0, -0.0, 2.0**31]
    elif column.kind in ("category", "text") and column.coded == "text":
        edges.append(NEVER)
    return edges
