"""The verdict of a planned comparison: a few looks up to a number of rows, by group-sequential boundaries.

Where the number of rows is known beforehand this decides with fewer of them than a test that may be looked at for ever;
what it promises holds at its looks alone, and nothing is concluded between them or after the last.
"""

from __future__ import annotations

import math

import numpy as np

from fairlead.ops.rollout.verdict import RolloutVerdict


def judge_fixed(
    differences: np.ndarray, max_loss: float, rows: int, looks: int = 5, alpha: float = 0.05
) -> RolloutVerdict:
    """As `verdict.judge`, at `looks` equally spaced numbers of differences up to `rows`.

    differences: (n,), challenger's loss - champion's, in the order they came; those beyond `rows` are not looked at.
    Fail when harm is proven at a look, pass when harm above `max_loss` is excluded at one, each with error `alpha`.
    Boundaries: O'Brien and Fleming's, by spending (`lab/stats/spending`).
    """
    from fairlead.lab.stats.spending import boundaries, looks_at

    x = np.asarray(differences, dtype=np.float64)[:rows]
    bounds = boundaries(looks_at(looks), alpha)
    planned = [max(2, math.ceil(rows * t)) for t in looks_at(looks)]
    done = 0
    for at, (n, bound) in enumerate(zip(planned, bounds, strict=True), 1):
        if x.size < n:
            break
        done = at
        mean, error = float(x[:n].mean()), _error(x[:n])
        low, high = mean - bound * error, mean + bound * error
        if mean > bound * error:
            why = f"worse than the champion at look {at} of {looks}: mean loss {mean:+.4f} over {n} rows"
            return RolloutVerdict("fail", n, mean, low, high, 1.0 / alpha, 0, why)
        if max_loss - mean > bound * error:
            why = f"harm above {max_loss:g} is excluded at look {at} of {looks}: mean loss {mean:+.4f} over {n} rows"
            return RolloutVerdict("pass", n, mean, low, high, 1.0, 0, why)
    if x.size == 0:
        return RolloutVerdict(
            "inconclusive", 0, 0.0, -1.0, 1.0, 1.0, planned[0], "no labelled rows of the challenger yet"
        )
    mean, error = float(x.mean()), _error(x)
    bound = bounds[max(done - 1, 0)]
    low, high = max(-1.0, mean - bound * error), min(1.0, mean + bound * error)
    if done == looks:
        why = f"not decided by the {rows} rows that were planned: mean loss {mean:+.4f} in [{low:+.4f}, {high:+.4f}]"
        return RolloutVerdict("inconclusive", x.size, mean, low, high, 1.0, -1, why)
    needed = planned[done] - x.size
    why = f"{done} of {looks} looks done, the next after {needed} more rows: mean loss {mean:+.4f} over {x.size} rows"
    return RolloutVerdict("inconclusive", x.size, mean, low, high, 1.0, needed, why)


def _error(x: np.ndarray) -> float:
    """Standard error of the mean; a floor keeps differences that are all alike from looking like certainty."""
    return math.sqrt((float(x.var()) + 1.0 / (x.size + 1) ** 2) / x.size)
