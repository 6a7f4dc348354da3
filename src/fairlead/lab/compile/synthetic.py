"""Rows of nobody: golden and background rows, drawn column by column, independently of each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import CellInvalid, NativeFailed
from fairlead.contract.profile import Profile
from fairlead.contract.signature import Cell, Column, Signature
from fairlead.lab.compile.knots import worded
from fairlead.lab.compile.likeness import cells_like
from fairlead.lab.compile.probes import NEVER, most, random_cells, tensor_edges
from fairlead.runtime.bundle.front import Front
from fairlead.runtime.bundle.golden import Golden, row_of
from fairlead.runtime.bundle.manifest import BACKGROUND as BACKGROUND_FILE
from fairlead.runtime.bundle.manifest import GOLDEN as GOLDEN_FILE
from fairlead.runtime.bundle.manifest import LIMITS, canonical
from fairlead.runtime.bundle.run import Model

DRAWN, GOLDEN, BACKGROUND = 1024, 32, 100
"""Rows drawn, of which golden rows are those spread most evenly over the scores; golden and background rows kept."""

ELEMENTS = 1 << 19
"""Most elements of tensors among the background rows, and among the golden rows without the edges."""

NEAR = 1e-6
"""A decision closer than this to the other could fall otherwise on another processor: not for golden rows."""


def background(
    signature: Signature, profile: Profile | None = None, seed: int = 1, front: Front | None = None
) -> bytes:
    """background.jsonl: rows as in requests, one a line, each column spread as in `profile`, that of training rows;
    texts are made of the terms that `front` knows.
    """
    count, random = most(signature, BACKGROUND, ELEMENTS), np.random.default_rng(seed)
    known = {} if profile is None else {column.bins.name: column for column in profile.columns}
    drawn = [
        cells_like(known[column.name], column, count, random)
        if column.name in known and known[column.name].rows
        else _drawn(column, count, random, gaps=0.0)
        for column in signature.columns
    ]
    rows = [list(row) for row in zip(*drawn, strict=True)] if drawn else [[] for _ in range(count)]
    rows = worded(rows, signature, front, seed)
    return _lines([row_of(row, signature) for row in rows], LIMITS[BACKGROUND_FILE])


def golden(model: Model, tolerance: float = 0.0, seed: int = 2) -> bytes:
    """golden.jsonl: random and edge rows with the answers of the compiled model.

    Edges: every nullable cell missing, a category never seen, values at and beyond the
    range, negative zero. Rows that the model refuses, as its trained form did, are left out, and those so near to
    another decision that a difference of `tolerance` could turn them.
    """
    signature, near = model.signature, max(NEAR, 2 * tolerance)
    random = np.random.default_rng(seed)
    drawn = _rows(signature, most(signature, DRAWN, 8 * ELEMENTS), random, gaps=0.1)
    drawn = worded(drawn, signature, getattr(model, "front", None), seed)
    rows = _spread(model, drawn, most(signature, GOLDEN, ELEMENTS))
    for at, column in enumerate(signature.columns):
        for number, cell in enumerate(_edges(column, random)):
            row = list(rows[(at + number) % len(rows)])
            row[at] = cell
            rows.append(row)
    rows.append([None if c.nullable else cell for c, cell in zip(signature.columns, rows[0], strict=True)])
    answered = [(row, scores) for row in rows if (scores := _answered(model, row)) is not None]
    sure = [_golden(model, row, scores) for row, scores in answered if not _near_tie(model, scores, near)]
    return _lines(sure, LIMITS[GOLDEN_FILE])


def _spread(model: Model, rows: list[list[Cell]], kept: int) -> list[list[Cell]]:
    """So many rows, spread evenly over the scores of the first output, so that the rarer answers are among them."""
    together = _answered(model, *rows)
    if together is not None:
        found = [(score, at) for at, score in enumerate(together[:, 0].tolist())]
    else:
        found = [(scores[0, 0], at) for at, row in enumerate(rows) if (scores := _answered(model, row)) is not None]
    ranked = [at for _, at in sorted(found)]
    chosen = {ranked[int(share)] for share in np.linspace(0, len(ranked) - 1, kept)} if ranked else set()
    return [rows[at] for at in sorted(chosen)] or rows[:1]


def _answered(model: Model, *rows: list[Cell]) -> np.ndarray | None:
    """Scores, shape (n, outputs), None where the model refuses a row or has no finite answer to it."""
    try:
        with np.errstate(all="ignore"):
            scores = model.score_rows(rows)
    except CellInvalid:
        return None
    except NativeFailed as failed:
        if failed.raised:
            return None
        raise
    return scores if np.isfinite(scores).all() else None


def _near_tie(model: Model, scores: np.ndarray, near: float) -> bool:
    signature = model.signature
    if signature.task == "anomaly":
        return bool(abs(scores[0, 0] - signature.threshold) < near)
    if len(signature.classes) < 2:
        return False
    if signature.positive is not None and len(signature.classes) == 2:
        p = scores[0, signature.classes.index(signature.positive)]
        return bool(abs(p - signature.threshold) < near)
    second, first = np.sort(scores[0])[-2:]
    return bool(first - second < near)


def _golden(model: Model, row: list[Cell], scores: np.ndarray) -> Golden:
    answer = model.decide(scores)[0]
    # Twelve digits: what follows differs between processors.
    stated = tuple(float(f"{score:.12g}") for score in scores[0].tolist())
    return Golden(row_of(row, model.signature), stated, answer if isinstance(answer, str) else stated[0])


def _lines(things: list[Any], limit: int) -> bytes:
    """Lines of a file of at most so many bytes: of the largest tensors only some, from everywhere among them."""
    lines = [canonical(thing) + b"\n" for thing in things]
    if sum(map(len, lines)) > limit:
        kept = max(1, limit // max(map(len, lines)))
        lines = [lines[at * len(lines) // kept] for at in range(kept)]
    return b"".join(lines)


def _rows(signature: Signature, rows: int, random: np.random.Generator, gaps: float) -> list[list[Cell]]:
    drawn = [_drawn(column, rows, random, gaps) for column in signature.columns]
    return [list(row) for row in zip(*drawn, strict=True)] if drawn else [[] for _ in range(rows)]


def _drawn(column: Column, rows: int, random: np.random.Generator, gaps: float) -> list[Cell]:
    if column.kind == "tensor":
        return [tensor.tobytes() for tensor in random_cells(column, rows, random, gaps)]
    cells: list[Any] = random_cells(column, rows, random, gaps).tolist()
    if not column.numeric:
        return cells
    return [None if cell != cell else float(f"{cell:.6g}") if column.kind == "number" else cell for cell in cells]


def _edges(column: Column, random: np.random.Generator) -> list[Cell]:
    if column.kind == "tensor":
        return [tensor.tobytes() for tensor in tensor_edges(column, random)]
    edges: list[Cell] = [None] if column.nullable else []
    if column.kind in ("number", "integer"):
        low, high = column.low or 0.0, column.high or 1.0
        edges += [low, high, low - 1.0, high + 1.0, -0.0, 2.0**31]
    elif column.kind in ("category", "text") and column.coded == "text":
        edges.append(NEVER)
    return edges
