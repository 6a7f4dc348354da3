"""How a rollout ends that found no verdict, and whether its traffic was split as intended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from fairlead.ops.rollout.verdict import RolloutVerdict

# A mismatch stops the comparison for good, so it has to be as good as certain.
MISMATCH_E = 1000.0

Ending = Literal["wait", "promote_unproven", "end"]


class RatioCheck(msgspec.Struct, frozen=True):
    """mismatch: requests were not split as intended, so nothing may be concluded from the comparison."""

    mismatch: bool
    e_value: float
    why: str


def undecided(
    verdict: RolloutVerdict, elapsed_days: float, max_days: float, *, floor_holds: bool, alarm_stands: bool
) -> Ending:
    """What becomes of a rollout whose verdict is inconclusive.

    Until `max_days` it waits. Then it is promoted, marked "not proven", only if the challenger meets the absolute
    floor (it beats the baseline) and the champion's own performance alarm stands; else it ends.
    """
    if verdict.outcome != "inconclusive" or elapsed_days < max_days:
        return "wait"
    return "promote_unproven" if floor_holds and alarm_stands else "end"


def ratio_mismatch(counts: Sequence[int], weights: Sequence[float]) -> RatioCheck:
    """Whether requests (or sticky keys, where keys are assigned) were split by the weights of the routes.

    counts: units assigned per variant; weights: intended shares. Valid at any time: Lindon and Malek (2022).
    """
    from fairlead.lab.stats.evalues import split_evidence

    e_value = split_evidence(counts, weights)
    total = sum(counts)
    seen = ", ".join(f"{c / total:.1%}" for c in counts) if total else "nothing"
    meant = ", ".join(f"{w:.1%}" for w in weights)
    if e_value >= MISMATCH_E:
        return RatioCheck(True, e_value, f"sample-ratio mismatch: {seen} of {total} units instead of {meant}")
    return RatioCheck(False, e_value, f"split as intended so far: {seen} of {total} units, meant {meant}")
