"""What each window reached: estimated before its labels, realised with them, told again when more of them come.

One document a window, the newest `KEPT` of them. Estimates stay as they were told, so that their record can be looked
at afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fairlead.contract import records as names
from fairlead.contract.events import Window
from fairlead.contract.evidence import Interval
from fairlead.ops.flow.view import View
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.estimates import LEAST_OVERLAP, estimates, overlap
from fairlead.ops.monitor.seen import Seen

if TYPE_CHECKING:
    from fairlead.ops.flow.labelled import Told
    from fairlead.runtime.capture import Records

KEPT = 400
MOST_REVISIONS = 8
MOST_VERSIONS = 16
FEWEST_ROWS = 10
"""Labelled rows of a version from which its figures are told."""
VERSION_DRAWS = 100
MOST_ROWS = 20_000
"""Rows that a version's figures in a window are of; of more, as many in equal steps."""


class Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one bundle reached on the labelled rows of a window that it answered (shadow: that it was asked beside)."""

    rows: int
    metrics: dict[str, Interval]
    shadow: bool = False


class Revision(msgspec.Struct, frozen=True):
    """The same window with labels that came after it was judged. at: event time up to which there were labels."""

    at: float
    labelled: int
    metrics: dict[str, Interval]


class Reached(msgspec.Struct, frozen=True, omit_defaults=True):
    """A window's performance.

    estimated: before labels, with intervals; overlap: share of its rows that lie where held-out rows did.
    realised: as judged when the label delay was over; of `how` "bounds" low and high are the worst and the best that
    is possible, `stated` those under the stated assumption. labelled, effective: labels, and the rows they are worth.
    definition: of the target. versions: by bundle. revised: with labels that came later, oldest first.
    """

    index: int
    start: float
    end: float
    bundle: str
    rows: int = 0
    estimated: dict[str, Interval] = {}
    overlap: float = 1.0
    realised: dict[str, Interval] = {}
    labelled: int = 0
    effective: float = 0.0
    how: str = ""
    why: str = ""
    stated: dict[str, Interval] = {}
    definition: str = ""
    versions: dict[str, Figures] = {}
    revised: tuple[Revision, ...] = ()

    @property
    def unsure(self) -> bool:
        """Whether most of its rows lie where no row was held out, so that what was estimated is not to be relied on."""
        return bool(self.estimated) and self.overlap < LEAST_OVERLAP

    @property
    def newest(self) -> dict[str, Interval]:
        """Metrics with all labels that have come."""
        return self.revised[-1].metrics if self.revised else self.realised


def _prefix(ws: Workspace) -> str:
    return f"performance:{ws.model}:"


def reached(ws: Workspace, index: int) -> Reached | None:
    """What is kept of a window."""
    found = ws.state.get(f"{_prefix(ws)}{index:09d}")
    return None if found is None else msgspec.json.decode(found, type=Reached)


def every_reached(ws: Workspace, last: int = KEPT) -> list[Reached]:
    """Of the newest windows, oldest first."""
    found = [ws.state.get(name) for name in ws.state.names(_prefix(ws))[-last:]]
    return [msgspec.json.decode(body, type=Reached) for body in found if body is not None]


def keep(ws: Workspace, one: Reached) -> None:
    """Keep it, in the caller's transaction; the oldest beyond `KEPT` are let go."""
    ws.state.put(f"{_prefix(ws)}{one.index:09d}", msgspec.json.encode(one))
    every = ws.state.names(_prefix(ws))
    for name in every[: max(len(every) - KEPT, 0)]:
        ws.state.drop(name)


def estimated(window: Window, seen: Seen) -> Reached:
    """A window that is over, and what its inputs let expect."""
    found = {} if seen.rows is None else estimates(
        seen.reference, seen.signature, seen.rows.columns, seen.rows.scores
    )  # fmt: skip
    shared = overlap(seen.profile, seen.reference)[0] if window.rows else 1.0
    return Reached(
        window.index, window.start, window.end, window.bundle, window.rows,
        {name: e.interval for name, e in found.items()}, shared, definition=seen.signature.definition,
    )  # fmt: skip


def judged(ws: Workspace, window: Window, told: Told) -> Reached:
    """The same window with its labels."""
    known = reached(ws, window.index) or Reached(window.index, window.start, window.end, window.bundle, window.rows)
    selection = told.selection
    return msgspec.structs.replace(
        known, realised=told.realised, labelled=window.labelled, effective=round(selection.effective, 1),
        how=selection.how, why=selection.why, stated=told.stated, versions=told.versions,
    )  # fmt: skip


def by_version(ws: Workspace, view: View, window: Window, figures: Mapping[str, Interval]) -> dict[str, Figures]:
    """What every bundle reached on the labelled rows that it answered, or was asked about as a shadow.

    figures: of all rows together, which are those of a bundle that answered alone; empty where they are not known.
    """
    from fairlead.runtime.capture import Records

    found: dict[str, Figures] = {}
    answered = view.answered()
    bundles = sorted({str(b) for b in view.bundles if b is not None})[:MOST_VERSIONS]
    labelled = int(view.labelled.sum())
    if len(bundles) == 1 and figures and labelled >= FEWEST_ROWS:
        found[bundles[0]] = Figures(labelled, dict(figures))
        bundles = []
    for bundle in bundles:
        mine = np.asarray(view.bundles == bundle, dtype=bool)
        own = _figures(view, answered, mine, window, shadow=False)
        if own is not None:
            found[bundle] = own
    records = Records(ws.home.root, ws.model)
    # Shadows are rare: rows are read whole only where there are any.
    if records.with_shadows(window.start, window.end):
        found |= _shadows(records, view, window)
    return found


def _shadows(records: Records, view: View, window: Window) -> dict[str, Figures]:
    import pyarrow.compute as pc

    joined = records.joined(window.start, window.end, shadows=True, tensors=False, definition=view.signature.definition)
    asked = View(joined.filter(pc.equal(joined.column(names.KIND), "shadow")), view.signature)
    answered = asked.answered()
    found: dict[str, Figures] = {}
    for bundle in sorted({str(b) for b in asked.bundles if b is not None})[:MOST_VERSIONS]:
        figures = _figures(asked, answered, np.asarray(asked.bundles == bundle, dtype=bool), window, shadow=True)
        if figures is not None:
            found[bundle] = figures
    return found


def _figures(view: View, answered: np.ndarray, mine: np.ndarray, window: Window, *, shadow: bool) -> Figures | None:
    from fairlead.lab.stats import metric_intervals
    from fairlead.lab.stats.estimating import thinned

    chosen = np.flatnonzero(view.labelled & mine & np.isfinite(answered).all(axis=1))
    if len(chosen) < FEWEST_ROWS:
        return None
    chosen = chosen[thinned(len(chosen), MOST_ROWS)]
    signature = view.signature
    found = metric_intervals(
        signature.task, view.labels[chosen], answered[chosen], signature, draws=VERSION_DRAWS, seed=window.index
    )
    return Figures(len(chosen), found, shadow)
