"""Whether the model decides otherwise than it used to: how often it says what, and leaves rows to a person."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fairlead.contract.events import Finding
from fairlead.contract.signature import Signature
from fairlead.lab.stats.decision_rates import decision_names, decision_score, rates_of
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.statistic import Counted, Floor, Folded

LEAST_ROWS = 30


class DecisionChange:
    """By how much the share of each decision differs from the rest, for the joint calibration."""

    name = "decisions"
    floor: Floor = "share"
    unit = "share of rows"

    def __init__(self, signature: Signature) -> None:
        self.signature = signature

    def values(self, windows: Folded, rest: Folded) -> Mapping[str, np.ndarray]:
        """By decision, from histograms of the deciding score."""
        score = decision_score(self.signature)
        if score not in windows.scores or score not in rest.scores:
            return {}
        live, before = windows.scores[score], rest.scores[score]
        enough = (live.present >= LEAST_ROWS) & (before.present > 0)
        apart = np.abs(self.shares(live) - self.shares(before))
        return {name: np.where(enough, apart[:, at], np.nan) for at, name in enumerate(decision_names(self.signature))}

    def shares(self, counted: Counted) -> np.ndarray:
        """Of each window, (n, decisions)."""
        return rates_of(counted.counts, counted.bins.edges, self.signature)


class DecisionDrift:
    """Shares of decisions and of rows left to a person, calibrated with everything else that is counted."""

    name = "decisions"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = True

    @staticmethod
    def statistics_for(signature: Signature) -> tuple[DecisionChange, ...]:
        """What is to be calibrated jointly: nothing of models whose decisions histograms do not tell."""
        return (DecisionChange(signature),) if decision_names(signature) else ()

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """A finding a decision whose share is beyond its limit."""
        judged = seen.judged.get("decisions", {})
        speaking = [name for name, one in judged.items() if one.speaks]
        score = decision_score(seen.signature)
        live = next((c for c in seen.profile.scores if c.bins.name == score), None)
        before = next((c for c in seen.reference.profile.scores if c.bins.name == score), None)
        if not speaking or live is None or before is None:
            return []
        names = decision_names(seen.signature)
        counts = np.asarray([live.counts, before.counts], dtype=np.float64)
        now, usual = rates_of(counts, live.bins.edges, seen.signature)
        return [
            _finding(seen, name, float(now[names.index(name)]), float(usual[names.index(name)])) for name in speaking
        ]


def _finding(seen: Seen, name: str, now: float, usual: float) -> Finding:
    from fairlead.ops.monitor.quality import wilson

    window, one = seen.window, seen.judged["decisions"][name]
    low, high = wilson(round(now * seen.profile.rows), seen.profile.rows)
    what = "of the rows are left to a person" if name.startswith("(") else f"of the answers are {name!r}"
    return Finding(
        id=finding_id(window.model, "decisions", (name,), window.start), model=window.model, area="score_drift",
        check="decisions", window=window.index, since=window.start, size=now - usual, low=low - usual,
        high=high - usual, unit="share of rows", columns=(name,), severity=one.severity,
        message=f"{now:.1%} {what}, {usual:.1%} when it was trained", evidence={**one.evidence, "now": now},
    )  # fmt: skip
