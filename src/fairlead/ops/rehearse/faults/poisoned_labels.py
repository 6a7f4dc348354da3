"""Labels that somebody made wrong on purpose, block by block."""

from __future__ import annotations

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.ops.monitor.seen import Moment, Rows
from fairlead.ops.rehearse.fault import Scene, touched
from fairlead.ops.rehearse.faults.sudden_concept import can_change, changed_concept

SHARE = 0.2
BLOCK = 25
MOVED = 2.0


class PoisonedLabels:
    """A fifth of the labels, in blocks of 25 rows that came one after the other, are wrong; numbers are off by two
    standard deviations. Whoever sends feedback in bulk and means harm does this."""

    name = "poisoned_labels"
    said = "20 % of the labels are wrong, in blocks of 25 rows in a row (numbers by 2 standard deviations)"
    moment: Moment = "labels"

    def can(self, rows: Rows, signature: Signature) -> bool:
        """See `Fault`."""
        return can_change(rows, signature)

    def happen(self, rows: Rows, scene: Scene) -> Rows:
        """See `Fault`."""
        at = touched(rows, scene)
        blocks = np.arange(len(at)) // BLOCK
        chosen = scene.random.random(int(blocks.max(initial=-1)) + 1) < SHARE
        return changed_concept(rows, scene, at[chosen[blocks]] if len(at) else at, MOVED)
