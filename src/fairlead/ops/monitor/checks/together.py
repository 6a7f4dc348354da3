"""Whether the rows of a window stand out among those learned from in what no column shows alone.

Three ways of looking share one limit and one part of the budget: all columns together, how columns go with one
another, and slices.
"""

from __future__ import annotations

import numpy as np

from fairlead.contract.events import Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.correlating import correlated
from fairlead.ops.monitor.learnt import remembered, stretches_of, usual_of
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.slice_drift import slice_drift
from fairlead.ops.monitor.standing_out import Limit, Part, among
from fairlead.ops.monitor.statistic import Judged
from fairlead.ops.monitor.told_apart import told_apart

WAYS = (told_apart, correlated, slice_drift)
UNIT = "deviations from stretches of the training rows"


class StandsOut:
    """A domain classifier, correlations and slices against stretches of the training rows as long as the window."""

    name = "together"
    family: Family = "rows"
    moment: Moment = "inputs"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """Findings of every way in which the window stands out; silent where training rows are not at hand."""
        made = stretches_of(seen)
        if made is None:
            return []
        parts = [part for way in WAYS if (part := way(seen, made)) is not None]
        if not parts:
            return []
        found = among(parts)
        usual = usual_of(found.value[:-1], seen, allowed)
        limits = [found.limit_of(at, usual) for at in range(len(parts))]
        told = [part.tell(limit) for part, limit in zip(parts, limits, strict=True)]
        for part, limit, findings in zip(parts, limits, told, strict=True):
            _explain(seen, part, limit, bool(findings))
        every = [finding for findings in told for finding in findings]
        seen.keep(remembered(seen, float(found.value[-1]), not every))
        return every


def _explain(seen: Seen, part: Part, limit: Limit, spoke: bool) -> None:
    """Why one way spoke or was silent, for `watch --explain`."""
    largest = float(part.largest[-1])
    if not np.isfinite(largest):
        return
    if spoke:
        why = "further than stretches of the training rows go"
    elif largest > limit.at:
        why = "beyond everyday variation, but too small to matter"
    else:
        why = "within everyday variation"
    judged = Judged(
        largest, limit.at, 0.0, spoke, limit.usual.provisional, limit.p(largest), f"{why}; {limit.usual.why}"
    )
    seen.tell("together", part.name, judged, UNIT)
