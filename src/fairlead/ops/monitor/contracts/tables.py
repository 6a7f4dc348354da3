"""A table, or what was recorded, as a contract judges it: cells of each column read as the kind that was agreed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairlead.contract.expectations import DataContract
from fairlead.contract.signature import Column, Kind, Signature
from fairlead.ops.monitor.contracts.judging import Agreed

WORDS = frozenset({"na", "n/a", "nan", "null", "none", "?", "-"})
"""Texts that mean a missing number, as tables are read."""


def agreed_rows(
    rows: Any,
    contract: DataContract,
    *,
    signature: Signature | None = None,
    time: Sequence[str] = (),
    zone: str = "UTC",
) -> Agreed:
    """Rows of an Arrow table as a contract takes them. signature: kinds of columns for which the contract names none.

    time: columns of the event time; without them there is none, nor where they hold what is no time. zone: of times
    that carry none.
    """
    known = {} if signature is None else {column.name: column for column in signature.columns}
    columns: dict[str, np.ndarray] = {}
    misfits: dict[str, np.ndarray] = {}
    for name in rows.schema.names:
        terms = contract.columns.get(name)
        if terms is None and not _compared(contract, name):
            columns[name] = np.zeros(0)
            continue
        kind: Kind | None = terms.kind if terms is not None else None
        if kind is None and name in known and known[name].kind != "tensor":
            kind = known[name].kind
        columns[name], misfit = _cells(rows, name, kind, zone)
        if misfit is not None and misfit.any():
            misfits[name] = misfit
    return Agreed(columns, _times(rows, time, zone), True, misfits)


def _compared(contract: DataContract, name: str) -> bool:
    return any(name in relation.rule for relation in contract.relations)


def _cells(rows: Any, name: str, kind: Kind | None, zone: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Cells as `kind`, and which are not of it; without a kind as numbers where all of them are, else as text."""
    if kind in ("category", "text"):
        return _read(rows, name, kind, zone), None
    numbers = _read(rows, name, kind or "number", zone)
    texts = _read(rows, name, "category", zone)
    here = np.fromiter((t is not None and t.strip().lower() not in WORDS for t in texts), bool, len(texts))
    misfit = np.isnan(numbers) & here
    if kind is None:
        return (texts, None) if misfit.any() else (numbers, None)
    return numbers, misfit


def _read(rows: Any, name: str, kind: Kind, zone: str) -> np.ndarray:
    from fairlead.lab.tables import columns_of

    # Whole numbers are judged as such: a kind that refuses 1.5 would call it a misfit and a missing cell at once.
    column = Column(name, "number" if kind == "integer" else kind)
    read: np.ndarray = columns_of(rows, Signature("regression", (column,)), zone=zone, invalid="missing")[name]
    return read


def _times(rows: Any, time: Sequence[str], zone: str) -> np.ndarray | None:
    from fairlead.contract.errors import InputInvalid, UsageError
    from fairlead.lab.tables import event_times

    if not time or any(name not in rows.schema.names for name in time):
        return None
    try:
        return event_times(rows, tuple(time), zone)
    except (InputInvalid, UsageError):
        return None
