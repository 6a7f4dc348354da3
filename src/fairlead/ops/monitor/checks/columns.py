"""Whether columns and scores left their everyday variation, one by one."""

from __future__ import annotations

from fairlead.contract.events import Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.drift import check_drift
from fairlead.ops.monitor.seen import Moment, Seen


class ColumnDrift:
    """The distance of every column and output from the reference, against limits calibrated in blocks."""

    name = "columns"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """See `fairlead.ops.monitor.drift`; its limits are those of the thresholds."""
        window, importance = seen.window, seen.importance or None
        return check_drift(
            seen.profile, seen.reference, seen.thresholds, importance, model=window.model, window=window.index
        )
