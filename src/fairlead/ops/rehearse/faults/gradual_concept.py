"""The relation of inputs to the target changes little by little."""

from __future__ import annotations

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.ops.monitor.seen import Moment, Rows
from fairlead.ops.rehearse.fault import Scene, subgroup, touched
from fairlead.ops.rehearse.faults.sudden_concept import MOVED, SHARE, can_change, changed_concept

WINDOWS = 4.0


class GradualConcept:
    """As the sudden one, but over four windows: ever more rows of that part of the world follow the new rule."""

    name = "gradual_concept"
    said = "as sudden_concept, but the share of rows that follow the new rule grows over 4 windows"
    moment: Moment = "labels"

    def can(self, rows: Rows, signature: Signature) -> bool:
        """See `Fault`."""
        return can_change(rows, signature)

    def happen(self, rows: Rows, scene: Scene) -> Rows:
        """See `Fault`."""
        at = touched(rows, scene)
        at = at[subgroup(rows, scene, SHARE)[at]]
        grown = np.clip((rows.times[at] - scene.begin) / max(WINDOWS * scene.window_s, 1e-9), 0.0, 1.0)
        return changed_concept(rows, scene, at[scene.random.random(len(at)) < grown], MOVED)
