"""The relation of inputs to the target changes at once."""

from __future__ import annotations

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.ops.monitor.seen import Moment, Rows
from fairlead.ops.rehearse.fault import Scene, another_class, subgroup, touched, with_labels

SHARE = 0.3
MOVED = 1.0
"""Standard deviations of the target by which numbers move."""


class SuddenConcept:
    """For about 30 % of the rows, those at one end of a column, another class is right from some moment on; numbers
    are one standard deviation higher or lower. Inputs stay as they are."""

    name = "sudden_concept"
    said = "in a part of the world with 30 % of the rows another class is right (numbers move by 1 standard deviation)"
    moment: Moment = "labels"

    def can(self, rows: Rows, signature: Signature) -> bool:
        """See `Fault`."""
        return can_change(rows, signature)

    def happen(self, rows: Rows, scene: Scene) -> Rows:
        """See `Fault`."""
        at = touched(rows, scene)
        return changed_concept(rows, scene, at[subgroup(rows, scene, SHARE)[at]], MOVED)


def can_change(rows: Rows, signature: Signature) -> bool:
    """Whether these rows have a truth that may become another one."""
    if rows.labels is None or signature.task not in ("classification", "regression"):
        return False
    return len(signature.classes) > 1 if signature.task == "classification" else bool(np.ptp(rows.labels) > 0)


def changed_concept(rows: Rows, scene: Scene, at: np.ndarray, moved: float) -> Rows:
    """Another truth at these positions."""
    labels = np.asarray(rows.labels)
    if scene.signature.task == "classification":
        return with_labels(rows, another_class(labels, at, scene.signature.classes, scene))
    numbers = labels.astype(np.float64)
    sign = 1.0 if scene.random.integers(2) else -1.0
    numbers[at] += sign * moved * float(labels.astype(np.float64).std())
    return with_labels(rows, numbers)
