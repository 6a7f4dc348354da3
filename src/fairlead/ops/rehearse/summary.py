"""The rehearsal in words: absolute differences first, and "inconclusive" where it is."""

from __future__ import annotations

import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.ops.rehearse.results import Calm, PolicyResult, Rehearsal
from fairlead.ops.rehearse.uncertainty import Resampled, excludes_zero

FEW_COPIES = 10
"""Shuffled copies below which their rate is called a weak one."""


def summarise(rehearsal: Rehearsal, resampled: Resampled) -> tuple[str, ...]:
    """Sentences for people, the most important first."""
    by_name = {p.name: p for p in rehearsal.policies}
    told = [_worth(p, rehearsal) for p in rehearsal.policies if p.name in ("project", "performance", "always")]
    told += _against(by_name, resampled, rehearsal.unit)
    told += _free(by_name, rehearsal.unit)
    if not resampled.enough:
        told.append(f"Only {len(resampled.rows)} windows were lived through: too few to judge any difference.")
    if rehearsal.calibrating:
        told.append(
            f"Only {rehearsal.held_out} held-out windows: the promise was calibrating and a calendar stood in for it."
        )
    if rehearsal.shuffled is not None:
        told.append(calm_words(rehearsal.shuffled))
    return tuple(told)


def calm_words(calm: Calm) -> str:
    """Alarms where nothing changes, with how little so many copies say of them."""
    assert calm.performance is not None
    assert calm.inputs is not None
    copies = "one shuffled copy" if calm.copies == 1 else f"{calm.copies} shuffled copies"
    said = (
        f"Where nothing changes ({copies}, {calm.windows} windows): windows with alarms about labels "
        f"{_rate(calm.performance)}, about inputs {_rate(calm.inputs)} in 30 (95 %)."
    )
    if calm.copies >= FEW_COPIES:
        return said
    return said + " Windows of a copy share one first release, so few copies say little: `--copies 40` says more."


def _rate(found: Interval) -> str:
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _worth(policy: PolicyResult, rehearsal: Rehearsal) -> str:
    gain = policy.gain
    told = (
        f"{policy.name}: {rehearsal.unit} {policy.quality.value:.4g}, {gain.value:+.4g} "
        f"[{gain.low:+.4g}, {gain.high:+.4g}] better than never retraining, for {policy.retrains} retrainings "
        f"and {policy.fits} fits"
    )
    if policy.judged == "inconclusive":
        return told + ": inconclusive."
    if policy.gap is not None and policy.name != "always":
        gap = policy.gap
        if gap.low > 1.0:
            # A multiple of a small gain says nothing but that always retraining is no measure here.
            told += "; more than always retraining on all rows gains"
        else:
            told += f"; {gap.value:.0%} [{gap.low:.0%}, {gap.high:.0%}] of what always retraining gains"
    return told + "."


def _against(by_name: dict[str, PolicyResult], resampled: Resampled, unit: str) -> list[str]:
    told = []
    trigger = by_name.get("performance")
    for other in ("scheduled", "random"):
        if trigger is None or other not in by_name:
            continue
        gain = resampled.mean(np.asarray(by_name[other].series) - np.asarray(trigger.series))
        verdict = (
            "inconclusive"
            if not (resampled.enough and excludes_zero(gain))
            else "better"
            if gain.value > 0
            else "worse"
        )
        what = "a calendar with as many retrainings" if other == "scheduled" else "as many retrainings at random times"
        told.append(
            f"performance against {what}: {gain.value:+.4g} [{gain.low:+.4g}, {gain.high:+.4g}] {unit}: {verdict}."
        )
    return told


def _free(by_name: dict[str, PolicyResult], unit: str) -> list[str]:
    free = by_name.get("persistence")
    if free is None:
        return []
    lived = [p for p in by_name.values() if p.name not in ("persistence", "constant", "random", "online")]
    worse = [p.name for p in lived if p.quality.value > free.quality.value]
    told = f"Persistence ({free.details['best']}): {unit} {free.quality.value:.4g}"
    # Means alone: whether such a difference is more than chance stands in the table, with its interval.
    named = f"lower than that of {', '.join(worse)}" if worse else "higher than that of every policy"
    return [f"{told}, {named}."]
