"""Whether the cells of a window are fit to be judged at all."""

from __future__ import annotations

from fairlead.contract.events import Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.imputing import ImputedRisen
from fairlead.ops.monitor.quality import quality_findings
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.statistics import MissingRisen, OthersRisen


class RowQuality:
    """Missing cells, new categories, values out of range, cells that the front filled in."""

    name = "rows"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = True
    statistics = (MissingRisen(), OthersRisen(), ImputedRisen())

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """See `fairlead.ops.monitor.quality`; limits are those of the joint calibration, and of ranges their own."""
        window = seen.window
        return quality_findings(
            seen.judged, seen.profile, seen.reference, seen.thresholds, model=window.model, window=window.index,
            rows=seen.rows,
        )  # fmt: skip
