"""Whether the rows of a window are fit to be judged at all."""

from __future__ import annotations

from fairlead.contract.events import Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.quality import check_quality
from fairlead.ops.monitor.seen import Moment, Seen


class RowQuality:
    """Missing cells, new categories, values out of range, imputed cells, duplicates, volume."""

    name = "rows"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """See `fairlead.ops.monitor.quality`; its limits are those of the thresholds."""
        window = seen.window
        return check_quality(
            seen.profile, seen.reference, seen.thresholds, seen.traffic, model=window.model, window=window.index
        )
