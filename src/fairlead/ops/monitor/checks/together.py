"""Whether rows of a window can be told from those that the champion learned from, by all columns together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fairlead.contract.events import Cause, Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.learnt import Stretches, Usual, remembered, stretches_of, usual_of
from fairlead.ops.monitor.seen import Moment, Seen

if TYPE_CHECKING:
    from fairlead.lab.stats.telling_apart import Features

FLOOR = 0.6
"""Least AUC that matters: of two rows, one of each, the right one is picked six times out of ten."""


class ToldApart:
    """A domain classifier: its AUC against that of every stretch of the training rows as long as the window."""

    name = "together"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """One finding where the window stands out among stretches; silent where rows are not at hand."""
        from fairlead.lab.stats.telling_apart import Telling, features_of

        made = stretches_of(seen)
        if made is None:
            return []
        reference = [c for c in seen.reference.profile.columns if c.bins.name in made.columns]
        features, own = features_of(made.columns, reference), made.stretch == made.stretches
        known = stretch_values(seen, made, features, ~own)
        usual = usual_of(np.asarray(known), seen, allowed)
        told = Telling(features, made.piece % 2).told(own, made.piece)
        speaks = told.auc > usual.limit and told.auc >= FLOOR and told.low > 0.5
        seen.keep({**remembered(seen, told.auc, not speaks), "stretches": known, "rows": int((~own).sum())})
        return [_finding(seen, told.auc, (told.low, told.high), told.by, usual)] if speaks else []


def stretch_values(seen: Seen, made: Stretches, features: Features, learnt: np.ndarray) -> list[float]:
    """The AUC of each stretch against all other rows that were learned from; known of the bundle after its first
    window, as long as windows are of one length.
    """
    from fairlead.lab.stats.telling_apart import Telling

    memory = seen.memory if isinstance(seen.memory, dict) and seen.memory.get("bundle") == seen.window.bundle else {}
    held = memory.get("stretches", ())
    if len(held) == made.stretches and memory.get("rows") == int(learnt.sum()):
        return [float(v) for v in held]
    telling = Telling(features._replace(matrix=features.matrix[learnt]), made.piece[learnt] % 2)
    return [telling.auc(made.stretch[learnt] == at) for at in range(made.stretches)]


def _finding(seen: Seen, auc: float, interval: tuple[float, float], by: dict[str, float], usual: Usual) -> Finding:
    window = seen.window
    names = ", ".join(list(by)[:3])
    causes = tuple(
        Cause("column", name, share, f"carries {share:.0%} of what tells the rows apart")
        for name, share in list(by.items())[:5]
    )
    message = (
        f"rows can be told from those learned from {auc:.0%} of the time (usually {usual.centre:.0%}), "
        f"mostly by {names}; {usual.why}"
    )
    return Finding(
        id=finding_id(window.model, "together", (), window.start), model=window.model, area="data_drift",
        check="together", window=window.index, since=window.start, size=auc, low=interval[0], high=interval[1],
        unit="AUC of telling rows apart", message=message, severity="info" if usual.provisional else "warning",
        evidence={"limit": max(usual.limit, FLOOR), "usual": usual.centre, "p": usual.p(auc)}, causes=causes,
    )  # fmt: skip
