"""A table larger than memory once more, in passes as a lineage recorded them: for `reproduce`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from fairlead.contract.evidence import Lineage
from fairlead.ops.flow.gathering import TRAIN
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.train.out_of_core.large import Large
    from fairlead.ops.flow.reproducing import Part

Say = Callable[..., None]


class LargeAgain(NamedTuple):
    """A table larger than memory once more: its sample, where from, what is to be said of it, notes, and itself."""

    rows: pd.DataFrame
    origin: str
    data: Part
    warnings: list[str]
    table: Large | None


@contextlib.contextmanager
def large_again(ws: Workspace, lineage: Lineage, source: Any, say: Say) -> Iterator[LargeAgain | None]:
    """The table that a lineage was learned from out of core, in passes as then; None of all other lineages.

    Its rows are not kept in the home. Raises UsageError where the source does not give them any more.
    """
    from fairlead.lab.train.out_of_core.large import Plan
    from fairlead.ops.flow.large import rows_to_train
    from fairlead.ops.flow.reproducing import compared, source_of

    if not lineage.out_of_core:
        yield None
        return
    plan = Plan(int(lineage.out_of_core["sample"]), int(lineage.out_of_core["at_once"]))
    where = source if source is not None else source_of(ws, lineage.tables[TRAIN])
    with rows_to_train(ws, where, say, plan) as now:
        origin = "given" if source is not None else "source"
        yield LargeAgain(now.frame, origin, compared(lineage, now), list(now.notes), now.large)
