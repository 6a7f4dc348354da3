"""The verdict on a business number: what a challenger brings a row, beside the champion, whoever answered which row.

Sources: `lab/stats/propensity` (what each variant would have brought), `lab/stats/sequences` and `lab/stats/evalues`
(how sure that is under continuous looking).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from fairlead.ops.rollout.verdict import MAX_NEEDED, RolloutVerdict

NOTHING = "no values of both variants yet"
FEWEST = 200
SKEWED = 25.0
"""Without known bounds a verdict needs so many values of each variant, or this times their squared skewness where that
is more: before, the central limit theorem says too little (Cochran, Sampling Techniques, 1977, section 2.15)."""


def judge_values(
    values: np.ndarray,
    arms: np.ndarray,
    shares: np.ndarray,
    max_loss: float,
    alpha: float = 0.05,
    *,
    arm: int = 1,
    better: Literal["higher", "lower"] = "higher",
    bounds: tuple[float, float] | None = None,
) -> RolloutVerdict:
    """Whether variant `arm` brings less than variant 0, from a value a row, in the order they came.

    values: (n,); arms: (n,), which variant answered; shares: (n, k), how likely each was to. max_loss: the largest harm
    worth tolerating, as a share of the champion's mean value. bounds: least and largest value, outside of which values
    count as these: then the verdict errs at most alpha at any number of rows, else from some hundreds on.
    Harm in the verdict is a share of the champion's mean value, too; above 0 is worse.
    """
    y, arm_of = np.asarray(values, dtype=np.float64), np.asarray(arms, dtype=np.int64)
    few = min(int((arm_of == 0).sum()), int((arm_of == arm).sum()))
    if few == 0:
        return RolloutVerdict("inconclusive", 0, 0.0, -math.inf, math.inf, 1.0, -1, NOTHING)
    p = np.asarray(shares, dtype=np.float64)
    y = y if bounds is None else np.clip(y, *bounds)
    harm, beyond, base = harms(y, arm_of, p, max_loss, arm, better, 0.0 if bounds is None else sum(bounds) / 2.0)
    if bounds is None:
        failed, passed, low, high, evidence = _unbounded(harm, beyond, arm_of, arm, alpha, fewest(y))
    else:
        failed, passed, low, high, evidence = _bounded(harm, beyond, p, arm, bounds, max_loss, alpha)
    mean, low, high = float(harm.mean()) / base, low / base, high / base
    n = int(((arm_of == 0) | (arm_of == arm)).sum())
    said = f"{-mean:+.2%} of the champion's mean value" if better == "higher" else f"{mean:+.2%} of its mean value"
    if failed is not None and (passed is None or failed <= passed):
        return RolloutVerdict("fail", n, mean, low, high, evidence, 0, f"worse than the champion: {said}, {n} values")
    if passed is not None:
        why = f"harm above {max_loss:.2%} of the champion's value is excluded: {said}, {n} values"
        return RolloutVerdict("pass", n, mean, low, high, evidence, 0, why)
    needed = _needed(harm, beyond, alpha, n)
    more = f"about {needed} more values are needed" if needed >= 0 else "no end is in sight"
    between = f"[{-high:+.2%}, {-low:+.2%}]" if better == "higher" else f"[{low:+.2%}, {high:+.2%}]"
    why = f"not decided after {n} values: {said}, {between}; {more}"
    return RolloutVerdict("inconclusive", n, mean, low, high, evidence, needed, why)


def harms(
    values: np.ndarray, arms: np.ndarray, shares: np.ndarray, max_loss: float, arm: int, better: str, start: float = 0.0
) -> tuple[np.ndarray, np.ndarray, float]:
    """Row by row the harm of variant `arm`, and by how much it is beyond what is tolerated, (n,) each, in units of the
    value; and the champion's mean value, as a size. start: what is expected of a row before any was seen."""
    from fairlead.lab.stats.propensity import variant_scores

    scores = variant_scores(values, arms, shares, start)
    old, new = scores[:, 0], scores[:, arm]
    harm = old - new if better == "higher" else new - old
    # The tolerated harm is a share of a mean that is only estimated: the two are tested as one.
    sign = 1.0 if old.mean() >= 0 else -1.0
    return harm, harm - max_loss * sign * old, abs(float(old.mean())) or 1.0


Found = tuple[int | None, int | None, float, float, float]


def fewest(values: np.ndarray) -> int:
    """Values of each variant before a verdict about values without bounds."""
    centred = values - values.mean()
    spread = float((centred**2).mean())
    skewness = float((centred**3).mean()) / spread**1.5 if spread > 0 else 0.0
    return max(FEWEST, math.ceil(SKEWED * skewness**2))


def _unbounded(harm: np.ndarray, beyond: np.ndarray, arms: np.ndarray, arm: int, alpha: float, needed: int) -> Found:
    from fairlead.lab.stats.propensity import running_moments
    from fairlead.lab.stats.sequences import asymptotic_bounds

    n = np.arange(1, len(harm) + 1)
    enough = np.minimum(np.cumsum(arms == 0), np.cumsum(arms == arm)) >= needed
    low, high = asymptotic_bounds(*running_moments(harm), n, alpha)
    # One-sided tests at alpha each: a verdict of either kind errs at most alpha.
    worse, _ = asymptotic_bounds(*running_moments(harm), n, min(2 * alpha, 0.5))
    _, harmless = asymptotic_bounds(*running_moments(beyond), n, min(2 * alpha, 0.5))
    failed, passed = _first(enough & (worse > 0)), _first(enough & (harmless < 0))
    return failed, passed, float(low[-1]), float(high[-1]), 1.0 / alpha if failed is not None else 1.0


def _bounded(
    harm: np.ndarray,
    beyond: np.ndarray,
    shares: np.ndarray,
    arm: int,
    bounds: tuple[float, float],
    max_loss: float,
    alpha: float,
) -> Found:
    from fairlead.lab.stats.propensity import running_moments, weighted_wealth
    from fairlead.lab.stats.sequences import asymptotic_bounds

    span = bounds[1] - bounds[0]
    widest = max(abs(bounds[0]), abs(bounds[1]))
    # A score lies within span / share of the middle of the range, whatever was expected.
    reach = span * (1.0 / np.maximum(shares[:, 0], 1e-9) + 1.0 / np.maximum(shares[:, arm], 1e-9))
    beyond_reach = reach + max_loss * (widest + span / np.maximum(shares[:, 0], 1e-9))
    bar = math.log(1.0 / alpha)
    worse = weighted_wealth(harm, 0.0, -reach)
    harmless = weighted_wealth(-beyond, 0.0, -beyond_reach)
    n = np.arange(1, len(harm) + 1)
    low, high = asymptotic_bounds(*running_moments(harm), n, alpha)
    evidence = math.exp(min(float(worse.max()), 600.0))
    return _first(worse >= bar), _first(harmless >= bar), float(low[-1]), float(high[-1]), evidence


def _first(held: np.ndarray) -> int | None:
    at = np.flatnonzero(held)
    return int(at[0]) if at.size else None


def _needed(harm: np.ndarray, beyond: np.ndarray, alpha: float, n: int) -> int:
    """Further values of both variants until the nearer verdict is to be expected, as it looks now."""
    waits = []
    for x in (harm, -beyond):
        gain = float(x.mean())
        if gain > 0:
            waits.append(2.0 * math.log(2.0 / alpha) * 2.0 * float(x.var()) / gain**2)
    rows = min(waits, default=math.inf) * n / max(len(harm), 1) - n
    return max(1, math.ceil(rows)) if rows <= MAX_NEEDED else -1
