"""A category nobody has seen."""

from __future__ import annotations

from fairlead.contract.signature import Signature
from fairlead.ops.monitor.seen import Moment, Rows
from fairlead.ops.rehearse.fault import Scene, features, one_of, touched, with_column

SHARE = 0.2
VALUE = "a value never seen"


class NewCategory:
    """A fifth of the cells of one column hold a category that never came before: a new product, a new spelling."""

    name = "new_category"
    said = "20 % of the cells of one column hold a category never seen before"
    moment: Moment = "inputs"

    def can(self, rows: Rows, signature: Signature) -> bool:
        """See `Fault`."""
        return bool(features(rows, signature, "category"))

    def happen(self, rows: Rows, scene: Scene) -> Rows:
        """See `Fault`."""
        column = one_of(features(rows, scene.signature, "category"), scene)
        cells = rows.columns[column.name].copy()
        at = touched(rows, scene)
        at = at[scene.random.random(len(at)) < SHARE]
        cells[at] = VALUE if column.coded == "text" else "-987654"
        return with_column(rows, column.name, cells)
