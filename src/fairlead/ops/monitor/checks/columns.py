"""Whether columns and scores left their everyday variation, one by one."""

from __future__ import annotations

from fairlead.contract.events import Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.drift import drift_findings
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.statistics import ColumnDistance, ScoreDistance


class ColumnDrift:
    """The distance of every column and output from the reference, against limits calibrated in blocks."""

    name = "columns"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = True
    statistics = (ColumnDistance(), ScoreDistance())

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """See `fairlead.ops.monitor.drift`; its limits are those of the joint calibration."""
        window, importance = seen.window, seen.importance or None
        return drift_findings(
            seen.judged, seen.profile, seen.reference, importance, model=window.model, window=window.index
        )
