"""Labels of another definition of the target: told, never mixed in."""

from __future__ import annotations

from fairlead.contract.events import Cause, Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.definitions import others_told
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Seen

MOST = 5
"""Other definitions that are told of a window."""


class Definition:
    """How many labels mean something else by the target than the model learned, since when, and what to do.

    Labels say which definition they are of, so this is a fact and outside the budget of false alarms.
    """

    name = "definition"
    family: Family = "concept"
    moment: Moment = "labels"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """One finding for each other definition, the most frequent first."""
        if seen.rows is None or seen.rows.definitions is None:
            return []
        window, now = seen.window, seen.signature.definition
        wanted = seen.settings.model.definition
        labels = int(sum(d is not None for d in seen.rows.definitions))
        found = []
        for other in others_told(seen.rows.definitions, seen.rows.times, now)[:MOST]:
            share = other.labels / labels
            if wanted == other.definition:
                cure = "the project means it, too: `fairlead retrain` makes a model of it, with a reference of its own"
            else:
                cure = (
                    f'if the meaning has changed, set `model.definition = "{other.definition}"` and `fairlead retrain`;'
                    " if not, whoever sends them should leave `definition` out"
                )
            found.append(
                Finding(
                    id=finding_id(window.model, f"definition:{other.definition}", (), 0.0),
                    model=window.model,
                    area="definition",
                    check=f"definition:{other.definition}",
                    window=window.index,
                    since=other.first,
                    size=share,
                    low=share,
                    high=share,
                    unit="share of the window's labels",
                    message=(
                        f"{other.labels:,} of {labels:,} labels are of the target's definition {other.definition!r}, "
                        f"and the model learned {now!r}: they are kept, and count for nothing here; {cure}"
                    ),
                    severity="warning",
                    evidence={"labels": float(other.labels), "limit": 0.0, "usual": 0.0},
                    first=other.first,
                    causes=(Cause("definition", other.definition, 1.0, "labels say so themselves"),),
                )
            )
        return found
