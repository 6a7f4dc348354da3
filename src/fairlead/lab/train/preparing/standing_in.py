"""Numbers that stand for missing: -999 and its like become missing cells, in training and in every answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairlead.contract.preparing import Treatment
from fairlead.lab.compile.on_numbers import Floats, OnNumbers
from fairlead.runtime.bundle.ops import Absent, AnyOp, all_for_many


class StandIns(OnNumbers):
    """Cells that equal one of `values` count as missing. values: finite numbers."""

    def __init__(self, values: Sequence[float] = ()) -> None:
        self.values = values

    def learn(self, x: Floats) -> tuple[AnyOp, ...]:
        """One comparison a value, whatever training holds."""
        return absences(self.values)


def absences(values: Sequence[float]) -> tuple[AnyOp, ...]:
    """The operations that make these values missing."""
    return tuple(Absent(float(value)) for value in dict.fromkeys(values))


def without(cells: Floats, treatment: Treatment) -> Floats:
    """Cells (rows,) of a column, those that stand for missing as NaN."""
    if not treatment.missing_values:
        return cells
    return all_for_many(absences(treatment.missing_values), np.asarray(cells, dtype=np.float64))
