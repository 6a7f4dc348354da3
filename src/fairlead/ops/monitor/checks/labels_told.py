"""Whether the rows whose truth was told stand for the others."""

from __future__ import annotations

from typing import Literal

from fairlead.contract.events import Cause, Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.selection import Selection, selection_of

CERTAIN = 1e-4
"""Beside what is allowed: rows come in bulk, so that a chance counted row by row is taken for certain only far out."""


class LabelsTold:
    """Labels that do not come at random: corrected for, that informs; beyond mending, that warns."""

    name = "labels_told"
    family: Family = "concept"
    moment: Moment = "labels"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """At most one finding."""
        rows = seen.rows
        if rows is None or rows.scores is None or rows.labels is None or rows.labelled is None or not len(rows.times):
            return []
        selection = selection_of(
            seen.reference, seen.signature, rows.columns, rows.scores, rows.times, rows.labels, rows.labelled
        )
        if selection.plain:
            return []
        return [_finding(seen, selection, min(allowed, CERTAIN))]


def _finding(seen: Seen, selection: Selection, rate: float) -> Finding:
    window = seen.window
    # What comes later in the window may only be waiting for its labels, which is no fault of theirs.
    waiting = selection.by == ("time",)
    alarms = selection.how == "bounds" and selection.chance <= rate and not waiting
    severity: Literal["info", "warning"] = "warning" if alarms else "info"
    if selection.outcome:
        unheard = 1.0 - selection.share
    else:
        unheard = float(selection.missing.mean()) if selection.how == "bounds" else 0.0
    message = f"labels did not come at random: {selection.why}"
    if selection.how == "bounds":
        message += "; performance over all rows is told in bounds, and a model that learns from these learns them alone"
    return Finding(
        id=finding_id(window.model, f"labels:{selection.how}", selection.by, window.start),
        model=window.model,
        area="labels",
        check="labels_told",
        window=window.index,
        since=window.start,
        size=unheard,
        low=unheard,
        high=unheard,
        unit="share of rows that no label speaks for",
        message=message,
        columns=tuple(name for name in selection.by if name in seen.signature.names),
        severity=severity,
        evidence={"limit": rate, "usual": 0.0, "chance": selection.chance, "labelled": selection.share,
                  "effective": selection.effective},
        causes=(Cause("labels", ", ".join(selection.by) or "truth", 1.0, selection.why),),
    )  # fmt: skip
