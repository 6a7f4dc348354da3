"""What a report of one incident says."""

from __future__ import annotations

import msgspec

from fairlead.contract.incidents import IncidentView
from fairlead.ops.reports.window import ColumnView, Decided, Point

FORMAT = 1


class IncidentReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """An incident with its timeline, the columns it is about in its newest window, and the windows around it.

    made_at: clock of the home. zone: of the times that people read. decisions: since it began.
    """

    view: IncidentView
    made_at: float
    zone: str
    headline: str
    columns: tuple[ColumnView, ...] = ()
    trend: tuple[Point, ...] = ()
    decisions: tuple[Decided, ...] = ()
    format: int = FORMAT
