"""The verdict of a planned comparison: a few looks up to a number of rows, by group-sequential boundaries.

Where the number of rows is known beforehand this decides with fewer of them than a test that may be looked at for ever;
what it promises holds at its looks alone, and nothing is concluded between them or after the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from fairlead.contract.evidence import Outcome
from fairlead.ops.rollout.values import NOTHING, fewest, harms
from fairlead.ops.rollout.verdict import RolloutVerdict


def judge_fixed(
    differences: np.ndarray, max_loss: float, rows: int, looks: int = 5, alpha: float = 0.05
) -> RolloutVerdict:
    """As `verdict.judge`, at `looks` equally spaced numbers of differences up to `rows`.

    differences: (n,), challenger's loss - champion's, in the order they came; those beyond `rows` are not looked at.
    Fail when harm is proven at a look, pass when harm above `max_loss` is excluded at one, each with error `alpha`.
    low, high: as of the last look, [-1, 1] before the first, so that what rests on them rests on looks, too.
    Boundaries: O'Brien and Fleming's, by spending (`lab/stats/spending`); intervals: Jennison and Turnbull, Interim
    analyses: the repeated confidence interval approach (JRSS B, 1989).
    """
    x = np.asarray(differences, dtype=np.float64)[:rows]
    if x.size == 0:
        first = max(2, math.ceil(rows / looks))
        return RolloutVerdict("inconclusive", 0, 0.0, -1.0, 1.0, 1.0, first, "no labelled rows of the challenger yet")
    seen = _looked(x, x - max_loss, rows, looks, alpha)
    low, high = max(-1.0, seen.low), min(1.0, seen.high)
    said = f"mean loss {seen.mean:+.4f} over {seen.n} rows"
    tolerated = f"harm above {max_loss:g} is"
    return _told(seen, seen.mean, low, high, f"[{low:+.4f}, {high:+.4f}]", said, tolerated, alpha, "rows")


def judge_values_fixed(
    values: np.ndarray,
    arms: np.ndarray,
    shares: np.ndarray,
    max_loss: float,
    rows: int,
    looks: int = 5,
    alpha: float = 0.05,
    *,
    arm: int = 1,
    better: Literal["higher", "lower"] = "higher",
) -> RolloutVerdict:
    """As `values.judge_values`, at `looks` equally spaced numbers of values up to `rows`, of all variants together.

    The shares must not follow what was seen: the boundaries are those of sums that grow evenly. A look at fewer values
    of a variant than a central limit theorem needs (`values.fewest`) decides nothing.
    """
    y, arm_of = np.asarray(values, dtype=np.float64)[:rows], np.asarray(arms, dtype=np.int64)[:rows]
    if not (arm_of == 0).any() or not (arm_of == arm).any():
        return RolloutVerdict("inconclusive", 0, 0.0, -math.inf, math.inf, 1.0, -1, NOTHING)
    harm, beyond, base = harms(y, arm_of, np.asarray(shares, dtype=np.float64)[:rows], max_loss, arm, better)

    def enough(n: int) -> bool:
        few = min(int((arm_of[:n] == 0).sum()), int((arm_of[:n] == arm).sum()))
        return few >= fewest(y[:n])

    seen = _looked(harm, beyond, rows, looks, alpha, enough)
    mean, low, high = seen.mean / base, seen.low / base, seen.high / base
    signed, ends = (-mean, (-high, -low)) if better == "higher" else (mean, (low, high))
    said = f"{signed:+.2%} of the champion's mean value, {seen.n} values"
    tolerated = f"harm above {max_loss:.2%} of the champion's value is"
    return _told(seen, mean, low, high, f"[{ends[0]:+.2%}, {ends[1]:+.2%}]", said, tolerated, alpha, "values")


class _Looks(NamedTuple):
    """What the looks so far have found. done, of: looks; n: differences at the one that decided, else all there are;
    mean: of these; low, high: as of the last look; needed: further differences until the next, -1 after the last."""

    outcome: Outcome
    done: int
    of: int
    n: int
    mean: float
    low: float
    high: float
    needed: int


def _looked(
    harm: np.ndarray,
    beyond: np.ndarray,
    rows: int,
    looks: int,
    alpha: float,
    enough: Callable[[int], bool] = lambda n: True,
) -> _Looks:
    """harm, beyond: (n,), of each row, and by how much more than is tolerated."""
    from fairlead.lab.stats.spending import boundaries, looks_at

    bounds = boundaries(looks_at(looks), alpha)
    planned = [max(2, math.ceil(rows * t)) for t in looks_at(looks)]
    done, low, high = 0, -math.inf, math.inf
    for at, (n, bound) in enumerate(zip(planned, bounds, strict=True), 1):
        if harm.size < n:
            break
        done = at
        if not enough(n):
            continue
        mean, error = float(harm[:n].mean()), _error(harm[:n])
        low, high = mean - bound * error, mean + bound * error
        if low > 0.0:
            return _Looks("fail", at, looks, n, mean, low, high, 0)
        if float(beyond[:n].mean()) + bound * _error(beyond[:n]) < 0.0:
            return _Looks("pass", at, looks, n, mean, low, high, 0)
    needed = -1 if done == looks else planned[done] - harm.size
    return _Looks("inconclusive", done, looks, harm.size, float(harm.mean()), low, high, needed)


def _told(
    seen: _Looks, mean: float, low: float, high: float, between: str, said: str, tolerated: str, alpha: float, what: str
) -> RolloutVerdict:
    """In words."""
    at = f"look {seen.done} of {seen.of}"
    if seen.outcome == "fail":
        why = f"worse than the champion at {at}: {said}"
    elif seen.outcome == "pass":
        why = f"{tolerated} excluded at {at}: {said}"
    elif seen.needed < 0:
        why = f"not decided by the {seen.n} {what} that were planned: {said}, {between}"
    else:
        why = f"{seen.done} of {seen.of} looks done, the next after {seen.needed} more {what}: {said}"
    evidence = 1.0 / alpha if seen.outcome == "fail" else 1.0
    return RolloutVerdict(seen.outcome, seen.n, mean, low, high, evidence, seen.needed, why)


def _error(x: np.ndarray) -> float:
    """Standard error of the mean; a floor keeps differences that are all alike from looking like certainty."""
    return math.sqrt((float(x.var()) + 1.0 / (x.size + 1) ** 2) / x.size)
