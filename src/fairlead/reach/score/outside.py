"""Rows of a table that the model is not meant for: marked in what is written; where refused, without an answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.runtime.bundle.population import outside

MARK = "outside_population"


def with_outside(answer: dict[str, np.ndarray], signature: Signature, columns: dict[str, Any]) -> dict[str, np.ndarray]:
    """The answer's columns, each (n,), and a mark of the rows outside; as they are where no population is stated.

    One row outside does not stop a table, as it would stop a request: it has no answer.
    """
    beyond = outside(signature, columns)
    if beyond is None or signature.population is None:
        return answer
    if signature.population.outside == "refuse":
        answer = {name: _blank(cells, beyond) for name, cells in answer.items()}
    return {**answer, MARK: beyond}


def _blank(cells: np.ndarray, where: np.ndarray) -> np.ndarray:
    if cells.dtype.kind == "f":
        return np.where(where, np.nan, cells)
    found = cells.astype(object)
    found[where] = None
    return found
