"""Labels that come later than they used to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.ops.monitor.seen import Moment, Rows
from fairlead.ops.rehearse.fault import Scene, touched

SHARE = 0.8
WINDOWS = 4.0


class LabelDelay:
    """Four of five labels come four windows later than they did: a queue at those who find out the truth."""

    name = "label_delay"
    said = "80 % of the labels come 4 windows later than usual"
    moment: Moment = "labels"

    def can(self, rows: Rows, signature: Signature) -> bool:
        """See `Fault`."""
        return rows.arrived is not None and rows.labelled is not None

    def happen(self, rows: Rows, scene: Scene) -> Rows:
        """See `Fault`. Who looks at the labels of a window leaves out what has not arrived by then."""
        at = touched(rows, scene)
        at = at[scene.random.random(len(at)) < SHARE]
        arrived = np.array(rows.arrived, dtype=np.float64)
        arrived[at] += WINDOWS * scene.window_s
        return replace(rows, arrived=arrived)
