"""How typical a row is: its distance to the nearest of some real rows, beside theirs to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.contract.profile import Profile
from fairlead.contract.signature import Signature

MOST = 500
"""Rows that are compared."""


def nearness(
    signature: Signature, profile: Profile, row: Mapping[str, Any], rows: Mapping[str, Any]
) -> tuple[float, float]:
    """(mean difference to the nearest row, share of rows at least as far from all others).

    A difference is 0 or 1 of categories, and of numbers a share of the range training saw, at most 1 (Gower, A general
    coefficient of similarity, 1971). At most 500 of the rows, from everywhere among them.
    """
    ranges = {c.bins.name: (c.low, c.high) for c in profile.columns}
    total = len(next(iter(rows.values())))
    some = np.unique(np.linspace(0, total - 1, min(MOST, total)).astype(int))
    apart, among = np.zeros(len(some)), np.zeros((len(some), len(some)))
    used = 0
    for column in signature.columns:
        if column.kind == "tensor":
            continue
        used += 1
        values = np.asarray(rows[column.name])[some]
        if column.numeric:
            low, high = ranges.get(column.name, (column.low, column.high))
            width = (high - low) if low is not None and high is not None and high > low else 1.0
            numbers, own = values.astype(np.float64), float(row[column.name])
            apart += _gaps(np.abs(numbers - own) / width, np.isnan(numbers) & np.isnan(own))
            missing = np.isnan(numbers)
            among += _gaps(np.abs(numbers[:, None] - numbers) / width, missing[:, None] & missing)
        else:
            texts = np.array([str(value) for value in values], dtype=object)
            apart += texts != str(row[column.name])
            among += texts[:, None] != texts
    np.fill_diagonal(among, np.inf)
    nearest = float(apart.min() / max(1, used))
    usual = among.min(axis=1) / max(1, used)
    return round(nearest, 6), round(float((usual >= nearest - 1e-12).mean()), 4) if len(some) > 1 else 1.0


def _gaps(differences: np.ndarray, both: np.ndarray) -> np.ndarray:
    """A missing cell is unlike any number and like another missing one."""
    found: np.ndarray = np.where(both, 0.0, np.where(np.isnan(differences), 1.0, np.minimum(differences, 1.0)))
    return found
