"""A column in another unit."""

from __future__ import annotations

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.ops.monitor.seen import Moment, Rows
from fairlead.ops.rehearse.fault import Scene, features, touched, with_column

FACTORS = (0.001, 1 / 60, 0.45359237, 2.54, 60.0, 1000.0)
"""Grams, minutes, pounds, inches, seconds, thousands."""


class UnitChange:
    """One numeric column is multiplied by a constant: somebody upstream changed its unit."""

    name = "unit_change"
    said = "one numeric column comes in another unit (times 0.001, 1/60, 0.45, 2.54, 60 or 1000)"
    moment: Moment = "inputs"

    def can(self, rows: Rows, signature: Signature) -> bool:
        """See `Fault`."""
        return bool(_moving(rows, signature))

    def happen(self, rows: Rows, scene: Scene) -> Rows:
        """See `Fault`."""
        names = _moving(rows, scene.signature)
        name = names[int(scene.random.integers(len(names)))]
        factor = FACTORS[int(scene.random.integers(len(FACTORS)))]
        cells = rows.columns[name].astype(np.float64)
        cells[touched(rows, scene)] *= factor
        return with_column(rows, name, cells)


def _moving(rows: Rows, signature: Signature) -> list[str]:
    """Numeric columns with something other than zeros: those alone look different in another unit."""
    found = [c.name for c in features(rows, signature, "number", "integer")]
    return [name for name in found if np.nanmax(np.abs(rows.columns[name].astype(np.float64)), initial=0.0) > 0]
