"""Golden rows: synthetic rows with the answers they must get, replayed whenever a bundle is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import BundleRefused, FairleadError
from fairlead.contract.evidence import ParityCertificate
from fairlead.contract.signature import Cell, Column, Signature
from fairlead.runtime.bundle import tensor_cells
from fairlead.runtime.bundle.cells import columns_of_rows, outside, rows_from

if TYPE_CHECKING:
    from fairlead.runtime.bundle.run import Model

TOLERANCE = 1e-9
"""Largest difference of a score, as a share of the larger of 1 and the score, unless the bundle's certificate allows
more: sums in single precision depend on how many rows are answered together."""

LINES = 10_000

SHOWN = 1024
"""Elements up to which a tensor is written as numbers, so that people can read it; beyond, as its bytes in base64."""


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of golden.jsonl. row: as `row_of` writes it; scores: one per output; answer: the decision."""

    row: dict[str, Any]
    scores: tuple[float, ...]
    answer: str | float


def row_of(cells: Sequence[Cell], signature: Signature) -> dict[str, Any]:
    """A row as in a request; tensors of more than SHOWN elements by their bytes."""
    return {column.name: _shown(cell, column) for cell, column in zip(cells, signature.columns, strict=True)}


def _shown(cell: Cell, column: Column) -> Any:
    if isinstance(cell, bytes) and tensor_cells.size(column) > SHOWN:
        return tensor_cells.packed(cell)
    return outside(cell, column)


def tolerance_of(certificate: bytes) -> float:
    """What a bundle's certificate allows its form, within [TOLERANCE, 1e-4]. Raises BundleRefused."""
    try:
        stated = msgspec.json.decode(certificate, type=ParityCertificate).tolerance
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as why:
        raise BundleRefused(f"parity.json: {why}") from why
    return min(max(stated, TOLERANCE), 1e-4)


def replay(model: Model, data: bytes, tolerance: float = TOLERANCE) -> None:
    """Score every golden row by both forms of the front.

    Raises BundleRefused naming the first that comes out otherwise.
    """
    lines = data.splitlines()
    if not 0 < len(lines) <= LINES:
        raise BundleRefused(f"golden.jsonl has {len(lines)} rows; there must be 1 to {LINES}")
    try:
        golden = [msgspec.json.decode(line, type=Golden) for line in lines]
        rows = rows_from([line.row for line in golden], model.signature)
        with np.errstate(all="ignore"):
            one_by_one = np.concatenate([model.score_rows([row]) for row in rows])
            together = model.score_columns(columns_of_rows(rows, model.signature))
    except (msgspec.MsgspecError, RecursionError, UnicodeError, FairleadError) as why:
        raise BundleRefused(f"golden.jsonl: {why}") from why
    for scores, form in ((one_by_one, "row by row"), (together, "by columns")):
        for number, (line, found, answer) in enumerate(zip(golden, scores, model.decide(scores), strict=True)):
            if not _same(line, found.tolist(), answer, tolerance):
                raise BundleRefused(f"golden row {number} does not get the answer it was sealed with ({form})")


def _same(line: Golden, scores: list[float], answer: str | float, tolerance: float) -> bool:
    if len(line.scores) != len(scores) or isinstance(line.answer, str) != isinstance(answer, str):
        return False
    if isinstance(answer, str) and line.answer != answer:
        return False
    return all(
        math.isfinite(found) and abs(found - stated) <= tolerance * max(1.0, abs(stated))
        for stated, found in zip(line.scores, scores, strict=True)
    )
