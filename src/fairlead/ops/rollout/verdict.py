"""The verdict on a challenger: worse, not worse by more than is tolerated, or not known yet.

Each side is one bet (an e-process, `lab/stats/evalues`): "it is not worse at all"
falls when the first reaches 1 / alpha, "it does harm of `max_loss` or more" when
the second does. Whichever falls first decides, so looking after every row, or
once a week, leads to the same verdict and to no more errors than alpha.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from fairlead.contract.evidence import Outcome

MAX_NEEDED = 10_000_000


class RolloutVerdict(msgspec.Struct, frozen=True):
    """outcome: fail (worse), pass (harm above `max_loss` excluded), else inconclusive.

    n: differences judged. mean, low, high: harm, challenger's loss - champion's, with its 95 % confidence sequence.
    e_worse: largest e-value yet against "the challenger is not worse"; 20 makes the verdict fail.
    needed: further rows after which a verdict is to be expected, 0 when there is one, -1 when none can be foreseen.
    """

    outcome: Outcome
    n: int
    mean: float
    low: float
    high: float
    e_worse: float
    needed: int
    why: str


def judge(differences: np.ndarray, max_loss: float, alpha: float = 0.05) -> RolloutVerdict:
    """Whether a challenger does harm, from its loss - the champion's loss per row, in the order they came.

    differences: (n,), each in [-1, 1]; paired when both scored the same rows. max_loss: largest mean harm worth
    tolerating. Rows should come in an order in which neighbours say nothing about each other: shuffle the rows of a
    window before (`in_random_order`). Raises ShapeMismatch for values out of bounds. Source: `lab/stats/evalues`.
    """
    from fairlead.lab.stats.evalues import log_wealth, mean_bounds

    x = np.asarray(differences, dtype=np.float64)
    if x.size == 0:
        return RolloutVerdict("inconclusive", 0, 0.0, -1.0, 1.0, 1.0, -1, "no labelled rows of the challenger yet")
    bar = math.log(1.0 / alpha)
    worse = log_wealth(x, 0.0)
    harmless = log_wealth(-x, -max_loss)
    failed, passed = _first(worse, bar), _first(harmless, bar)
    mean = float(x.mean())
    low, high = mean_bounds(x, alpha)
    e_worse = math.exp(min(float(worse.max()), 600.0))
    if failed is not None and (passed is None or failed <= passed):
        why = f"worse than the champion: mean loss {mean:+.4f} over {x.size} rows, e-value {e_worse:.3g}"
        return RolloutVerdict("fail", x.size, mean, low, high, e_worse, 0, why)
    if passed is not None:
        why = f"harm above {max_loss:g} is excluded after {passed + 1} rows: mean loss {mean:+.4f}"
        return RolloutVerdict("pass", x.size, mean, low, high, e_worse, 0, why)
    needed = _needed(x, max_loss, bar, float(worse[-1]), float(harmless[-1]))
    more = f"about {needed} more rows are needed" if needed >= 0 else "no end is in sight"
    why = f"not decided after {x.size} rows: mean loss {mean:+.4f} in [{low:+.4f}, {high:+.4f}]; {more}"
    return RolloutVerdict("inconclusive", x.size, mean, low, high, e_worse, needed, why)


def judge_two(
    champion: np.ndarray, challenger: np.ndarray, max_loss: float, alpha: float = 0.05, *, ratio: int | None = None
) -> RolloutVerdict:
    """`judge` for rows that were answered by one of the two: losses of either, in [0, 1], in the order they came.

    Each row of the smaller side is set against the mean of the next `ratio` rows of the other, so that rows are used
    up as they come and the differences stay independent. ratio: rows of the larger side a row of the smaller,
    best fixed by the routes' weights (19 at 5 %); without it, by the counts so far.
    """
    old, new = np.asarray(champion, dtype=np.float64), np.asarray(challenger, dtype=np.float64)
    if old.size == 0 or new.size == 0:
        return judge(np.zeros(0), max_loss, alpha)
    size = ratio or max(1, round(max(old.size, new.size) / min(old.size, new.size)))
    if old.size >= new.size:
        old = _block_means(old, size)
    else:
        new = _block_means(new, size)
    n = min(old.size, new.size)
    return judge(new[:n] - old[:n], max_loss, alpha)


def in_random_order(differences: np.ndarray, seed: int) -> np.ndarray:
    """The rows of one window in an order of their own, the same each time for a seed.

    Neighbouring hours err alike, and a bet on rows in time order would take that for evidence.
    """
    return np.random.default_rng(seed).permutation(np.asarray(differences, dtype=np.float64))


def _first(wealth: np.ndarray, bar: float) -> int | None:
    over = np.flatnonzero(wealth >= bar)
    return int(over[0]) if over.size else None


def _block_means(values: np.ndarray, size: int) -> np.ndarray:
    whole = values.size // size
    means: np.ndarray = values[: whole * size].reshape(whole, size).mean(axis=1)
    return means


def _needed(x: np.ndarray, max_loss: float, bar: float, worse: float, harmless: float) -> int:
    """Rows until the bet that grows faster is expected to reach the bar, at the mean and variance seen."""
    mean, variance = float(x.mean()), float(x.var()) + 1.0 / (x.size + 1)
    waits = []
    for gain, wealth in ((mean, worse), (max_loss - mean, harmless)):
        # Below this no number of rows that anybody could wait for tells them apart.
        if gain > 1e-9:
            waits.append((bar - wealth) / (gain * gain / (2.0 * (variance + gain * gain))))
    wait = min(waits, default=math.inf)
    return max(1, math.ceil(wait)) if wait <= MAX_NEEDED else -1
