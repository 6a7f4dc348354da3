"""What an explainer gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Attributed:
    """attributions: (n, players, k); they sum to margin - baseline. errors: standard errors in the same shape, None
    where the method is exact or states none. said: how it was done, in a sentence.
    """

    attributions: Floats
    said: str
    errors: Floats | None = None
