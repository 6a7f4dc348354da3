"""Times as the days since, or until, the newest time of training."""

from __future__ import annotations

import numpy as np

from fairlead.lab.compile.on_numbers import Floats, OnNumbers
from fairlead.runtime.bundle.ops import AnyOp, Divide, Subtract

DAY_S = 86_400.0


class Elapsed(OnNumbers):
    """Days from the newest time of training; before it they are negative. Takes seconds since the epoch."""

    def learn(self, x: Floats) -> tuple[AnyOp, ...]:
        """That time."""
        known = x[np.isfinite(x)]
        return Subtract(float(known.max()) if len(known) else 0.0), Divide(DAY_S)
