"""Rows of a drift report counted, and the model asked, by the executors of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.contract.profile import Bins
from fairlead.ops.flow.drifting import BLOCKS_AT_MOST, asking

if TYPE_CHECKING:
    from fairlead.lab.tables.drift.folding import Compared, Folded
    from fairlead.lab.tables.engines import Engine, Place
    from fairlead.lab.tables.engines.profiles import Scores
    from fairlead.lab.tables.sources import Table
    from fairlead.runtime.bundle import Model

BUNDLE = "bundle"


@dataclass(frozen=True)
class Elsewhere:
    """An engine, the folder of the bundle that goes to its executors, and hex public keys that may have sealed it."""

    engine: Engine
    folder: Path
    trusted: tuple[str, ...]

    def folded(
        self, table: Table, compared: Compared, model: Model, usual: int, bins: Sequence[Bins] | None, sampled: bool
    ) -> Folded:
        """A table in blocks. usual: rows of a block of the reference. bins: of scores; None: the model is not asked."""
        from fairlead.lab.tables.engines.drifting import fold_on

        trusted, rows = self.trusted, self.engine.rows(table)

        def scoring(place: Place) -> Scores:
            from fairlead.runtime.bundle import load

            return asking(load(place(BUNDLE), trusted))

        return fold_on(
            self.engine, table, compared, rows=rows, block_rows=max(usual, rows // BLOCKS_AT_MOST, 1), sampled=sampled,
            scoring=None if bins is None else scoring, score_bins=bins or (),
            ships={} if bins is None else {BUNDLE: self.folder},
            columns=() if bins is None else model.signature.names,
        )  # fmt: skip
