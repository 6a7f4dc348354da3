"""Whether the champion does as well as it did when it was released."""

from __future__ import annotations

from fairlead.contract.events import Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.performance import check_performance
from fairlead.ops.monitor.seen import Moment, Seen


class Promised:
    """The broken promise, and metrics that are worse than any held-out window lets expect."""

    name = "promised"
    family: Family = "performance"
    moment: Moment = "labels"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """See `fairlead.ops.monitor.performance`."""
        window = seen.window
        length = seen.step.promise.threshold if seen.step is not None else 30.0
        return check_performance(
            seen.metrics, seen.reference, model=window.model, window=window.index, start=window.start,
            promise=seen.step, run_length=length, labelled=window.labelled,
        )  # fmt: skip
