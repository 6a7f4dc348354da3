"""A column that stops coming."""

from __future__ import annotations

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.ops.monitor.seen import Moment, Rows
from fairlead.ops.rehearse.fault import Scene, features, one_of, touched, with_column

KINDS = ("number", "integer", "boolean", "category", "text", "time")


class MissingColumn:
    """Every cell of one column is missing from some moment on: a sensor or a join that failed."""

    name = "missing_column"
    said = "every cell of one column is missing"
    moment: Moment = "inputs"

    def can(self, rows: Rows, signature: Signature) -> bool:
        """See `Fault`."""
        return bool(features(rows, signature, *KINDS))

    def happen(self, rows: Rows, scene: Scene) -> Rows:
        """See `Fault`."""
        column = one_of(features(rows, scene.signature, *KINDS), scene)
        cells = rows.columns[column.name].copy()
        cells[touched(rows, scene)] = np.nan if cells.dtype != object else None
        return with_column(rows, column.name, cells)
