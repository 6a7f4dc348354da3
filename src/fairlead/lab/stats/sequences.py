"""Confidence sequences that may be looked at as often as one likes: of shares, of quantiles, of means without bounds.

A confidence sequence covers what it is about at all times together, with error at most alpha, so the interval of any
look may be used, whatever made one look. All of them invert one mixture: a prior over what could be true instead bets
against each value, and a value is excluded once the bet against it has won 1 / alpha (Ville's inequality).

Sources: Robbins, Statistical methods related to the law of the iterated logarithm (Annals of Mathematical Statistics,
1970); Howard and Ramdas, Sequential estimation of quantiles with applications to A/B testing and best-arm
identification (Bernoulli, 2022); Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and
asymptotic confidence sequences (Annals of Statistics, 2024).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fairlead.contract.errors import ShapeMismatch

Floats = npt.NDArray[np.float64]
_STEPS = 60
_PRIOR = 0.5
"""Of the beta mixture for shares: as good for shares near 0 as for others (Jeffreys)."""


def share_bounds(successes: npt.ArrayLike, tried: npt.ArrayLike, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Confidence sequence of a share from counts so far: lower and upper bounds, each with error at most alpha / 2.

    successes, tried: of one shape (also single numbers), successes <= tried. Without any the whole of [0, 1]. Outcomes
    are taken for independent; what fails in bursts is surer than it should be. Raises ShapeMismatch.

    >>> low, high = share_bounds(0, 1000)
    >>> float(low), bool(0.004 < high < 0.01)
    (0.0, True)
    """
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(tried, dtype=np.float64)
    if k.shape != n.shape:
        raise ShapeMismatch(f"successes of shape {k.shape}, tried of shape {n.shape}")
    if np.any(k < 0) or np.any(k > n):
        raise ShapeMismatch("successes must lie between 0 and what was tried")
    return _edge(k, n, alpha), 1.0 - _edge(n - k, n, alpha)


def _edge(k: Floats, n: Floats, alpha: float) -> Floats:
    """The largest share that the counts exclude from below, by bisection on the log scale's convex bet."""
    from scipy.special import betaln

    bar = math.log(2.0 / alpha)
    prior = betaln(k + _PRIOR, n - k + _PRIOR) - betaln(_PRIOR, _PRIOR)
    inside = np.where(n > 0, k / np.maximum(n, 1.0), 0.0)
    outside = np.zeros_like(inside)
    for _ in range(_STEPS):
        middle = (inside + outside) / 2.0
        tiny = np.clip(middle, 1e-300, 1.0 - 1e-16)
        excluded = prior - k * np.log(tiny) - (n - k) * np.log1p(-tiny) >= bar
        outside, inside = np.where(excluded, middle, outside), np.where(excluded, inside, middle)
    found: Floats = np.where(k > 0, outside, 0.0)
    return found


def quantile_ranks(n: int, p: float, alpha: float = 0.05) -> tuple[int, int]:
    """Ranks (from 1) of sorted values between which the p-quantile lies: 0 below all of them, n + 1 above.

    At most alpha / 2 of all sequences ever leave either side. The number of values up to the true quantile is binomial
    whatever their distribution, so the bet is on that number alone.

    >>> quantile_ranks(5, 0.99)
    (0, 6)
    """
    if n <= 0:
        return 0, 1
    weight = max(30.0, 3.0 / min(p, 1.0 - p))
    a, b, bar = p * weight, (1.0 - p) * weight, math.log(2.0 / alpha)

    def bet(k: int) -> float:
        mixed = math.lgamma(k + a) + math.lgamma(n - k + b) - math.lgamma(n + weight)
        mixed -= math.lgamma(a) + math.lgamma(b) - math.lgamma(weight)
        return mixed - k * math.log(p) - (n - k) * math.log1p(-p)

    middle = min(max(round(n * p), 0), n)
    low = _last(lambda k: bet(middle - k) < bar, middle)
    high = _last(lambda k: bet(middle + k) < bar, n - middle)
    return middle - low, middle + high + 1


def _last(holds: object, most: int) -> int:
    """The largest k in [0, most] for which a condition that once lost stays lost still holds."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):  # type: ignore[operator]
            low = middle
        else:
            high = middle - 1
    return low


def quantile_bounds(values: npt.ArrayLike, p: float, alpha: float = 0.05) -> tuple[float, float, float]:
    """The p-quantile of values with its confidence sequence: (value, lower, upper).

    values: (n,), in any order. A bound that the values do not tell is -inf or inf. Any distribution, heavy tails too.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    if not x.size:
        return math.nan, -math.inf, math.inf
    low, high = quantile_ranks(x.size, p, alpha)
    lower = float(x[low - 1]) if low >= 1 else -math.inf
    upper = float(x[high - 1]) if high <= x.size else math.inf
    return float(np.quantile(x, p, method="inverted_cdf")), lower, upper


def counted_quantile_bounds(
    counts: npt.ArrayLike, edges: npt.ArrayLike, p: float, alpha: float = 0.05
) -> tuple[float, float, float]:
    """`quantile_bounds` of values that are known by the cell they fell into alone: no narrower than of the values.

    counts: (k,), values in (edges[i], edges[i + 1]]; edges: (k + 1,), growing. The value is the upper end of its cell.
    Raises ShapeMismatch.
    """
    seen, ends = np.asarray(counts, dtype=np.int64), np.asarray(edges, dtype=np.float64)
    if ends.shape != (seen.size + 1,):
        raise ShapeMismatch(f"{seen.size} cells have {seen.size + 1} ends, not {ends.size}")
    upto = np.cumsum(seen)
    n = int(upto[-1]) if upto.size else 0
    if not n:
        return math.nan, -math.inf, math.inf
    low, high = quantile_ranks(n, p, alpha)
    # The cell of the value of a rank: the first up to whose end there are so many.
    lower = float(ends[np.searchsorted(upto, low)]) if low >= 1 else -math.inf
    upper = float(ends[np.searchsorted(upto, high) + 1]) if high <= n else math.inf
    return float(ends[np.searchsorted(upto, max(math.ceil(n * p), 1)) + 1]), lower, upper


def asymptotic_bounds(
    mean: npt.ArrayLike, variance: npt.ArrayLike, n: npt.ArrayLike, alpha: float = 0.05, best_at: float = 1000.0
) -> tuple[Floats, Floats]:
    """Confidence sequence of a mean whose values have no known bounds, from the mean and variance so far.

    Of one shape. best_at: the number of values at which it is narrowest. Right from some hundreds of values on, as a
    central limit theorem is (Waudby-Smith et al. 2024); each side has an error of at most alpha / 2, as n grows.
    """
    m, v, count = (np.asarray(one, dtype=np.float64) for one in (mean, variance, n))
    # The prior whose bound is narrowest at `best_at` (Waudby-Smith et al. 2024, appendix B.2).
    log = -2.0 * math.log(alpha)
    rho2 = (log + math.log(max(log, 1.0)) + 1.0) / best_at
    known = np.maximum(count, 1.0)
    grown = known * rho2 + 1.0
    width = np.sqrt(v * 2.0 * grown / (known**2 * rho2) * np.log(np.sqrt(grown) / alpha))
    return np.where(count > 1, m - width, -np.inf), np.where(count > 1, m + width, np.inf)
