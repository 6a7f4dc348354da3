"""Rows that settings leave out of training: with a missing cell, or far from the rest. Judging and serving keep all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import InputInvalid
from fairlead.contract.preparing import PreparationSettings
from fairlead.contract.signature import Signature
from fairlead.lab.train.preparing.standing_in import without
from fairlead.lab.train.preparing.treating import treatments
from fairlead.lab.train.preparing.usual import bounds

Ints = npt.NDArray[np.int64]


def drops(signature: Signature, settings: PreparationSettings) -> list[tuple[str, str, float | None]]:
    """(column, why, threshold) of all that rows are left out for; why: missing, zscore or iqr."""
    found: list[tuple[str, str, float | None]] = []
    for name, treatment in treatments(signature, settings).items():
        if treatment.missing == "drop":
            found.append((name, "missing", None))
        if treatment.action == "drop" and treatment.outliers not in (None, "none"):
            found.append((name, str(treatment.outliers), treatment.threshold))
    return found


def kept_rows(
    signature: Signature, settings: PreparationSettings, columns: Mapping[str, Any], rows: Ints | None
) -> Ints | None:
    """Those of `rows` (all of them: None) to learn from. What is far from the rest is judged by these rows alone.

    columns: in the columns form. Raises InputInvalid if no row is left.
    """
    wanted = drops(signature, settings)
    if not wanted:
        return rows
    positions = np.arange(_length(columns)) if rows is None else rows
    out = _out(signature, settings, wanted, columns, positions)
    kept: Ints = positions[~np.any(out, axis=0)]
    if len(positions) and not len(kept):
        name, why, _ = wanted[int(np.argmax(out.sum(axis=1)))]
        raise InputInvalid(
            f"[preparation] leaves no row to learn from: {int(out.sum(axis=1).max())} of {len(positions)} are dropped "
            f"for {name!r} ({why}). Use missing = \"median\" or action = \"clip\" there."
        )  # fmt: skip
    return kept


def dropped(signature: Signature, settings: PreparationSettings, columns: Mapping[str, Any]) -> dict[str, Any]:
    """How many rows are left out of training and for what, for the lineage; empty where nothing asks for it."""
    wanted = drops(signature, settings)
    if not wanted:
        return {}
    rows = np.arange(_length(columns))
    out = _out(signature, settings, wanted, columns, rows)
    counts = {f"{name} ({why})": int(own.sum()) for (name, why, _), own in zip(wanted, out, strict=True)}
    return {"rows": int(np.any(out, axis=0).sum()), "of": len(rows), "for": counts}


def _out(
    signature: Signature,
    settings: PreparationSettings,
    wanted: Sequence[tuple[str, str, float | None]],
    columns: Mapping[str, Any],
    rows: Ints,
) -> Any:
    """Which rows each of `wanted` leaves out, shape (wanted, rows)."""
    treated = treatments(signature, settings)
    out = np.zeros((len(wanted), len(rows)), dtype=bool)
    for at, (name, why, threshold) in enumerate(wanted):
        cells = without(np.asarray(columns[name])[rows], treated[name])
        if why == "missing":
            out[at] = [cell is None or cell != cell for cell in cells.tolist()]
        else:
            low, high = bounds(cells, why, threshold)
            out[at] = (cells < low) | (cells > high)
    return out


def _length(columns: Mapping[str, Any]) -> int:
    return len(next(iter(columns.values())))
