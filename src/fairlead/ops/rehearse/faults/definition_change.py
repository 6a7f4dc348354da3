"""The target comes to mean something else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.lab.stats import class_codes
from fairlead.ops.monitor.seen import Moment, Rows
from fairlead.ops.rehearse.fault import Scene, touched
from fairlead.ops.rehearse.faults.sudden_concept import can_change

SHARE = 0.3
FACTOR = 1.25
DEFINITION = "a later definition"


class DefinitionChange:
    """Labels follow another definition and say so: 30 % of the rows of one class count as another one (numbers are a
    quarter higher), and every label from then on carries the new definition's name."""

    name = "definition_change"
    said = "30 % of one class count as another one (numbers are 25 % higher), and labels name another definition"
    moment: Moment = "labels"

    def can(self, rows: Rows, signature: Signature) -> bool:
        """See `Fault`."""
        return can_change(rows, signature)

    def happen(self, rows: Rows, scene: Scene) -> Rows:
        """See `Fault`."""
        at = touched(rows, scene)
        labels = np.asarray(rows.labels).copy()
        definitions = np.full(len(rows.times), None, dtype=object)
        if rows.definitions is not None:
            definitions[:] = rows.definitions
        definitions[at] = DEFINITION
        if scene.signature.task == "classification":
            codes = class_codes(labels, scene.signature.classes)
            known, counts = np.unique(codes, return_counts=True)
            # Of two classes the rarer one is what has a definition that may be narrowed.
            narrowed, other = known[np.argmin(counts)], known[np.argmax(counts)]
            moved = at[(codes[at] == narrowed) & (scene.random.random(len(at)) < SHARE)]
            if narrowed != other:
                labels[moved] = labels[int(np.flatnonzero(codes == other)[0])]
        else:
            labels = labels.astype(np.float64)
            labels[at] *= FACTOR
        return replace(rows, labels=labels, definitions=definitions)
